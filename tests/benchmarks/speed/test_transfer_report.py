from dataclasses import replace
from pathlib import Path

from benchmarks.speed.measurements import Step
from benchmarks.speed.tables import groups
from benchmarks.speed.transfer_report import draw, report
from tests.benchmarks.speed.samples import measurement


def test_transfer_report_compares_seed_by_seed(tmp_path: Path) -> None:
    rows = [measurement(seed=seed, steps=(Step(20.0 + seed, 0.9, 0.95),)) for seed in range(3)]
    rows += [measurement("random", seed=seed, test=test) for seed, test in enumerate((0.9, 0.95, 0.99))]
    rows += [replace(row, setting="20 minutes", limit=1200.0, seconds=1201.0) for row in rows[:3]]
    found = groups(rows)
    assert [group.setting for group in found] == ["20 minutes", "5 minutes"]
    text = report(found, figure="figure.png")
    # Of 20 s, 21 s and never.
    assert "| Keras Tuner RandomSearch | 3 | 1 | 1 | 21 | 2 of 3 | 1 |" in text
    assert "| kevo | 0.9500 | 0.9500 |  |" in text
    draw(found[1], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
