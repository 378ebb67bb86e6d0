"""The run folder of one search, in which every file is written whole or not at all; `layout` lists what is in it.

Everything is JSON, so that it reads without kevo; NaN and infinity are written as null. The folder may come from
somebody else: nothing in it is executed, and no name or link in it leads outside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Self

from kevo.errors import KevoError, RunError, os_reason
from kevo.runs import layout, limits, lock
from kevo.runs.atomic_files import (
    PARTIAL,
    RESTORE,
    atomic_write_bytes,
    atomic_write_text,
    dumps,
    loads,
    make_folder,
    read,
    replacing,
    sync_folder,
    writing,
)
from kevo.runs.ownership import is_own, signed
from kevo.runs.records import TrialRecord
from kevo.settings import Settings


class Run:
    """The folder of one search: `create` makes a new one, `open` finds an old one.

    Attributes:
        path: The folder.
        settings: What `settings.json` holds.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "first"
        >>> run = Run.create(folder, {"seed": 0})
        >>> run.write_labels(["cat", "dog"])
        >>> Run.open(folder).settings
        {'seed': 0}
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
            make_folder(path)
            # A search that was killed while it began leaves nothing but these.
            occupied = any(entry.name != layout.LOCK and not entry.name.startswith(PARTIAL) for entry in path.iterdir())
        if (path / layout.SETTINGS).exists():
            raise RunError(f"{path} already holds a run. Go on with it: kevo resume {path}. Or name another folder.")
        if occupied:
            raise RunError(f"{path} is not empty. Name a folder that is empty or does not exist yet.")
        run = cls(path, dict(settings))
        with run.locked():
            if (path / layout.SETTINGS).exists():
                raise RunError(f"Another search has just begun in {path}. Name another folder.")
            run.write_json(layout.SETTINGS, run.settings)
        return run

    @classmethod
    def open(cls, path: str | Path, *, without: str | None = None) -> Self:
        """Finds a run folder again.

        Args:
            path: The folder.
            without: A folder in it that is not looked into, since the caller reads nothing of it.

        Raises:
            RunError: the folder holds no run, its settings are damaged, or something in it is neither file nor folder:
                a link may lead outside, a pipe would be waited for.
        """
        path = Path(path)
        # `Path.is_file` raises where a name is too long.
        if not os.path.isfile(path / layout.SETTINGS):
            raise RunError(
                f"{path} is no run folder: it has no {layout.SETTINGS}. Name the folder that `kevo search` wrote."
            )
        for entry, status in _entries(path, without=without):
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                kind = "a link" if stat.S_ISLNK(status.st_mode) else "no plain file"
                raise RunError(f"{entry} is {kind}, and a run folder holds none. Put the real thing in its place.")
        settings = cls(path, {}).read_json(layout.SETTINGS)
        if not isinstance(settings, dict):
            raise RunError(f"{path / layout.SETTINGS} is damaged: expected a JSON object.{RESTORE}")
        return cls(path, settings)

    @property
    def is_own(self) -> bool:
        """Whether this user has begun the search; see `kevo.runs.ownership`."""
        return is_own(self.settings)

    def search_settings(self) -> Settings:
        """Returns the settings of the search.

        Raises:
            RunError: the settings are damaged.
        """
        try:
            return Settings.from_json(self.settings["search"])
        except (KevoError, LookupError) as error:
            reason = f"{error} is missing." if isinstance(error, KeyError) else str(error)
            raise RunError(f"{self.path / layout.SETTINGS} is damaged: {reason}{RESTORE}") from error

    def replace_search_settings(self, settings: Settings) -> None:
        """Writes down that the search goes on with other settings; the limits that it had are kept beside them.

        Raises:
            RunError: the folder cannot be written.
        """
        if settings.to_json() != self.settings["search"]:
            changed = limits.replaced(self.settings, settings)
            # What this user has begun stays so; what somebody else has named is not vouched for.
            self.settings = signed(changed) if self.is_own else changed
            self.write_json(layout.SETTINGS, self.settings)

    @contextlib.contextmanager
    def locked(self) -> Iterator[str | None]:
        """Keeps other searches out of the folder; the lock goes with the process, however that ends.

        Yields:
            What a user should know of the lock; mostly nothing.

        Raises:
            RunError: another search is at work in the folder.
        """
        with lock.held(self.path) as note:
            with writing(self.path):
                for leftover in list(self.path.rglob(f"{PARTIAL}*")):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
            yield note

    @property
    def is_busy(self) -> bool:
        """Whether a search is at work in the folder."""
        return lock.is_held(self.path)

    def num_bytes(self, name: str = ".") -> int:
        """Returns the size of all files in the folder, or in the folder `name` in it, in bytes."""
        return sum(status.st_size for _, status in _entries(self.path / name) if stat.S_ISREG(status.st_mode))

    def append_trial(self, record: TrialRecord) -> None:
        """Adds the record of a finished trial, which is safe on disk when this returns.

        Raises:
            RunError: the folder cannot be written.
        """
        line = dumps(record.to_json()) + "\n"
        path = self.path / layout.TRIALS
        with writing(path):
            is_new = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            with os.fdopen(descriptor, "r+b") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        # A process that was killed while writing left half a line behind.
                        file.seek(0)
                        file.truncate(file.read().rfind(b"\n") + 1)
                        file.seek(0, os.SEEK_END)
                file.write(line.encode())
                file.flush()
                os.fsync(descriptor)
            if is_new:
                sync_folder(self.path)

    @property
    def num_trial_bytes(self) -> int:
        """The size of the records of finished trials, in bytes."""
        path = self.path / layout.TRIALS
        return path.stat().st_size if path.exists() else 0

    def trial_lines(self) -> list[bytes]:
        """Returns the lines of the finished trials, without a last one that was not written to its end.

        Raises:
            RunError: the file cannot be read.
        """
        return [line.removesuffix(b"\n") for line in self.each_trial_line()]

    def each_trial_line(self, *, start: int = 0) -> Iterator[bytes]:
        """Yields the lines of the finished trials one by one, each with its end: there may be tens of thousands.

        Args:
            start: How many bytes to leave out.

        Raises:
            RunError: the file cannot be read.
        """
        path = self.path / layout.TRIALS
        if not path.exists():
            return
        try:
            with path.open("rb") as file:
                file.seek(start)
                # One that was not written to its end does not count yet.
                yield from takewhile(lambda line: line.endswith(b"\n"), file)
        except OSError as error:
            raise RunError(f"Cannot read {path}: {os_reason(error)}.{RESTORE}") from error

    def set_lines_aside(self, numbers: Collection[int]) -> Path:
        """Moves lines of the finished trials to a file of their own.

        Args:
            numbers: The numbers of the lines, from 1.

        Returns:
            The file, relative to the run folder.

        Raises:
            RunError: the folder cannot be read or written.
        """
        lines, aside = self.trial_lines(), self._place_aside(layout.TRIALS)
        # First the copy: a search that is killed in between sets them aside once more.
        atomic_write_bytes(aside, b"".join(lines[number - 1] + b"\n" for number in numbers))
        kept = [line + b"\n" for number, line in enumerate(lines, start=1) if number not in numbers]
        atomic_write_bytes(self.path / layout.TRIALS, b"".join(kept))
        return aside.relative_to(self.path)

    def replace_trials(self, records: Sequence[TrialRecord]) -> None:
        """Writes the records of all finished trials anew.

        Raises:
            RunError: the folder cannot be written.
        """
        lines = (dumps(record.to_json()) + "\n" for record in records)
        atomic_write_bytes(self.path / layout.TRIALS, "".join(lines).encode())

    def set_aside(self, name: str, reason: str) -> str:
        """Moves a file or folder that cannot be used to `damaged`, and returns a sentence that says so.

        Args:
            name: The file or folder, relative to the run folder.
            reason: What is wrong with it.

        Raises:
            RunError: the folder cannot be written.
        """
        aside = self._place_aside(name)
        with writing(aside):
            make_folder(aside.parent)
            (self.path / name).rename(aside)
            sync_folder(aside.parent)
        reason = reason.removesuffix(RESTORE).rstrip(".")
        return f"{reason}. It is set aside as {aside.relative_to(self.path)}, and the search goes on without it."

    def has_set_aside(self, name: str) -> bool:
        """Tells whether a file of this name could not be used, and nothing has taken its place since."""
        return (self.path / layout.DAMAGED / name).exists() and not (self.path / name).exists()

    def _place_aside(self, name: str) -> Path:
        """Returns a path in `damaged` that is free."""
        path = self.path / layout.DAMAGED / name
        places = (path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
        return next(place for place in places if not place.exists())

    def write_json(self, name: str, value: Any, *, indent: int | None = 2) -> None:
        """Writes JSON values into the file `name`.

        Args:
            name: One of `layout`.
            value: The values.
            indent: By how many columns what stands inside of another is indented; `None` for all in one line.

        Raises:
            RunError: the folder cannot be written.
        """
        atomic_write_text(self.path / name, dumps(value, indent=indent) + "\n")

    def read_json(self, name: str) -> Any:
        """Reads what `write_json` wrote.

        Raises:
            RunError: there is no such file, or it is damaged.
        """
        path = self.path / name
        try:
            return loads(read(path))
        except ValueError as error:
            raise RunError(f"{path} is damaged: {error}.{RESTORE}") from error

    def write_labels(self, class_names: Sequence[str]) -> None:
        """Writes the names of the classes, in the order of the model's outputs."""
        self.write_json(layout.LABELS, list(class_names))

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Yields a temporary path, and moves what was written there to `name` at the end.

        Args:
            name: The file, relative to the run folder; missing folders are made. The temporary path has its suffix.

        Example:
            >>> import tempfile
            >>> run = Run.create(tempfile.mkdtemp(), {})
            >>> with run.replacing("note.txt") as path:
            ...     _ = path.write_text("whole")
            >>> (run.path / "note.txt").read_text()
            'whole'
        """
        with replacing(self.path / name) as path:
            yield path


def new_folder(parent: Path, name: str) -> Path:
    """Makes a new folder: `name`, or else `name-2`, `name-3` and so on.

    Raises:
        RunError: the folder cannot be made.
    """
    with writing(parent):
        make_folder(parent)
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with writing(path), contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    sync_folder(parent)
    return path


def _entries(folder: Path, *, without: str | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Yields everything below a folder with its status, without what a search removes meanwhile."""
    left = [str(folder)]
    left_out = None if without is None else os.path.join(folder, without)
    while left:
        # There may be tens of thousands: `Path` would take most of the time.
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.path, status
                    if stat.S_ISDIR(status.st_mode) and entry.path != left_out:
                        left.append(entry.path)
