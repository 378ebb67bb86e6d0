"""The names of a saved classifier's classes."""

from pathlib import Path

import pytest

from kevo.errors import ModelError
from kevo.tasks.outputs.classes.class_names import labels_file, read_labels


def test_names_from_json_and_from_text(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["a b", "c"]')
    (tmp_path / "labels.txt").write_text("a b\nc\n")
    assert read_labels(tmp_path / "labels.json") == read_labels(tmp_path / "labels.txt") == ("a b", "c")


@pytest.mark.parametrize("content", ["{}", '["a", "a"]', '["a", 1]', '["a", " "]'])
def test_what_is_no_list_of_different_names(tmp_path: Path, content: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ModelError, match="holds no class names"):
        read_labels(tmp_path / "labels.json")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(ModelError, match="Cannot read class names from"):
        read_labels(tmp_path / "labels.json")


def test_a_search_leaves_them_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no labels.json beside it. Name its classes: --labels FILE"):
        labels_file(tmp_path / "best.keras")
    (tmp_path / "labels.json").touch()
    for model in ("best.keras", "checkpoints/01.keras"):
        assert labels_file(tmp_path / model) == tmp_path / "labels.json"
