import re
import sys
from pathlib import Path

import pytest

from tests.support.commands import output_of
from tests.support.project import ROOT


@pytest.mark.long
def test_tabular_finds_a_good_model(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "examples/genetic_tuner.py", "--out", tmp_path, "--max-trials", "4"]
    accuracies = dict(re.findall(r"(validation|test) accuracy (\d\.\d+)", output_of(command, tmp_path)))
    # The most frequent of the three cultivars makes up 0.4 of the wines.
    assert float(accuracies["validation"]) > 0.85
    assert float(accuracies["test"]) > 0.85
    assert len(list((tmp_path / "wine").glob("trial_*/trial.json"))) == 4
