"""How the cost of a search grows."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.scaling import __main__


@pytest.mark.long
def test_candidates_and_pictures_are_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(__main__, "REPORT", tmp_path / "scaling.md")
    options = ["--pictures", "60", "--size", "16", "--classes", "2", "--further", "1", "--write"]
    __main__.main(["--marks", "5", "20", *options])
    with Image.open(tmp_path / "scaling.png") as figure:
        figure.verify()
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|") and line[2].isdigit()]
    assert [row[0] for row in rows] == ["5", "20", "60"]
    assert all(float(cell) >= 0 for row in rows for cell in row)
    assert rows[2][1:3] == ["16", "2"] and float(rows[2][3]) > 0 and float(rows[2][4]) > 100


def test_every_size_has_every_number_of_pictures() -> None:
    assert list(__main__._cases([256, 65_536], [32, 160], [10, 1000])) == [
        (256, 32, 10),
        (65_536, 32, 10),
        (256, 160, 10),
        (65_536, 160, 10),
        (65_536, 32, 1000),
    ]
