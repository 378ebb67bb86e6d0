"""The parts of a server, and what pages and the API say of them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import re
import threading
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio.to_thread

from kevo.errors import DataError, KevoError, RunError
from kevo.runs import layout, limits
from kevo.runs.atomic_files import replacing
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.service import cluster, jobs
from kevo.service.errands import Errands
from kevo.service.events import Hub
from kevo.service.jobs import FILES, PACKED, Job
from kevo.service.predicting import Models
from kevo.service.root import Root
from kevo.service.searches import Searches
from kevo.service.tokens import Gate, User
from kevo.service.uploads import Upload, Uploads
from kevo.settings import Settings
from kevo.system.text import printable
from kevo.tasks.registry import DEFAULT, kind_of

DIGITS = "digits"
"""The data that kevo brings, for whoever has none yet."""
_TICK_SECONDS = 0.5
_MOST_THREADS = 12
"""So many work at requests at a time. Each keeps memory of its own, and a larger machine would have more by default."""
_MACHINE = "machine.txt"
_MACHINE_KEY = ("machine",)
_FOLDERS = re.compile(r"(?<!\S)/(?=[^\s/])[^,;()]*/")
"""The folders before the last part of a path: where the machine keeps something is nobody's business."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a server is to run.

    Args:
        parallel: So many searches are at work at a time.
        gpus: The GPUs of this machine, which searches at work divide; none where they do not.
        cluster: The Ray cluster on which searches train; empty for this machine.
        is_paused: Whether no search is begun.
        data: Folders and files that are on the machine already, by the names that pages show.
        runs: Folders with run folders that the command made, which the owner sees too.
        weights: Where the pretrained weights of all searches come from, as in `kevo.Settings`.
        max_upload: The most bytes of one upload.
        max_storage: The most bytes of all uploads and searches.
        max_time: The most seconds of one search.
        models: Models that are served by name, beside those of searches.
        only_predicts: Whether there are these models only: no pages, no uploads, no searches.
        stops_searches: Whether searches are stopped when the server is.
    """

    parallel: int = 1
    gpus: tuple[str, ...] = ()
    cluster: str = ""
    is_paused: bool = False
    data: Mapping[str, Path] = field(default_factory=dict)
    runs: tuple[Path, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    max_upload: int = 4 * 1024**3
    max_storage: int = 50 * 1024**3
    max_time: float = 24 * 3600.0
    models: Mapping[str, Path] = field(default_factory=dict)
    only_predicts: bool = False
    stops_searches: bool = False


class Server:
    """All parts of a server.

    Args:
        root: Its folder, which it has locked.
        gate: Who may come in.
        config: How it is to run.
    """

    def __init__(self, root: Root, gate: Gate, config: Config) -> None:
        self.root = root
        self.gate = gate
        self.config = config
        self.hub = Hub()
        self.uploads = Uploads(root, most=config.max_upload, most_in_all=config.max_storage)
        self.searches = Searches(
            root,
            self.hub,
            source=self._source,
            parallel=config.parallel,
            weights=config.weights,
            gpus=config.gpus,
            cluster=config.cluster,
            runs=config.runs,
            is_paused=config.is_paused,
        )
        self.errands = Errands()
        self.models = Models()

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """Looks after the searches while the server runs."""
        self.hub.open()
        anyio.to_thread.current_default_thread_limiter().total_tokens = _MOST_THREADS
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_MOST_THREADS))
        task = asyncio.create_task(self._look_after())
        # No one waits for it, not even who ends the server.
        threading.Thread(target=self.searches.read_ahead, daemon=True).start()
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.errands.close()
            await self.models.close()
            if self.config.stops_searches:
                await self._stop_searches()

    async def _look_after(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.searches.tick)
                await self.models.tidy()
            except Exception:
                # A full disk, say. Whoever looks after the other searches must not end with one of them.
                _LOG.exception("Looking after the searches failed; it is tried again.")
            await asyncio.sleep(_TICK_SECONDS)

    async def _stop_searches(self) -> None:
        self.searches.is_paused = True
        self.searches.stop_all()
        while self.searches.num_alive():
            await asyncio.to_thread(self.searches.tick)
            await asyncio.sleep(_TICK_SECONDS)

    def data_name(self, data: str, user: User) -> str | None:
        """Returns what some data is called; `None` where this user has none of that name."""
        if data == DIGITS or data in self.config.data:
            return data
        upload = self.uploads.get(data, user)
        return None if upload is None else upload.name

    def data_path(self, data: str, user: User) -> str | None:
        """Returns where `kevo` finds some data; `None` where this user has none of that name."""
        if data == DIGITS:
            return DIGITS
        if (path := self.config.data.get(data)) is not None:
            return str(path)
        upload = self.uploads.get(data, user)
        return None if upload is None else str(self.uploads.path(upload))

    def _source(self, job: Job) -> str:
        """Returns where `kevo` finds the data of a search.

        Raises:
            DataError: it is gone.
        """
        path = self.data_path(job.data, User(job.owner))
        if path is None:
            raise DataError(f"The data {job.data_name} is not there any more.")
        return path

    def backbones(self, task: str = DEFAULT) -> list[str]:
        """Returns the pretrained networks that can serve a task and whose weights are here: given, or downloaded."""
        kind = kind_of(task)
        fitting = list(kind.pretrained())
        names = {one.name for one in fitting}
        given = (name for name in self.config.weights if not names.isdisjoint(kind.absolute({name: "none"})))
        return list(dict.fromkeys([*given, *(one.name for one in fitting if one.is_cached)]))

    def upload_json(self, one: Upload) -> dict[str, Any]:
        """Returns what the API says of an upload."""
        values = dataclasses.asdict(one)
        for name in ("owner", "digest", "thumbnails", "key"):
            del values[name]
        return {
            **values,
            "num_pictures": one.num_examples if one.examples in ("pictures", "masks") else 0,
            "num_examples": one.num_examples,
            "thumbnails": [
                {"class": label, "href": f"/api/v1/data/{one.id}/thumbs/{place}"}
                for place, (label, _) in enumerate(one.thumbnails)
            ],
            "searches": [job.id for job in self.searches.needing(one.id)],
        }

    def search_json(self, job: Job, *, is_brief: bool = False) -> dict[str, Any]:
        """Returns what the API says of a search.

        Args:
            job: The search.
            is_brief: Whether it is one of many in a list.
        """
        state = self.searches.state(job)
        values: dict[str, Any] = {
            "id": job.id,
            "name": job.name,
            "note": job.note,
            "owner": job.owner,
            "data": job.data,
            "data_name": job.data_name,
            "state": state,
            "is_foreign": bool(job.run),
            "words": self.without_paths(job.words),
            "settings": job.settings,
            "created": job.created,
            "started": job.started,
            "ended": job.ended,
            "position": self.position(job) if state == jobs.QUEUED else None,
            "status": self._status_json(job, state, is_brief=is_brief),
            "result": None,
        }
        outcome = self.searches.outcome(job) if state in (jobs.STOPPED, jobs.FINISHED) else None
        if outcome is not None:
            values["result"] = self._result_json(job, outcome, is_brief=is_brief)
        if not is_brief:
            values["kevo"], values["sittings"], values["limits"] = job.kevo, job.sittings, self._limits_json(job)
            values["files"] = self.files(job)
            address = f"/api/v1/searches/{job.id}"
            parts = ("candidates", "log", "files", "report", "figures", "exports")
            values["links"] = {
                "self": address,
                "page": f"/searches/{job.id}",
                "events": f"/api/v1/events?search={job.id}",
                **{name: f"{address}/{name}" for name in parts},
            }
        return values

    def settings(self, job: Job) -> Settings | None:
        """Returns the settings of a search as its run folder has them; `None` before it has begun."""
        try:
            return Run.open(self.searches.place(job).run, without=layout.SEARCH).search_settings()
        except KevoError:
            return None

    def position(self, job: Job) -> int:
        """Returns the place of a search in the queue, from 1."""
        return next((place for place, one in enumerate(self.searches.queued(), start=1) if one.id == job.id), 0)

    def files(self, job: Job) -> list[str]:
        """Returns the names of the files that can be downloaded."""
        place = self.searches.place(job)
        found = [name for name in FILES if is_plain_file(place.file(name))]
        return [*found, PACKED] if layout.MODEL in found else found

    def pack_model(self, job: Job) -> Path:
        """Returns a zip of the model and what has to stand beside it, which is written where the model has changed."""
        place = self.searches.place(job)
        model, packed = place.file(layout.MODEL), place.packed
        if is_plain_file(packed) and packed.stat().st_mtime >= model.stat().st_mtime:
            return packed
        with replacing(packed) as partial, zipfile.ZipFile(partial, "w") as archive:
            # It is a zip itself, and becomes no smaller.
            archive.write(model, layout.MODEL)
            for name in (layout.LABELS, layout.TASK, layout.MODEL_CARD):
                if is_plain_file(place.file(name)):
                    text = place.file(name).read_text(encoding="utf-8", errors="replace")
                    archive.writestr(name, self.without_paths(text))
        return packed

    def machine_json(self) -> dict[str, Any]:
        """Returns what this machine has, and what is at work on it; `kevo doctor` finds that out, once for a start."""
        path = self.root.path / _MACHINE
        where = ["--cluster", self.config.cluster] if self.config.cluster else []
        errand = self.errands.begin_once(_MACHINE_KEY, ["doctor", *where], folder=self.root.path, output=path)
        findings = []
        if errand.state == "done":
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                what, _, value = line.partition("  ")
                value = _FOLDERS.sub("", self.without_paths(printable(value.strip())))
                findings.append({"what": what.strip(), "value": value})
        states = self.searches.states()
        return {
            "state": errand.state,
            "words": self.without_paths(errand.words),
            "findings": findings,
            "free_bytes": self.root.num_free,
            "parallel": self.config.parallel,
            "num_gpus": len(self.config.gpus),
            "joining": self.joining,
            "num_alive": self.searches.num_alive(),
            "num_queued": states.count(jobs.QUEUED),
            "must_restart": self.searches.installed.has_changed,
        }

    @property
    def joining(self) -> str | None:
        """The command with which one more machine helps the searches; `None` where they train here only."""
        return cluster.joining(self.config.cluster) if self.config.cluster else None

    def without_paths(self, text: str) -> str:
        """Returns a sentence of kevo's without where the server keeps its files."""
        for folder in (self.root.path, *self.config.runs):
            text = text.replace(f"{folder}/", "")
        return text

    def _status_json(self, job: Job, state: str, *, is_brief: bool) -> dict[str, Any] | None:
        if state not in (*jobs.ALIVE, jobs.STOPPED, jobs.FINISHED, jobs.FAILED):
            return None
        found = self.searches.status(job)
        if found is None:
            return None
        values = found.to_json()
        for name in ("run_folder", "state", "failure"):
            del values[name]
        values["notes"] = [self.without_paths(text) for text in values["notes"]]
        if is_brief:
            # Two hundred points of each would be most of a list.
            values["trainings"] = [{**one, "curve": []} for one in values["trainings"]]
        if state not in jobs.ALIVE:
            values["seconds_left"] = None
        return values

    def _limits_json(self, job: Job) -> list[dict[str, Any]]:
        """Returns all limits that a search has had, those of before with the time when others took their place."""
        try:
            run = Run.open(self.searches.place(job).run, without=layout.SEARCH)
            found = [dataclasses.asdict(one) for one in limits.history(run.settings, run.search_settings())]
        except KevoError:
            return []
        return [{**one, "until": one["until"] and datetime.fromisoformat(one["until"]).timestamp()} for one in found]

    def _result_json(self, job: Job, outcome: Outcome, *, is_brief: bool) -> dict[str, Any]:
        values = outcome.to_json()
        if is_brief:
            return {name: values[name] for name in ("words", "num_parameters", "is_chance")}
        values = {**values, "run_folder": ".", "model_path": layout.MODEL}
        for one in [*values["front"], *([values["ensemble"]] if values["ensemble"] else [])]:
            one["model_path"] = str(Path(one["model_path"]).relative_to(outcome.run_folder))
        return values


def is_plain_file(path: Path) -> bool:
    """Returns whether a path is a file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def find_model(server: Server, job: Job, name: str = layout.MODEL) -> Path:
    """Returns the model of a search.

    Raises:
        RunError: there is none yet.
    """
    path = server.searches.place(job).file(name)
    if name not in (layout.MODEL, layout.ENSEMBLE) or not is_plain_file(path):
        raise RunError("There is no such model yet. A search has one as soon as its first candidate has ended.")
    return path
