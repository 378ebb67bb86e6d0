from pathlib import Path

import pytest

from benchmarks.endurance import __main__ as command
from benchmarks.endurance.faults import draw_plan
from benchmarks.endurance.jobs import Job
from benchmarks.endurance.parts import results_file

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="/proc is missing")


@pytest.mark.long
def test_faults_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report, results = tmp_path / "docs" / "endurance.md", tmp_path / "results.jsonl"
    readme = tmp_path / "README.md"
    readme.write_text("Before.\n<!-- endurance -->\nold\n<!-- end of endurance -->\nAfter.\n")
    monkeypatch.setattr(command, "REPORT", report)
    monkeypatch.setattr(command, "README", readme)
    quick = Job(part="faults", seed=1, trials=4, epochs=1, workers=1, kills=2, is_quick=True)
    ((kind, _),) = draw_plan(quick).values()
    assert kind == "crash"
    arguments = ["--quick", "--seeds", "1", "--parts", "faults", "--workers", "1", "--results", str(results), "--write"]
    assert command.main(arguments) == 0
    (one,) = results_file(results).read()
    assert (one.setting, one.problems) == (quick.setting, []) and quick.setting.endswith("a quick look")
    # The final training is one more.
    assert (one.facts["completed"], one.facts["failed"], one.facts["collateral"]) == (5, 0, 0)
    assert capsys.readouterr().out == report.read_text() + "\n"
    assert "| crash | 1 | 1 | 1 | 0 | its worker was ended by SIGSEGV |" in report.read_text()
    assert "Checked: every completed trial was kept" in report.read_text()
    assert "no process and no lock is left | no exceptions | yes |" in report.read_text()
    # A quick look means nothing.
    assert readme.read_text().startswith("Before.\n<!-- endurance -->\n| promised |")
    assert "exceptions" not in readme.read_text() and readme.read_text().endswith("<!-- end of endurance -->\nAfter.\n")
