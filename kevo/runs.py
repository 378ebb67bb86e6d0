"""The run folder: one search's settings, candidates, class names and models, each written whole or not at all.

    settings.json      what was asked for
    trials.jsonl       one finished candidate in each line
    probes.json        how backbones did on a sample of the pictures, where there were several
    bodies.json        how well linear heads do on the features of each frozen network that was met
    labels.json        class names, in the order of the model's outputs
    best.keras         the winner
    ensemble.keras     several models as one, where together they are better
    checkpoints/       models that may still win, be trained further or join an ensemble, and those of the front
    predictions/       what each candidate made of the validation pictures, and the winner of the test pictures
    result.json        scores of the winner
    model_card.md      what the winner is, how good it was on which pictures, and what it cannot know
    energy.json        the electricity that the search took, if it was measured
    naive.json         what the search would have cost without the cache of features
    tensorboard/       the search for TensorBoard, if it was wanted
    mlflow.json        which run of MLflow the search is, if it is one
    plots/             pictures of the search
    report.html        the search as a page, if it was asked for
    search/            the oracle's own state
    damaged/           what could not be read when the search was taken up
    work/              what worker processes need while they work
    status.json        what the search is at, while it runs
    .stop              asks it to end

Everything is JSON, so that it reads without kevo; numbers that are none (NaN, infinity) are written as null. The folder
may come from someone else: nothing in it is executed, and no name or link in it leads outside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

from kevo.errors import KevoError, RunError
from kevo.settings import Settings

TEST_PREDICTIONS = "predictions/test.npy"
"""Where in a run folder the winner's probabilities for the test pictures are."""

_SETTINGS = "settings.json"
_TRIALS = "trials.jsonl"
_LABELS = "labels.json"
_LOCK = ".lock"
_PARTIAL = ".partial-"
_LOOK_SECONDS = 0.05
_DAMAGED = "damaged"
_RESTORE = " Restore it, or start a new search."
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""The errors that content of the wrong kind leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """What came of one candidate.

    Args:
        number: Its place in the search, from 0.
        trial_id: Its name in the search. Letters, digits, `_` and `-`.
        generation: The generation that it was bred for, from 0.
        genome: Its genes.
        status: Whether it has a fitness.
        fitness: The objective's value on the validation split; `None` if it failed.
        metrics: Its metrics in its best epoch, and those of its costs that the search minimizes.
        history: The metrics of every epoch.
        stages: The training stage of every epoch.
        num_epochs: How many epochs it trained, over all stages.
        seconds: What it cost.
        num_parameters: The size of its network; `None` if it failed.
        reason: Why it failed; `None` if it did not.
        finished_at: When it ended, in seconds of search, over all sittings.
        full_length: Whether this is the final training of a finalist, and no step of the evolution.
        continues: The trial whose training this one takes up after a pause; its epochs are a part of the history, its
            seconds are not. `None` for a training from the start.
        is_paused: Whether the training may be taken up again, in a higher rung.
        planned_epochs: Over how many epochs of a stage its learning rates were to fall.
        tune_epochs: The same for fine-tuning, if that differs.
        origin: How it came to be: `seed`, `random`, `crossover`, `mutation`, `promotion`, or `final` for the final
            training of a finalist. Empty where nobody knows.
        parents: The trials that it comes from; what is promoted or trained once more has one.

    Raises:
        ValueError: a trial_id that could be mistaken for a path, a status and fitness that contradict each other, a
            history and stages that do, or a time that is no number.
    """

    number: int
    trial_id: str
    generation: int
    genome: dict[str, Any]
    status: Literal["completed", "failed"]
    fitness: float | None
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    num_epochs: int
    seconds: float
    num_parameters: int | None
    reason: str | None = None
    finished_at: float
    full_length: bool = False
    continues: str | None = None
    is_paused: bool = False
    planned_epochs: int = 1
    tune_epochs: int | None = None
    origin: str = ""
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Files are named after it, and a run folder may come from someone else.
        if not re.fullmatch(r"[\w-]+", self.trial_id):
            raise ValueError(f"`trial_id` may hold letters, digits, '_' and '-' only. Received: {self.trial_id!r}.")
        completed = self.status == "completed" and self.fitness is not None and math.isfinite(self.fitness)
        if not completed and (self.status != "failed" or self.fitness is not None):
            raise ValueError(
                "A completed trial has a finite fitness, a failed one has none. "
                f"Received: status {self.status!r}, fitness {self.fitness}."
            )
        if len(self.stages) != len(self.history):
            raise ValueError(
                f"Every epoch has a stage. Received: {len(self.history)} epochs, {len(self.stages)} stages."
            )
        if not (math.isfinite(self.seconds) and math.isfinite(self.finished_at)):
            raise ValueError(f"Times are finite. Received: seconds {self.seconds}, finished_at {self.finished_at}.")

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same record."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: these are not the values of a record.
        """
        try:
            return cls(
                number=int(values["number"]),
                trial_id=str(values["trial_id"]),
                generation=int(values["generation"]),
                genome=dict(values["genome"]),
                status=values["status"],
                fitness=None if values["fitness"] is None else float(values["fitness"]),
                metrics=_numbers(values["metrics"]),
                history=[_numbers(epoch) for epoch in values["history"]],
                stages=[str(stage) for stage in values["stages"]],
                num_epochs=int(values["num_epochs"]),
                seconds=float(values["seconds"]),
                num_parameters=None if values["num_parameters"] is None else int(values["num_parameters"]),
                reason=None if values["reason"] is None else str(values["reason"]),
                finished_at=float(values["finished_at"]),
                full_length=bool(values["full_length"]),
                continues=None if values["continues"] is None else str(values["continues"]),
                is_paused=bool(values["is_paused"]),
                planned_epochs=int(values["planned_epochs"]),
                tune_epochs=None if values["tune_epochs"] is None else int(values["tune_epochs"]),
                origin=str(values.get("origin", "")),
                parents=tuple(str(parent) for parent in values.get("parents", ())),
            )
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        except (AttributeError, OverflowError, TypeError) as error:
            raise ValueError(str(error)) from error


class Run:
    """One search's folder. `create` starts a new one, `open` finds an old one.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "first"
        >>> run = Run.create(folder, {"seed": 0})
        >>> run.write_labels(["cat", "dog"])
        >>> Run.open(folder).settings, Run.open(folder).trials()
        ({'seed': 0}, [])
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.settings = settings

    @classmethod
    def create(cls, path: str | Path, settings: Mapping[str, Any]) -> Self:
        """Makes a run folder.

        Args:
            path: The folder, which must not exist yet or be empty.
            settings: What the search was asked for, in JSON values.

        Raises:
            RunError: the folder holds something already, or cannot be written.
        """
        path = Path(path)
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            # A search that was killed while it began leaves no more than that.
            occupied = any(entry.name != _LOCK and not entry.name.startswith(_PARTIAL) for entry in path.iterdir())
        if (path / _SETTINGS).exists():
            raise RunError(f"{path} already holds a run. Go on with it: kevo resume {path}. Or name another folder.")
        if occupied:
            raise RunError(f"{path} is not empty. Name a folder that is empty or does not exist yet.")
        run = cls(path, dict(settings))
        with run.locked():
            if (path / _SETTINGS).exists():
                raise RunError(f"Another search has just begun in {path}. Name another folder.")
            run.write_json(_SETTINGS, run.settings)
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Finds a run folder again.

        Raises:
            RunError: the folder holds no run, its settings are damaged, or something in it is neither file nor folder:
                a link may lead outside, a pipe would be waited for.
        """
        path = Path(path)
        # `Path.is_file` raises where a name is too long.
        if not os.path.isfile(path / _SETTINGS):
            raise RunError(f"{path} is no run folder: it has no {_SETTINGS}. Name the folder that `kevo search` wrote.")
        for entry, status in _entries(path):
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                kind = "a link" if stat.S_ISLNK(status.st_mode) else "no plain file"
                raise RunError(f"{entry} is {kind}, and a run folder holds none. Put the real thing in its place.")
        settings = cls(path, {}).read_json(_SETTINGS)
        if not isinstance(settings, dict):
            raise RunError(f"{path / _SETTINGS} is damaged: expected a JSON object. Restore it, or start a new search.")
        return cls(path, settings)

    def search_settings(self) -> Settings:
        """Returns how the search is to run.

        Raises:
            RunError: the settings are damaged.
        """
        try:
            return Settings.from_json(self.settings["search"])
        except (KevoError, LookupError) as error:
            reason = f"{error} is missing." if isinstance(error, KeyError) else str(error)
            raise RunError(
                f"{self.path / _SETTINGS} is damaged: {reason} Restore it, or start a new search."
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps every other search out of the folder; the system lets go of it however this process ends.

        Raises:
            RunError: another search is at work in the folder.
        """
        with writing(self.path):
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            try:
                _lock(descriptor)
            except BlockingIOError as error:
                raise RunError(
                    f"Another search is at work in {self.path}. Wait for it or stop it, or name another folder."
                ) from error
            with writing(self.path):
                for leftover in self.path.rglob(f"{_PARTIAL}*"):
                    leftover.unlink()
            yield
        finally:
            os.close(descriptor)

    @property
    def is_busy(self) -> bool:
        """Whether a search is at work in the folder."""
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise RunError(f"Cannot read {self.path / _LOCK}: {error.strerror}. Permit it, or remove it.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def num_bytes(self, name: str = ".") -> int:
        """Returns how much the folder, or the folder `name` in it, holds, also while a search writes there."""
        return sum(status.st_size for _, status in _entries(self.path / name) if stat.S_ISREG(status.st_mode))

    def append_trial(self, record: TrialRecord) -> None:
        """Writes a candidate down. It is safe on disk when this returns.

        Raises:
            RunError: the folder cannot be written.
        """
        line = _dumps(record.to_json()) + "\n"
        path = self.path / _TRIALS
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            with os.fdopen(descriptor, "r+b") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        # Whoever was killed while writing left half a line behind.
                        file.seek(0)
                        file.truncate(file.read().rfind(b"\n") + 1)
                        file.seek(0, os.SEEK_END)
                file.write(line.encode())
                file.flush()
                os.fsync(descriptor)

    def trials(self) -> list[TrialRecord]:
        """Returns the finished candidates, in the order in which they finished first.

        The last word counts where a candidate was written down twice. A last line without its end is no word.

        Raises:
            RunError: a line is damaged, or refers to one that is not there.
        """
        records, problems = _parsed(self._lines(), check=lambda record: None)
        for number, reason in problems.items():
            raise RunError(
                f"Line {number} of {self.path / _TRIALS} is damaged: {reason}. Restore it; kevo resume sets it "
                "aside and goes on without that candidate."
            )
        return list(records.values())

    def mend_trials(self, check: Callable[[TrialRecord], object]) -> list[str]:
        """Sets lines aside that are damaged, and says which ones those are.

        Args:
            check: Raises an error of any kind where a record is not one of this search.

        Raises:
            RunError: the folder cannot be written.
        """
        lines = self._lines()
        _, problems = _parsed(lines, check)
        if problems:
            aside = self._place_aside(_TRIALS)
            # First the copy: whoever is killed in between sets them aside once more.
            atomic_write_bytes(aside, b"".join(lines[number - 1] + b"\n" for number in problems))
            kept = [line + b"\n" for number, line in enumerate(lines, start=1) if number not in problems]
            atomic_write_bytes(self.path / _TRIALS, b"".join(kept))
        return [
            f"Line {number} of {self.path / _TRIALS} is damaged: {reason}. It is set aside in "
            f"{aside.relative_to(self.path)}, and the search goes on without that candidate."
            for number, reason in problems.items()
        ]

    def set_aside(self, name: str, reason: str) -> str:
        """Moves what cannot be used out of the way, and says so in words.

        Args:
            name: The file or folder, relative to the run folder.
            reason: What is wrong with it.

        Raises:
            RunError: the folder cannot be written.
        """
        aside = self._place_aside(name)
        with writing(aside):
            aside.parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).rename(aside)
        reason = reason.removesuffix(_RESTORE).rstrip(".")
        return f"{reason}. It is set aside as {aside.relative_to(self.path)}, and the search goes on without it."

    def _lines(self) -> list[bytes]:
        path = self.path / _TRIALS
        return _read(path).split(b"\n")[:-1] if path.exists() else []

    def _place_aside(self, name: str) -> Path:
        """Returns a path for what is damaged that nothing has yet."""
        path = self.path / _DAMAGED / name
        places = (path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
        return next(place for place in places if not place.exists())

    def write_json(self, name: str, value: Any) -> None:
        """Writes JSON values into the file `name`.

        Raises:
            RunError: the folder cannot be written.
        """
        atomic_write_text(self.path / name, _dumps(value, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        """Reads what `write_json` wrote.

        Raises:
            RunError: there is no such file, or it is damaged.
        """
        path = self.path / name
        try:
            return _loads(_read(path))
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}.{_RESTORE}") from error

    def write_labels(self, class_names: Sequence[str]) -> None:
        """Writes the names of the classes, in the order of the model's outputs."""
        self.write_json(_LABELS, list(class_names))

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Lets a file be written under a path of its own, and puts it in place of `name` once it is whole.

        Args:
            name: The file, relative to the run folder; folders on its way are made. The path lent out has the same
                suffix.

        Example:
            >>> import tempfile
            >>> run = Run.create(tempfile.mkdtemp(), {})
            >>> with run.replacing("note.txt") as path:
            ...     _ = path.write_text("whole")
            >>> (run.path / "note.txt").read_text()
            'whole'
        """
        with _replacing(self.path / name) as path:
            yield path


def checkpoint(record: TrialRecord) -> str:
    """Returns where in a run folder a candidate's model is, if it is needed."""
    return f"checkpoints/{record.trial_id}.keras"


def refit_model(record: TrialRecord) -> str:
    """Returns where in a run folder a candidate's model is that has learned from the validation pictures too."""
    return f"checkpoints/{record.trial_id}-refit.keras"


def predictions(record: TrialRecord) -> str:
    """Returns where in a run folder a candidate's probabilities for the validation pictures are."""
    return f"predictions/{record.trial_id}.npy"


def new_folder(parent: Path, name: str) -> Path:
    """Makes a folder that nobody else has: `name`, or else with the first number behind it that is free.

    Raises:
        RunError: the folder cannot be made.
    """
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with writing(path), contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            break
    return path


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that whoever reads it, and whatever happens, sees the old or the new content whole.

    Raises:
        RunError: the file cannot be written.
    """
    with _replacing(path) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: Path, text: str) -> None:
    """As `atomic_write_bytes`, for text in UTF-8.

    Raises:
        RunError: the file cannot be written.
    """
    atomic_write_bytes(path, text.encode())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    # The same folder means the same file system, without which a move is no single step.
    temporary = path.with_name(f"{_PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _in_words(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Says which part of a run folder it is that cannot be used.

    Raises:
        RunError: in place of the errors that content of the wrong kind leads to.
    """
    try:
        yield
    except _DAMAGE as error:
        raise RunError(f"{path} is damaged: {_in_words(error)}.{_RESTORE}") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says what to do where the system refuses to write.

    Raises:
        RunError: in place of the system's own error.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
            f"Cannot write {error.filename or path}: {error.strerror or error}. Make room or permit writing there, or "
            "name another folder."
        ) from error


def _parsed(
    lines: Sequence[bytes], check: Callable[[TrialRecord], object]
) -> tuple[dict[str, TrialRecord], dict[int, str]]:
    """Returns the records of lines, by their trials, and what is wrong with others, by their numbers from 1."""
    records: dict[str, TrialRecord] = {}
    places: dict[str, list[int]] = {}
    problems: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = TrialRecord.from_json(_loads(line))
            check(record)
        except _DAMAGE as error:
            problems[number] = _in_words(error)
            continue
        records[record.trial_id] = record
        places.setdefault(record.trial_id, []).append(number)
    known: set[str | None] = {None}
    for trial_id, record in list(records.items()):
        if record.continues in known:
            known.add(trial_id)
            continue
        del records[trial_id]
        reason = f"trial {trial_id} continues trial {record.continues}, of which no line before it tells"
        problems.update(dict.fromkeys(places[trial_id], reason))
    return records, dict(sorted(problems.items()))


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yields all that is below a folder; what a search removes meanwhile is not there."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, path.lstat()


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Whoever only looks whether a search is at work lets go at once.
        time.sleep(_LOOK_SECONDS)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}. Restore it, or start a new search.") from error


def _dumps(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(_without_nan(value), allow_nan=False, indent=indent)


def _loads(content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def _without_nan(value: Any) -> Any:
    """Takes out the numbers that JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): math.nan if value is None else float(value) for name, value in values.items()}
