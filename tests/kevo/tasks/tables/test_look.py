"""What a table holds is told without opening any file that it names."""

from pathlib import Path

import pytest

from kevo.errors import DataError
from kevo.tasks.tables.look import look


@pytest.mark.parametrize(
    "value",
    ["/etc/hosts", "../x", "./x", "C:\\x", "a b/c.PNG", "c.jpeg", "file:///x", "\\\\host\\share"],
)
def test_a_column_of_files_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "sent.csv"
    path.write_text(f'what,kind\n"{value}",a\n"{value}",b\n', encoding="utf-8")
    with pytest.raises(DataError, match="The column 'what' of mine.csv names files"):
        look(path, name="mine.csv")


def test_words_with_points_and_strokes_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "sent.csv"
    path.write_text("what,unit,kind\nand/or,km/h,a\n3.5,m/s,b\nv1.2,km/h,a\n", encoding="utf-8")
    found = look(path, name="mine.csv")
    assert found.num_rows == 3 and [one.name for one in found.columns] == ["what", "unit", "kind"]


def test_errors_tell_nobody_where_the_file_lies(tmp_path: Path) -> None:
    path = tmp_path / "sent.csv"
    path.write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(DataError) as refused:
        look(path, name="mine.csv")
    assert "mine.csv is not UTF-8" in str(refused.value) and str(tmp_path) not in str(refused.value)
