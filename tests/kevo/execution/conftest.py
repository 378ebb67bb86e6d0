"""Fixtures of the tests of workers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk without any room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "kevo-test", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk is missing: only root may mount one")
    try:
        with pytest.raises(OSError, match="No space left"):
            (folder / "ballast").write_bytes(bytes(1 << 20))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
