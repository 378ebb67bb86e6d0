"""How a saved model did on data, whatever it answers: what `kevo evaluate` prints, and as JSON values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.scores import Scores

_Scores = TypeVar("_Scores", bound=Scores)


@dataclass(frozen=True, slots=True)
class ScoredExamples(ABC, Generic[_Scores]):
    """How a model did on examples.

    Args:
        data: The name of the source.
        split: Which examples: `train`, `validation`, `test` or `all`.
        scores: How good its predictions are.
        examples: What examples are called, in the plural.
        num_familiar: How many of these examples it was trained or chosen with, where that is known of each.
        is_familiar: Whether it was trained or chosen with some of these examples, as far as one can know: on others it
            will do worse.
        skipped: What could not be used.
        outputs: What the model answered, shape (n, ...); `None` where that is not at hand.
        targets: The true answers, shape (n, ...).
    """

    data: str
    split: str
    scores: _Scores
    examples: str
    is_familiar: bool = False
    skipped: tuple[Skipped, ...] = ()
    num_familiar: int = 0
    outputs: npt.NDArray[np.floating] | None = field(default=None, compare=False, repr=False)
    targets: npt.NDArray[Any] | None = field(default=None, compare=False, repr=False)

    @property
    @abstractmethod
    def drawing(self) -> Drawing:
        """A figure of the scores."""

    @property
    def roc(self) -> Drawing | None:
        """The ROC curves of classes; `None` where there are none."""
        return None

    @abstractmethod
    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""

    def derived(self) -> Mapping[str, Any]:
        """Returns further scores, which follow from those that are kept."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Returns all scores, and those that follow from them, as JSON values."""
        return {
            "data": self.data,
            "split": self.split,
            "is_familiar": self.is_familiar,
            "num_familiar": self.num_familiar,
            **self.scores.to_json(),
            **self.derived(),
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def lines(self) -> Iterator[str]:
        """Yields what was scored and the scores, as lines of a terminal."""
        which = f"all {self.examples}" if self.split == "all" else f"the {self.split} split"
        yield f"{self.data}, {which}: {self.scores.num_examples:,} {self.examples}"
        yield ""
        yield from self.details()
