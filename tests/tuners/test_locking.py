"""Two processes that would search in one folder."""

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuners.locking import alone

HOLDER = """
import sys
from pathlib import Path
from tuners.locking import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{HOLDER}", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_another_process_is_kept_out_until_it_ends(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with pytest.raises(RuntimeError, match=f"Another search is at work in {tmp_path}"), alone(tmp_path):
            raise AssertionError
        process.kill()
        process.wait()
        with alone(tmp_path):
            pass


def test_one_after_the_other_is_welcome(tmp_path: Path) -> None:
    for _ in range(2):
        with alone(tmp_path):
            pass


def test_without_a_folder_or_locks_nothing_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with alone(tmp_path / "missing"):
        pass
    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(tmp_path):
        pass


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o600), (0o775, 0o660), (0o500, 0o000)])
def test_only_who_may_write_into_the_folder_may_open_its_lock(folder: int, file: int, tmp_path: Path) -> None:
    (tmp_path / ".lock").touch(0o644)
    tmp_path.chmod(folder)
    try:
        with alone(tmp_path):
            assert (tmp_path / ".lock").stat().st_mode & 0o777 == file
    finally:
        tmp_path.chmod(0o700)


def test_a_lock_is_no_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".lock").symlink_to(tmp_path / "elsewhere")
    with alone(tmp_path / "folder"):
        assert not (tmp_path / "elsewhere").exists()
