"""How much an export may differ from its Keras model, and how fast both are."""

from __future__ import annotations

import statistics
import time

import numpy as np
import numpy.typing as npt

from kevo.tasks.protocols.export import Predict

MAX_DIFFERENCE = 1e-3
"""By how much a probability may differ where numbers are stored as floats."""
MAX_ACCURACY_LOSS = 0.02
"""By how much less accurate a quantized export may be; single probabilities differ by more."""
_NUM_RUNS, _MIN_RUNS, _MAX_SECONDS = 30, 5, 3.0


def latency(predict: Predict, example: npt.NDArray[np.float32]) -> float:
    """Returns the median of the seconds that one example takes, once everything is warm."""
    for _ in range(3):
        predict(example)
    seconds: list[float] = []
    while len(seconds) < _MIN_RUNS or (len(seconds) < _NUM_RUNS and sum(seconds) < _MAX_SECONDS):
        began = time.perf_counter()
        predict(example)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
