"""Files that are written whole or not at all."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs import atomic_files
from kevo.runs.atomic_files import atomic_write_text, damage, dumps, loads, replacing, writing


def test_replacing_shows_the_old_or_the_new_file(tmp_path: Path) -> None:
    target = tmp_path / "checkpoints" / "a.keras"
    with replacing(target) as path:
        path.write_bytes(b"old")
    with replacing(target) as path:
        assert path.suffix == ".keras"
        path.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "best.keras"
    atomic_write_text(target, "old")
    with pytest.raises(ZeroDivisionError), replacing(target) as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_memory_that_the_system_does_not_give_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(MemoryError, match="a file: Cannot allocate memory"), writing(tmp_path):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), "a file")


def test_the_disk_holds_a_file_before_its_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = [], os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    atomic_write_text(tmp_path / "new" / "folder" / "a.txt", "x")
    *made, file, folder = synced
    assert sorted(made) == [Path("."), Path("new")]
    assert file.parent == Path("new/folder") and file.name.startswith(atomic_files.PARTIAL)
    assert folder == Path("new/folder")


@pytest.mark.parametrize(
    "text", ["1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "1e200", "-1e999", "NaN", "Infinity", "[-Infinity]"]
)
def test_numbers_beyond_all_that_is_written_are_damage(text: str) -> None:
    with pytest.raises(ValueError, match="it has (the|a) number"):
        loads(text.encode())


def test_ordinary_numbers_come_back() -> None:
    numbers = [0, -7, 10**18, -(10**18), 1e30, -1.5e-300, 0.1]
    assert loads(dumps(numbers).encode()) == numbers


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"Cannot write .*file.*name another folder"):
        atomic_write_text(tmp_path / "file" / "a.txt", "x")


def test_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    atomic_write_text(tmp_path / "written", "x")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_links_are_replaced_and_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    os.symlink(outside, tmp_path / "link")
    atomic_write_text(tmp_path / "link", "theirs")
    assert outside.read_text() == "mine" and not (tmp_path / "link").is_symlink()


def test_numbers_that_are_none_are_written_as_null() -> None:
    assert json.loads(dumps({"a": [math.nan, (1.5, -math.inf)], "b": {"c": math.inf}})) == {
        "a": [None, [1.5, None]],
        "b": {"c": None},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b'{"seed": ', "Expecting value"),
        (b"\xff\xfe", "Expecting value"),
        (b"[" * 100_000, "too deeply nested"),
    ],
)
def test_what_is_no_json_is_a_value_error(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loads(content)


@pytest.mark.parametrize("error", [KeyError("name"), TypeError("x"), ValueError("x"), OverflowError("x")])
def test_damage_is_named_with_its_file(error: Exception) -> None:
    words = "it has no 'name'" if isinstance(error, KeyError) else "x"
    with pytest.raises(RunError, match=f"result.json is damaged: {words}. Restore it"), damage(Path("result.json")):
        raise error


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Cannot read .*result\.json: No such file"):
        atomic_files.read(tmp_path / "result.json")
