"""How a saved model that forecasts did on a series: in lines of a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator

from kevo.tasks.outputs.forecasts.evaluation import ForecastEvaluation
from kevo.tasks.outputs.forecasts.figures import lines
from kevo.tasks.outputs.scored import ScoredExamples
from kevo.tasks.pages import Lines


class ScoredForecasts(ScoredExamples[ForecastEvaluation]):
    """How forecasts did on windows of a series."""

    __slots__ = ()

    @property
    def drawing(self) -> Lines:
        """What came, and what was forecast."""
        return lines(self.scores)

    def details(self) -> Iterator[str]:
        """Yields the scores as lines of a terminal."""
        scores = self.scores
        low, high = scores.mase_interval
        yield f"MASE                 {scores.mase:.4f}  (95 % interval {low:.4f} to {high:.4f}, by blocks of windows)"
        low, high = scores.mae_interval
        yield f"mean absolute error  {scores.mae:.5g}  (95 % interval {low:.5g} to {high:.5g})"
        yield f"root mean sq. error  {scores.rmse:.5g}"
        yield f"R2                   {scores.r2:.4f}"
        if len(scores.by_step) > 1:
            yield f"one step ahead       {scores.by_step[0]:.5g}  (its mean absolute error)"
            yield f"{f'{len(scores.by_step)} steps ahead':<19}  {scores.by_step[-1]:.5g}  (the same)"
