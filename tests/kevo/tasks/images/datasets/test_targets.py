"""Numbers and labels of pictures: which columns hold them, and what is decided by how they look."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets.targets import Targets, holds_pictures, suggested
from tests.support.answers import write_pictures


def write(folder: Path, header: str, rows: list[str]) -> Path:
    """Writes a CSV with a picture for each row, whose path comes first."""
    for number in range(len(rows)):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    path = folder / "list.csv"
    lines = [f"{number}.png,{row}" for number, row in enumerate(rows)]
    path.write_text("\n".join([f"path,{header}", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "row", "asks"),
    [
        ("label", "cat", "classification"),
        ("label", "3", "classification"),
        ("label", "3.5", "regression"),
        ("label", "red;round", "multilabel"),
        ("labels", "red", "multilabel"),
        ("age", "31", "regression"),
        ("age,split", "31,train", "regression"),
        ("red,round", "1,0", "multilabel"),
    ],
)
def test_answers_tell_what_is_asked(tmp_path: Path, header: str, row: str, asks: str) -> None:
    path = write(tmp_path, header, [row, row])
    assert holds_pictures(path)
    found, note = suggested(path, target=None, groups=None)
    assert found == asks
    assert ("--task classification" in note) == (asks != "classification")


def test_a_target_among_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "age,weight,patient", ["31,70.5,a", "42,80.5,b"])
    assert suggested(path, target="weight", groups="patient")[0] == "regression"
    with pytest.raises(DataError, match="There is no column 'size' of answers. Expected one of: age, weight, patient"):
        suggested(path, target="size", groups=None)
    with pytest.raises(DataError, match="Which column is to be predicted. Say so with --target"):
        Targets("regression").columns(["path", "age", "weight"])


def test_a_table_is_no_list_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("age,weight\n1,2\n")
    assert not holds_pictures(tmp_path / "table.csv")
    assert holds_pictures(tmp_path) and not holds_pictures(tmp_path / "absent")


def test_columns_by_other_names_are_found_by_their_files(tmp_path: Path) -> None:
    path = write(tmp_path, "species", ["cat", "dog"])
    path.write_text(path.read_text().replace("path,", "Image Name,"))
    assert holds_pictures(path)
    assert suggested(path, target=None, groups=None) == ("classification", "")
    path.write_text(path.read_text().replace("cat", "3.5").replace("dog", "4.5"))
    assert suggested(path, target=None, groups=None)[0] == "regression"
    assert datasets.reading.read(path, targets=Targets("regression")).labels == {"train": ["3.5", "4.5"]}


def test_arrays_tell_what_is_asked() -> None:
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    one_hot, flags = np.eye(3), np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]])
    for answers, asks in (
        ([0, 1, 1], "classification"),
        (np.array([0.0, 1.0, 1.0]), "classification"),
        (np.array([0.5, 1.0, 1.0]), "regression"),
        (one_hot, "classification"),
        (flags, "multilabel"),
    ):
        assert suggested((pictures, answers), target=None, groups=None)[0] == asks
        assert suggested({"train": (pictures, answers)}, target=None, groups=None)[0] == asks


def test_numbers_are_read_and_divided_by_their_size(tmp_path: Path) -> None:
    found = datasets.load(write_pictures(tmp_path, 100, "brightness"), targets=Targets("regression"))
    assert (len(found.train), len(found.validation), len(found.test)) == (65, 20, 15)
    assert found.output.asks == "regression"
    means = [float(np.mean(getattr(found, split).labels)) for split in ("train", "validation", "test")]
    assert max(means) - min(means) < 0.1 * max(means)
    assert found.train.pictures[:, 0, 0, 0] == pytest.approx(found.train.labels, abs=1)
    assert found.summary().startswith("list: 100 pictures of 8 x 8 px, 'number' ")


def test_labels_are_read(tmp_path: Path) -> None:
    found = datasets.load(write_pictures(tmp_path, 60, "labels"), targets=Targets("multilabel"))
    assert found.output.names == ("bright", "red")
    assert found.train.labels.shape == (len(found.train), 2)
    red = found.train.pictures[:, 0, 0, 0] > found.train.pictures[:, 0, 0, 1]
    np.testing.assert_array_equal(found.train.labels[:, 1] > 0, red)


def test_workers_get_the_same(tmp_path: Path) -> None:
    found = datasets.load(write_pictures(tmp_path, 60, "labels"), targets=Targets("multilabel"))
    found.write(tmp_path / "work")
    read = datasets.ImageDataset.read(tmp_path / "work")
    assert read.output == found.output
    np.testing.assert_array_equal(read.train.labels, found.train.labels)


def test_flags_must_be_flags(tmp_path: Path) -> None:
    path = write(tmp_path, "red,round", ["1,0", "maybe,1"])
    with pytest.raises(DataError, match="Row 3 has 'maybe' in the column 'red'. Expected 0 or 1"):
        datasets.load(path, targets=Targets("multilabel"))


def test_what_has_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tells classes of pictures only. Expected a .csv with a column `path`"):
        datasets.load(tmp_path, targets=Targets("regression"))
    with pytest.raises(DataError, match="Expected one number for each picture"):
        datasets.load((np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 2))), targets=Targets("regression"))
    with pytest.raises(DataError, match="Expected 0 or 1 for each picture and label"):
        datasets.load((np.zeros((3, 8, 8, 3), np.uint8), np.full((3, 2), 2)), targets=Targets("multilabel"))
