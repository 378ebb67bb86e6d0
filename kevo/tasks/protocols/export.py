"""A saved model that is written in other formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

Predict: TypeAlias = "Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]"
"""From a batch of examples to outputs."""


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Accuracies of an export and of its Keras model.

    Args:
        export: By the export.
        keras: By the Keras model.
        num_examples: Of so many examples.
    """

    export: float
    keras: float
    num_examples: int


class Exportable(Protocol):
    """A saved model that is written in other formats, and examples to compare an export and the model on.

    The shapes of the inputs begin with the batch; `None` stands for any number.
    """

    @property
    def model(self) -> keras.Model: ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the outputs, in their order, for the `labels.json` beside an export; `None` if unknown."""

    @property
    def input_name(self) -> str:
        """The name of the input, in formats that have names."""

    @property
    def output_name(self) -> str:
        """The name of the output, in formats that have names."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes of the input."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of inputs that the model takes."""

    @property
    def fixed_shape(self) -> tuple[int, ...] | None:
        """The shape of one example at the network's own size; `None` where the model does not say that size."""

    @property
    def compared_on(self) -> str:
        """Which examples the two are compared on, in words."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on these examples."""

    def portable(self, shape: tuple[int | None, ...]) -> keras.Model:
        """The model in operations that every converter knows, for inputs of this shape."""

    def example(self, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
        """One of these examples, as a batch."""

    def calibration(
        self, shape: tuple[int | None, ...], *, num_examples: int
    ) -> Callable[[], Iterator[npt.NDArray[np.float32]]]:
        """Returns a function that yields training examples to quantize by, each as a batch.

        Raises:
            SettingsError: there are none.
        """

    def difference(self, predict: Predict, reference: Predict, shape: tuple[int | None, ...]) -> float:
        """By how much an output of two models differs at most; infinity where one is no number."""

    def accuracies(self, predict: Predict, reference: Predict, shape: tuple[int | None, ...]) -> Accuracies | None:
        """How well an export and the Keras model do on test examples; `None` where there are none."""


class InputSpec(NamedTuple):
    """One input of a deployed model: its name, empty where it has only one, its type, and its shape, -1 for any."""

    name: str
    dtype: npt.DTypeLike
    shape: tuple[int, ...]
