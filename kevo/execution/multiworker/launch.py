"""Processes that train every candidate along with a worker: a second one on this machine, or some on a cluster.

python -m kevo.execution.multiworker.launch FD    talks over the pipe FD, and ends when its standard input closes
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.execution.multiworker.line import Incoming, LocalLine
from tuners.execution.executor import UnfitError
from tuners.execution.processes import describe_exit, end_with_parent

if TYPE_CHECKING:
    from kevo.execution.multiworker.lockstep import Leader

_START_SECONDS = 300.0
"""How long the second process may take until it is ready."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextlib.contextmanager
def leading(*, data: str, settings: Mapping[str, Any], folder: str) -> Iterator[Leader]:
    """Starts the second process, with half of this one's GPUs, and joins with it. It ends with this one.

    Args:
        data: The folder that `Dataset.write` filled.
        settings: Those of the search, as `Settings.to_json` writes them.
        folder: For the second process's log.

    Raises:
        UnfitError: it cannot be started or joined.
    """
    mine, others = _shares(os.environ.get(_VISIBLE))
    os.environ.update(mine)
    addresses = _free_addresses()
    ours, theirs = Pipe()
    with theirs, (Path(folder) / "follower.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # It stays open: a follower ends when its leader does.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **others},
        )
    line = LocalLine(ours)
    try:
        with contextlib.suppress(OSError):
            line.say({"data": data, "settings": dict(settings), "addresses": addresses})
        from kevo.execution.multiworker.lockstep import Leader

        _await(line, ours, process)
        leader = Leader([line], addresses, seed=settings["seed"])
        yield leader
        leader.end()
    finally:
        process.kill()
        process.wait()
        line.close()


def _await(line: LocalLine, connection: Connection, process: subprocess.Popen[bytes]) -> None:
    """Waits until the second process is ready."""
    reason = f"it was not ready after {_START_SECONDS:.0f} seconds"
    if wait([connection], _START_SECONDS):
        try:
            line.hear()
            return
        except OSError:
            reason = describe_exit(process.wait())
    raise UnfitError(f"The second process on this machine cannot train along: {reason}.")


def _free_addresses() -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in (first, second)]


def _shares(visible: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Divides the GPUs between two processes."""
    gpus = [name for name in (visible or "").split(",") if name]
    half = len(gpus) // 2
    return ({_VISIBLE: ",".join(gpus[:half])}, {_VISIBLE: ",".join(gpus[half:])}) if gpus else ({}, {})


def train_along(
    *,
    line: Incoming,
    addresses: Sequence[str],
    index: int,
    ready: Callable[[], object],
    data: str,
    settings: Mapping[str, Any],
    **others: object,
) -> None:
    """Trains along in this process until the search is over.

    Args:
        line: The worker that leads.
        addresses: Host and port where TensorFlow is to listen in each process, the worker's first.
        index: The place of this process among them.
        ready: Is called when this process is about to join.
        data: The folder that `Dataset.write` filled.
        settings: Those of the search, as `Settings.to_json` writes them.
        **others: What only the worker needs.

    Raises:
        OSError, OpError: the processes have parted.
    """
    from kevo.execution.multiworker.lockstep import follow
    from kevo.settings import Settings

    parsed = Settings.from_json(settings)
    stage_data = parsed.kind.stage_data(parsed.kind.read(Path(data)), seed=parsed.seed)
    ready()
    follow(line, stage_data, addresses=addresses, index=index, seed=parsed.seed)


def main() -> None:
    """Trains along with the process that started this one."""
    end_with_parent()
    line = LocalLine(Connection(int(sys.argv[1])))
    given, _ = line.hear()
    train_along(line=line, index=1, ready=lambda: line.say({"ready": True}), **given)


if __name__ == "__main__":
    main()
