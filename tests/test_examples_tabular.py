import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_tabular_finds_a_good_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "tabular.py"), "--out", str(tmp_path), "--max-trials", "4"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    accuracies = dict(re.findall(r"(validation|test) accuracy (\d\.\d+)", done.stdout))
    # The most frequent of the three cultivars makes up 0.4 of the wines.
    assert float(accuracies["validation"]) > 0.85
    assert float(accuracies["test"]) > 0.85
    assert len(list((tmp_path / "wine").glob("trial_*/trial.json"))) == 4
