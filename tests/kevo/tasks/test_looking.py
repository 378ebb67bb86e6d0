"""What an uploaded file holds, and which task it is for."""

import shutil
from pathlib import Path

import pytest

from kevo.errors import DataError
from kevo.tasks.images.datasets.look import Look
from kevo.tasks.looking import look
from kevo.tasks.masks.look import MaskLook
from kevo.tasks.tables.look import TableLook
from tests.support import masks, series, tables, texts
from tests.support.serving import pets, zipped


def test_a_column_beside_texts_is_predicted_from_these(tmp_path: Path) -> None:
    found = look(texts.write_csv(tmp_path / "reviews.csv", 20), name="mine.csv")
    assert isinstance(found.look, TableLook) and (found.examples, found.task) == ("rows", "")
    assert {one.name: one.task for one in found.look.columns}["kind"] == "texts"
    other = look(tables.write_csv(tmp_path / "things.csv"), name="mine.csv").look
    assert isinstance(other, TableLook)
    assert {one.name: one.task for one in other.columns}["kind"] == "tables"


def test_rows_with_times_may_be_a_series(tmp_path: Path) -> None:
    found = look(series.write_csv(tmp_path / "sales.csv"), name="mine.csv")
    assert found.series is not None and found.series.columns == ("sales", "visitors")
    assert isinstance(found.look, TableLook) and {one.name for one in found.look.columns} > {"quarter", "sales"}
    assert look(tables.write_csv(tmp_path / "things.csv"), name="mine.csv").series is None


def test_texts_and_masks_are_told_from_pictures(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(pets())
    found = look(tmp_path / "pets.zip", name="mine.zip")
    assert isinstance(found.look, Look) and (found.examples, found.task) == ("pictures", "")
    members = {f"{name}/{place}.txt": f"{name} {place}".encode() for name in ("good", "bad") for place in range(3)}
    (tmp_path / "words.zip").write_bytes(zipped(members))
    thumbs = tmp_path / "thumbs"
    thumbs.mkdir()
    words = look(tmp_path / "words.zip", name="mine.zip", thumbnails=thumbs)
    assert isinstance(words.look, Look) and (words.examples, words.task) == ("texts", "texts")
    assert words.look.counts == {"bad": {"train": 3}, "good": {"train": 3}}
    # No text is taken for a picture that cannot be read.
    assert words.look.skipped == words.look.thumbnails == ()
    (tmp_path / "rows.zip").write_bytes(zipped({"rows.csv": b"a,b\n1,2\n"}))
    with pytest.raises(DataError, match=r"mine\.zip holds one table"):
        look(tmp_path / "rows.zip", name="mine.zip")
    shutil.make_archive(str(tmp_path / "disks"), "zip", masks.write_folder(tmp_path / "disks", 3))
    drawn = look(tmp_path / "disks.zip", name="mine.zip")
    assert isinstance(drawn.look, MaskLook) and (drawn.examples, drawn.task) == ("masks", "segmentation")
