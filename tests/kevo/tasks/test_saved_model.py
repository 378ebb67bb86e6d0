"""Model files: where they lie, and which task they belong to."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kevo.errors import ModelError
from kevo.tasks.saved_model import home, kind_of_model, model_file


def test_a_run_folder_means_its_best_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no best.keras"):
        model_file(tmp_path)
    (tmp_path / "best.keras").touch()
    assert model_file(tmp_path) == tmp_path / "best.keras" == model_file(tmp_path / "best.keras")


def test_models_belong_to_the_run_folder() -> None:
    assert home(Path("run/best.keras")) == home(Path("run/checkpoints/01.keras")) == Path("run")


@pytest.mark.parametrize("model", ["", "best.keras", "checkpoints/01.keras"])
@pytest.mark.parametrize(
    ("settings", "contract", "task"),
    [
        (None, None, "images"),
        ({"search": {"task": "tables"}}, None, "tables"),
        ({"search": {"task": "images"}}, {"task": "tables"}, "images"),
        ({"search": {"task": "auto"}}, {"task": "tables"}, "tables"),
        ({"search": {}}, None, "images"),
        ({}, {"task": "tables"}, "tables"),
        ([], {}, "images"),
    ],
)
def test_the_files_beside_a_model_tell_its_task(
    tmp_path: Path, settings: Any, contract: Any, task: str, model: str
) -> None:
    for name, values in (("settings.json", settings), ("task.json", contract)):
        if values is not None:
            (tmp_path / name).write_text(json.dumps(values))
    assert kind_of_model(tmp_path / model).name == task


@pytest.mark.parametrize("name", ["sounds", "\x1b[2J", 7, ["images"], None])
def test_a_task_may_be_unknown(tmp_path: Path, name: Any) -> None:
    (tmp_path / "task.json").write_text(json.dumps({"task": name}))
    with pytest.raises(ModelError, match="Expected one of: images, tables") as caught:
        kind_of_model(tmp_path / "best.keras")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000])
def test_damaged_files_tell_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    (tmp_path / "task.json").write_bytes(content)
    assert kind_of_model(tmp_path).name == "images"


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.json")
    assert kind_of_model(tmp_path).name == "images"
