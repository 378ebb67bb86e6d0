"""How a saved model that predicts numbers did on data: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from kevo.tasks.outputs.numbers.evaluation import NumberEvaluation
from kevo.tasks.outputs.numbers.figures import scatter
from kevo.tasks.pages import Scatter
from kevo.tasks.task import Skipped


@dataclass(frozen=True, slots=True)
class ScoredNumbers:
    """How predicted numbers did on examples; the fields are those of the `Scored` of classes."""

    data: str
    split: str
    scores: NumberEvaluation
    examples: str
    is_familiar: bool = False
    skipped: tuple[Skipped, ...] = ()
    num_familiar: int = 0

    @property
    def drawing(self) -> Scatter:
        """True and predicted numbers."""
        return scatter(self.scores, examples=self.examples)

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
        low, high = scores.r2_interval
        yield f"R2                   {scores.r2:.4f}  (95 % interval {low:.4f} to {high:.4f})"
        low, high = scores.mae_interval
        yield f"mean absolute error  {scores.mae:.5g}  (95 % interval {low:.5g} to {high:.5g})"
        yield f"root mean sq. error  {scores.rmse:.5g}"
        yield f"median error         {scores.median_error:.5g}"
        yield f"nine of ten within   {scores.within:.5g}"
        yield f"always the median    {scores.mean_mae:.5g}  (its mean absolute error)"
