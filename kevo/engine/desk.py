"""The chief as workers reach it from other processes, and the worker's side of the same calls.

Keras Tuner's own protocol carries values and scores; here travel also how far a training is, why one failed, and
models. A request may come twice, when its answer was lost on the way.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo import ensemble
from kevo.engine.chief import Chief, Rest
from kevo.engine.tasks import Outcome, Task
from kevo.errors import KevoError
from tuners.remote import Call, Client

_CHUNK = 1024**2
"""So many bytes of a file travel at once."""
_TELL_SECONDS = 0.2
"""How often a worker says how far it is, at most."""
_MODEL, _PREDICTIONS = "model.keras", "predictions.npy"


class Desk:
    """Takes the workers' calls.

    Args:
        chief: Who answers them.
        folder: Where models lie while they arrive.
        shape: That of the predictions for the validation split.
        hello: What a worker is told first.
    """

    def __init__(self, chief: Chief, folder: Path, *, shape: tuple[int, int], hello: Mapping[str, Any]) -> None:
        self._chief = chief
        self._shape = shape
        self._hello = dict(hello)
        self._folder = folder
        self._arrived: dict[str, Path] = {}
        self.error: KevoError | None = None
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
            "finish": self._finish,
            "model": self._model,
        }
        return {name: self._guarded(call) for name, call in calls.items()}

    def _guarded(self, call: Call) -> Call:
        def guarded(worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
            try:
                return call(worker, values, payload)
            except KevoError as error:
                # A run folder that cannot be written is everybody's.
                self.error = self.error or error
                self._chief.stop()
                raise

        return guarded

    def _next(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        task = self._chief.next(worker)
        return {"rest": task.value} if isinstance(task, Rest) else {"task": task.to_json()}, b""

    def _tell(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        metrics = {str(name): float(value) for name, value in values["metrics"].items()}
        stage, done, total = str(values["stage"]), float(values["done"]), int(values["total"])
        return {"goes_on": self._chief.tell(worker, stage, done, total, metrics)}, b""

    def _offer(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return {"is_wanted": self._chief.wants(worker, Outcome.from_json(values))}, b""

    def _file(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        name = values["name"]
        if name not in (_MODEL, _PREDICTIONS):
            raise ValueError(f"Got a file {name!r}, expected {_MODEL} or {_PREDICTIONS}.")
        start = int(values["start"])
        with (self._place(worker) / name).open("r+b" if start else "wb") as file:
            file.seek(start)
            file.write(payload)
        return {}, b""

    def _finish(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        place = self._place(worker)
        model = place / _MODEL
        self._chief.finish(
            worker,
            Outcome.from_json(values),
            save=model.replace if model.is_file() else None,
            probabilities=ensemble.read_predictions(place / _PREDICTIONS, shape=self._shape),
        )
        for name in (_MODEL, _PREDICTIONS):
            (place / name).unlink(missing_ok=True)
        return {}, b""

    def _model(self, worker: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        path = self._chief.model_for(worker)
        if path is None:
            return {"size": 0}, b""
        with path.open("rb") as file:
            file.seek(int(values["start"]))
            return {"size": path.stat().st_size}, file.read(_CHUNK)

    def _place(self, worker: str) -> Path:
        # A worker's name is what it says: no path is made of it.
        if worker not in self._arrived:
            self._arrived[worker] = Path(tempfile.mkdtemp(dir=self._folder))
        return self._arrived[worker]


class RemoteChief:
    """The chief, as a worker in another process has it.

    Args:
        client: Carries the calls.
        folder: Where models lie before they are sent, and those that come.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._told_at = 0.0

    def hello(self) -> dict[str, Any]:
        """Returns what the chief says of the search."""
        return self._client.call("hello")[0]

    def next(self) -> Task | Rest:
        """Returns what to do."""
        values, _ = self._client.call("next")
        return Rest(values["rest"]) if "rest" in values else Task.from_json(values["task"])

    def tell(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Says how far a training is.

        Raises:
            KeyboardInterrupt: it is to go no further.
        """
        if time.monotonic() - self._told_at < _TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
        answer, _ = self._client.call("tell", {"stage": stage, "done": done, "total": total, "metrics": finite})
        if not answer["goes_on"]:
            raise KeyboardInterrupt

    def wants(self, outcome: Outcome) -> bool:
        """Tells whether the model of what was trained may be needed."""
        return bool(self._client.call("offer", outcome.to_json())[0]["is_wanted"])

    def send(self, model: Path, probabilities: npt.NDArray[np.float32] | None) -> None:
        """Sends a model, and what it predicts for the validation pictures."""
        self._send(_MODEL, model)
        if probabilities is not None:
            path = self._folder / _PREDICTIONS
            np.save(path, probabilities.astype(np.float16))
            self._send(_PREDICTIONS, path)

    def finish(self, outcome: Outcome) -> None:
        """Hands in what came of a training."""
        self._client.call("finish", outcome.to_json())

    @contextlib.contextmanager
    def model(self) -> Iterator[Path | None]:
        """Lends the model that the present task goes on from; `None` where there is none."""
        path = self._folder / "earlier.keras"
        size, start = 1, 0
        with path.open("wb") as file:
            while start < size:
                values, payload = self._client.call("model", {"start": start})
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
                self._client.call("file", {"name": name, "start": file.tell() - len(chunk)}, chunk)
