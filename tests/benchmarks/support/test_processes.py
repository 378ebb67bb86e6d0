import mmap
import time
from pathlib import Path

from benchmarks.support.processes import OwnMemory, in_its_own_process, memory


def test_a_process_of_its_own_has_its_own_memory() -> None:
    ballast = bytearray(b"1") * 400_000_000
    assert 0 < in_its_own_process(memory) < memory() - 0.5e-6 * len(ballast)
    assert memory(peak=True) >= 400


def test_mapped_files_are_not_its_own_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(200_000_000))
    own, before = OwnMemory(), memory()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == 0 and memory() > before + 150
        time.sleep(1)
    assert own.peak is not None and own.peak < before + 100
    ballast = bytearray(b"1") * 200_000_000
    time.sleep(1)
    assert own.peak > 1e-6 * len(ballast)
