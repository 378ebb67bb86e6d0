"""Answers that are forecasts: errors count in those of the last value, or of the seasonal last value."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.forecasts.evaluation import measure
from kevo.tasks.outputs.numbers.answers import ScaledHuber
from kevo.training.answers import Answers


def forecast_answers(
    targets: npt.NDArray[np.float32], *, validation_targets: npt.NDArray[np.float32], scale: float
) -> Answers:
    """Returns the answers of a network with the next values as its outputs.

    Args:
        targets: After the windows that are learned from, shape (n, horizon).
        validation_targets: After the validation windows, shape (m, horizon).
        scale: The mean absolute error that counts as 1.
    """
    return Answers(
        targets=targets,
        loss=ScaledHuber(scale),
        validation_targets=validation_targets,
        measure=functools.partial(measure, scale=scale),
    )
