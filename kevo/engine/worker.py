"""A worker: asks the chief for a training, does it and hands it in, until there is nothing left to do.

python -m kevo.engine.worker    is told on its standard input whom to work for, and ends when that closes
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras

    from kevo.engine.desk import RemoteChief
    from kevo.engine.performing import Performer

FULL = 75
"""The exit code of a worker whose memory has grown: another one takes its place."""
UNWRITABLE = 74
"""The exit code of a worker that cannot write its files."""
_WAIT_SECONDS = 0.2


def work(
    chief: RemoteChief,
    performer: Performer,
    *,
    folder: Path,
    max_bytes: int | None = None,
    note: Callable[[str], object] = lambda text: None,
) -> bool:
    """Works until there is nothing left to do.

    Args:
        chief: Whom to work for.
        performer: Does the training.
        folder: Where a model lies before it is sent.
        max_bytes: With how much memory another worker should go on, in bytes. `None` for no limit.
        note: Is told what is begun.

    Returns:
        Whether the search is over for this worker; `False` if its memory has grown too much.

    Raises:
        ChiefLostError: the chief cannot be reached.
        RemoteError: the chief has no task, but an error.
        OSError: a model cannot be written here.
    """
    from kevo.engine.chief import Rest
    from kevo.engine.desk import Withdrawn
    from kevo.memory import resident
    from kevo.words import describe
    from tuners.remote import ChiefLostError, RemoteError

    path = folder / "model.keras"

    def keep(model: keras.Model, history: Sequence[dict[str, float]], stages: Sequence[str], seconds: float) -> None:
        model.save(path)
        chief.keep(path, history=history, stages=stages, seconds=seconds)

    while (task := chief.next()) is not Rest.OVER:
        if isinstance(task, Rest):
            time.sleep(_WAIT_SECONDS)
            continue
        try:
            note(f"Trains candidate {task.number + 1}: {describe(task.genome)}.")
            with chief.model() as earlier:
                done = performer.perform(task, earlier=earlier, progress=chief.tell, keep=keep)
            if done.save is not None and chief.wants(done.outcome):
                _write(done.save, path)
                chief.send(path, done.probabilities)
            chief.finish(done.outcome)
            del done
        except Withdrawn as end:
            if isinstance(end.__cause__, ChiefLostError):
                raise end.__cause__ from None
        except RemoteError as error:
            # The next request gives the task back.
            note(str(error))
        if max_bytes is not None and (resident() or 0) > max_bytes:
            return False
    return True


def _write(save: Callable[[Path], object], path: Path) -> None:
    try:
        save(path)
    except Exception as error:
        # HDF5 has errors of its own for a full disk.
        raise OSError(f"Cannot write {path}: {error}") from error


def main() -> int:
    """Works for the process that started this one, with the data that it has laid ready."""
    given: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    try:
        return _work_as_told(given)
    except OSError as error:
        # A disk that is full is not the candidate's fault.
        print(error, file=sys.stderr)
        return UNWRITABLE


def _work_as_told(given: Mapping[str, Any]) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Whoever started it decides what an interrupt means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from kevo.arraystore import ArrayStore
    from kevo.datasets import handover
    from kevo.distribution import mirrored
    from kevo.engine.desk import RemoteChief
    from kevo.engine.performing import Performer
    from kevo.settings import Settings
    from kevo.weights import Weights
    from tuners.remote import Client

    dataset = handover.read(Path(given["data"]))
    settings = Settings.from_json(given["settings"])
    usable: dict[str, tuple[Weights, ...]] = {}
    for one in given["weights"]:
        path = None if one["path"] is None else Path(one["path"])
        usable[one["backbone"]] = (*usable.get(one["backbone"], ()), Weights(**{**one, "path": path}))
    strategy = mirrored() if given["is_mirrored"] else None
    performer = Performer(dataset, settings, usable, ArrayStore(Path(given["cache"])), strategy=strategy)
    client = Client(None, address=given["address"], tuner_id=given["name"], secret=given["secret"])
    with tempfile.TemporaryDirectory(dir=given["folder"]) as folder:
        chief = RemoteChief(client, Path(folder), search=given["search"])
        is_over = work(chief, performer, folder=Path(folder), max_bytes=given["max_bytes"])
    client.close()
    return 0 if is_over else FULL


def _end_with_parent() -> None:
    # Below `sys.stdin`, whose lock would be missed when this process ends.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
