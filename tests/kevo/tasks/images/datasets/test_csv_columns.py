"""Which columns of a CSV mean what, told by their names and by what is in them."""

from pathlib import Path

import pytest

from kevo.tasks.images.datasets.csv_columns import Columns, find

FOLDER = Path("/data")


def found(text: str, *files: str, other: tuple[str, ...] = ()) -> Columns:
    """Reads the columns of a CSV beside which there are these files."""
    header, *rows = [line.split(",") for line in text.split()]
    paths = {FOLDER / name for name in files}
    return find(header, rows, FOLDER, is_file=lambda folder, name: folder / name in paths, other=other)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("path,label", ["path", "label"]),
        ("label,path", ["path", "label"][::-1]),
        ("image,breed", ["path", "label"]),
        ("image_id,class,width", ["path", "label", "width"]),
        ("id,target,set", ["path", "label", "split"]),
        ("file,patient,split,x", ["path", "patient", "split", "x"]),
    ],
)
def test_columns_are_told_by_their_names_and_their_files(header: str, expected: list[str]) -> None:
    place = expected.index("path")
    rows = []
    for number in range(3):
        row = [f"v{number}" if name != "split" else "train" for name in expected]
        row[place] = f"{number}.png"
        rows.append(",".join(row))
    columns = found("\n".join([header, *rows]), *(f"{number}.png" for number in range(3)))
    assert columns.header == expected and columns.folder == FOLDER
    assert (columns.note is None) == (header in ("path,label", "label,path"))
    assert bool(columns.hint) == ("label" not in expected)


def test_what_means_something_else_is_no_class() -> None:
    columns = found("image,patient,kind a.png,1,cat b.png,2,dog", "a.png", "b.png", other=("patient",))
    assert columns.header == ["path", "patient", "label"]
    assert columns.note == "The column 'image' names the pictures and 'kind' their classes."


def test_a_column_of_other_values_is_no_split() -> None:
    assert found("path,label,set a.png,cat,1", "a.png").header == ["path", "label", "set"]


def test_a_first_line_that_names_a_picture_is_no_header() -> None:
    assert "put the line path,label above it" in found("a.png,cat b.png,dog", "a.png", "b.png").hint


def test_a_table_without_pictures_is_sent_to_its_task() -> None:
    assert found("age,income 3,4 5,6").hint.endswith("--target COLUMN.")


def test_the_one_folder_that_has_the_files_is_taken(tmp_path: Path) -> None:
    for name in ("train", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "train" / "a.png").touch()
    header, rows = ["path", "label"], [["a.png", "cat"], ["b.png", "dog"]]
    columns = find(header, rows, tmp_path, is_file=lambda folder, name: (folder / name).is_file())
    assert columns.folder == tmp_path / "train" and columns.note == "The column 'path' names the pictures, in train/."
    (tmp_path / "other" / "a.png").touch()
    columns = find(header, rows, tmp_path, is_file=lambda folder, name: (folder / name).is_file())
    assert columns.folder == tmp_path
