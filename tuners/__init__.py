"""Evolutionary search for Keras Tuner: a genetic algorithm for any hypermodel.

`GeneticTuner` stands where `keras_tuner.RandomSearch` would. Importing this package loads nothing else; TensorFlow and
Keras Tuner come with the first use of `GeneticTuner` or `GeneticOracle`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuners.evolution import Evolution, Pause
    from tuners.genome import Genome, SearchSpace
    from tuners.individual import Individual
    from tuners.oracle import GeneticOracle
    from tuners.settings import Settings
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

_MODULES = {
    "Evolution": "tuners.evolution",
    "GeneticOracle": "tuners.oracle",
    "GeneticTuner": "tuners.tuner",
    "Genome": "tuners.genome",
    "Individual": "tuners.individual",
    "Pause": "tuners.evolution",
    "SearchSpace": "tuners.genome",
    "Settings": "tuners.settings",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
