"""Starts the processes that train every candidate together, or follows the first of them.

python -m kevo.execution.multiworker.launch    is told on its standard input what to follow, and ends when that closes
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from kevo.errors import SettingsError, WorkerError
from kevo.execution.devices import Cluster
from kevo.tasks.registry import choose
from tuners.execution.processes import end_with_parent

if TYPE_CHECKING:
    from kevo.execution.multiworker.lockstep import Leader
    from kevo.settings import Settings

PATIENCE_SECONDS = 300.0
"""For so long processes wait for each other."""
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextlib.contextmanager
def leading(given: Mapping[str, Any]) -> Iterator[Leader]:
    """Gathers the processes that train along; without `TF_CONFIG` that is one here, which ends with this one.

    Args:
        given: What this worker was told.

    Raises:
        MissingError: a process is not there, or has other data or another version.
    """
    cluster, seed = Cluster.from_environment(), given["settings"]["seed"]
    follower: subprocess.Popen[bytes] | None = None
    if cluster is None:
        cluster = Cluster(_free_addresses(), 0)
        mine, others = _shares(os.environ.get(_VISIBLE))
        os.environ.update({**cluster.in_environment(), **mine})
        follower = _started(given, {**Cluster(cluster.addresses, 1).in_environment(), **others})
    from kevo.execution.multiworker.lockstep import Leader
    from kevo.execution.multiworker.rendezvous import MissingError

    def watch() -> None:
        if follower is not None and (code := follower.poll()) is not None:
            raise MissingError(f"The second process on this machine ended with exit code {code} before it had begun.")

    try:
        yield Leader.gather(
            cluster,
            terms=_terms(given["fingerprint"], seed=seed),
            seed=seed,
            patience_seconds=PATIENCE_SECONDS,
            watch=watch,
        )
    finally:
        if follower is not None:
            follower.kill()
            follower.wait()


def follow(data: Any, settings: Settings, *, note: Callable[[str], object] = lambda text: None) -> bool:
    """Trains along with the search that `TF_CONFIG` names, until it is over.

    Args:
        data: That of the search, as for `kevo.search`.
        settings: Those of the search.
        note: Is told what happens.

    Returns:
        Whether the search is over; `False` if the processes have parted and a new process is to go on.

    Raises:
        WorkerError: the search has not called.
        KevoError: as `kevo.search`, or the data or versions are not those of the search.
    """
    from kevo.execution.multiworker.lockstep import follow as follow_in
    from kevo.execution.multiworker.rendezvous import MissingError

    cluster = Cluster.from_environment()
    if cluster is None or cluster.index == 0:
        raise SettingsError(
            "By TF_CONFIG this process follows nobody. Expected the index of another task than the first."
        )
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    kind, _ = choose(settings.task, data, settings.options)
    settings = dataclasses.replace(settings, task=kind.name)
    dataset = settings.kind.load(data, settings)
    note(f"This is {cluster}. Waits for the search at {cluster.addresses[0]}.")
    terms = _terms(dataset.fingerprint(), seed=settings.seed)
    try:
        return follow_in(
            cluster,
            settings.kind.stage_data(dataset, seed=settings.seed),
            terms=terms,
            seed=settings.seed,
            patience_seconds=PATIENCE_SECONDS,
            note=note,
        )
    except MissingError as error:
        raise WorkerError(str(error)) from error


def _started(given: Mapping[str, Any], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "kevo.execution.multiworker.launch"]
    with (Path(given["folder"]) / "follower.log").open("wb") as log:
        options: dict[str, Any] = {"stdout": log, "stderr": log, "env": {**os.environ, **environment}}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, **options)
    # It stays open: a follower ends when its leader does.
    stdin = cast(BinaryIO, process.stdin)
    with contextlib.suppress(BrokenPipeError):
        stdin.write(json.dumps({name: given[name] for name in ("data", "fingerprint", "settings")}).encode() + b"\n")
        stdin.flush()
    return process


def _free_addresses() -> tuple[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return f"127.0.0.1:{first.getsockname()[1]}", f"127.0.0.1:{second.getsockname()[1]}"


def _shares(visible: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Divides the GPUs between two processes."""
    gpus = [name for name in (visible or "").split(",") if name]
    half = len(gpus) // 2
    return ({_VISIBLE: ",".join(gpus[:half])}, {_VISIBLE: ",".join(gpus[half:])}) if gpus else ({}, {})


def _terms(fingerprint: str, *, seed: int) -> dict[str, Any]:
    """Returns the facts that all processes must share, as JSON values."""
    from importlib import metadata

    packages = ("tensorflow", "keras")
    return {"data": fingerprint, "seed": seed, **{f"version of {name}": metadata.version(name) for name in packages}}


def main() -> int:
    """Trains along with the process that started this one."""
    given: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    end_with_parent()
    cluster = Cluster.from_environment()
    if cluster is None:
        return 1
    from kevo.execution.multiworker.lockstep import follow as follow_in
    from kevo.settings import Settings

    seed = given["settings"]["seed"]
    terms = _terms(given["fingerprint"], seed=seed)
    settings = Settings.from_json(given["settings"])
    stage_data = settings.kind.stage_data(settings.kind.read(Path(given["data"])), seed=seed)
    is_over = follow_in(cluster, stage_data, terms=terms, seed=seed, patience_seconds=PATIENCE_SECONDS)
    return 0 if is_over else 1


if __name__ == "__main__":
    sys.exit(main())
