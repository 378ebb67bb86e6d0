"""The tools by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.speed import keras_tuner_tool, kevo_tool
from benchmarks.speed.measurements import Measurement, SearchSpec

TOOLS: dict[str, Callable[[SearchSpec], Measurement]] = {
    "kevo": kevo_tool.run,
    "random": partial(keras_tuner_tool.run, "random"),
    "bayesian": partial(keras_tuner_tool.run, "bayesian"),
}
