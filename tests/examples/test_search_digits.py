from pathlib import Path

import pytest

from tests.support.commands import output_of, printed_accuracy
from tests.support.project import ROOT


@pytest.mark.long
def test_digits(tmp_path: Path) -> None:
    command = ["bash", ROOT / "examples/search_digits.sh", "run", "--max-trials", "1", "--epochs", "8"]
    assert printed_accuracy(output_of(command, tmp_path)) > 0.9
