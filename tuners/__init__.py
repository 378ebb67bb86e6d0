"""Evolutionary search for Keras Tuner: a genetic algorithm for any hypermodel.

`GeneticTuner` stands where `keras_tuner.RandomSearch` would. Importing this package, or `tuners.evolution`, loads
neither TensorFlow nor Keras Tuner; they come with the first use of `GeneticTuner` or `GeneticOracle`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tuners.evolution import Evolution, Individual, Pause
from tuners.genome import Genome, SearchSpace
from tuners.settings import Settings

if TYPE_CHECKING:
    from tuners.oracle import GeneticOracle
    from tuners.tuner import GeneticTuner

__all__ = [
    "Evolution",
    "GeneticOracle",
    "GeneticTuner",
    "Genome",
    "Individual",
    "Pause",
    "SearchSpace",
    "Settings",
]

_HEAVY = {"GeneticOracle": "tuners.oracle", "GeneticTuner": "tuners.tuner"}


def __getattr__(name: str) -> object:
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
