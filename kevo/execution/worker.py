"""A worker: asks the scheduler for a training, does it and hands it in, until there is nothing left to do.

python -m kevo.execution.worker    is told on its standard input whom to work for, and ends when that closes
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.execution.multiworker.launch import end_with_parent, leading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras

    from kevo.execution.multiworker.lockstep import Leader
    from kevo.execution.runner import TrialRunner
    from kevo.execution.scheduler_service import RemoteScheduler
    from kevo.settings import Settings
    from kevo.tasks.task import Dataset
    from tuners.genome import Genome

FULL = 75
"""The exit code of a worker whose memory has grown: another one takes its place."""
UNWRITABLE = 74
"""The exit code of a worker that cannot write its files."""
PARTED, ALONE = 76, 77
"""The exit codes of a worker that trains together with other processes: they have parted; they cannot be joined."""
_WAIT_SECONDS = 0.2


def work(
    scheduler: RemoteScheduler,
    runner: TrialRunner,
    *,
    folder: Path,
    max_bytes: int | None = None,
    describe: Callable[[Genome], str] = str,
    note: Callable[[str], object] = lambda text: None,
) -> bool:
    """Works until there is nothing left to do.

    Args:
        scheduler: Whom to work for.
        runner: Does the training.
        folder: Where a model lies before it is sent.
        max_bytes: With how much memory another worker should go on, in bytes. `None` for no limit.
        describe: Puts a genome into words.
        note: Is told what is begun.

    Returns:
        Whether the search is over for this worker; `False` if its memory has grown too much.

    Raises:
        ChiefLostError: the scheduler cannot be reached.
        RemoteError: the scheduler has no task, but an error.
        OSError: a model cannot be written here.
    """
    from kevo.engine.scheduler import Idle
    from kevo.execution.scheduler_service import Withdrawn
    from kevo.system.memory import resident
    from tuners.remote import ChiefLostError, RemoteError, SearchOverError

    path = folder / "model.keras"

    def keep(model: keras.Model, history: Sequence[dict[str, float]], stages: Sequence[str], seconds: float) -> None:
        model.save(path)
        scheduler.keep(path, history=history, stages=stages, seconds=seconds)

    with contextlib.suppress(SearchOverError):
        while (task := scheduler.next()) is not Idle.OVER:
            if isinstance(task, Idle):
                time.sleep(_WAIT_SECONDS)
                continue
            try:
                note(f"Trains candidate {task.number + 1}: {describe(task.genome)}.")
                with scheduler.model() as earlier:
                    done = runner.run(task, earlier=earlier, progress=scheduler.tell, keep=keep)
                if done.save is not None and scheduler.wants(done.outcome):
                    done = done.written(path)
                    if done.save is not None:
                        scheduler.send(path, done.outputs)
                scheduler.finish(done.outcome)
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
    end_with_parent()

    from kevo.settings import Settings
    from kevo.system import memory

    if given["share"] is not None:
        memory.confine(given["share"])

    settings = Settings.from_json(given["settings"])
    dataset = settings.kind.read(Path(given["data"]))
    if not given["is_spread"]:
        return _work_with(given, settings, dataset, None)
    from kevo.execution.multiworker.lockstep import PartedError
    from kevo.execution.multiworker.rendezvous import MissingError

    try:
        with leading(given) as leader:
            code = _work_with(given, settings, dataset, leader)
            if code == 0:
                leader.end()
            return code
    except (MissingError, PartedError) as error:
        print(error, file=sys.stderr)
        return ALONE if isinstance(error, MissingError) else PARTED


def _work_with(given: Mapping[str, Any], settings: Settings, dataset: Dataset, leader: Leader | None) -> int:
    from kevo.execution.devices import mirrored
    from kevo.execution.runner import TrialRunner
    from kevo.execution.scheduler_service import RemoteScheduler
    from tuners.remote import Client

    strategy = mirrored() if given["is_mirrored"] else None
    trainer = settings.kind.trainer(dataset, settings, given["arguments"], strategy=strategy, leader=leader)
    runner = TrialRunner(trainer, costs=settings.minimize)
    client = Client(None, address=given["address"], tuner_id=given["name"], secret=given["secret"])
    with tempfile.TemporaryDirectory(dir=given["folder"]) as folder:
        scheduler = RemoteScheduler(client, Path(folder), search=given["search"])
        is_over = work(scheduler, runner, folder=Path(folder), max_bytes=given["max_bytes"])
    client.close()
    return 0 if is_over else FULL


if __name__ == "__main__":
    sys.exit(main())
