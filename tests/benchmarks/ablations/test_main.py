"""What parts are worth in whole searches: the report."""

import dataclasses
import json

from benchmarks.ablations.measuring import RUNGS, STATISTICS, Arm, Measurement
from benchmarks.ablations.report import report


def measured(seed: int, usual: float, changed: float, *, change: str = RUNGS) -> Measurement:
    return Measurement(
        change=change,
        pictures="digits",
        seed=seed,
        usual=Arm(test=usual, loss=0.2, num_candidates=3),
        changed=Arm(test=changed, loss=0.1, num_candidates=5),
        machine="2 cores",
        load=seed + 0.5,
    )


def test_gains_are_those_over_the_search_at_the_same_time() -> None:
    rows = [
        measured(0, 0.9, 0.95),
        measured(1, 0.5, 0.4),
        measured(2, 0.6, 0.7),
        measured(0, 0.1, 0.2, change=STATISTICS),
    ]
    *_, first, last, _, machine = report(rows).strip().splitlines()
    assert first.startswith("| Keras's moving statistics | ") and " | 1 | 0.100 | 0.200 | +0.100 " in first
    # The median of the gains, which is not the difference of the medians.
    assert " | 60 | 3 | 0.600 | 0.700 | +0.050 (-0.100 to +0.100) | 0.200 | 0.100 | 3 | 5 |" in last
    assert machine == "Machine: 2 cores; 0.5 to 2.5 processes of other work wanted to run."


def test_measurements_survive_json() -> None:
    row = measured(1, 0.5, 0.6)
    assert Measurement.from_json(json.loads(json.dumps(dataclasses.asdict(row)))) == row
