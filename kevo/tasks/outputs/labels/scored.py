"""How a saved model that predicts labels did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator

from kevo.tasks.outputs.labels.evaluation import THRESHOLD, LabelEvaluation
from kevo.tasks.outputs.labels.figures import bars
from kevo.tasks.outputs.scored import ScoredExamples
from kevo.tasks.pages import Bars


class ScoredLabels(ScoredExamples[LabelEvaluation]):
    """How predicted labels did on examples."""

    __slots__ = ()

    @property
    def drawing(self) -> Bars:
        """The average precision of each label."""
        return bars(self.scores, examples=self.examples)

    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores = self.scores
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
