"""What data sets of rows and of texts have in common: examples with their answers, in splits, perhaps in folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.output import Output

WORKER_SPLITS = ("train", "validation")
"""Workers never see the test split."""
_FOLDS = "folds"


class AnsweredSplit(Protocol):
    """Examples with their answers."""

    @property
    def labels(self) -> npt.NDArray[Any]:
        """The answers: positions in the data set's class names, or numbers; shape (n,)."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: npt.NDArray[np.integer]) -> Self: ...


S = TypeVar("S", bound=AnsweredSplit)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDataset(Generic[S]):
    """Examples with their answers, for training, choosing and measuring.

    Args:
        name: A short name, fit for a file.
        target: The name of what is predicted, such as that of its column.
        output: What is asked of each example.
        train: What models learn from.
        validation: What decides between them.
        test: What is looked at once, at the end.
        notes: What was decided while reading, in words.
        made_splits: The splits that the source did not give and that were taken out of `train`.
        max_examples: What reading was limited to; `None` where all examples are used.
        repeats: What there is to say of examples that stand in several splits of the source.
        folds: The fold in which each example of `train` is judged, shape (n,); `validation` is then the same as
            `train`. `None` where the examples are divided once.
    """

    name: str
    target: str
    output: Output
    train: S
    validation: S
    test: S
    notes: tuple[str, ...] = ()
    made_splits: tuple[str, ...] = ()
    max_examples: int | None = None
    repeats: tuple[str, ...] = ()
    folds: npt.NDArray[np.int64] | None = None

    @property
    def num_folds(self) -> int | None:
        """Number of folds that the examples are divided into; `None` where they are divided once."""
        return None if self.folds is None else int(self.folds.max()) + 1

    def part(self, train: npt.NDArray[np.int64], validation: npt.NDArray[np.int64]) -> Self:
        """Returns some examples of `train`, by their positions, as a data set of its own.

        Args:
            train: What is learned from.
            validation: What is judged by.
        """
        return dataclasses.replace(self, train=self.train[train], validation=self.train[validation], folds=None)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of a model's outputs; of numbers, their name."""
        return self.output.names

    @property
    def num_classes(self) -> int:
        """Number of classes, or of numbers."""
        return self.output.size

    @property
    def num_judged(self) -> int:
        """Number of validation examples: none says what another does."""
        return self.num_examples("validation")

    def split(self, name: str) -> S:
        """A split by its name."""
        split: S = getattr(self, name)
        return split

    def num_examples(self, split: str) -> int:
        """Number of examples of a split."""
        return len(self.split(split))

    def labels(self, split: str) -> npt.NDArray[Any]:
        """The answers of a split."""
        return self.split(split).labels

    def class_weights(self) -> dict[int, float] | None:
        """Weights with which each class counts the same in training; `None` where there is nothing to balance."""
        return self.output.class_weights(self.train.labels)

    def fold_arrays(self) -> dict[str, npt.NDArray[np.int64]]:
        """Returns the folds as `folds_in` finds them among the arrays of a file."""
        return {} if self.folds is None else {_FOLDS: self.folds}


def folds_in(arrays: Mapping[str, Any]) -> npt.NDArray[np.int64] | None:
    """Returns the folds of a data set out of the arrays of its file; `None` where it has none."""
    return arrays.get(_FOLDS)
