"""The benchmark of what an oracle costs, from the command to the report."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT


@pytest.mark.long
def test_measures_ours_and_keras_tuners_and_writes_the_table(tmp_path: Path) -> None:
    # A copy, so that the report is not written to the project.
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("results"))
    (tmp_path / "tuners").symlink_to(ROOT / "tuners")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.oracle_overhead", "--marks", "6", "--window", "4", "--write"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    head, rule, *lines = done.stdout.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines)]
    assert {len(row) for row in rows} == {rule.count("-") // 3}
    assert [(row[0], row[1], row[6]) for row in rows[1:]] == [
        (name, mark, "4")
        for name in (
            "GeneticOracle",
            "GeneticOracle, `surrogate=False`",
            "RandomSearchOracle",
            "BayesianOptimizationOracle",
        )
        for mark in ("6",)
    ]
    for row in rows[1:]:
        ask, tell, both, ratio, _, memory, _, folder, written = map(float, row[2:])
        assert min(ask, tell, both, ratio, memory, folder, written) > 0
    assert float(rows[1][5]) == 1.0
    report = (tmp_path / "docs" / "benchmarks" / "oracle_overhead.md").read_text()
    assert "python -m benchmarks.oracle_overhead --marks 6 --window 4 --write" in report
    assert report.endswith(done.stdout)
