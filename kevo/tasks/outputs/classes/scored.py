"""How a saved classifier did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kevo.tasks.outputs.classes import ranks
from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.roc_curves import roc_curves
from kevo.tasks.outputs.scored import ScoredExamples
from kevo.tasks.pages import CountMatrix, Curves

_MOST_CLASSES = 12
"""How many classes a confusion matrix in letters may have."""
_DERIVED = ("balanced_accuracy", "macro_precision", "macro_recall", "f1", "sensitivity", "specificity", "interval")


class ScoredClasses(ScoredExamples[Evaluation]):
    """How a classifier did on examples."""

    __slots__ = ()

    @property
    def drawing(self) -> CountMatrix:
        """How many examples of each class were taken for which."""
        return confusion_matrix(self.scores, examples=self.examples)

    @property
    def roc(self) -> Curves | None:
        """The ROC curves."""
        if self.outputs is None or self.targets is None:
            return None
        return roc_curves(self.outputs, self.targets, self.scores.names, examples=self.examples)

    def derived(self) -> Mapping[str, Any]:
        """Returns what follows from the confusion matrix."""
        return {name: getattr(self.scores, name) for name in _DERIVED} | self._by_probability()

    def _by_probability(self) -> dict[str, Any]:
        """Returns what follows from the probabilities: for each class, and of two classes for each threshold."""
        if self.outputs is None or self.targets is None:
            return {}
        by_class = ranks.by_class(self.outputs, self.targets, self.scores.names)
        areas = [one["roc_auc"] for one in by_class.values() if one["roc_auc"] is not None]
        found: dict[str, Any] = {"roc_auc": sum(areas) / len(areas) if areas else None, "by_class": by_class}
        if len(self.scores.names) == 2 and areas:
            found["thresholds"] = ranks.thresholds(self.outputs[:, 1], self.targets)
            found["roc"] = ranks.roc(self.outputs[:, 1], self.targets)
        return found

    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores, names = self.scores, list(self.scores.support)
        low, high = scores.interval
        yield f"accuracy           {scores.accuracy:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        yield f"balanced accuracy  {scores.balanced_accuracy:.3f}"
        yield f"macro precision    {scores.macro_precision:.3f}"
        yield f"macro recall       {scores.macro_recall:.3f}"
        yield f"macro F1           {scores.macro_f1:.3f}"
        yield f"cross-entropy      {scores.cross_entropy:.3f}"
        further = self._by_probability()
        if further.get("roc_auc") is not None:
            yield f"ROC AUC            {further['roc_auc']:.3f}"
        if len(names) == 2:
            negative, positive = names
            yield f"sensitivity        {_share(scores.sensitivity)}  (of {positive}, the positive class, found)"
            yield f"specificity        {_share(scores.specificity)}  (of {negative}, the negative class, found)"
        yield ""
        columns: dict[str, Sequence[str]] = {
            self.examples: [f"{scores.support[name]:,}" for name in names],
            "precision": [f"{scores.precision[name]:.3f}" for name in names],
            "recall": [f"{scores.recall[name]:.3f}" for name in names],
            "F1": [f"{scores.f1[name]:.3f}" for name in names],
        }
        if further:
            by_class = further["by_class"]
            columns |= {"ROC AUC": [_number(by_class[name]["roc_auc"]) for name in names]}
            columns |= {"av. precision": [_number(by_class[name]["average_precision"]) for name in names]}
        yield from _table("class", names, columns)
        if thresholds := further.get("thresholds"):
            yield ""
            titles = [title for title in thresholds[0] if title != "threshold"]
            rows = [f"{one['threshold']:.2f}" for one in thresholds]
            cells = {title.replace("f1", "F1"): [f"{one[title]:.3f}" for one in thresholds] for title in titles}
            yield from _table(f"{names[1]} from", rows, cells)
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


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-    " if value is None else f"{value:.3f}"
