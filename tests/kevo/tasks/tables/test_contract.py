"""What a saved model takes and answers, as a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from kevo.errors import ModelError
from kevo.runs.layout import TASK
from kevo.tasks.tables.contract import Contract, read, write
from tests.support.tables import small_dataset


def test_the_file_says_all(tmp_path: Path) -> None:
    contract = Contract.of(small_dataset(tmp_path))
    write(contract, tmp_path)
    assert read(tmp_path) == contract
    values = json.loads((tmp_path / TASK).read_text(encoding="utf-8"))
    assert (values["task"], values["target"], values["class_names"]) == ("tables", "kind", ["heavy", "light"])
    assert values["columns"][2] == {"name": "grade", "kind": "code", "values": [1.0, 2.0, 3.0], "has_gaps": False}
    assert values["unused"] == ["number", "name", "constant"]


def test_there_may_be_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Put it back"):
        read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"task": "images"},
        {"target": 7},
        {"columns": 7},
        {"columns": [{}]},
        {"class_names": None},
        {"class_names": [1, 2]},
        {"unused": [[]]},
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    values = Contract.of(small_dataset(tmp_path)).to_json()
    (tmp_path / TASK).write_text(json.dumps({**values, **change}))
    with pytest.raises(ModelError, match=f"{TASK} does not say what columns"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_no_contract_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TASK).write_bytes(content)
    with pytest.raises(ModelError, match=f"{TASK} does not say what columns"):
        read(tmp_path)


def test_names_are_different(tmp_path: Path) -> None:
    values = Contract.of(small_dataset(tmp_path)).to_json()
    values["columns"].append(values["columns"][0])
    with pytest.raises(ValueError, match="different"):
        Contract.from_json(values)
