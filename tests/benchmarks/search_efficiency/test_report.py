from pathlib import Path

from benchmarks.search_efficiency.figure import draw
from benchmarks.search_efficiency.report import report
from tests.benchmarks.search_efficiency.samples import row


def test_report_and_figure(tmp_path: Path) -> None:
    measured = {
        "trap": {
            "kevo": [row(seed, (1, 4.0), (40, 1.0)) for seed in range(4)],
            "tpe": [row(seed, (1, 4.0), (60, 2.0), searcher="tpe") for seed in range(3)],
        }
    }
    text = report(measured, figure="figure.png", references={"trap": {"the default genome": 8.0}})
    assert "| kevo | 4 | 4.000 [4.000, 4.000] | 1.000 [1.000, 1.000] | 1.000 [1.000, 1.000] |" in text
    assert "| Deceptive trap | Optuna TPE | 50 | 50 | **-3.000 [-3.000, -3.000]** |" in text
    assert "| Deceptive trap | Optuna TPE | 50 | 100 | **-1.000 [-1.000, -1.000]** |" in text
    assert "| the default genome | | 8.000 |" in text
    draw(measured, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
