"""What an uploaded table of texts holds."""

from pathlib import Path

from kevo.tasks.looking import look
from kevo.tasks.tables.look import TableLook
from tests.support import tables, texts


def test_a_column_beside_texts_is_predicted_from_these(tmp_path: Path) -> None:
    found = look(texts.write_csv(tmp_path / "reviews.csv", 20), name="mine.csv")
    assert isinstance(found, TableLook)
    assert {one.name: one.task for one in found.columns}["kind"] == "texts"
    other = look(tables.write_csv(tmp_path / "things.csv"), name="mine.csv")
    assert isinstance(other, TableLook)
    assert {one.name: one.task for one in other.columns}["kind"] == "tables"
