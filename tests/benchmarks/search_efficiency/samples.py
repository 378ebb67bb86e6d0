"""What the tests of the benchmark of search efficiency share: small problems, scripted searches, measurements."""

import pytest

from benchmarks.search_efficiency.measurements import Measurement
from benchmarks.search_efficiency.searches import Problem, Search, Training
from benchmarks.support.project import DATA

SMALL = Problem(num_values=(2,) * 6, rungs=(1,), budget=12)


def need(table: str) -> None:
    if not (DATA / table).exists():
        pytest.skip(f"{DATA / table} is missing")


def count_up(search: Search, num: int) -> list[Training]:
    """What a search asks for where every gene is best at its greatest value."""
    asked = [next(search)]
    while len(asked) < num:
        asked.append(search.send(float(sum(asked[-1].genome))))
    search.close()
    search.close()
    return asked


def row(seed: int, *steps: tuple[int, float], searcher: str = "kevo", landscape: str = "trap") -> Measurement:
    return Measurement(landscape, searcher, seed, budget=200, steps=steps, num_trainings=200, seconds=0.2)
