"""The newcomer's path, from a folder of pictures to a prediction, on pictures that are easy."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.newcomer import __main__ as newcomer
from tests.support.samples import stripes


@pytest.mark.long
def test_three_commands_lead_to_a_prediction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "docs" / "newcomer.md"
    for number, (picture, label) in enumerate(zip(*stripes(120), strict=True)):
        folder = tmp_path / "pictures" / ("across", "down", "none")[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    (new,) = (tmp_path / "pictures" / "down").glob("1.png")
    new = new.rename(tmp_path / "1.png")
    monkeypatch.setattr(newcomer, "REPORT", written)
    newcomer.main([str(tmp_path / "pictures"), str(new), "--max-time", "60s", "--write"])
    table = capsys.readouterr().out.strip()
    search, report, predict, whole = table.splitlines()[2:]
    assert search.startswith("| `kevo search pictures/ --max-time 60s --out runs/pictures` |")
    assert "report.html, " in report and report.endswith(" kB |") and "`down " in predict and "new.jpg` |" in predict
    seconds = [float(line.split("|")[2]) for line in (search, report, predict, whole)]
    assert abs(sum(seconds[:3]) - seconds[3]) <= 2
    assert written.read_text().endswith(f".\n\n{table}\n")
