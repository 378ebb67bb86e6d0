from pathlib import Path

import pytest

from benchmarks.speed import transfer
from benchmarks.speed.measuring import results_file
from benchmarks.support import project


@pytest.mark.long
def test_transfer_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (project.DATA / "cats_vs_dogs", project.DATA / project.MOBILENET_V2_WEIGHTS):
        if not path.exists():
            pytest.skip(f"{path} is missing")
    report, readme = tmp_path / "docs" / "transfer_speed.md", tmp_path / "README.md"
    readme.write_text(f"before\n<!-- {transfer.SECTION} -->\nold\n<!-- end of {transfer.SECTION} -->\nafter\n")
    monkeypatch.setattr(transfer, "REPORT", report)
    monkeypatch.setattr(transfer, "README", readme)
    results = tmp_path / "results.jsonl"
    arguments = ["--quick", "--data", str(project.DATA), "--tools", "random", "--results", str(results), "--write"]
    assert transfer.main(arguments) == 0
    (one,) = results_file(results).read()
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


def test_unknown_tools_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        transfer.main(["--tools", "kevo,hyperopt"])
    assert "Got 'hyperopt', expected one of: kevo, random, bayesian." in capsys.readouterr().err


def test_a_file_without_measurements_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transfer.main(["--results", str(tmp_path / "none.jsonl")]) == 1
    assert "Name seeds" in capsys.readouterr().err
