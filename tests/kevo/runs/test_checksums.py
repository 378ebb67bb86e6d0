"""Whether a model's file is what was written."""

import errno
import zipfile
from pathlib import Path

import pytest

from kevo.runs import checksums


def test_a_model_with_any_flipped_bit_is_damaged_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "1.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model", b"weights")
    content = path.read_bytes()
    flaws = set()
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        flaws.add(checksums.flaw(path))
    # Some bits say when the file was made, and by whom.
    assert None in flaws and len(flaws) > 5 and "" not in flaws


def test_a_file_that_is_gone_or_cut_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "1.keras"
    assert checksums.flaw(path) is not None
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model", b"weights")
    assert checksums.flaw(path) is None
    path.write_bytes(path.read_bytes()[:20])
    assert checksums.flaw(path) is not None


def test_a_file_that_the_system_does_not_let_read_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    assert checksums.flaw(tmp_path / "1.keras") is None
