"""Your own crossover: blends the numbers of two parents, on a test function that needs no network."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras_tuner
import numpy as np

from tuners import GeneticTuner, Genome, Settings
from tuners.operators.crossover import CROSSOVERS, uniform


def blend(rng: np.random.Generator, first: Genome, second: Genome) -> dict[str, Any]:
    """Draws each real number from between those of its parents (intermediate recombination), all else from either."""
    child = dict(uniform(rng, first, second))
    for name, value in first.items():
        if isinstance(value, float) and name in second:
            share = float(rng.random())
            child[name] = share * value + (1 - share) * float(second[name])
    return child


CROSSOVERS["blend"] = blend


class Valley(GeneticTuner):
    """Finds the minimum of Rosenbrock's function (1960, doi:10.1093/comjnl/3.3.175)."""

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, **kwargs: Any) -> float:
        """Returns the function's value at one point."""
        x, y = (trial.hyperparameters.Float(name, -2.0, 2.0) for name in "xy")
        return float((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def main() -> None:
    """Searches, and prints the best point."""
    with TemporaryDirectory() as folder:
        settings = Settings(crossover="blend", population_size=8)
        tuner = Valley(max_trials=60, seed=0, settings=settings, directory=Path(folder))
        tuner.search(verbose=0)
        (best,) = tuner.oracle.get_best_trials()
    print(f"best: {best.hyperparameters.values}, value {best.score:.4f}")


if __name__ == "__main__":
    main()
