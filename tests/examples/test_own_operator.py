import sys
from pathlib import Path

import pytest

from tests.support.commands import output_of
from tests.support.project import ROOT


@pytest.mark.long
def test_an_operator_of_ones_own(tmp_path: Path) -> None:
    (line,) = output_of([sys.executable, ROOT / "examples/own_operator.py"], tmp_path).splitlines()
    assert float(line.split()[-1]) < 1.0
