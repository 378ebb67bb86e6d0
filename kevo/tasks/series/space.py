"""The genes of a network for series, declared on `HyperParameters` without building a model.

A `Space` is plain data: for every gene, the values that it may take. The first value of each is the one the search
starts from. Sources: linear models on windows without their level (Zeng et al. 2022, "Are transformers effective for
time series forecasting?", arXiv:2205.13504), temporal convolutions (Bai, Kolter and Koltun 2018, arXiv:1803.01271),
LSTM (Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kevo.errors import SpaceError
from kevo.tasks.prepared import genes
from tuners.genome import Genome

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

FAMILIES = ("linear", "mlp", "tcn", "lstm")
BASES = ("seasonal", "last", "none")
INPUTS = ("seasonal", "relative", "differences", "values")
TRANSFORMS = ("none", "log")
_ACTIVATIONS = ("relu", "elu", "gelu", "silu", "tanh")
_WORDS: genes.Words = {
    "families": FAMILIES,
    "family": FAMILIES,
    "bases": BASES,
    "inputs": INPUTS,
    "transforms": TRANSFORMS,
    "activations": _ACTIVATIONS,
    **{"mlp/activation": _ACTIVATIONS, "tcn/activation": _ACTIVATIONS},
    **genes.TRAINING_WORDS,
}
_STRONG_RIDGE = 100.0


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of a network for series, the values that it may take; the first is the starting point.

    A network sees the last steps of a window, by `shares` of its length, and what it says is added to a base: the value
    one season before, or the last one. `inputs` say how it sees the window: `seasonal` as differences to the season
    before, `relative` to the last value, `differences` from step to step, or `values` as they are. With the transform
    `log` it computes with logarithms of the series. A linear model is one of its `families`; the others have one beside
    their layers where `linear_part` says so. That begins with the weights of a ridge regression, by `ridge`. Learning
    rates are (lowest, highest) bounds of a logarithmic range; `batch_sizes` are of windows.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """

    families: tuple[str, ...] = FAMILIES
    shares: tuple[float, ...] = (1.0, 0.5, 0.25)
    bases: tuple[str, ...] = BASES
    inputs: tuple[str, ...] = INPUTS
    transforms: tuple[str, ...] = TRANSFORMS
    linear_part: tuple[bool, ...] = (True, False)
    ridge: tuple[float, ...] = (10.0, 0.1, 1.0, 100.0, 1000.0)
    num_layers: tuple[int, ...] = (1, 2, 3)
    units: tuple[int, ...] = (32, 16, 64, 128)
    filters: tuple[int, ...] = (16, 8, 32)
    kernels: tuple[int, ...] = (3, 2, 5)
    blocks: tuple[int, ...] = (3, 2, 4)
    lstm_units: tuple[int, ...] = (16, 8, 32, 64)
    activations: tuple[str, ...] = _ACTIVATIONS
    dropout: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4)
    l2: tuple[float, ...] = (1e-4, 0.0, 1e-3, 1e-2)

    optimizers: tuple[str, ...] = ("adam", "adamw", "rmsprop")
    learning_rate: tuple[float, float] = (1e-4, 1e-2)
    sgd_learning_rate: tuple[float, float] = (1e-3, 1e-1)
    schedules: tuple[str, ...] = ("cosine", "constant")
    weight_decay: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    batch_sizes: tuple[int, ...] = (16, 8, 32, 64, 128)

    def __post_init__(self) -> None:
        genes.check_fields(self, _WORDS)
        if not all(0 < share <= 1 for share in self.shares):
            raise SpaceError(f"The space's `shares` must be parts of a window, up to 1. Received: {self.shares!r}.")


PRESETS: Mapping[str, Space] = {
    "small": Space(
        families=("linear", "mlp"),
        shares=(1.0, 0.5),
        inputs=("seasonal", "relative", "values"),
        linear_part=(True,),
        ridge=(10.0, 1.0, 100.0),
        num_layers=(1,),
        units=(32, 16),
        activations=("relu",),
        dropout=(0.0, 0.2),
        optimizers=("adam",),
        schedules=("cosine",),
        batch_sizes=(16, 32),
    ),
    "default": Space(),
}
"""How wide the search is: `small` for a quick look, and `default`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What genes must know of a series.

    Args:
        window: The steps of a window.
        season: After how many steps the series repeats; 1 for never.
        is_positive: Whether all values to learn from are above 0, so that they have logarithms.
        num_windows: So many windows are learned from.
    """

    window: int
    season: int
    is_positive: bool
    num_windows: int

    @property
    def has_base(self) -> bool:
        """Whether a window reaches one season back."""
        return 1 < self.season <= self.window

    @property
    def has_differences(self) -> bool:
        """Whether a window holds values one season apart."""
        return 1 < self.season < self.window


def preset(name: str) -> Space:
    """Returns the preset called `name`.

    Raises:
        SpaceError: there is no such preset.
    """
    return genes.preset(name, PRESETS, examples="series")


def from_json(value: str | Mapping[str, Any] | object) -> Space:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    return genes.space_from_json(value, Space, PRESETS, examples="series")


def fitted(space: Space, facts: Facts) -> Space:
    """Returns a space without what makes no sense for a series.

    Args:
        space: The space.
        facts: What genes must know of the series.
    """
    bases = tuple(one for one in space.bases if one != "seasonal" or facts.has_base)
    inputs = tuple(
        one
        for one in space.inputs
        if (one != "seasonal" or facts.has_differences) and (one != "differences" or facts.window > 1)
    )
    transforms = tuple(one for one in space.transforms if one != "log" or facts.is_positive)
    # What is left of one that has only these is what any series can have.
    return dataclasses.replace(
        space, bases=bases or ("last",), inputs=inputs or ("relative",), transforms=transforms or ("none",)
    )


def steps(space: Space, facts: Facts) -> tuple[int, ...]:
    """Returns how many last steps a network may see: whole seasons where these are that long."""
    found = []
    for share in space.shares:
        num = max(1, round(share * facts.window))
        found.append(num - num % facts.season if num >= facts.season else num)
    return tuple(dict.fromkeys(found))


def declare(space: Space, facts: Facts) -> HyperParameters:
    """Declares the genes of a space that make sense for a series.

    Args:
        space: What `fitted` returned.
        facts: What genes must know of the series.

    Returns:
        Keras Tuner hyperparameters.

    Example:
        >>> facts = Facts(window=24, season=12, is_positive=True, num_windows=80)
        >>> declare(fitted(preset("small"), facts), facts).get("steps")
        24
    """
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    families = space.families
    genes.choice(hp, "family", families)
    genes.choice(hp, "steps", steps(space, facts))
    for name, values in (("base", space.bases), ("inputs", space.inputs), ("transform", space.transforms)):
        genes.choice(hp, name, values)
    genes.choice(hp, "ridge", space.ridge)
    if deep := [family for family in families if family != "linear"]:
        with hp.conditional_scope("family", deep):
            genes.choice(hp, "linear_part", space.linear_part)
            genes.choice(hp, "dropout", space.dropout)
            genes.choice(hp, "l2", space.l2)
    if "mlp" in families:
        with hp.conditional_scope("family", ["mlp"]):
            genes.choice(hp, "mlp/num_layers", space.num_layers)
            for layer in range(1, max(space.num_layers) + 1):
                with hp.conditional_scope("mlp/num_layers", [num for num in sorted(space.num_layers) if num >= layer]):
                    genes.choice(hp, f"mlp/layer_{layer}/units", space.units)
            genes.choice(hp, "mlp/activation", space.activations)
    if "tcn" in families:
        with hp.conditional_scope("family", ["tcn"]):
            genes.choice(hp, "tcn/blocks", space.blocks)
            genes.choice(hp, "tcn/filters", space.filters)
            genes.choice(hp, "tcn/kernel", space.kernels)
            genes.choice(hp, "tcn/activation", space.activations)
    if "lstm" in families:
        with hp.conditional_scope("family", ["lstm"]):
            genes.choice(hp, "lstm/units", space.lstm_units)
    genes.declare_optimizer(hp, space, num_examples=facts.num_windows)
    return hp


def seeds(space: Space) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    Linear models on what is left of the base, with and without logarithms, held back more and less, and a network of
    each other family beside one.

    Args:
        space: What `fitted` returned.

    Example:
        >>> [one["family"] for one in seeds(Space())][:4]
        ['linear', 'linear', 'linear', 'mlp']
    """
    found: list[Genome] = []
    if "linear" in space.families:
        strong = genes.nearest(space.ridge, _STRONG_RIDGE)
        found += [{"family": "linear", "transform": one} for one in reversed(space.transforms)]
        found.append({"family": "linear", "transform": space.transforms[-1], "ridge": strong})
        if "relative" in space.inputs[1:] and "last" in space.bases:
            found.append({"family": "linear", "inputs": "relative", "base": "last"})
    deep: Sequence[str] = [family for family in space.families if family != "linear"]
    return [*found[:3], *({"family": family, "transform": space.transforms[-1]} for family in deep), *found[3:]]


def narrowest(space: Space, facts: Facts) -> list[Genome]:
    """Returns the networks with the fewest parameters, as genes that differ from the defaults."""
    layers = min(space.num_layers)
    own: Mapping[str, Genome] = {
        "mlp": {
            "mlp/num_layers": layers,
            **{f"mlp/layer_{layer}/units": min(space.units) for layer in range(1, layers + 1)},
        },
        "tcn": {
            "tcn/blocks": min(space.blocks),
            "tcn/filters": min(space.filters),
            "tcn/kernel": min(space.kernels),
        },
        "lstm": {"lstm/units": min(space.lstm_units)},
    }
    least: Genome = {"steps": min(steps(space, facts))}
    return [
        {**least, "family": family, **({"linear_part": min(space.linear_part), **own[family]} if family in own else {})}
        for family in space.families
    ]


def check_genome(genome: Genome) -> None:
    """Checks that a genome has every gene of a network, with a value of its kind.

    Raises:
        SpaceError: a gene is missing, unknown, or has a value that no network can be built with.
    """
    genes.check_genome(genome, _expected(genome), _WORDS)


def describe(genome: Genome) -> str:
    """Returns a genome in words.

    Example:
        >>> describe({"family": "linear", "steps": 24, "base": "seasonal", "inputs": "seasonal", "transform": "log",
        ...           "ridge": 10.0, "optimizer": "adam", "learning_rate": 0.003, "schedule": "cosine",
        ...           "batch_size": 16})
        'linear, 24 steps as seasonal differences, added to the season before, logarithms; adam 0.003, cosine, batch 16'
    """
    family = str(genome["family"])
    layers = [family if family == "linear" else family.upper()]
    if family == "mlp":
        num = int(genome["mlp/num_layers"])
        units = " > ".join(str(genome[f"mlp/layer_{layer}/units"]) for layer in range(1, num + 1))
        layers[0] += f" {units}, {genome['mlp/activation']}"
    elif family == "tcn":
        layers[0] += f" {genome['tcn/blocks']} x {genome['tcn/filters']}, kernel {genome['tcn/kernel']}"
        layers.append(str(genome["tcn/activation"]))
    elif family == "lstm":
        layers[0] += f" {genome['lstm/units']}"
    if family != "linear":
        if genome["linear_part"]:
            layers.append("beside a linear model")
        if genome["dropout"]:
            layers.append(f"dropout {genome['dropout']:g}")
        if genome["l2"]:
            layers.append(f"L2 {genome['l2']:g}")
    seen = {
        "seasonal": "as seasonal differences",
        "relative": "beside the last value",
        "differences": "as differences",
        "values": "as they are",
    }
    bases = {"seasonal": ["added to the season before"], "last": ["added to the last value"], "none": []}
    layers += [f"{genome['steps']} steps {seen[str(genome['inputs'])]}", *bases[str(genome["base"])]]
    if genome["transform"] == "log":
        layers.append("logarithms")
    return f"{', '.join(layers)}; {genes.describe_training(genome)}"


def is_linear(genome: Genome) -> bool:
    """Tells whether a genome is a linear model."""
    return genome.get("family") == "linear"


def _expected(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields the genes that a genome must have, with their types."""
    yield from (("family", str), ("steps", int), ("base", str), ("inputs", str), ("transform", str), ("ridge", float))
    if genome["family"] != "linear":
        yield from (("linear_part", bool), ("dropout", float), ("l2", float))
    if genome["family"] == "mlp":
        yield "mlp/num_layers", int
        yield from ((f"mlp/layer_{layer}/units", int) for layer in range(1, int(genome["mlp/num_layers"]) + 1))
        yield "mlp/activation", str
    elif genome["family"] == "tcn":
        yield from (("tcn/blocks", int), ("tcn/filters", int), ("tcn/kernel", int), ("tcn/activation", str))
    elif genome["family"] == "lstm":
        yield "lstm/units", int
    yield from genes.optimizer_genes(genome)
