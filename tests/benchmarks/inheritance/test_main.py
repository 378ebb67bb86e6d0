"""Children that begin with their parent's weights: the ranks, and the report."""

import pytest

from benchmarks.inheritance.measuring import WAYS, Measurement
from benchmarks.inheritance.report import report
from benchmarks.inheritance.searching import SearchMeasurement

FULL = [0.1, 0.2, 0.3, 0.4]


def measured(seed: int, **accuracies: list[float]) -> Measurement:
    return Measurement(
        seed=seed,
        children=4,
        parent=0.25,
        accuracies={**dict.fromkeys(WAYS, FULL), **accuracies},
        shares=[0.5, 0.8, 1.0, 1.0],
        machine="2 cores",
    )


def test_ranks_are_compared_with_those_of_a_full_training() -> None:
    row = measured(0, short=[0.1, 0.2, 0.4, 0.3], inherited=FULL[::-1])
    assert row.tau("again") == pytest.approx(1.0)
    # One of six pairs stands the other way round.
    assert row.tau("short") == pytest.approx(4 / 6)
    assert row.tau("inherited") == pytest.approx(-1.0)


def test_the_report_has_means_bests_and_ranks() -> None:
    lines = report([measured(0, short=[0.1, 0.2, 0.4, 0.3]), measured(1), measured(2)]).splitlines()
    assert "| 2 epochs from scratch | 3 | 0.250 | 0.400 | 1.00 (0.67 to 1.00) |" in lines
    assert "| 6 epochs from scratch | 3 | 0.250 | 0.400 |  |" in lines


def searched(seed: int, best: float) -> SearchMeasurement:
    scores = {"scratch": 0.4, "inherit": best}
    numbers = {"scratch": 9, "inherit": 15}
    return SearchMeasurement(
        data="digits",
        seed=seed,
        candidates=numbers,
        inherited={"scratch": 0, "inherit": 7},
        lineages=numbers,
        best=scores,
        finals=scores,
        tests=scores,
        gone_on=scores,
        machine="2 cores",
    )


def test_the_report_compares_searches_with_and_without_inheritance() -> None:
    text = report([], [searched(0, 0.5), searched(1, 0.3), searched(2, 0.6)])
    cells = next(line for line in text.splitlines() if "children inherit" in line).split(" | ")
    assert cells[3:7] == ["3", "15", "7", "15"] and cells[7] == "0.500 (0.300 to 0.600)"
