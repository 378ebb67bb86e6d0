"""The scheduler as workers reach it from other processes, and the worker's side of the same calls.

Keras Tuner's own protocol carries values and scores; here travel also how far a training is, why one failed, and
models. A request may come twice, when its answer was lost on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Idle, Scheduler
from kevo.errors import KevoError
from kevo.runs.atomic_files import writing
from kevo.runs.predictions import read_predictions, write_predictions
from tuners.execution.executor import Withdrawn
from tuners.remote import Call, Client

_CHUNK = 1024**2
"""So many bytes of a file travel at once."""
_TELL_SECONDS = 0.2
"""How often a worker says how far it is, at most."""
_MODEL, _PREDICTIONS = "model.keras", "predictions.npy"
_MAX_MODEL_BYTES = 4 * 1024**3
"""How large a model may be that somebody sends."""
_HEADER_BYTES = 1024
"""What a file of predictions holds beside its numbers, at most."""
_MAX_LETTERS = 200
"""How long a name may be that somebody says."""


class SchedulerService:
    """Takes the workers' calls.

    Args:
        scheduler: Who answers them.
        folder: Where models lie while they arrive.
        shape: That of the predictions for the validation split.
        hello: What a worker is told first: what it must know of the search to work for it. JSON values.
    """

    def __init__(self, scheduler: Scheduler, folder: Path, *, shape: tuple[int, ...], hello: Mapping[str, Any]) -> None:
        self.scheduler = scheduler
        self.search = hashlib.blake2b(json.dumps(hello, sort_keys=True).encode(), digest_size=16).hexdigest()
        """What tells this search from others: a worker may meet another one that has taken its place."""
        self.departed: set[str] = set()
        """Workers that need not be waited for: they have left, or know that the search is over."""
        self._sizes = {_MODEL: _MAX_MODEL_BYTES, _PREDICTIONS: 2 * math.prod(shape) + _HEADER_BYTES}
        self._shape = shape
        self._hello = {**hello, "search": self.search}
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._folder = folder
        self._arrived: dict[str, Path] = {}
        self.error: Exception | None = None
        """What ends the search, if something did that concerns not only one worker."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """The calls by their names."""
        calls = {
            "hello": lambda worker, values, payload: (self._hello, b""),
            "next": self._next,
            "tell": self._tell,
            "offer": self._offer,
            "file": self._file,
            "keep": self._keep,
            "finish": self._finish,
            "model": self._model,
            "leave": self._leave,
        }
        return {name: self._guarded(call) for name, call in calls.items()}

    def _guarded(self, call: Call) -> Call:
        def guarded(worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
            if len(worker) > _MAX_LETTERS:
                raise ValueError(f"Got a name of {len(worker)} letters, expected {_MAX_LETTERS} at most.")
            try:
                # One at a time: between two words of a worker its task could become another one.
                with writing(self._folder), self._lock:
                    self.scheduler.hear(worker)
                    return call(worker, values, payload)
            except KevoError as error:
                # A run folder that cannot be written is everybody's.
                self.error = self.error or error
                self.scheduler.stop()
                raise

        return guarded

    def _next(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        if values["search"] != self.search:
            raise LookupError("This is another search than the one that this worker came for. Start the worker again.")
        number = int(values["number"])
        known, answer = self._answers.get(worker, (None, {}))
        # Whoever asks the same again has not heard the answer. To begin another task would lose the first.
        if known is None or number > known:
            self._clear(worker)
            task = self._next_task(worker)
            answer = {"rest": task.value} if isinstance(task, Idle) else {"task": task.to_json()}
            self._answers[worker] = (number, answer)
            if task is Idle.OVER:
                self.departed.add(worker)
        return answer, b""

    def _next_task(self, worker: str) -> TrialSpec | Idle:
        try:
            return self.scheduler.next(worker)
        except Exception as error:
            # It would meet everybody who asks.
            self.error = self.error or error
            self.scheduler.stop()
            raise

    def _is_at_it(self, worker: str, values: Mapping[str, Any]) -> bool:
        """Tells whether a message is about the worker's present trial; a late one may be about an earlier trial."""
        return self.scheduler.trial_of(worker) == str(values["trial_id"])

    def _tell(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        metrics = {str(name): float(value) for name, value in values["metrics"].items()}
        stage, done, total = str(values["stage"])[:_MAX_LETTERS], float(values["done"]), int(values["total"])
        goes_on = self._is_at_it(worker, values) and self.scheduler.tell(worker, stage, done, total, metrics)
        return {"goes_on": goes_on}, b""

    def _offer(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        outcome = self._result(values)
        return {"is_wanted": self._is_at_it(worker, values) and self.scheduler.wants(worker, outcome)}, b""

    def _file(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        name = values["name"]
        if name not in (_MODEL, _PREDICTIONS):
            raise ValueError(f"Got a file {name!r}, expected {_MODEL} or {_PREDICTIONS}.")
        start = int(values["start"])
        if not 0 <= start <= self._sizes[name] - len(payload):
            raise ValueError(f"Got bytes of {name} from {start} on, expected {self._sizes[name]} bytes at most.")
        if not self._is_at_it(worker, values):
            raise LookupError("Got a file for no task: it was given to somebody else.")
        path = self._place(worker) / name
        if start and not path.is_file():
            raise LookupError(f"Got bytes of {name} from {start} on, but nothing before.")
        with path.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.write(payload)
        return {}, b""

    def _keep(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        model = self._place(worker) / _MODEL
        if self._is_at_it(worker, values) and model.is_file():
            self.scheduler.keep(
                worker,
                save=model.replace,
                history=[{str(name): float(value) for name, value in epoch.items()} for epoch in values["history"]],
                stages=list(map(str, values["stages"])),
                seconds=float(values["seconds"]),
            )
        return {}, b""

    def _finish(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        place, outcome = self._place(worker), self._result(values)
        model = place / _MODEL
        if self._is_at_it(worker, values):
            self.scheduler.finish(
                worker,
                outcome,
                save=model.replace if model.is_file() else None,
                outputs=read_predictions(place / _PREDICTIONS, shape=self._shape, are_valid=self.scheduler.are_valid),
            )
        return {}, b""

    def _model(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        path = self.scheduler.model_for(worker) if self._is_at_it(worker, values) else None
        if path is None or not path.is_file():
            return {"size": 0}, b""
        with path.open("rb") as file:
            file.seek(max(0, int(values["start"])))
            return {"size": path.stat().st_size}, file.read(_CHUNK)

    def _leave(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        self.departed.add(worker)
        self.scheduler.lose(worker, "its worker was stopped", is_its_fault=False)
        return {"is_over": self.scheduler.is_over}, b""

    def _result(self, values: Mapping[str, Any]) -> TrialResult:
        result = TrialResult.from_json(values["outcome"])
        self.scheduler.check(result)
        return result

    def _place(self, worker: str) -> Path:
        if worker not in self._arrived:
            # Workers come and go; what those who went away have left here would stay.
            for idle in [name for name in self._arrived if self.scheduler.trial_of(name) is None]:
                self._clear(idle)
            # A worker's name is what it says: no path is made of it.
            self._arrived[worker] = Path(tempfile.mkdtemp(dir=self._folder))
        return self._arrived[worker]

    def _clear(self, worker: str) -> None:
        if worker in self._arrived:
            shutil.rmtree(self._arrived.pop(worker), ignore_errors=True)


class RemoteScheduler:
    """The scheduler, as a worker in another process has it.

    Args:
        client: Carries the calls.
        folder: Where models lie before they are sent, and those that come.
        search: Which search to work for, by `SchedulerService.search`. `None`: `hello` tells.
    """

    def __init__(self, client: Client, folder: Path, *, search: str | None = None) -> None:
        self._client = client
        self._folder = folder
        self._search = search
        self._number = 0
        self._trial_id: str | None = None
        self._told_at = 0.0

    def hello(self) -> dict[str, Any]:
        """Returns the terms of the search."""
        answer = self._client.call("hello")[0]
        self._search = answer["search"]
        return answer

    def next(self) -> TrialSpec | Idle:
        """Returns the next trial, or the reason why there is none."""
        self._number += 1
        values, _ = self._client.call("next", {"search": self._search, "number": self._number})
        if "rest" in values:
            return Idle(values["rest"])
        task = TrialSpec.from_json(values["task"])
        self._trial_id = task.trial_id
        return task

    def tell(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Says how far a training is.

        Raises:
            Withdrawn: it is to go no further.
        """
        if time.monotonic() - self._told_at < _TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
        with _in_training():
            answer, _ = self._say("tell", {"stage": stage, "done": done, "total": total, "metrics": finite})
        if not answer["goes_on"]:
            raise Withdrawn

    def wants(self, outcome: TrialResult) -> bool:
        """Tells whether the model of the trial may be needed."""
        return bool(self._say("offer", {"outcome": outcome.to_json()})[0]["is_wanted"])

    def keep(
        self, model: Path, *, history: Sequence[Mapping[str, float]], stages: Sequence[str], seconds: float
    ) -> None:
        """Has a training kept that is under way.

        Raises:
            Withdrawn: that cannot be done.
        """
        with _in_training():
            self._send(_MODEL, model)
            self._say("keep", {"history": list(history), "stages": list(stages), "seconds": seconds})

    def send(self, model: Path, outputs: npt.NDArray[np.float32] | None) -> None:
        """Sends a model, and its outputs for the validation split."""
        self._send(_MODEL, model)
        if outputs is not None:
            path = self._folder / _PREDICTIONS
            write_predictions(path, outputs)
            self._send(_PREDICTIONS, path)

    def finish(self, outcome: TrialResult) -> None:
        """Hands in the result of the trial."""
        self._say("finish", {"outcome": outcome.to_json()})

    @contextlib.contextmanager
    def model(self) -> Iterator[Path | None]:
        """Lends the model that the present task goes on from; `None` where there is none."""
        path = self._folder / "earlier.keras"
        size, start = 1, 0
        with path.open("wb") as file:
            while start < size:
                values, payload = self._say("model", {"start": start})
                size, start = int(values["size"]), start + len(payload)
                file.write(payload)
                if not payload:
                    break
        try:
            yield path if start and start == size else None
        finally:
            path.unlink(missing_ok=True)

    def _send(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self._say("file", {"name": name, "start": file.tell() - len(chunk)}, chunk)

    def _say(self, name: str, values: dict[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Says something of the present task."""
        return self._client.call(name, {"trial_id": self._trial_id, **values}, payload)


@contextlib.contextmanager
def _in_training() -> Iterator[None]:
    """Turns errors of the connection to the scheduler into `Withdrawn`, apart from errors of the candidate."""
    try:
        yield
    except Exception as error:
        raise Withdrawn from error
