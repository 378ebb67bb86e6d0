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
    from kevo.engine.desk import RemoteChief
    from kevo.engine.performing import Performer

FULL = 75
"""The exit code of a worker whose memory has grown: another one takes its place."""
_WAIT_SECONDS = 0.2


def work(chief: RemoteChief, performer: Performer, *, folder: Path, max_bytes: int | None = None) -> bool:
    """Works until there is nothing left to do.

    Args:
        chief: Whom to work for.
        performer: Does the training.
        folder: Where a model lies before it is sent.
        max_bytes: With how much memory another worker should go on, in bytes. `None` for no limit.

    Returns:
        Whether the search is over for this worker; `False` if its memory has grown too much.
    """
    from kevo import models
    from kevo.engine.chief import Rest
    from kevo.memory import resident

    while (task := chief.next()) is not Rest.OVER:
        if isinstance(task, Rest):
            time.sleep(_WAIT_SECONDS)
            continue
        try:
            with chief.model() as earlier:
                outcome, trained = performer.perform(task, earlier=earlier, progress=chief.tell)
        except KeyboardInterrupt:
            continue
        if trained is not None and chief.wants(outcome):
            path = folder / "model.keras"
            models.deployable(trained.network, mirror=bool(task.genome["mirror"])).save(path)
            chief.send(path, trained.probabilities)
        chief.finish(outcome)
        del trained
        if max_bytes is not None and (resident() or 0) > max_bytes:
            return False
    return True


def main() -> int:
    """Works for the process that started this one, with the data that it has laid ready."""
    given: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Whoever started it decides what an interrupt means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from kevo.arraystore import ArrayStore
    from kevo.datasets import handover
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
    performer = Performer(dataset, settings, usable, ArrayStore(Path(given["cache"])))
    client = Client(None, address=given["address"], tuner_id=given["name"], secret=given["secret"])
    with tempfile.TemporaryDirectory(dir=given["folder"]) as folder:
        is_over = work(RemoteChief(client, Path(folder)), performer, folder=Path(folder), max_bytes=given["max_bytes"])
    client.close()
    return 0 if is_over else FULL


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
