"""Control groups of the system with a memory limit, which are real ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def group(num_bytes: int) -> Iterator[Path]:
    """Makes a control group that holds so much memory, of whichever version there is; skips the test where none can.

    Args:
        num_bytes: Its limit, whole pages.
    """
    roots = [(Path("/sys/fs/cgroup"), "memory.max"), (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")]
    for root, name in roots:
        made = root / f"kevo-test-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        if not (made / name).exists():
            # The controller of memory is elsewhere.
            made.rmdir()
            continue
        (made / name).write_text(str(num_bytes))
        yield made
        made.rmdir()
        return
    pytest.skip("No control group can be made here: that takes root, and a memory controller.")


def join(made: Path) -> None:
    """Puts this process into a control group, and all that it starts from now on."""
    (made / "cgroup.procs").write_text(str(os.getpid()))
