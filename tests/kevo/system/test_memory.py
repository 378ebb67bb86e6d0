"""How much memory there is, and what a process takes of it."""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kevo.system import memory
from tests.support.control_groups import group, join

WHOLE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which this process is in no control group."""
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_share", None)
    return tmp_path


def test_a_container_has_less_memory_than_its_machine(groups: Path) -> None:
    limit = groups / "memory.max"
    assert memory.usable() == WHOLE and str(memory.limit()).endswith("GB of memory")
    for text, expected in (("max\n", WHOLE), ("1073741824\n", 1024**3), (f"{2**63}\n", WHOLE)):
        limit.write_text(text)
        assert memory.usable() == expected
    limit.write_text("1200000000\n")
    assert str(memory.limit()) == "1.2 GB of memory (the limit of its job or container, a control group)"


@pytest.mark.parametrize(
    ("own", "file"),
    [
        # Version 2, of the group itself and of one above it.
        ("0::/user.slice/job-7.scope\n", "user.slice/job-7.scope/memory.max"),
        ("0::/user.slice/job-7.scope\n", "user.slice/memory.max"),
        # Version 1, beside others.
        ("12:cpu,cpuacct:/a\n4:memory:/slurm/uid_1/job_7\n0::/a\n", "memory/slurm/uid_1/job_7/memory.limit_in_bytes"),
        ("4:hugetlb,memory:/slurm/uid_1/job_7\n", "memory/slurm/memory.limit_in_bytes"),
        ("4:memory:/\n", "memory/memory.limit_in_bytes"),
        ("4:memory:/docker/a:b\n", "memory/docker/a:b/memory.limit_in_bytes"),
    ],
)
def test_a_job_has_the_least_of_its_groups(own: str, file: str, groups: Path) -> None:
    (groups / "own").write_text(own)
    (groups / file).parent.mkdir(parents=True, exist_ok=True)
    (groups / file).write_text("1200000000\n")
    assert memory.usable() == 1_200_000_000


@pytest.mark.parametrize("own", ["0::/../../other\n", "nothing\n", "\n", "4:cpu:/a\n"])
def test_groups_that_are_not_its_own_do_not_count(own: str, groups: Path) -> None:
    (groups / "own").write_text(own)
    for folder in ("other", "a", "memory/a"):
        (groups / folder).mkdir(parents=True)
        (groups / folder / "memory.max").write_text("1000\n")
    assert memory.usable() == WHOLE


def test_a_limit_of_the_address_space_is_named() -> None:
    code = "from kevo.system import memory; print(memory.usable(), memory.limit())"
    size = 4 * 10**9
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )
    assert done.stdout.strip() == f"{min(size, WHOLE)} 4.0 GB of memory (the limit of ulimit -v)"


def test_a_worker_counts_on_its_share_only() -> None:
    memory.confine(1000)
    assert memory.usable() == 1000
    memory.confine(2**60)
    assert memory.usable() == WHOLE


def test_what_a_process_holds_is_known() -> None:
    assert 10 * 1024**2 < (memory.resident() or 0) < (memory.usable() or 0)
    assert memory.resident(os.getpid()) is not None
    assert memory.resident(2**22 + 1) is None


def test_children_are_known() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in memory.children()
        child.communicate(b"\n")


def test_workers_get_what_their_parent_leaves_of_a_common_limit(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (groups / "memory.max").write_text(f"{8 * 1024**3}\n")
    monkeypatch.setattr(memory, "resident", lambda: 1024**3 - 5)
    assert memory.left_for_workers() == 7 * 1024**3
    monkeypatch.setattr(memory, "resident", lambda: 9 * 1024**3)
    assert memory.left_for_workers() == 2 * 1024**3
    limit = 3 * 1024**3
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert memory.left_for_workers() == limit


def test_the_limit_of_a_real_control_group_is_seen() -> None:
    code = "from kevo.system import memory; print(memory.usable(), memory.limit().words)"
    with group(1200005120) as made:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=lambda: join(made))
    # The kernel rounds to whole pages.
    assert done.stdout.split(" ", 1) == ["1200005120", "the limit of its job or container, a control group\n"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only the C library of GNU keeps memory so")
def test_what_was_freed_goes_back_to_the_system() -> None:
    held = [bytes(2000) for _ in range(100_000)]
    # One that stays at the end keeps the library from giving all back by itself.
    last = held[-1]
    del held
    before = memory.resident() or 0
    memory.release()
    assert before - (memory.resident() or 0) > 100_000_000 and len(last) == 2000
