"""The models in use: each in a process of its own, begun before it is needed and ended when it idles.

Questions that come together are answered together. A process that says nothing for long, or that takes more than its
memory, is ended and begun again.
"""

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
from kevo.system import memory
from kevo.system.text import byte_size

_PROGRAM = "kevo.service.predictor"
_MOST_ALIVE = 2
_IDLE_SECONDS = 600.0
_LOADING_SECONDS = 600.0
_SILENCE_SECONDS = 60.0
"""Of a model that is loaded. A batch ends it, and so does each of its answers."""
_GATHER_SECONDS = 0.01
_MOST_TOGETHER = 32
_SHARE = 4
"""A model may take one part in so many of the machine's memory: with two of them half is left for searches."""
_LEAST_BYTES = 2 * 1024**3
"""TensorFlow and a large network need that."""


@dataclass(eq=False)
class _Question:
    blobs: Sequence[bytes]
    how: dict[str, Any]
    answer: asyncio.Future[dict[str, Any]]


@dataclass(eq=False)
class _Model:
    path: Path
    version: float
    child: asyncio.subprocess.Process
    ready: asyncio.Task[dict[str, Any]]
    used: float = field(default_factory=time.monotonic)
    questions: list[_Question] = field(default_factory=list)
    answering: asyncio.Task[None] | None = None
    is_too_large: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.answering is not None and not self.answering.done()

    def take(self) -> list[_Question]:
        """Takes the next questions that can be asked together: they ask in the same way, and are few."""
        first, *others = self.questions
        taken = [first]
        for one in others:
            if one.how == first.how and sum(len(each.blobs) for each in [*taken, one]) <= _MOST_TOGETHER:
                taken.append(one)
        self.questions = [one for one in others if one not in taken]
        return taken


class Models:
    """The models in use.

    Args:
        most_bytes: The most memory of one of them. Defaults to a quarter of what this process may use, and 2 GiB at
            least.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        self.most_bytes = most_bytes or max((memory.usable() or 0) // _SHARE, _LEAST_BYTES)
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
        suffix: str = "",
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
            suffix: That of files of rows or texts, such as `.csv`; empty for pictures.

        Returns:
            `predictions` and `skipped`, of files of rows `notes` too; each tells the `place` of its file.

        Raises:
            NotReadyError: it is still being loaded.
            ModelError: it cannot be loaded, or does not answer.
        """
        model = await self._model(path)
        await self._ready(model, wait)
        model.used = time.monotonic()
        loop = asyncio.get_running_loop()
        how = {"top": top, "raw": raw, "draws": draws, "overlays": overlays, "suffix": suffix}
        question = _Question(blobs, how, loop.create_future())
        model.questions.append(question)
        if not model.is_busy:
            model.answering = loop.create_task(self._answer_all(model))
        return await question.answer

    async def tidy(self) -> None:
        """Ends models that nobody has used for a while, and those that take too much memory."""
        for model in list(self._alive.values()):
            held = memory.resident(model.child.pid)
            model.is_too_large = held is not None and held > self.most_bytes
            if model.is_too_large or (time.monotonic() - model.used > _IDLE_SECONDS and not model.is_busy):
                await self._end(model)

    async def close(self) -> None:
        """Ends all models."""
        models = list(self._alive.values())
        for model in models:
            await self._end(model)
        tasks = [task for model in models for task in (model.ready, model.answering) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer_all(self, model: _Model) -> None:
        """Answers the questions to a model until there are none, those together that came together."""
        await asyncio.sleep(_GATHER_SECONDS)
        taken: list[_Question] = []
        try:
            while model.questions:
                taken = model.take()
                answer = await _ask(model.child, taken)
                if "error" in answer and len(taken) > 1:
                    # What is wrong with one of them is not wrong with the others.
                    for one in taken:
                        _settle([one], await _ask(model.child, [one]))
                else:
                    _settle(taken, answer)
        except (TimeoutError, OSError, EOFError, ValueError):
            await self._end(model)
            words = self._too_large() if model.is_too_large else "The model does not answer."
            for one in [*taken, *model.questions]:
                _settle([one], {"error": f"{words} Ask again: it is loaded anew."})

    def _too_large(self) -> str:
        return f"The model takes more than the {byte_size(self.most_bytes)} of memory that it may have."

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
                    _PROGRAM,
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
        except ModelError as error:
            await self._end(model)
            if model.is_too_large:
                raise ModelError(self._too_large()) from error
            raise

    async def _end(self, model: _Model) -> None:
        if self._alive.get(model.path) is model:
            del self._alive[model.path]
        # Whoever waits for it hears that it has ended.
        if model.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(model.child.pid, signal.SIGKILL)
        await model.child.wait()


async def _until_ready(child: asyncio.subprocess.Process) -> dict[str, Any]:
    try:
        answer = await asyncio.wait_for(_read(child), _LOADING_SECONDS)
    except EOFError:
        raise ModelError("The model cannot be loaded: its process has ended.") from None
    except TimeoutError:
        raise ModelError(f"The model cannot be loaded: that takes more than {_LOADING_SECONDS:.0f} s.") from None
    if "error" in answer:
        raise ModelError(str(answer["error"]))
    return answer


async def _ask(child: asyncio.subprocess.Process, questions: Sequence[_Question]) -> dict[str, Any]:
    """Asks several questions as one.

    Raises:
        TimeoutError: nothing was said for too long.
        OSError: the process has ended, or an answer breaks off, which is an `EOFError`.
    """
    if child.stdin is None:
        raise EOFError
    blobs = [blob for one in questions for blob in one.blobs]
    head = json.dumps({"lengths": [len(blob) for blob in blobs], **questions[0].how}).encode()
    for part in (LENGTH.pack(len(head)), head, *blobs):
        child.stdin.write(part)
        await asyncio.wait_for(child.stdin.drain(), _SILENCE_SECONDS)
    # An empty object only says that it is at work.
    while not (answer := await asyncio.wait_for(_read(child), _SILENCE_SECONDS)):
        pass
    return answer


def _settle(questions: Sequence[_Question], answer: dict[str, Any]) -> None:
    """Divides an answer between those who asked, as far as they still wait."""
    start = 0
    for one in questions:
        end = start + len(one.blobs)
        if not one.answer.done():
            if "error" in answer:
                one.answer.set_exception(ModelError(str(answer["error"])))
            else:
                one.answer.set_result({name: _between(found, start, end) for name, found in answer.items()})
        start = end


def _between(found: Sequence[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
    """Returns what was said of some places, which are counted from their first."""
    return [{**one, "place": one["place"] - start} for one in found if start <= one["place"] < end]


async def _read(child: asyncio.subprocess.Process) -> dict[str, Any]:
    if child.stdout is None:
        raise EOFError
    # An answer that breaks off is an `EOFError` too.
    head = await child.stdout.readexactly(LENGTH.size)
    values: dict[str, Any] = json.loads(await child.stdout.readexactly(*LENGTH.unpack(head)))
    return values
