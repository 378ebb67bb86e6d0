"""The lock of a run folder: who may hold it, and what is said where there is none."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from kevo.errors import RunError
from kevo.runs import lock


def refuse(descriptor: int, operation: int) -> None:
    """Answers as a file system without locks."""
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o600), (0o775, 0o660), (0o700, 0o600), (0o777, 0o666)])
def test_only_who_may_write_may_hold_it(folder: int, file: int, tmp_path: Path) -> None:
    tmp_path.chmod(folder)
    # One that an older kevo has left.
    (tmp_path / ".lock").touch(0o644)
    for _ in range(2):
        with lock.held(tmp_path) as note:
            assert note is None and lock.is_held(tmp_path)
            assert (tmp_path / ".lock").stat().st_mode & 0o777 == file
        assert not lock.is_held(tmp_path)


def test_without_locks_a_search_goes_on_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse)
    with lock.held(tmp_path) as note:
        assert note is not None and "without locks (No locks available)" in note and str(tmp_path) in note
        assert not lock.is_held(tmp_path)
        (tmp_path / "status.json").touch()
        assert lock.is_held(tmp_path)
        os.utime(tmp_path / "status.json", (0, 0))
        assert not lock.is_held(tmp_path)


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=r"Cannot read .*\.lock"):
        lock.is_held(tmp_path)
    with pytest.raises(RunError, match="Cannot write"), lock.held(tmp_path):
        raise AssertionError
    assert not (tmp_path / "elsewhere").exists()
