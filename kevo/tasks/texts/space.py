"""The genes of a network for texts, declared on `HyperParameters` without building a model.

A `Space` is plain data: for every gene, the values that it may take. The first value of each is the one the search
starts from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kevo.errors import SpaceError
from kevo.tasks.prepared import genes
from kevo.tasks.texts.genomes import has_components, tokens_of
from tuners.genome import Genome

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

FAMILIES = ("bag", "conv", "recurrent", "vectors")
_TOKENS = ("words", "characters")
_POOLINGS = ("max", "average", "both")
_PRETRAINED = ("frozen", "tuned", "none")
_WORDS: genes.Words = {
    "families": FAMILIES,
    "family": FAMILIES,
    "tokens": _TOKENS,
    "bag/tokens": _TOKENS,
    "sequence/tokens": _TOKENS,
    "bag_weights": ("tf_idf", "equal"),
    "bag/weights": ("tf_idf", "equal"),
    "bag_starts": ("counts", "random"),
    "bag/start": ("counts", "random"),
    "bag_vectors": ("learned", "components"),
    "bag/vectors": ("learned", "components"),
    "poolings": _POOLINGS,
    "conv/pooling": _POOLINGS,
    "pretrained": _PRETRAINED,
    "sequence/pretrained": _PRETRAINED,
    "vectors/pretrained": _PRETRAINED[:2],
    "vectors/pooling": _POOLINGS,
    "vectors_poolings": _POOLINGS,
    "vectors_weights": ("rarity", "equal"),
    "vectors/weights": ("rarity", "equal"),
    **genes.EVOLVING_WORDS,
}
MOST_TOKENS = 100_000
"""The largest vocabulary."""
SEQUENCES = ("conv", "recurrent")


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of a network for texts, the values that it may take; the first is the starting point.

    A `bag` counts words, or rows of words (`bag_ngrams`), whatever their order. With `bag_units` 0 it is a linear
    model, which may start from how often each class has a word (`counts`) instead of at random. `conv` looks at a few
    words in a row at each place (Kim 2014, arXiv:1408.5882), `recurrent` reads one word after the other. `vectors`,
    which there is with pretrained word vectors only, takes their mean, their largest numbers, or both (Shen et al.
    2018, arXiv:1805.09843); common words may count less (Arora, Liang and Ma 2017, "A simple but tough-to-beat baseline
    for sentence embeddings"). `pretrained` says whether they are learned further, and `none` that a conv or recurrent
    network learns its own. `lengths` are
    shares of the length that 95 of 100 texts do not exceed. `token_dropout` is the share of words that are left out
    at random in training. With `bag_vectors` `components` the features of a bag are the first principal components of
    the counts, which are not trained. With the optimizer `evolution` weights evolve without gradients, with noise of
    `spreads` on them; with `growing` hidden units join one after the other, see `kevo.training.evolution`. What stands
    for each word does not evolve. Learning rates are (lowest, highest) bounds of a logarithmic range.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """

    families: tuple[str, ...] = FAMILIES
    tokens: tuple[str, ...] = ("words", "characters")
    vocabulary: tuple[int, ...] = (20_000, 4_000, 10_000, 40_000)
    token_dropout: tuple[float, ...] = (0.2, 0.0, 0.4)

    bag_ngrams: tuple[int, ...] = (2, 1, 3)
    bag_character_ngrams: tuple[int, ...] = (4, 3, 5)
    bag_weights: tuple[str, ...] = ("equal", "tf_idf")
    bag_units: tuple[int, ...] = (0, 16, 32, 64)
    bag_starts: tuple[str, ...] = ("counts", "random")
    bag_vectors: tuple[str, ...] = ("learned",)

    lengths: tuple[float, ...] = (1.0, 0.5)
    sequence_units: tuple[int, ...] = (32, 16, 64, 128)
    branches: tuple[int, ...] = (2, 1, 3)
    widths: tuple[int, ...] = (3, 1, 2, 4, 5, 7)
    filters: tuple[int, ...] = (32, 8, 16, 64, 100)
    poolings: tuple[str, ...] = ("max", "average", "both")
    recurrent_units: tuple[int, ...] = (32, 16, 64)
    pretrained: tuple[str, ...] = ("frozen", "tuned", "none")
    vectors_poolings: tuple[str, ...] = ("average", "both", "max")
    vectors_weights: tuple[str, ...] = ("rarity", "equal")

    num_layers: tuple[int, ...] = (0, 1, 2)
    units: tuple[int, ...] = (32, 16, 64, 128)
    activations: tuple[str, ...] = ("relu", "elu", "gelu", "silu")
    dropout: tuple[float, ...] = (0.2, 0.0, 0.4, 0.5)
    l2: tuple[float, ...] = (0.0, 1e-5, 1e-4, 1e-3)

    optimizers: tuple[str, ...] = ("adam", "adamw", "rmsprop")
    learning_rate: tuple[float, float] = (3e-4, 1e-2)
    sgd_learning_rate: tuple[float, float] = (1e-2, 1.0)
    schedules: tuple[str, ...] = ("cosine", "constant")
    weight_decay: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    batch_sizes: tuple[int, ...] = (64, 16, 32, 128)
    spreads: tuple[float, ...] = (0.05, 0.02, 0.1)
    growing: tuple[bool, ...] = (False, True)
    label_smoothing: tuple[float, ...] = (0.0, 0.05, 0.1)
    balance_classes: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        genes.check_fields(self, _WORDS)
        if not all(1 <= number <= MOST_TOKENS for number in self.vocabulary):
            raise SpaceError(
                f"The space's `vocabulary` must be from 1 to {MOST_TOKENS:,} words. Received: {self.vocabulary!r}."
            )


PRESETS: Mapping[str, Space] = {
    "small": Space(
        families=("bag", "conv", "vectors"),
        tokens=("words",),
        vocabulary=(10_000, 20_000),
        bag_ngrams=(2, 1),
        bag_units=(0, 16, 32),
        lengths=(1.0,),
        sequence_units=(32, 16),
        widths=(3, 1, 2, 4),
        filters=(16, 32),
        poolings=("max",),
        pretrained=("frozen", "none"),
        vectors_poolings=("average", "both"),
        vectors_weights=("rarity",),
        num_layers=(0, 1),
        units=(32, 64),
        activations=("relu",),
        l2=(0.0, 1e-4),
        optimizers=("adam", "adamw"),
        schedules=("cosine",),
        weight_decay=(1e-4, 1e-3),
        batch_sizes=(64, 32),
        label_smoothing=(0.0,),
        balance_classes=(False,),
    ),
    "default": Space(),
    "evolved": Space(
        families=("bag",),
        tokens=("words",),
        vocabulary=(20_000, 10_000),
        token_dropout=(0.0, 0.2),
        bag_ngrams=(2, 1),
        bag_weights=("tf_idf",),
        bag_units=(128, 0, 64, 200),
        bag_starts=("counts",),
        bag_vectors=("components",),
        num_layers=(1, 0),
        units=(16, 4, 8),
        activations=("relu", "silu"),
        dropout=(0.0, 0.2),
        l2=(0.0, 1e-4, 1e-3),
        optimizers=("evolution",),
        learning_rate=(1e-3, 1e-2),
        schedules=("cosine",),
        batch_sizes=(64, 32, 128),
        label_smoothing=(0.0,),
        balance_classes=(False,),
    ),
}
"""How wide the search is: `small` for a quick look, and `default`. `evolved`: small networks on the principal
components of counts, whose weights evolve without gradients."""


def preset(name: str) -> Space:
    """Returns the preset called `name`.

    Raises:
        SpaceError: there is no such preset.
    """
    return genes.preset(name, PRESETS, examples="texts")


def from_json(value: str | Mapping[str, Any] | object) -> Space:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    return genes.space_from_json(value, Space, PRESETS, examples="texts")


def without_classes(space: Space) -> Space:
    """Returns a space without the genes that mean something for classes only."""
    return dataclasses.replace(space, label_smoothing=(0.0,), balance_classes=(False,))


def without_vectors(space: Space) -> Space:
    """Returns a space without the genes that mean something with pretrained word vectors only.

    Raises:
        SpaceError: it has no others.
    """
    families = tuple(name for name in space.families if name != "vectors")
    if not families:
        raise SpaceError(
            "The space's `families` are word vectors only, and there are none. Name a file of them with --vectors, or "
            f"give it one of: {', '.join(FAMILIES[:-1])}."
        )
    return dataclasses.replace(space, families=families, pretrained=("none",))


def characters_first(space: Space) -> Space:
    """Returns a space that begins with characters, for texts without spaces between words."""
    return dataclasses.replace(space, tokens=("characters", "words"))


def declare(space: Space, *, num_texts: int, are_balanced: bool = True) -> HyperParameters:
    """Declares the genes of `space` that make sense for a data set.

    Args:
        space: The values that each gene may take.
        num_texts: Number of training texts. Batches larger than a quarter of them are left out.
        are_balanced: Whether all classes have about as many training texts, so that there is nothing to balance.

    Returns:
        Keras Tuner hyperparameters.

    Example:
        >>> declare(preset("small"), num_texts=1000).get("family")
        'bag'
    """
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    genes.choice(hp, "family", space.families)
    genes.choice(hp, "vocabulary", space.vocabulary)
    genes.choice(hp, "token_dropout", space.token_dropout)
    if "bag" in space.families:
        with hp.conditional_scope("family", ["bag"]):
            genes.choice(hp, "bag/tokens", space.tokens)
            if "words" in space.tokens:
                with hp.conditional_scope("bag/tokens", ["words"]):
                    genes.choice(hp, "bag/ngrams", space.bag_ngrams)
            if "characters" in space.tokens:
                with hp.conditional_scope("bag/tokens", ["characters"]):
                    genes.choice(hp, "bag/character_ngrams", space.bag_character_ngrams)
            genes.choice(hp, "bag/weights", space.bag_weights)
            genes.choice(hp, "bag/units", space.bag_units)
            if 0 in space.bag_units:
                with hp.conditional_scope("bag/units", [0]):
                    genes.choice(hp, "bag/start", space.bag_starts)
            if hidden := [units for units in sorted(space.bag_units) if units]:
                with hp.conditional_scope("bag/units", hidden):
                    _declare_features(hp, space)
    if sequences := [name for name in space.families if name in SEQUENCES]:
        with hp.conditional_scope("family", sequences):
            genes.choice(hp, "sequence/tokens", space.tokens)
            if "words" in space.tokens and space.pretrained != ("none",):
                with hp.conditional_scope("sequence/tokens", ["words"]):
                    genes.choice(hp, "sequence/pretrained", space.pretrained)
            genes.choice(hp, "sequence/length", space.lengths)
            genes.choice(hp, "sequence/units", space.sequence_units)
            genes.choice(hp, "sequence/dropout", space.dropout)
    if "conv" in space.families:
        with hp.conditional_scope("family", ["conv"]):
            genes.choice(hp, "conv/branches", space.branches)
            for branch in range(1, max(space.branches) + 1):
                with hp.conditional_scope("conv/branches", [num for num in sorted(space.branches) if num >= branch]):
                    genes.choice(hp, f"conv/branch_{branch}/width", space.widths)
            genes.choice(hp, "conv/filters", space.filters)
            genes.choice(hp, "conv/pooling", space.poolings)
            genes.choice(hp, "conv/activation", space.activations)
    if "recurrent" in space.families:
        with hp.conditional_scope("family", ["recurrent"]):
            genes.choice(hp, "recurrent/units", space.recurrent_units)
    if "vectors" in space.families:
        with hp.conditional_scope("family", ["vectors"]):
            known = [one for one in space.pretrained if one != "none"]
            genes.choice(hp, "vectors/pretrained", known or ["frozen"])
            genes.choice(hp, "vectors/pooling", space.vectors_poolings)
            genes.choice(hp, "vectors/weights", space.vectors_weights)
            genes.choice(hp, "vectors/dropout", space.dropout)
    genes.choice(hp, "num_layers", space.num_layers)
    for layer in range(1, max(space.num_layers) + 1):
        with hp.conditional_scope("num_layers", [num for num in sorted(space.num_layers) if num >= layer]):
            genes.choice(hp, f"layer_{layer}/units", space.units)
    if deep := [num for num in sorted(space.num_layers) if num]:
        with hp.conditional_scope("num_layers", deep):
            genes.choice(hp, "activation", space.activations)
            genes.choice(hp, "dropout", space.dropout)
    genes.choice(hp, "l2", space.l2)
    genes.declare_training(hp, space, num_examples=num_texts, are_balanced=are_balanced)
    genes.declare_evolution(hp, space)
    return hp


def _declare_features(hp: HyperParameters, space: Space) -> None:
    """Declares the genes of the features of a bag."""
    if "components" in space.bag_vectors:
        genes.choice(hp, "bag/vectors", space.bag_vectors)
        if "learned" in space.bag_vectors:
            with hp.conditional_scope("bag/vectors", ["learned"]):
                genes.choice(hp, "bag/activation", space.activations)
    else:
        genes.choice(hp, "bag/activation", space.activations)
    genes.choice(hp, "bag/dropout", space.dropout)


def check_genome(genome: Genome) -> None:
    """Checks that a genome has every gene of a network, with a value of its kind.

    Raises:
        SpaceError: a gene is missing, unknown, or has a value that no network can be built with.
    """
    genes.check_genome(genome, _expected(genome), _WORDS)


def describe(genome: Genome) -> str:
    """Returns a genome in words.

    Example:
        >>> describe({"family": "bag", "vocabulary": 20000, "token_dropout": 0.2, "bag/tokens": "words",
        ...           "bag/ngrams": 2, "bag/weights": "tf_idf", "bag/units": 0, "bag/start": "counts", "num_layers": 0,
        ...           "l2": 0.0, "optimizer": "adam", "learning_rate": 0.003, "schedule": "cosine", "batch_size": 64,
        ...           "label_smoothing": 0.0, "balance_classes": False})
        'linear model of 20,000 rows of 1 to 2 words, TF-IDF, 20% left out; adam 0.003, cosine, batch 64'
    """
    family, tokens = str(genome["family"]), tokens_of(genome)
    pretrained = genome.get("vectors/pretrained", genome.get("sequence/pretrained", "none"))
    if family == "bag":
        most = int(genome["bag/ngrams" if tokens == "words" else "bag/character_ngrams"])
        what = tokens if most == 1 else f"rows of 1 to {most} {tokens}"
        features = "principal components" if has_components(genome) else "features"
        kind = f"bag of {genome['bag/units']} {features}" if genome["bag/units"] else "linear model"
        parts = [f"{kind} of {genome['vocabulary']:,} {what}"]
        if genome["bag/weights"] == "tf_idf":
            parts.append("TF-IDF")
    elif family == "vectors":
        pooling = {"max": "maximum", "average": "mean", "both": "mean and maximum"}[str(genome["vectors/pooling"])]
        parts = [f"{pooling} of the vectors of {genome['vocabulary']:,} words"]
        if genome["vectors/weights"] == "rarity":
            parts.append("common ones less")
    else:
        parts = [f"{genome['vocabulary']:,} {tokens} as {genome['sequence/units']} numbers"]
        if family == "conv":
            widths = [
                str(genome[f"conv/branch_{number}/width"]) for number in range(1, int(genome["conv/branches"]) + 1)
            ]
            parts.append(f"conv {'+'.join(widths)} x {genome['conv/filters']}, {genome['conv/pooling']} pooling")
        else:
            parts.append(f"GRU {genome['recurrent/units']}")
        if genome["sequence/length"] != 1:
            parts.append(f"{genome['sequence/length']:.0%} of the length")
    if pretrained != "none":
        parts.append(f"pretrained, {pretrained}")
    if genome["token_dropout"]:
        parts.append(f"{genome['token_dropout']:.0%} left out")
    if activation := genome.get("bag/activation", genome.get("conv/activation")):
        parts.append(str(activation))
    if dropout := genome.get("bag/dropout", genome.get("sequence/dropout", genome.get("vectors/dropout"))):
        parts.append(f"dropout {dropout:g}")
    if num_layers := int(genome["num_layers"]):
        units = " > ".join(str(genome[f"layer_{layer}/units"]) for layer in range(1, num_layers + 1))
        parts.append(f"dense {units}, {genome['activation']}")
        if genome["dropout"]:
            parts.append(f"dropout {genome['dropout']:g}")
    if genome["l2"]:
        parts.append(f"L2 {genome['l2']:g}")
    return f"{', '.join(parts)}; {genes.describe_training(genome)}"


def _expected(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields the genes that a genome must have, with their types."""
    yield from (("family", str), ("vocabulary", int), ("token_dropout", float))
    if genome["family"] == "bag":
        yield "bag/tokens", str
        yield ("bag/ngrams" if genome["bag/tokens"] == "words" else "bag/character_ngrams"), int
        yield from (("bag/weights", str), ("bag/units", int))
        if genome["bag/units"]:
            if not has_components(genome):
                yield "bag/activation", str
            yield "bag/dropout", float
        else:
            yield "bag/start", str
    elif genome["family"] == "vectors":
        yield from (("vectors/pretrained", str), ("vectors/pooling", str), ("vectors/weights", str))
        yield "vectors/dropout", float
    else:
        yield from (("sequence/tokens", str), ("sequence/length", float), ("sequence/units", int))
        if "sequence/pretrained" in genome:
            yield "sequence/pretrained", str
        yield "sequence/dropout", float
        if genome["family"] == "conv":
            yield "conv/branches", int
            yield from ((f"conv/branch_{branch}/width", int) for branch in range(1, int(genome["conv/branches"]) + 1))
            yield from (("conv/filters", int), ("conv/pooling", str), ("conv/activation", str))
        else:
            yield "recurrent/units", int
    yield "num_layers", int
    yield from ((f"layer_{layer}/units", int) for layer in range(1, int(genome["num_layers"]) + 1))
    if genome["num_layers"]:
        yield from (("activation", str), ("dropout", float))
    yield "l2", float
    yield from genes.training_genes(genome)
