"""A search that must not change unnoticed. Run this file to record it anew; CHANGELOG.md then says why.

python tests/tuners/test_golden.py
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tuners.evolution import Evolution
from tuners.genome import Categorical, Condition, Ordinal, Range, SearchSpace
from tuners.individual import Individual
from tuners.settings import Settings

RECORD = Path(__file__).with_suffix(".json")
SPACE = SearchSpace(
    (
        Categorical(name="kind", default="dense", values=("dense", "conv")),
        Range(name="rate", default=0.01, low=1e-4, high=1.0, scale="log"),
        Ordinal(name="units", default=8, values=(4, 8, 16, 32), conditions=(Condition("kind", ("dense",)),)),
        Range(name="filters", default=8, low=1, high=64, scale="log", conditions=(Condition("kind", ("conv",)),)),
        Categorical(name="norm", default=False, values=(False, True)),
    )
)


def plain(**changes: Any) -> Settings:
    """Without a surrogate, whose sums may come out a little different on another machine."""
    return Settings(**{"surrogate": False, "survival": "generational", **changes})


SEARCHES = {
    "generational": plain(population_size=6, num_elites=2),
    "mu_plus_lambda": plain(population_size=6, survival="mu_plus_lambda"),
    "steady_state": plain(population_size=6, survival="steady_state", selection="rank", crossover="two_point"),
    "aging": plain(population_size=6, survival="aging"),
    "wheel": plain(population_size=5, num_elites=1, selection="stochastic_universal", crossover="one_point"),
    "jumps": plain(population_size=5, num_elites=0, selection="roulette", mutation="redraw", mutation_rate=0.4),
    "rungs": plain(population_size=6, survival="steady_state", rungs=(1, 3, 9)),
    "swarm": plain(population_size=6, survival="steady_state", proposal="particle_swarm"),
}


def search(settings: Settings) -> list[dict[str, Any]]:
    """Forty trials, of which every seventh fails."""
    evolution = Evolution(SPACE, settings, seed=0)
    for number in range(40):
        one = evolution.propose()
        if not isinstance(one, Individual):
            raise RuntimeError(f"Got {one} for trial {number}, expected an individual.")
        if number % 7 == 6:
            evolution.fail(number)
        else:
            size = float(one.genome.get("units", one.genome.get("filters", 1)))
            distance = abs(math.log10(float(one.genome["rate"])) + 2) + abs(math.log2(size) - 4)
            evolution.finish(number, fitness=float(one.genome["norm"]) - distance)
    return [
        {"genome": dict(one.genome), "generation": one.generation, "origin": one.origin, "parents": list(one.parents)}
        for one in evolution.individuals
    ]


@pytest.mark.parametrize("name", SEARCHES)
def test_search_is_the_recorded_one(name: str) -> None:
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))[name]
    for one in recorded:
        # Machines may round logarithms differently.
        one["genome"] = pytest.approx(one["genome"])
    assert search(SEARCHES[name]) == recorded


def test_every_search_is_recorded() -> None:
    assert json.loads(RECORD.read_text(encoding="utf-8")).keys() == SEARCHES.keys()


if __name__ == "__main__":
    lines = {
        name: "[\n" + ",\n".join("  " + json.dumps(one) for one in search(settings)) + "\n ]"
        for name, settings in SEARCHES.items()
    }
    RECORD.write_text(
        "{\n" + ",\n".join(f" {json.dumps(name)}: {text}" for name, text in lines.items()) + "\n}\n", encoding="utf-8"
    )
    print(f"Recorded {', '.join(SEARCHES)}.")
