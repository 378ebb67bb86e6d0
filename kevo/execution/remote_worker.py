"""A worker on any machine: it comes to a search with data and weights of its own, and trains until that is over."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kevo.engine.scheduler import Idle
from kevo.errors import KevoError, SettingsError, WorkerError
from kevo.execution import devices
from kevo.execution.endpoint import Endpoint
from kevo.execution.runner import TrialRunner
from kevo.execution.scheduler_service import RemoteScheduler
from kevo.settings import Settings
from kevo.system import versions
from kevo.system.interrupts import redelivering
from kevo.system.memory import resident, usable
from kevo.tasks.protocols.task import Task
from tuners.execution.executor import Withdrawn
from tuners.genome import Genome
from tuners.remote import ChiefLostError, ChiefRefusedError, Client, RemoteError, SearchOverError

PATIENCE_SECONDS = 300.0
"""For so long a worker waits for a search that cannot be reached: it may still have to begin, or to be resumed."""
_FAREWELL_SECONDS = 3.0
_MEMORY_SHARE = 0.4
"""The part of the machine's memory that a worker may keep between two candidates."""
_WAIT_SECONDS = 0.2
"""How often a worker asks for a task where there is none."""


def terms(task: Task, settings: Settings) -> dict[str, Any]:
    """Returns the facts that all workers of a search must share, as JSON values."""
    return {"versions": _versions(), "settings": settings.to_json(), "task": task.terms()}


def join(
    address: str,
    *,
    data: Any,
    requests: Mapping[str, str] | None = None,
    cache: str | None = None,
    secret: str | None = None,
    note: Callable[[str], object] = lambda text: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> bool:
    """Works for the search at an address until it is over.

    Args:
        address: Host and port where the search listens.
        data: That of the search, as for `kevo.search`.
        requests: Where the weights of a backbone are here, for those that the search has from a file.
        cache: Where features of frozen backbones are kept here, as in `Settings`.
        secret: The search's secret. Defaults to that in the environment, if there is one.
        note: Is told what happens.
        patience_seconds: How long to wait for a search that cannot be reached.

    Returns:
        Whether the search is over; `False` if this process has taken so much memory that another should go on.

    Raises:
        SettingsError: the address is none, the secret is wrong, or another version of kevo searches there.
        DataError: the data cannot be read, or are not those of the search.
        WeightsError: weights that the search uses are missing here, or are others.
        WorkerError: the search cannot be reached any more, or does not go on.
    """
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    memory = usable()
    secret = Endpoint.at(address, secret=secret).secret
    client = Client(None, address=address, tuner_id=name, secret=secret, patience_seconds=patience_seconds)
    with tempfile.TemporaryDirectory(prefix="kevo-worker-") as folder, redelivering(), _connected(client):
        scheduler = RemoteScheduler(client, Path(folder))
        note(f"Looking for the search at {address}.")
        runner, settings = _runner(scheduler.hello(), address, data, requests or {}, cache, note)
        note(f"Works for the search at {address}, as {name}.")
        max_bytes = None if memory is None else int(_MEMORY_SHARE * memory)
        is_over = work(
            scheduler,
            runner,
            folder=Path(folder),
            max_bytes=max_bytes,
            describe=settings.kind.describe,
            note=note,
        )
        # Whoever takes its place would wait for a search that is over.
        return is_over or bool(client.call("leave")[0]["is_over"])
    return True


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


@contextlib.contextmanager
def _connected(client: Client) -> Iterator[None]:
    """Closes a worker's connection, and tells the scheduler if that comes too early. The search's end is no error."""
    try:
        yield
    except SearchOverError:
        pass
    except ChiefRefusedError as error:
        raise SettingsError(str(error)) from error
    except ChiefLostError as error:
        raise WorkerError(str(error)) from error
    except BaseException as error:
        client.patience_seconds = _FAREWELL_SECONDS
        with contextlib.suppress(ChiefLostError, RemoteError):
            client.call("leave")
        if isinstance(error, RemoteError):
            raise WorkerError(str(error)) from error
        if isinstance(error, OSError):
            raise WorkerError(f"{error}. Make room or permit writing there, and start this worker again.") from error
        raise
    finally:
        client.close()


def _runner(
    asked: Mapping[str, Any],
    address: str,
    data: Any,
    requests: Mapping[str, str],
    cache: str | None,
    note: Callable[[str], object],
) -> tuple[TrialRunner, Settings]:
    """Returns the runner of this machine, and the settings of the search."""
    if asked["versions"] != _versions():
        raise SettingsError(
            f"The search at {address} runs with {_format_versions(asked['versions'])}, this worker with "
            f"{_format_versions(_versions())}. Install the same versions here."
        )
    try:
        settings = Settings.from_json(asked["settings"])
    except KevoError as error:
        raise SettingsError(f"The settings of the search at {address} cannot be read: {error}") from error
    # TensorFlow would take all memory of every GPU that it sees, and another worker may run beside this one.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    plan = devices.plan(settings.strategy, num_workers=1, num_gpus=devices.num_gpus())
    trainer = settings.kind.join(
        data,
        settings,
        asked["task"],
        address=address,
        requests=requests,
        cache=cache,
        note=note,
        strategy=devices.mirrored() if plan.is_mirrored else None,
    )
    return TrialRunner(trainer, costs=settings.minimize), settings


def _versions() -> dict[str, str]:
    """Returns the versions that decide whether a model saved here can be loaded there."""
    return {"kevo": versions.KEVO, "Keras": keras.__version__}


def _format_versions(versions: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {version}" for name, version in versions.items())
