"""The genes of a dense network for tables, declared on `HyperParameters` without building a model.

A `Space` is plain data: for every gene, the values that it may take. The first value of each is the one the search
starts from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kevo.tasks.prepared import genes
from kevo.tasks.tables.dataset import TableDataset, by_column
from kevo.tasks.tables.encoding import counts_of
from tuners.genome import Genome

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_BODIES = ("mlp", "residual", "wide_and_deep")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "numbers": ("standardize", "quantile", "piecewise", "bins"),
    "categories": ("one_hot", "embedding"),
    "bodies": _BODIES,
    "body": _BODIES,
    **genes.EVOLVING_WORDS,
}
_BODY_NAMES = {"mlp": "dense", "residual": "residual", "wide_and_deep": "wide and deep"}
_NUMBER_NAMES = {"standardize": "standardized", "quantile": "ranked", "piecewise": "piecewise", "bins": "binned"}
_SMALL_UNITS = 32
"""The width of the small network that a search begins with."""
_REGULAR_L2, _REGULAR_DROPOUT = 1e-3, 0.3
"""How strongly the regularized network that a search begins with is held back."""


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of a dense network, the values that it may take; the first is the starting point.

    `numbers`, `least_rows` and `crosses` say what becomes of columns; see `encoding.Encoding`. `categories` says
    whether each category is an input of its own, or a vector that is learned, as long as `embedding_units` say. The
    layers of a `residual` body add to what comes in; beside those of a `wide_and_deep` one stands a linear model. No
    layer at all is a linear model. `balance_classes` has rare classes count as much as frequent ones in training:
    that helps macro F1, and costs accuracy. With the optimizer `evolution` weights evolve without gradients, with noise
    of `spreads` on them; with `growing` hidden units join one after the other, see `kevo.training.evolution`. Learning
    rates are (lowest, highest) bounds of a logarithmic range.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """

    numbers: tuple[str, ...] = ("standardize", "quantile", "piecewise", "bins")
    least_rows: tuple[int, ...] = (1, 10)
    categories: tuple[str, ...] = ("one_hot", "embedding")
    embedding_units: tuple[int, ...] = (4, 2, 8, 16)
    crosses: tuple[bool, ...] = (False, True)
    bodies: tuple[str, ...] = ("mlp", "residual", "wide_and_deep")
    num_layers: tuple[int, ...] = (2, 0, 1, 3, 4)
    units: tuple[int, ...] = (64, 16, 32, 128, 256)
    activations: tuple[str, ...] = ("relu", "elu", "gelu", "silu")
    batch_norm: tuple[bool, ...] = (True, False)
    dropout: tuple[float, ...] = (0.1, 0.0, 0.2, 0.3, 0.4, 0.5)
    l2: tuple[float, ...] = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)

    optimizers: tuple[str, ...] = ("adam", "adamw", "sgd", "rmsprop")
    learning_rate: tuple[float, float] = (3e-4, 3e-2)
    sgd_learning_rate: tuple[float, float] = (1e-3, 3e-1)
    schedules: tuple[str, ...] = ("cosine", "constant")
    weight_decay: tuple[float, ...] = (1e-4, 0.0, 1e-5, 1e-3, 1e-2)
    batch_sizes: tuple[int, ...] = (32, 16, 64, 128, 256)
    spreads: tuple[float, ...] = (0.05, 0.02, 0.1)
    growing: tuple[bool, ...] = (False, True)
    label_smoothing: tuple[float, ...] = (0.0, 0.05, 0.1)
    balance_classes: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        genes.check_fields(self, _WORDS)


PRESETS: Mapping[str, Space] = {
    "small": Space(
        numbers=("standardize", "quantile"),
        least_rows=(1,),
        categories=("one_hot",),
        crosses=(False,),
        bodies=("mlp",),
        num_layers=(1, 0, 2),
        units=(32, 64, 128),
        activations=("relu",),
        batch_norm=(True,),
        dropout=(0.1, 0.0, 0.3),
        l2=(0.0, 1e-4, 1e-3),
        optimizers=("adam", "adamw"),
        schedules=("cosine",),
        weight_decay=(1e-4, 1e-3),
        batch_sizes=(32, 64),
        label_smoothing=(0.0,),
        balance_classes=(False,),
    ),
    "default": Space(
        numbers=("standardize", "quantile", "piecewise"),
        least_rows=(1,),
        categories=("one_hot",),
        crosses=(False,),
    ),
    "wide": Space(),
    "evolved": Space(
        numbers=("standardize", "quantile"),
        least_rows=(1,),
        categories=("one_hot",),
        crosses=(False,),
        bodies=("mlp",),
        num_layers=(1, 0, 2),
        units=(16, 4, 8, 32),
        activations=("relu", "silu"),
        batch_norm=(False,),
        dropout=(0.0, 0.1, 0.3),
        l2=(0.0, 1e-4, 1e-3),
        optimizers=("evolution",),
        learning_rate=(1e-3, 3e-2),
        schedules=("cosine",),
        batch_sizes=(64, 32, 128),
        label_smoothing=(0.0,),
        balance_classes=(False,),
    ),
}
"""How wide the search is: `small` for a quick look, `default`, and `wide` for what pays in few tables. `evolved`: small
networks whose weights evolve without gradients."""


def preset(name: str) -> Space:
    """Returns the preset called `name`.

    Raises:
        SpaceError: there is no such preset.
    """
    return genes.preset(name, PRESETS, examples="tables")


def from_json(value: str | Mapping[str, Any] | object) -> Space:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    return genes.space_from_json(value, Space, PRESETS, examples="tables")


def without_classes(space: Space) -> Space:
    """Returns a space without the genes that mean something for classes only."""
    return dataclasses.replace(space, label_smoothing=(0.0,), balance_classes=(False,))


def fitting(space: Space, dataset: TableDataset) -> Space:
    """Returns a space without the genes that mean nothing for the columns of a data set."""
    counts = [
        counts_of(column, found)
        for column, found in by_column(dataset.columns, dataset.train)
        if column.kind != "number"
    ]
    changes: dict[str, Any] = {}
    if len(counts) == len(dataset.columns):
        changes["numbers"] = space.numbers[:1]
    if not any(one.min() < max(space.least_rows) for one in counts):
        changes["least_rows"] = space.least_rows[:1]
    if not any(len(one) > min(space.embedding_units) for one in counts):
        changes["categories"] = ("one_hot",)
    if len(counts) <= 1:
        changes["crosses"] = (False,)
    return dataclasses.replace(space, **changes)


def declare(space: Space, *, num_rows: int, are_balanced: bool = True) -> HyperParameters:
    """Declares the genes of `space` that make sense for a data set.

    Args:
        space: The values that each gene may take.
        num_rows: Number of training rows. Batches larger than a quarter of them are left out.
        are_balanced: Whether all classes have about as many training rows, so that there is nothing to balance.

    Returns:
        Keras Tuner hyperparameters.

    Example:
        >>> declare(preset("small"), num_rows=100).get("num_layers")
        1
    """
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    genes.choice(hp, "numbers", space.numbers)
    genes.choice(hp, "least_rows", space.least_rows)
    genes.choice(hp, "categories", space.categories)
    if "embedding" in space.categories:
        with hp.conditional_scope("categories", ["embedding"]):
            genes.choice(hp, "embedding/units", space.embedding_units)
    genes.choice(hp, "crosses", space.crosses)
    genes.choice(hp, "num_layers", space.num_layers)
    if deep := [num for num in sorted(space.num_layers) if num]:
        with hp.conditional_scope("num_layers", deep):
            genes.choice(hp, "body", space.bodies)
    for layer in range(1, max(space.num_layers) + 1):
        with hp.conditional_scope("num_layers", [num for num in sorted(space.num_layers) if num >= layer]):
            genes.choice(hp, f"layer_{layer}/units", space.units)
    genes.choice(hp, "activation", space.activations)
    genes.choice(hp, "batch_norm", space.batch_norm)
    genes.choice(hp, "dropout", space.dropout)
    genes.choice(hp, "l2", space.l2)
    genes.declare_training(hp, space, num_examples=num_rows, are_balanced=are_balanced)
    genes.declare_evolution(hp, space)
    return hp


def seeds(space: Space) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    A small network, the default on parts of numbers, a regularized one, and a linear model: as far as the space has
    them.

    Example:
        >>> [one["num_layers"] for one in seeds(preset("default"))]
        [1, 2, 2, 0]
    """
    deep = space.num_layers[0]
    shallow = min((num for num in space.num_layers if num), default=deep)
    found: list[Genome] = [
        {"num_layers": shallow, "layer_1/units": genes.nearest(space.units, _SMALL_UNITS)},
        {"num_layers": deep, "numbers": "piecewise" if "piecewise" in space.numbers else space.numbers[-1]},
        {
            "num_layers": deep,
            "l2": genes.nearest(space.l2, _REGULAR_L2),
            "dropout": genes.nearest(space.dropout, _REGULAR_DROPOUT),
        },
    ]
    return [*found, {"num_layers": 0}] if 0 in space.num_layers else found


def narrowest(space: Space) -> list[Genome]:
    """Returns networks with few parameters, as genes that differ from the defaults: one of them has the fewest.

    Example:
        >>> narrowest(Space(num_layers=(1, 0), units=(32, 16)))[-1]["layer_1/units"]
        16
    """
    units, numbers = min(space.units), [one for one in ("standardize", "quantile") if one in space.numbers]
    return [
        {
            "numbers": (numbers or space.numbers)[0],
            "least_rows": max(space.least_rows),
            "categories": categories,
            "embedding/units": min(space.embedding_units),
            "crosses": min(space.crosses),
            "num_layers": num_layers,
            "body": body,
            **{f"layer_{layer}/units": units for layer in range(1, num_layers + 1)},
            "batch_norm": min(space.batch_norm),
        }
        for num_layers in sorted(space.num_layers)
        for categories in space.categories
        for body in space.bodies
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
        >>> describe({"numbers": "quantile", "least_rows": 1, "categories": "one_hot", "crosses": False,
        ...           "num_layers": 2, "body": "mlp", "layer_1/units": 64, "layer_2/units": 32, "activation": "relu",
        ...           "batch_norm": True, "dropout": 0.1, "l2": 0.0, "optimizer": "adam", "learning_rate": 0.003,
        ...           "schedule": "cosine", "batch_size": 32, "label_smoothing": 0.0, "balance_classes": False})
        'dense 64 > 32, relu, batch norm, dropout 0.1, ranked numbers; adam 0.003, cosine, batch 32'
    """
    num_layers = int(genome["num_layers"])
    units = " > ".join(str(genome[f"layer_{layer}/units"]) for layer in range(1, num_layers + 1))
    layers = [f"{_BODY_NAMES[str(genome['body'])]} {units}, {genome['activation']}" if num_layers else "linear"]
    if num_layers and genome["batch_norm"]:
        layers.append("batch norm")
    if num_layers and genome["dropout"]:
        layers.append(f"dropout {genome['dropout']:g}")
    if genome["l2"]:
        layers.append(f"L2 {genome['l2']:g}")
    layers.append(f"{_NUMBER_NAMES[str(genome['numbers'])]} numbers")
    if genome["categories"] == "embedding":
        layers.append(f"categories as {genome['embedding/units']} numbers")
    if int(genome["least_rows"]) > 1:
        layers.append(f"those of fewer than {genome['least_rows']} rows as one")
    if genome["crosses"]:
        layers.append("pairs of categories")
    return f"{', '.join(layers)}; {genes.describe_training(genome)}"


def _expected(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields the genes that a genome must have, with their types."""
    yield from (("numbers", str), ("least_rows", int), ("categories", str))
    if genome["categories"] == "embedding":
        yield "embedding/units", int
    yield from (("crosses", bool), ("num_layers", int))
    if genome["num_layers"]:
        yield "body", str
    yield from ((f"layer_{layer}/units", int) for layer in range(1, int(genome["num_layers"]) + 1))
    yield from (("activation", str), ("batch_norm", bool), ("dropout", float), ("l2", float))
    yield from genes.training_genes(genome)
