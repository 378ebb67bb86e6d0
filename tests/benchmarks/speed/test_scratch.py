from pathlib import Path

import pytest

from benchmarks.speed import scratch
from benchmarks.speed.measuring import results_file


@pytest.mark.long
def test_from_scratch_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report, readme = tmp_path / "docs" / "scratch_speed.md", tmp_path / "README.md"
    readme.write_text(f"before\n<!-- {scratch.SECTION} -->\nold\n<!-- end of {scratch.SECTION} -->\nafter\n")
    monkeypatch.setattr(scratch, "REPORT", report)
    monkeypatch.setattr(scratch, "README", readme)
    results = tmp_path / "results.jsonl"
    arguments = ["--quick", "--results", str(results)]
    assert scratch.main([*arguments, "--tools", "kevo", "--parts", "search"]) == 0
    capsys.readouterr()
    assert scratch.main([*arguments, "--parts", "given", "--write"]) == 0
    rows = results_file(results).read()
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
    # The search has no other tool to compare with.
    assert "old" not in readme.read_text() and (
        "| The same candidates: 2 trials, epochs: 1, a quick look | Keras Tuner | 1 |" in readme.read_text()
    )
    assert "A search" not in readme.read_text()
    assert capsys.readouterr().out == report.read_text() + "\n"


def test_unknown_tools_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scratch.main(["--tools", "kevo,hyperopt"])
    assert "Got 'hyperopt', expected one of: kevo, random, bayesian." in capsys.readouterr().err
