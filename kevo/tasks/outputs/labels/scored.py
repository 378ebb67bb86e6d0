"""How a saved model that predicts labels did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kevo.tasks.outputs.labels.evaluation import THRESHOLD, LabelEvaluation
from kevo.tasks.outputs.labels.figures import bars
from kevo.tasks.pages import Bars
from kevo.tasks.task import Skipped


@dataclass(frozen=True, slots=True)
class ScoredLabels:
    """How predicted labels did on examples; the fields are those of the `Scored` of classes."""

    data: str
    split: str
    scores: LabelEvaluation
    examples: str
    is_familiar: bool = False
    skipped: tuple[Skipped, ...] = ()
    num_familiar: int = 0

    @property
    def drawing(self) -> Bars:
        """The average precision of each label."""
        return bars(self.scores, examples=self.examples)

    def to_json(self) -> dict[str, Any]:
        """Returns all scores as JSON values."""
        return {
            "data": self.data,
            "split": self.split,
            "is_familiar": self.is_familiar,
            "num_familiar": self.num_familiar,
            **self.scores.to_json(),
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def lines(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores = self.scores
        which = f"all {self.examples}" if self.split == "all" else f"the {self.split} split"
        yield f"{self.data}, {which}: {scores.num_examples:,} {self.examples}"
        yield ""
        low, high = scores.interval
        yield f"average precision     {scores.average_precision:.3f}  (95 % interval {low:.3f} to {high:.3f})"
        yield f"of a guess            {scores.prevalence:.3f}"
        yield f"macro F1              {scores.macro_f1:.3f}  (from {THRESHOLD:g} on)"
        yield f"micro F1              {scores.micro_f1:.3f}  (from {THRESHOLD:g} on)"
        yield f"binary cross-entropy  {scores.binary_cross_entropy:.3f}"
        yield ""
        width = max(map(len, ("label", *scores.support)))
        yield f"{'label':<{width}}  {self.examples:>8}  average precision  precision  recall"
        for name, num in scores.support.items():
            yield (
                f"{name:<{width}}  {num:>{max(8, len(self.examples))},}  {scores.by_label[name]:>17.3f}  "
                f"{scores.precision[name]:>9.3f}  {scores.recall[name]:>6.3f}"
            )
        yield ""
        yield "threshold  micro F1  macro F1"
        for threshold, micro, macro in scores.by_threshold:
            yield f"{threshold:>9.1f}  {micro:>8.3f}  {macro:>8.3f}"
