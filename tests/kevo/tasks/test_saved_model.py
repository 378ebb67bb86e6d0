"""Model files: where they lie, and which task they belong to."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from kevo.errors import ModelError
from kevo.system import memory
from kevo.tasks.saved_model import home, kind_of_model, load_model, model_file


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


def saved(path: Path, *shape: int, units: int = 2) -> Path:
    """A model that says of each example how much of it there is."""
    inputs = keras.Input(shape)
    outputs = keras.layers.GlobalAveragePooling2D()(keras.layers.ZeroPadding2D(units)(inputs))
    keras.Model(inputs, outputs).save(path)
    return path


def test_a_model_of_huge_inputs_is_refused(tmp_path: Path) -> None:
    assert load_model(saved(tmp_path / "small.keras", 64, 64, 3), expected="a model").built
    with pytest.raises(ModelError, match="takes 300,000,000 numbers for one example. Expected at most 67,108,864"):
        load_model(saved(tmp_path / "huge.keras", 10_000, 10_000, 3), expected="a model")


def test_a_model_of_huge_layers_is_priced_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "model.keras", 64, 64, 3, units=1000)
    assert load_model(path, expected="a model").built
    monkeypatch.setattr(memory, "usable", lambda: 100_000_000)
    with pytest.raises(ModelError, match="needs 51.1 MB at least for one example, too much for the 100.0 MB of memory"):
        load_model(path, expected="a model")


def test_a_model_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", bytes(3_000_000))
    monkeypatch.setattr(memory, "usable", lambda: 10_000_000)
    with pytest.raises(ModelError, match="unpacks to 3.0 MB, too much for the 10.0 MB of memory"):
        load_model(path, expected="a model")


def test_a_model_that_states_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", bytes(3_000_000))
        file.getinfo("config.json").file_size = 1000
    with pytest.raises(ModelError, match="config.json in it is not what was written. Restore the file"):
        load_model(path, expected="a model")


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.json")
    assert kind_of_model(tmp_path).name == "images"
