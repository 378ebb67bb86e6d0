"""The models in use: each in a process of its own, begun before it is needed and ended when it idles."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kevo.errors import ModelError
from kevo.service.errors import NotReadyError
from kevo.service.frames import LENGTH

_MOST_ALIVE = 2
_IDLE_SECONDS = 600.0
_SILENCE_SECONDS = 120.0


@dataclass(eq=False)
class _Model:
    path: Path
    version: float
    child: asyncio.subprocess.Process
    ready: asyncio.Task[dict[str, Any]]
    used: float = field(default_factory=time.monotonic)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Models:
    """The models in use."""

    def __init__(self) -> None:
        self._alive: dict[Path, _Model] = {}
        self._lock = asyncio.Lock()

    async def warm_up(self, path: Path) -> bool:
        """Begins to load a model, and returns whether it is ready.

        Args:
            path: Its `.keras` file.

        Raises:
            ModelError: it cannot be loaded.
        """
        model = await self._model(path)
        if not model.ready.done():
            return False
        await self._ready(model, 0.0)
        return True

    async def opened(self, path: Path, *, wait: float) -> dict[str, Any]:
        """Returns the `task` of a model and its `class_names`, as soon as it is loaded.

        Raises:
            NotReadyError: it is still being loaded after `wait` seconds.
            ModelError: it cannot be loaded.
        """
        return await self._ready(await self._model(path), wait)

    async def predict(
        self,
        path: Path,
        blobs: Sequence[bytes],
        *,
        top: int | None,
        wait: float,
        raw: tuple[int, int] | None = None,
        draws: bool = False,
        overlays: bool = False,
    ) -> dict[str, Any]:
        """Predicts examples.

        Args:
            path: The model's `.keras` file.
            blobs: The examples' files.
            top: So many classes, the likeliest first; `None` for all.
            wait: Seconds until the model must be there.
            raw: Width and height of pictures that come as pixels and not as files.
            draws: Whether each answer has a drawing of what in the picture speaks for its class, as PNG in base64.
            overlays: Whether each mask is drawn over its picture too.

        Returns:
            `predictions` and `skipped`; each tells the `place` of its example.

        Raises:
            NotReadyError: it is still being loaded.
            ModelError: it cannot be loaded, or does not answer.
        """
        model = await self._model(path)
        await self._ready(model, wait)
        async with model.turn:
            model.used = time.monotonic()
            asked = {"lengths": [len(blob) for blob in blobs], "top": top, "raw": raw}
            head = json.dumps({**asked, "draws": draws, "overlays": overlays}).encode()
            try:
                answer = await asyncio.wait_for(
                    _ask(model.child, [LENGTH.pack(len(head)), head, *blobs]), _SILENCE_SECONDS
                )
            except (TimeoutError, OSError, EOFError) as error:
                await self._end(model)
                raise ModelError("The model does not answer. Ask again: it is loaded anew.") from error
            except asyncio.CancelledError:
                # Its answer would be taken for that to the next question.
                await self._end(model)
                raise
        if "error" in answer:
            raise ModelError(str(answer["error"]))
        return answer

    async def tidy(self) -> None:
        """Ends models that nobody has used for a while."""
        for model in list(self._alive.values()):
            if time.monotonic() - model.used > _IDLE_SECONDS and not model.turn.locked():
                await self._end(model)

    async def close(self) -> None:
        """Ends all models."""
        for model in list(self._alive.values()):
            await self._end(model)

    async def _model(self, path: Path) -> _Model:
        try:
            version = path.stat().st_mtime
        except OSError:
            raise ModelError("There is no model yet.") from None
        async with self._lock:
            model = self._alive.get(path)
            if model is not None and (model.version != version or model.child.returncode is not None):
                await self._end(model)
                model = None
            if model is None:
                while len(self._alive) >= _MOST_ALIVE:
                    await self._end(min(self._alive.values(), key=lambda one: one.used))
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "kevo.service.predictor",
                    str(path),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
                    start_new_session=True,
                )
                ready = asyncio.get_running_loop().create_task(_until_ready(child))
                # Whoever asks is told.
                ready.add_done_callback(lambda task: task.cancelled() or task.exception())
                model = self._alive[path] = _Model(path, version, child, ready)
            model.used = time.monotonic()
            return model

    async def _ready(self, model: _Model, wait: float) -> dict[str, Any]:
        try:
            return await asyncio.wait_for(asyncio.shield(model.ready), wait)
        except TimeoutError:
            raise NotReadyError("The model is being loaded. Ask again in a few seconds.") from None
        except ModelError:
            await self._end(model)
            raise

    async def _end(self, model: _Model) -> None:
        if self._alive.get(model.path) is model:
            del self._alive[model.path]
        model.ready.cancel()
        if model.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(model.child.pid, signal.SIGKILL)
        await model.child.wait()


async def _until_ready(child: asyncio.subprocess.Process) -> dict[str, Any]:
    try:
        answer = await _answer(child)
    except EOFError:
        raise ModelError("The model cannot be loaded: its process has ended.") from None
    if "error" in answer:
        raise ModelError(str(answer["error"]))
    return answer


async def _ask(child: asyncio.subprocess.Process, parts: Sequence[bytes]) -> dict[str, Any]:
    if child.stdin is None:
        raise EOFError
    for part in parts:
        child.stdin.write(part)
        await child.stdin.drain()
    return await _answer(child)


async def _answer(child: asyncio.subprocess.Process) -> dict[str, Any]:
    if child.stdout is None:
        raise EOFError
    # An answer that breaks off is an `EOFError` too.
    head = await child.stdout.readexactly(LENGTH.size)
    values: dict[str, Any] = json.loads(await child.stdout.readexactly(*LENGTH.unpack(head)))
    return values
