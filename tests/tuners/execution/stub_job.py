"""A job for the tests of executors: each trial says what is to happen in it."""

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuners.execution.executor import KeepCheckpoint, ReportProgress, UnfitError


def build(
    *,
    folder: str,
    notes: str | None = None,
    fails: str | None = None,
    data: str | None = None,
    members: Sequence[Any] = (),
    addresses: Sequence[str] = (),
) -> "Stub":
    """Makes the work, or fails in one of several ways.

    Args:
        folder: The worker's own.
        notes: Where it leaves what tests look for; by default there too.
        fails: How it fails.
        data: A file or folder that it needs.
        members: Lines to processes that train along.
        addresses: Of all of them.
    """
    print("The job begins.")
    if fails == "unfit":
        raise UnfitError("it has no partner")
    if fails == "disk":
        raise OSError(f"no room in {folder}")
    if fails == "hang":
        time.sleep(600)
    if fails is not None:
        raise RuntimeError(fails)
    return Stub(Path(notes or folder), data=None if data is None else Path(data), members=members, addresses=addresses)


def train_along(
    *, line: Any, addresses: Sequence[str], index: int, ready: Callable[[], object], notes: str, data: str, folder: str
) -> None:
    """Writes down what it hears, where it is, and what it finds in `data`."""
    import ray

    facts = {
        "addresses": list(addresses),
        "index": index,
        "node": ray.get_runtime_context().get_node_id(),
        "pid": os.getpid(),
        "data": {path.name: path.read_text() for path in sorted(Path(data).iterdir())},
    }
    ready()
    message, payload = line.hear()
    if message.get("fails"):
        raise RuntimeError(message["fails"])
    Path(notes, f"member-{index}.json").write_text(json.dumps({**facts, **message, "payload": payload.decode()}))


def join(*, ready: Callable[[], object], notes: str, **others: object) -> None:
    """Trains along, and writes down when it has joined the others."""
    ready()
    Path(notes, "joined").touch()


def versions() -> dict[str, str]:
    """Returns what a worker says of its machine."""
    return {"stub": os.environ.get("STUB_VERSION", "1")}


def memory_use(part: float) -> float:
    """Returns how much of its memory a worker takes; its share are 400 MB more than it begins with."""
    with open("/proc/self/statm") as statm:
        held = int(statm.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    _first.append(held)
    return (held - _first[0]) / 400e6


_first: list[int] = []


class Stub:
    """Runs trials: mappings with the `acts` of each, one after the other, and its `result`."""

    def __init__(
        self,
        folder: Path,
        *,
        data: Path | None = None,
        members: Sequence[Any] = (),
        addresses: Sequence[str] = (),
    ) -> None:
        self._members = members
        self._addresses = addresses
        self._folder = folder
        self._data = data
        self._ballast: list[bytes] = []

    def perform(
        self, trial: Mapping[str, Any], *, earlier: Path | None, progress: ReportProgress, keep: KeepCheckpoint
    ) -> "Ended":
        for act, *values in trial.get("acts", ()):
            match act:
                case "say":
                    progress("train", values[0], 1, {"loss": values[0], "none": float("nan")})
                case "sleep":
                    time.sleep(values[0])
                case "keep":
                    keep(lambda folder: (folder / "model").write_text("half a model"), {"epochs": values[0]})
                case "once":
                    # Whoever meets it again gets past it.
                    if not (self._folder / values[0]).exists():
                        (self._folder / values[0]).touch()
                        os.kill(os.getpid(), signal.Signals[values[0]])
                case "meet":
                    (self._folder / f"met-{os.getpid()}").touch()
                    while len(list(self._folder.glob("met-*"))) < values[0]:
                        progress("meet", 0.0, 1, {})
                        time.sleep(0.1)
                case "exit":
                    os._exit(values[0])
                case "grow":
                    self._ballast.append(os.urandom(values[0]))
                case "raise":
                    raise RuntimeError(values[0])
                case "unfit":
                    raise UnfitError(values[0])
                case "disk":
                    raise OSError("no room")
                case "memory":
                    raise OSError(errno.ENOMEM, "no memory", "a module")
                case "lead":
                    # What was said last may be on its way to a process that is gone.
                    try:
                        for member in self._members:
                            member.say({"addresses_of_worker": list(self._addresses), **values[0]}, b"some bytes")
                    except OSError as error:
                        raise UnfitError("the processes have parted") from error
                case "node":
                    import ray

                    (self._folder / "worker.json").write_text(json.dumps(ray.get_runtime_context().get_node_id()))
        text = None if earlier is None else earlier.read_text()
        facts: dict[str, Any] = {
            "pid": os.getpid(),
            "session": os.getsid(0),
            "place": os.environ.get("STUB_PLACE"),
            "earlier": text,
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        }
        if self._data is not None:
            facts["data"] = {path.name: path.read_text() for path in sorted(self._data.iterdir())}
            facts["place"] = str(self._data)
        return Ended({**facts, **trial.get("result", {})}, trial.get("saves", "a model"))

    def close(self) -> None:
        (self._folder / f"closed-{os.getpid()}").touch()


class Ended:
    """A trial that has ended."""

    def __init__(self, result: Mapping[str, Any], saves: str) -> None:
        self.result = result
        self._saves = saves

    def save(self, folder: Path) -> Mapping[str, Any]:
        if self._saves == "disk":
            raise OSError("no room for a model")
        if self._saves == "fails":
            return {**self.result, "reason": "it cannot be saved"}
        (folder / "model").write_text(self._saves)
        return self.result
