"""One search of the server: what is wanted of it, and by its files what it is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from kevo.errors import KevoError, RunError
from kevo.runs import failure, layout, reader
from kevo.runs.folder import Run
from kevo.service import launching
from kevo.service.root import read_json, write_json
from kevo.system import versions
from kevo.system.text import printable
from kevo.tasks.registry import DEFAULT, kind_of

QUEUED, STARTING, RUNNING, STOPPING = "queued", "starting", "running", "stopping"
STOPPED, FINISHED, FAILED, LOST, CANCELLED = "stopped", "finished", "failed", "lost", "cancelled"
ALIVE = (STARTING, RUNNING, STOPPING)
ENDED = (STOPPED, FINISHED, FAILED, CANCELLED)
MOST_LOSSES = 3
"""A search that is killed so many times in a row, without a further candidate, is not begun again by itself."""
MOST_LOG = 2**16
"""So many bytes of what a search said are shown."""
_CONTROLS = re.compile(r"[^\n\t -~\u00a0-\U0010ffff]")
_OF_THE_SERVER = "[kevo serve, "
"""So begin the lines of a log that are the server's."""
_KEVO_FAILED = (1, 2)
_INTERRUPTED = 130


@dataclass(kw_only=True)
class Job:
    """What the server remembers of a search.

    Args:
        id: Its name.
        name: What its user calls it.
        owner: Whose it is.
        data: The name of an upload, or of data that was there before.
        data_name: What its user calls that.
        settings: How to search, as the allow-list of `kevo.service.settings` has it.
        want: `run`, `stop` or `kill`.
        further: The limits of the next session, where it goes on for longer.
        position: Its place in the queue; lower comes first.
        created: When it was asked for, in seconds since 1970.
        started: When its last session began; `None` before the first.
        ended: When that ended; `None` while it has not.
        state: How the last session ended; `queued` before it.
        words: What there is to say of that, such as why it failed.
        note: What its user has written down of it.
        losses: How often in a row it ended without a word, and without a further candidate.
        num_known: How many candidates there were when it ended so last.
        key: The `Idempotency-Key` of the request that made it.
        stop_asked: When it was asked to stop; `None` if it was not.
        run: The run folder, where the command made it; empty for one of the server's own.
        kevo: The version that began it; empty before that, and where the command began it.
        sittings: When each session of the server's began, and when it had ended: `None` while it has not.
        best: How good its best candidate is: the `objective`, the `direction` that is better, and the `score`; empty
            before the first, and where the command began it.
        gpus: Those of its last session, as `CUDA_VISIBLE_DEVICES` names them; empty where none were given to it.
    """

    id: str
    name: str
    owner: str
    data: str
    data_name: str
    settings: dict[str, Any] = field(default_factory=dict)
    want: str = "run"
    further: dict[str, Any] = field(default_factory=dict)
    position: float = 0.0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    state: str = QUEUED
    words: str = ""
    note: str = ""
    losses: int = 0
    num_known: int = 0
    key: str = ""
    stop_asked: float | None = None
    run: str = ""
    gpus: str = ""
    kevo: str = ""
    best: dict[str, Any] = field(default_factory=dict)
    sittings: list[dict[str, float | None]] = field(default_factory=list)

    @property
    def is_in_session(self) -> bool:
        """Whether the server has begun a session of it that has not been found to have ended."""
        return self.started is not None and self.ended is None

    def begin_session(self) -> None:
        """Notes that a session begins."""
        self.started, self.ended, self.words = now(), None, ""
        self.sittings.append({"began": self.started, "ended": None})
        if not self.run:
            self.kevo = self.kevo or versions.KEVO

    def end_session(self, words: str) -> None:
        """Notes that a session has ended, and what there is to say of that."""
        self.ended, self.words = now(), words
        # One that an earlier version began is not among them.
        if self.sittings and self.sittings[-1]["ended"] is None:
            self.sittings[-1]["ended"] = self.ended

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: it is damaged.
        """
        values = read_json(folder / "job.json")
        known = {item.name for item in dataclasses.fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise RunError(f"{folder / 'job.json'} is damaged: {error}.") from error

    def write(self, folder: Path) -> None:
        """Writes it down, whole or not at all."""
        write_json(folder / "job.json", dataclasses.asdict(self))


@dataclass(frozen=True)
class Place:
    """Where the files of a search lie.

    Args:
        folder: Its folder.
        elsewhere: The run folder, where that is not in it; `None` where it is.
    """

    folder: Path
    elsewhere: Path | None = None

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.elsewhere or self.folder / "run"

    def run_from(self, folder: Path) -> str:
        """Returns the run folder as a command that works in a folder names it: where it can, without the whole path."""
        return str(self.run.relative_to(folder) if self.run.is_relative_to(folder) else self.run)

    @property
    def lock(self) -> Path:
        """What its process holds locked."""
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        """What its process says."""
        return self.folder / "log"

    @property
    def report(self) -> Path:
        """Its report, where one was asked for."""
        return self.folder / layout.REPORT

    @property
    def figures(self) -> Path:
        """The folder of the figures of its report, where these were asked for."""
        return self.folder / "figures"

    @property
    def packed(self) -> Path:
        """The model with what has to stand beside it, where that was asked for."""
        return self.folder / PACKED

    @property
    def summary(self) -> Path:
        """What was read of it, where it is long and has ended."""
        return self.folder / "summary.json"

    @property
    def has_begun(self) -> bool:
        """Whether there is a run folder that can be resumed."""
        return (self.run / layout.SETTINGS).is_file()

    def file(self, name: str) -> Path:
        """Returns a file of the run folder, by a name that `FILES` has."""
        return self.run / name


PACKED = "model.zip"
"""The model with what has to stand beside it, made when it is asked for."""
FILES = (
    layout.MODEL,
    layout.ENSEMBLE,
    layout.LABELS,
    layout.TASK,
    layout.MODEL_CARD,
    layout.RESULT,
    layout.SETTINGS,
    layout.TRIALS,
)
"""What may be downloaded."""
TEXTS = (layout.LABELS, layout.TASK, layout.MODEL_CARD, layout.RESULT, layout.SETTINGS)
"""Those of them that are short, and may name the place where the server keeps them."""


def current_state(job: Job, place: Place) -> str:
    """Returns the state of a search that has not been found to have ended."""
    if not launching.is_alive(place.lock):
        return job.state if job.ended is not None or job.started is None else LOST
    if job.want != "run":
        return STOPPING
    # The status is written from when the first candidate may begin; a session that was killed has left its own behind.
    return RUNNING if _is_newer(place.run / layout.STATUS, job.started or 0.0) else STARTING


def verdict(job: Job, place: Place, exit_code: int | None, *, unreadable: str = "") -> tuple[str, str]:
    """Returns how the last session ended, and what there is to say of that.

    Args:
        job: The search.
        place: Its files.
        exit_code: How its process ended; `None` where another server has started that.
        unreadable: What there is to say where its files cannot be read; empty for the error itself.
    """
    since = job.started or 0.0
    result = place.run / layout.RESULT
    if _is_newer(result, since):
        try:
            outcome = reader.read_outcome(Run.open(place.run))
        except KevoError as error:
            return FAILED, unreadable or str(error)
        if outcome is not None:
            return (STOPPED if outcome.interrupted else FINISHED), outcome.warning
    if place.has_begun:
        try:
            failed = failure.read(Run.open(place.run))
        except KevoError as error:
            return FAILED, unreadable or str(error)
        if failed is not None and failed.at >= since:
            return FAILED, failed.words
    if job.want != "run" or exit_code == _INTERRUPTED:
        return STOPPED, ""
    last = last_line(place.log)
    if exit_code in _KEVO_FAILED or (exit_code is None and last.startswith("Error: ")):
        return FAILED, last.removeprefix("Error: ")
    return LOST, ""


def tail(log: Path, num_bytes: int = MOST_LOG) -> str:
    """Returns the end of a log, with control characters replaced."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - num_bytes)
        file.seek(start)
        text = file.read(num_bytes).decode("utf-8", "replace")
    return _CONTROLS.sub("?", text.partition("\n")[2] if start else text)


def note_state(log: Path, state: str) -> None:
    """Adds a line to a log that says in which state its search is from now on."""
    # What happens is told whether it can be written down or not.
    with contextlib.suppress(OSError):
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{_OF_THE_SERVER}{time.strftime('%Y-%m-%d %H:%M:%S')}] {state}\n")


def last_line(log: Path) -> str:
    """Returns the last line of a log that its search has said."""
    lines = [line.strip() for line in tail(log).splitlines() if line.strip() and not line.startswith(_OF_THE_SERVER)]
    return printable(lines[-1]) if lines else ""


def command(
    job: Job,
    place: Place,
    data: str,
    *,
    weights: Mapping[str, str] = MappingProxyType({}),
    num_workers: int | None = None,
    cluster: str = "",
) -> list[str]:
    """Returns the arguments of `kevo` that begin a search, or go on with it.

    Args:
        job: The search.
        place: Its files.
        data: The path or built-in name of its data; empty for where the run folder says that it lies.
        weights: Where pretrained weights come from, as in `kevo.Settings`.
        num_workers: How many workers a new search has; `None` for the default.
        cluster: The Ray cluster on which it trains; empty for this machine.
    """
    there = ["--cluster", cluster] if cluster else []
    if place.has_begun:
        limits = _options(job.further)
        where = ["--data", data] if data else []
        return ["resume", *there, *where, *limits, "--", str(place.run)]
    settings = dict(job.settings)
    # The server's weights are for all searches that can use them: tables have no backbones, and masks not all of them.
    kind = kind_of(str(settings.get("task", DEFAULT)))
    fitting = {one.name for one in kind.pretrained()}
    weights = {
        name: source for name, source in weights.items() if not fitting.isdisjoint(kind.absolute({name: source}))
    }
    if (chosen := settings.pop("backbones", None)) is not None:
        weights = {name: weights.get(name, "imagenet") for name in chosen}
    named = [word for name, source in weights.items() for word in ("--weights", f"{name}={source}")]
    workers = [] if num_workers is None else ["--workers", str(num_workers)]
    return ["search", "--out", str(place.run), *there, *workers, *named, *_options(settings), "--", data]


def _options(settings: Mapping[str, Any]) -> list[str]:
    """Returns settings as options of the command: lists are options that are repeated."""
    found: list[str] = []
    for name, value in settings.items():
        option = f"--{name.removeprefix('num_').replace('_', '-')}"
        if isinstance(value, bool):
            found += [option] if value else []
            continue
        for one in value if isinstance(value, list) else [value]:
            found += [option, f"{one}s" if name == "max_time" else str(one)]
    return found


def _is_newer(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False


def now() -> float:
    """Returns seconds since 1970."""
    return time.time()
