from pathlib import Path

import pytest

from benchmarks.speed.measurements import SearchSpec
from benchmarks.speed.measuring import results_file, run
from benchmarks.speed.scratch import QUICK
from tests.benchmarks.speed.samples import measurement


def test_measurements_are_kept_and_the_later_counts(tmp_path: Path) -> None:
    results = results_file(tmp_path / "results" / "file.jsonl")
    first, other, again = measurement(seed=1), measurement("random"), measurement(seed=1, ensemble=0.97)
    for one in (first, other, again):
        results.append(one)
    assert results.read() == [other, again]


def test_a_search_that_fails_does_not_end_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = results_file(tmp_path / "file.jsonl")
    spec = SearchSpec(setting="5 minutes", data=str(tmp_path / "none"), space=QUICK, weights={}, seed=0, epochs=1)
    results.append(measurement("random"))
    assert not run([("kevo", spec), ("random", spec)], results=results, fresh=False, apart=False)
    assert results.read() == [measurement("random")]
    told = capsys.readouterr().err
    assert "kevo, 5 minutes, seed 0: failed, " in told
    assert "Keras Tuner RandomSearch, 5 minutes, seed 0: measured before" in told
