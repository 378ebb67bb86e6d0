"""The notebook runs from the first cell to the last, and shows what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT


@pytest.mark.long
def test_the_notebook_runs_and_shows_the_result(tmp_path: Path) -> None:
    for needed in ("nbconvert", "ipykernel"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path)]
    notebook = ROOT / "examples" / "notebook.ipynb"
    done = subprocess.run([*command, str(notebook)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = [[one["data"] for one in cell["outputs"] if "data" in one] for cell in cells if cell["cell_type"] == "code"]
    (result,), figures, trials = shown
    table = "".join(result["text/html"])
    assert "<th>test</th>" in table and "accuracy" in table and "best.keras" in table
    assert any("image/png" in one for one in figures)
    assert "fitness" in json.dumps(trials)
    # What TensorFlow says as it starts is no part of it.
    said = [one for cell in cells for one in cell.get("outputs", []) if one["output_type"] == "stream"]
    assert said == []
