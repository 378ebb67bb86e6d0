"""How the cost of a search grows."""

import pytest

from benchmarks.scaling.__main__ import main


@pytest.mark.long
def test_candidates_and_pictures_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--marks", "5", "20", "--pictures", "60", "--size", "16", "--classes", "2"])
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|") and line[2].isdigit()]
    assert [row[0] for row in rows] == ["5", "20", "60"]
    assert all(float(cell) >= 0 for row in rows for cell in row)
    assert rows[2][1:3] == ["16", "2"] and float(rows[2][3]) > 0
