"""The benchmarks of speed: what is written down and read of it, their reports, and both scripts run for real."""

import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
import scratch_speed
import speed
import transfer_speed
from speed import Measured, Step, Task, Trial

DATA = transfer_speed.ROOT.parent / "shared" / "data"


def trial(ended: float, seconds: float = 1.0, accuracy: float | None = 0.5, **facts: object) -> Trial:
    values = {"kind": "frozen", "part": "a", "memory": 100.0, "is_closing": False, **facts}
    return Trial(ended=ended, seconds=seconds, accuracy=accuracy, **values)  # type: ignore[arg-type]


def measured(tool: str = "kevo", seed: int = 0, **facts: object) -> Measured:
    values = {
        "setting": "5 minutes",
        "limit": 300.0,
        "trials": (trial(10.0), trial(20.0)),
        "steps": (Step(10.0, 0.8, 0.7), Step(200.0, 0.9, 0.95)),
        "seconds": 310.0,
        "test": 0.95,
        "ensemble": None,
        "peak": 1000.0,
        "machine": "2 cores",
        **facts,
    }
    return Measured(tool, seed, **values)  # type: ignore[arg-type]


def test_candidates_are_counted_by_hand() -> None:
    one = measured(
        trials=(
            trial(10.0, 10.0, part="a"),
            trial(12.0, 2.0, part="a", memory=110.0),
            trial(40.0, 20.0, part="b", memory=120.0),
            trial(44.0, 4.0, part="a", memory=130.0),
            trial(80.0, 30.0, kind="conv", part="", accuracy=0.9, memory=140.0),
            trial(90.0, 5.0, accuracy=None, memory=150.0),
            trial(200.0, 50.0, accuracy=0.95, is_closing=True, memory=160.0),
        )
    )
    assert one.num_failed == 1
    assert one.search_seconds == 90
    assert one.per_hour == pytest.approx(5 * 3600 / 90)
    # Two of the frozen ones come after the first of their part.
    assert one.later_frozen_seconds == 3.0
    assert one.frozen_per_hour == pytest.approx(4 * 3600 / 36)
    assert one.median_seconds == 10.0
    assert one.best_validation == 0.95
    assert one.memory_slope == pytest.approx(10.0)


def test_choices_over_time() -> None:
    one = measured()
    assert math.isnan(one.test_at(9))
    assert [one.test_at(seconds) for seconds in (10, 199, 200, 300)] == [0.7, 0.7, 0.95, 0.95]
    assert math.isnan(one.test_at(301))
    assert [one.seconds_to(accuracy) for accuracy in (0.7, 0.71, 0.96)] == [10.0, 200.0, math.inf]


def test_median_needs_every_seed() -> None:
    rows = [measured(peak=peak) for peak in (1.0, 5.0, 3.0)]
    assert speed.median_of(rows, lambda one: one.peak) == 3.0
    assert math.isnan(speed.median_of([*rows, measured(peak=math.nan)], lambda one: one.peak))


def test_measurements_are_kept_and_the_later_counts(tmp_path: Path) -> None:
    path = tmp_path / "results" / "file.jsonl"
    first, other, again = measured(seed=1), measured("random"), measured(seed=1, ensemble=0.97)
    for one in (first, other, again):
        speed.keep(one, path)
    assert speed.read(path) == [other, again]


def test_clock_leaves_out_what_it_is_told_to() -> None:
    clock = speed.Clock()
    with clock.stopped():
        time.sleep(0.05)
    before = clock.seconds
    assert 0 <= before <= time.monotonic() - clock.started - 0.05


def test_a_process_of_its_own_has_its_own_memory() -> None:
    ballast = bytearray(b"1") * 400_000_000
    assert 0 < speed.in_its_own_process(speed.memory) < speed.memory() - 0.5e-6 * len(ballast)
    assert speed.memory(peak=True) >= 400


def test_a_search_that_fails_does_not_end_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "file.jsonl"
    task = Task(
        setting="5 minutes", data=str(tmp_path / "none"), space=scratch_speed.QUICK, weights={}, seed=0, epochs=1
    )
    speed.keep(measured("random"), results)
    assert not speed.run([("kevo", task), ("random", task)], results=results, fresh=False, apart=False)
    assert speed.read(results) == [measured("random")]
    told = capsys.readouterr().err
    assert "kevo, 5 minutes, seed 0: failed, " in told
    assert "Keras Tuner RandomSearch, 5 minutes, seed 0: measured before" in told


def test_transfer_report_compares_seed_by_seed(tmp_path: Path) -> None:
    rows = [measured(seed=seed, steps=(Step(20.0 + seed, 0.9, 0.95),)) for seed in range(3)]
    rows += [measured("random", seed=seed, test=test) for seed, test in enumerate((0.9, 0.95, 0.99))]
    rows += [replace(row, setting="20 minutes", limit=1200.0, seconds=1201.0) for row in rows[:3]]
    found = speed.groups(rows)
    assert [group.setting for group in found] == ["20 minutes", "5 minutes"]
    report = transfer_speed.tell(found, figure="figure.png")
    # Of 20 s, 21 s and never.
    assert "| Keras Tuner RandomSearch | 3 | 1 | 1 | 21 | 2 of 3 | 1 |" in report
    assert "| kevo | 0.9500 | 0.9500 |  |" in report
    transfer_speed.draw(found[1], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_transfer_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (DATA / "cats_vs_dogs", DATA / transfer_speed.WEIGHTS):
        if not path.exists():
            pytest.skip(f"{path} is missing")
    report, readme = tmp_path / "docs" / "transfer_speed.md", tmp_path / "README.md"
    readme.write_text(f"before\n{transfer_speed.START}\nold\n{transfer_speed.END}\nafter\n")
    monkeypatch.setattr(transfer_speed, "REPORT", report)
    monkeypatch.setattr(transfer_speed, "README", readme)
    results = tmp_path / "results.jsonl"
    arguments = ["--quick", "--data", str(DATA), "--tools", "random", "--results", str(results), "--write"]
    assert transfer_speed.main(arguments) == 0
    (one,) = speed.read(results)
    (only,) = one.searched
    assert only.kind == "frozen"
    assert only.part.startswith("mobilenet_v2 0.35 ") and only.part.endswith(" 32")
    assert 0 < only.seconds < only.ended <= one.seconds
    assert one.num_failed == 0
    # The choice is there as soon as its only epoch has ended.
    (step,) = one.steps
    assert step.seconds < only.ended and step.validation == only.accuracy
    assert one.test == step.test
    assert one.peak > 100
    assert capsys.readouterr().out == report.read_text() + "\n"
    assert "old" not in readme.read_text() and "| Keras Tuner RandomSearch | 1 |" in readme.read_text()
    assert report.with_suffix(".png").exists()


def test_from_scratch_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report, readme = tmp_path / "docs" / "scratch_speed.md", tmp_path / "README.md"
    readme.write_text(f"before\n{scratch_speed.START}\nold\n{scratch_speed.END}\nafter\n")
    monkeypatch.setattr(scratch_speed, "REPORT", report)
    monkeypatch.setattr(scratch_speed, "README", readme)
    results = tmp_path / "results.jsonl"
    arguments = ["--quick", "--results", str(results)]
    assert scratch_speed.main([*arguments, "--tools", "kevo", "--parts", "search"]) == 0
    capsys.readouterr()
    assert scratch_speed.main([*arguments, "--parts", "given", "--write"]) == 0
    rows = speed.read(results)
    assert [(one.tool, one.setting.partition(":")[0]) for one in rows] == [
        ("kevo", "A search"),
        ("kevo", "The same candidates"),
        ("random", "The same candidates"),
    ]
    for one in rows:
        assert [each.kind for each in one.searched] == ["conv", "conv"]
        assert one.num_failed == 0
        assert one.test is not None and 0 < one.test <= 1
    assert any(each.is_closing for each in rows[0].trials)
    # Of the search there is nobody to compare with.
    assert "old" not in readme.read_text() and (
        "| The same candidates: 2 trials, epochs: 1, a quick look | Keras Tuner | 1 |" in readme.read_text()
    )
    assert "A search" not in readme.read_text()
    assert capsys.readouterr().out == report.read_text() + "\n"


def test_wrong_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (transfer_speed.main, scratch_speed.main):
        with pytest.raises(SystemExit):
            main(["--tools", "kevo,hyperopt"])
        assert "Got 'hyperopt', expected some of: kevo, random, bayesian." in capsys.readouterr().err


def test_nothing_measured_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transfer_speed.main(["--results", str(tmp_path / "none.jsonl")]) == 1
    assert "Name seeds" in capsys.readouterr().err
