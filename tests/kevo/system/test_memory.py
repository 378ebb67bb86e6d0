"""How much memory there is, and what a process takes of it."""

import os
from pathlib import Path

import pytest

from kevo.system import memory


def test_a_container_has_less_memory_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (limit,))
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory.usable() == whole
    for text, expected in (("max\n", whole), ("1073741824\n", 1024**3), (f"{2**63}\n", whole)):
        limit.write_text(text)
        assert memory.usable() == expected


def test_a_worker_counts_on_its_share_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_share", None)
    memory.confine(1000)
    assert memory.usable() == 1000
    memory.confine(2**60)
    assert memory.usable() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc is missing")
def test_what_a_process_holds_is_known() -> None:
    assert 10 * 1024**2 < (memory.resident() or 0) < (memory.usable() or 0)
    assert memory.resident(2**22 + 1) is None
