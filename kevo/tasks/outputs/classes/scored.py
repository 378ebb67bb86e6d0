"""How a saved classifier did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.pages import CountMatrix
from kevo.tasks.task import Skipped

_MOST_CLASSES = 12
"""How many classes a confusion matrix in letters may have."""
_DERIVED = ("balanced_accuracy", "macro_precision", "macro_recall", "f1", "sensitivity", "specificity", "interval")


@dataclass(frozen=True, slots=True)
class Scored:
    """How a classifier did on examples.

    Args:
        data: The name of the source.
        split: Which examples: `train`, `validation`, `test` or `all`.
        scores: How good its predictions are.
        examples: What examples are called, in the plural.
        num_familiar: How many of these examples it was trained or chosen with, where that is known of each.
        is_familiar: Whether it was trained or chosen with some of these examples, as far as one can know: on others it
            will do worse.
        skipped: What could not be used.
    """

    data: str
    split: str
    scores: Evaluation
    examples: str
    is_familiar: bool = False
    skipped: tuple[Skipped, ...] = ()
    num_familiar: int = 0

    @property
    def drawing(self) -> CountMatrix:
        """How many examples of each class were taken for which."""
        return confusion_matrix(self.scores, examples=self.examples)

    def to_json(self) -> dict[str, Any]:
        """Returns all scores, and those that follow from them, as JSON values."""
        return {
            "data": self.data,
            "split": self.split,
            "is_familiar": self.is_familiar,
            "num_familiar": self.num_familiar,
            **self.scores.to_json(),
            **{name: getattr(self.scores, name) for name in _DERIVED},
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def lines(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores, names = self.scores, list(self.scores.support)
        which = f"all {self.examples}" if self.split == "all" else f"the {self.split} split"
        yield f"{self.data}, {which}: {scores.num_examples:,} {self.examples}"
        yield ""
        low, high = scores.interval
        yield f"accuracy           {scores.accuracy:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        yield f"balanced accuracy  {scores.balanced_accuracy:.3f}"
        yield f"macro precision    {scores.macro_precision:.3f}"
        yield f"macro recall       {scores.macro_recall:.3f}"
        yield f"macro F1           {scores.macro_f1:.3f}"
        yield f"cross-entropy      {scores.cross_entropy:.3f}"
        if len(names) == 2:
            negative, positive = names
            yield f"sensitivity        {_share(scores.sensitivity)}  (of {positive}, the positive class, found)"
            yield f"specificity        {_share(scores.specificity)}  (of {negative}, the negative class, found)"
        yield ""
        columns: Mapping[str, Sequence[str]] = {
            self.examples: [f"{scores.support[name]:,}" for name in names],
            "precision": [f"{scores.precision[name]:.3f}" for name in names],
            "recall": [f"{scores.recall[name]:.3f}" for name in names],
            "F1": [f"{scores.f1[name]:.3f}" for name in names],
        }
        yield from _table("class", names, columns)
        if len(names) <= _MOST_CLASSES:
            yield ""
            predicted = zip(*scores.confusion, strict=True)
            yield from _table(
                "true \\ predicted",
                names,
                {name: list(map(str, column)) for name, column in zip(names, predicted, strict=True)},
            )


def _table(corner: str, rows: Sequence[str], columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    first = max(map(len, (corner, *rows)))
    widths = {title: max(map(len, (title, *cells))) for title, cells in columns.items()}
    yield "  ".join([f"{corner:<{first}}", *(f"{title:>{width}}" for title, width in widths.items())])
    for place, row in enumerate(rows):
        cells = (f"{columns[title][place]:>{width}}" for title, width in widths.items())
        yield "  ".join([f"{row:<{first}}", *cells])


def _share(value: float | None) -> str:
    return "-    " if value is None else f"{value:.3f}"
