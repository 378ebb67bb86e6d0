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


def test_a_swarm_stands_beside_children_over_common_seeds() -> None:
    regrets = {"random": 5.0, "steady_state": 3.0, "swarm": 4.0, "kevo": 1.0, "picked_swarm": 2.0}
    measured = {
        "trap": {
            name: [row(seed, (1, regret + seed), searcher=name) for seed in range(5 if name == "random" else 3)]
            for name, regret in regrets.items()
        }
    }
    text = report(measured, figure="figure.png", references={})
    # The middle one of the seeds 0, 1 and 2.
    assert "| Deceptive trap | 3 | 25 | 6.000 | 4.000 | 5.000 | 2.000 | 3.000 |" in text
    del measured["trap"]["swarm"]
    assert "A particle swarm" not in report(measured, figure="figure.png", references={})
