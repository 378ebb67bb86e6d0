"""The genes of how a network is trained, and what spaces and genomes of plain values have in common."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from kevo.errors import SettingsError, SpaceError
from kevo.training.evolution import EVOLUTION
from tuners.genome import Genome

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from keras_tuner import HyperParameters

_S = TypeVar("_S")
Words = Mapping[str, tuple[str, ...]]
"""What a gene that is a word may say, by the names of a space's fields."""
TRAINING_WORDS: Words = {
    "optimizers": ("adam", "adamw", "sgd", "rmsprop"),
    "schedules": ("constant", "cosine"),
}
EVOLVING_WORDS: Words = {**TRAINING_WORDS, "optimizers": (*TRAINING_WORDS["optimizers"], EVOLUTION)}
"""Those of spaces whose networks may be small enough for it."""
_KIND_NAMES: Mapping[type, str] = {str: "a word", int: "a whole number", float: "a number", bool: "true or false"}


class OptimizerSpace(Protocol):
    """The fields of a space for the genes of an optimizer; see `declare_optimizer`."""

    @property
    def optimizers(self) -> tuple[str, ...]: ...
    @property
    def learning_rate(self) -> tuple[float, float]: ...
    @property
    def sgd_learning_rate(self) -> tuple[float, float]: ...
    @property
    def schedules(self) -> tuple[str, ...]: ...
    @property
    def weight_decay(self) -> tuple[float, ...]: ...
    @property
    def batch_sizes(self) -> tuple[int, ...]: ...


class TrainingSpace(OptimizerSpace, Protocol):
    """The fields of a space for the genes of training; see `declare_training`."""

    @property
    def label_smoothing(self) -> tuple[float, ...]: ...
    @property
    def balance_classes(self) -> tuple[bool, ...]: ...


class EvolvingSpace(OptimizerSpace, Protocol):
    """The fields of a space for weights that evolve; see `declare_evolution`."""

    @property
    def spreads(self) -> tuple[float, ...]: ...
    @property
    def growing(self) -> tuple[bool, ...]: ...


def preset(name: str, presets: Mapping[str, _S], *, examples: str) -> _S:
    """Returns the preset of a name.

    Args:
        name: The name.
        presets: The presets of a task.
        examples: What the task learns from, in a word.

    Raises:
        SpaceError: there is no such preset.
    """
    if name not in presets:
        close = difflib.get_close_matches(name, presets, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise SpaceError(f"Unknown space {name!r} for {examples}.{hint} Expected one of: {', '.join(presets)}.")
    return presets[name]


def space_from_json(value: object, space: type[_S], presets: Mapping[str, _S], *, examples: str) -> _S:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Args:
        value: What is given.
        space: The spaces of a task.
        presets: Its presets.
        examples: What it learns from, in a word.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    if isinstance(value, space):
        return value
    if isinstance(value, str):
        return preset(value, presets, examples=examples)
    if not isinstance(value, Mapping):
        raise SettingsError(f"`space` must be a preset's name or a Space for {examples}. Received: {value!r}.")
    return space(**value)


def check_fields(space: DataclassInstance, words: Words) -> None:
    """Checks the values of a new space, and makes tuples of them.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """
    for field in dataclasses.fields(space):
        kind = type(cast(tuple[Any, ...], field.default)[0])
        values = getattr(space, field.name)
        if isinstance(values, list | tuple):
            # JSON has lists only, and Keras Tuner takes 0 and 0.5 for two kinds of values.
            values = tuple(float(value) if kind is float and type(value) is int else value for value in values)
            object.__setattr__(space, field.name, values)
        if not isinstance(values, tuple) or not values:
            raise SpaceError(
                f"The space's `{field.name}` must be a tuple with at least one value. Received: {values!r}."
            )
        for value in values:
            # A bool is an int to Python.
            if type(value) is not kind or (kind is float and not math.isfinite(value)):
                raise SpaceError(
                    f"The space's `{field.name}` must hold finite values of type {kind.__name__} only. "
                    f"Received: {value!r}."
                )
            if (known := words.get(field.name)) is not None and value not in known:
                raise SpaceError(f"The space's `{field.name}` holds {value!r}. Expected some of: {', '.join(known)}.")
        if field.name.endswith("learning_rate") and not (len(values) == 2 and 0 < values[0] <= values[1]):
            raise SpaceError(
                f"The space's `{field.name}` must be (lowest, highest) with 0 < lowest <= highest. "
                f"Received: {values!r}."
            )


def declare_training(hp: HyperParameters, space: TrainingSpace, *, num_examples: int, are_balanced: bool) -> None:
    """Declares the genes of training.

    Args:
        hp: Where to.
        space: The values that each gene may take.
        num_examples: Number of training examples. Batches larger than a quarter of them are left out.
        are_balanced: Whether all classes have about as many training examples, so that there is nothing to balance.
    """
    declare_optimizer(hp, space, num_examples=num_examples)
    choice(hp, "label_smoothing", space.label_smoothing)
    choice(hp, "balance_classes", space.balance_classes[:1] if are_balanced else space.balance_classes)


def declare_optimizer(hp: HyperParameters, space: OptimizerSpace, *, num_examples: int) -> None:
    """Declares the genes of training that mean something whatever is asked; arguments as for `declare_training`."""
    choice(hp, "optimizer", space.optimizers)
    if adaptive := [name for name in space.optimizers if name != "sgd"]:
        with hp.conditional_scope("optimizer", adaptive):
            rate(hp, "learning_rate", space.learning_rate)
    if "sgd" in space.optimizers:
        with hp.conditional_scope("optimizer", ["sgd"]):
            rate(hp, "sgd/learning_rate", space.sgd_learning_rate)
    if decaying := [name for name in space.optimizers if name in ("adamw", "sgd")]:
        with hp.conditional_scope("optimizer", decaying):
            choice(hp, "weight_decay", space.weight_decay)
    choice(hp, "schedule", space.schedules)
    fitting = [size for size in space.batch_sizes if 4 * size <= num_examples]
    choice(hp, "batch_size", fitting or [min(space.batch_sizes)])


def declare_evolution(hp: HyperParameters, space: EvolvingSpace) -> None:
    """Declares how weights evolve, in a space where they may: the noise on them, and whether networks grow."""
    if EVOLUTION in space.optimizers:
        with hp.conditional_scope("optimizer", [EVOLUTION]):
            choice(hp, "evolution/spread", space.spreads)
            choice(hp, "evolution/grow", space.growing)


def describe_training(genome: Genome) -> str:
    """Returns the genes of training in words."""
    highest = float(genome["sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate"])
    training = [f"{genome['optimizer']} {highest:.2g}"]
    if genome.get("weight_decay"):
        training.append(f"weight decay {genome['weight_decay']:g}")
    if genome["optimizer"] == EVOLUTION:
        training.append(f"noise {genome['evolution/spread']:g}")
        if genome["evolution/grow"]:
            training.append("growing")
    training += [str(genome["schedule"]), f"batch {genome['batch_size']}"]
    if genome.get("label_smoothing"):
        training.append(f"label smoothing {genome['label_smoothing']:g}")
    if genome.get("balance_classes"):
        training.append("balanced classes")
    return ", ".join(training)


def training_genes(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields the genes of training that a genome must have, with their types."""
    yield from optimizer_genes(genome)
    yield from (("label_smoothing", float), ("balance_classes", bool))


def optimizer_genes(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields those that mean something whatever is asked."""
    yield "optimizer", str
    yield "sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate", float
    if genome["optimizer"] == EVOLUTION:
        yield from (("evolution/spread", float), ("evolution/grow", bool))
    yield from (("schedule", str), ("batch_size", int))


def check_genome(genome: Genome, expected: Iterator[tuple[str, type]], words: Words) -> None:
    """Checks that a genome has every gene of a network, with a value of its kind.

    Args:
        genome: The genome.
        expected: The genes that it must have, and their types; each is asked for only when those before it are known.
        words: What genes that are words may say.

    Raises:
        SpaceError: a gene is missing, or has a value that no network can be built with.
    """
    for name, kind in expected:
        if name not in genome:
            raise SpaceError(f"The genome lacks the gene {name!r}. Expected {_KIND_NAMES[kind]}.")
        value = genome[name]
        # A bool is an int to Python, and JSON may have written 1.0 as 1.
        if type(value) is not kind and (kind is not float or type(value) is not int):
            raise SpaceError(f"The gene {name!r} must be {_KIND_NAMES[kind]}. Received: {value!r}.")
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise SpaceError(f"The gene {name!r} must be finite and not negative. Received: {value!r}.")
        if (known := words.get(name, words.get(f"{name}s"))) is not None and value not in known:
            raise SpaceError(f"The gene {name!r} must be one of {', '.join(known)}. Received: {value!r}.")


def choice(hp: HyperParameters, name: str, values: Sequence[Any]) -> None:
    """Declares a gene; a single value is fixed, so that it never counts as a thing to vary."""
    if len(values) == 1:
        hp.Fixed(name, values[0])
    elif set(map(type, values)) == {bool}:
        hp.Boolean(name, default=values[0])
    elif isinstance(values[0], str):
        hp.Choice(name, list(values), default=values[0])
    else:
        hp.Choice(name, sorted(values), default=values[0])


def rate(hp: HyperParameters, name: str, bounds: tuple[float, float]) -> None:
    """Declares a gene with a logarithmic range."""
    low, high = bounds
    if low == high:
        hp.Fixed(name, low)
    else:
        # The geometric middle: neither end of a logarithmic range is a sensible start.
        hp.Float(name, low, high, sampling="log", default=(low * high) ** 0.5)


def nearest(values: Sequence[Any], wanted: float) -> Any:
    """Returns the value that is nearest to the wanted one."""
    return min(values, key=lambda value: abs(value - wanted))
