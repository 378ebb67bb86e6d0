"""The uploads of a server: each is kept as the one file that it came as, and nothing is ever unpacked."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kevo.errors import DataError, RunError
from kevo.service.errors import BusyError, NoRoomError, TooLargeError, WrongKindError
from kevo.service.root import Root, new_id, num_bytes, read_json, write_json
from kevo.service.tokens import User
from kevo.system.text import byte_size, printable

MEMBERS = {".zip": "application/zip", ".npz": "application/octet-stream", ".csv": "text/csv"}
"""What may be uploaded, and what it is called in a request."""
KEPT_FREE = 5 * 1024**3
"""So many bytes of the disk are left to others."""
_SILENCE_SECONDS = 60.0
_LOOK_SECONDS = 300.0
_AT_ONCE = 2
_LONGEST_NAME = 200
_FOUND = {
    *("examples", "task", "counts", "sizes", "shares", "skipped", "notes", "thumbnails"),
    *("num_rows", "columns", "series"),
}
"""What is found out by looking into a file."""


@dataclass(kw_only=True)
class Upload:
    """What the server remembers of an upload.

    Args:
        id: Its name.
        name: What its user called the file; nothing on the disk is called so.
        owner: Whose it is.
        suffix: `.zip`, `.npz` or `.csv`.
        num_bytes: How large it is.
        digest: Hash of the file, by which the same is known again.
        created: When it came, in seconds since 1970.
        examples: `pictures`, `texts`, `masks` for pictures with masks, or `rows`.
        task: The task of a search on it, where the file alone decides that; empty where its columns do, and for classes
            of pictures.
        counts: Pictures or texts of each class and split; of pictures with masks how many masks have the class.
        sizes: Pictures with masks in each split.
        shares: The share of the pixels of each class of masks.
        skipped: Files in it that cannot be used: path and reason.
        notes: What was decided while reading it.
        thumbnails: Small pictures: class and file name.
        num_rows: Rows of a table; 0 for pictures.
        columns: Those of a table: name, kind, examples, and the task of a search that predicts it; none for pictures.
        series: Where a table has times on equal steps: the columns of these, a step in words, the first and the last
            time, how many steps there are, and the columns that can be forecast; empty for none.
        same_as: An earlier upload with the same content; empty for none.
        key: The `Idempotency-Key` of the request that brought it.
    """

    id: str
    name: str
    owner: str
    suffix: str
    num_bytes: int
    digest: str
    created: float
    examples: str = "pictures"
    task: str = ""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    skipped: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    thumbnails: list[list[str]] = field(default_factory=list)
    num_rows: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    same_as: str = ""
    key: str = ""

    @property
    def splits(self) -> list[str]:
        """The splits that the file has."""
        return list(next(iter(self.counts.values()), {}))

    @property
    def is_table(self) -> bool:
        """Whether it holds rows, and no pictures."""
        return bool(self.columns)

    @property
    def targets(self) -> dict[str, str]:
        """The columns that can be predicted, and the tasks of searches that do so."""
        return {str(one["name"]): str(one["task"]) for one in self.columns if one["task"]}

    @property
    def forecastable(self) -> list[str]:
        """The columns whose next values can be forecast."""
        return list(self.series.get("columns", ()))

    @property
    def is_series_first(self) -> bool:
        """Whether it is more likely a series than rows for themselves: beside its times it holds numbers only."""
        others = [one for one in self.columns if one["name"] not in self.series.get("times", ())]
        return bool(self.series) and all(one["name"] in self.forecastable for one in others)

    @property
    def num_examples(self) -> int:
        """How many pictures, texts or rows it has."""
        if self.is_table:
            return self.num_rows
        return sum(self.sizes.values()) or sum(sum(splits.values()) for splits in self.counts.values())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: it is damaged.
        """
        values = read_json(folder / "data.json")
        known = {item.name for item in dataclasses.fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            raise RunError(f"{folder / 'data.json'} is damaged: {error}.") from error


class Uploads:
    """All uploads of a server.

    Args:
        root: Its folder.
        most: The most bytes of one upload.
        most_in_all: The most bytes of all of them and of the searches together.
    """

    def __init__(self, root: Root, *, most: int, most_in_all: int) -> None:
        self._root = root
        self.most = most
        self._most_in_all = most_in_all
        self._known: dict[str, Upload] = {}
        self._at_work: dict[str, int] = {}
        self._lock = threading.Lock()
        for folder in root.uploads.iterdir():
            try:
                one = Upload.read(folder)
                self._known[one.id] = one
            except RunError:
                # It was not whole when a server ended: nobody was told that it had arrived.
                shutil.rmtree(folder, ignore_errors=True)

    def all_of(self, user: User) -> list[Upload]:
        """Returns the uploads that are there for somebody, the newest first."""
        with self._lock:
            found = [one for one in self._known.values() if user.may_see(one.owner)]
        return sorted(found, key=lambda one: one.created, reverse=True)

    def get(self, name: str, user: User) -> Upload | None:
        """Returns one of the uploads that are there for somebody."""
        one = self._known.get(name)
        return one if one is not None and user.may_see(one.owner) else None

    def by_key(self, key: str, user: User) -> Upload | None:
        """Returns the upload of somebody's that a request with this key has brought; `None` for none."""
        with self._lock:
            return next((one for one in self._known.values() if one.key == key and one.owner == user.name), None)

    def path(self, one: Upload) -> Path:
        """Returns where its file lies. Reports are named after the file."""
        return self._root.upload(one.id) / f"{_file_name(one.name)}{one.suffix}"

    def thumbnail(self, one: Upload, number: int) -> Path | None:
        """Returns where a small picture of it lies."""
        if not 0 <= number < len(one.thumbnails):
            return None
        return self._root.upload(one.id) / "thumbs" / f"{int(Path(one.thumbnails[number][1]).stem)}.png"

    def remove(self, one: Upload) -> None:
        """Removes it from the disk."""
        with self._lock:
            self._known.pop(one.id, None)
        shutil.rmtree(self._root.upload(one.id), ignore_errors=True)

    def check(self, name: str, length: int | None) -> str:
        """Refuses an upload before it is read, as far as its name and length tell, and returns its suffix.

        Raises:
            WrongKindError: it is of another kind.
            TooLargeError: it is too large.
            NoRoomError: there is no room for it.
        """
        suffix = Path(name).suffix.casefold()
        if suffix not in MEMBERS:
            raise WrongKindError(f"Expected a .zip, .npz or .csv file. Received: {printable(name[:_LONGEST_NAME])!r}.")
        if length is not None and length > self.most:
            raise TooLargeError(f"Expected {byte_size(self.most)} at most. Received: {byte_size(length)}.")
        self._check_room(length or 0)
        return suffix

    async def receive(
        self, name: str, user: str, chunks: AsyncIterator[bytes], length: int | None, *, key: str = ""
    ) -> Upload:
        """Takes an upload in, and looks into it.

        Args:
            name: What its user calls the file.
            user: Whose it is.
            chunks: Its content.
            length: How long the sender says that it is; `None` if it does not say.
            key: By which the same request is known again; empty for none.

        Raises:
            KevoError: it is refused; nothing of it is left on the disk.
        """
        suffix = self.check(name, length)
        with self._lock:
            if self._at_work.get(user, 0) >= _AT_ONCE:
                raise BusyError(f"{_AT_ONCE} uploads of yours are under way. Wait until one of them has arrived.")
            self._at_work[user] = self._at_work.get(user, 0) + 1
        identity = new_id()
        partial = self._root.partial / f"{identity}{suffix}"
        folder = self._root.upload(identity)
        try:
            num, digest = await self._write(partial, chunks)
            one = Upload(
                id=identity,
                name=name[:_LONGEST_NAME],
                owner=user,
                suffix=suffix,
                num_bytes=num,
                digest=digest,
                created=time.time(),
                key=key,
            )
            thumbs = folder / "thumbs"
            thumbs.mkdir(mode=0o700, parents=True)
            partial.rename(self.path(one))
            found = await _look(self.path(one), one.name, thumbs)
            for key in _FOUND & found.keys():
                setattr(one, key, found[key])
            with self._lock:
                same = (old for old in self._known.values() if old.digest == digest and old.owner == user)
                one.same_as = next((old.id for old in same), "")
            write_json(folder / "data.json", dataclasses.asdict(one))
            with self._lock:
                self._known[identity] = one
            return one
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            partial.unlink(missing_ok=True)
            with self._lock:
                self._at_work[user] -= 1

    async def _write(self, path: Path, chunks: AsyncIterator[bytes]) -> tuple[int, str]:
        """Writes what comes in, and returns its length and hash."""
        num, hashed = 0, hashlib.sha256()
        with path.open("xb") as file:
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(chunks), _SILENCE_SECONDS)
                except StopAsyncIteration:
                    break
                except TimeoutError as error:
                    raise DataError("Nothing came for a minute. Send it again.") from error
                num += len(chunk)
                if num > self.most:
                    raise TooLargeError(f"Expected {byte_size(self.most)} at most. More has come.")
                hashed.update(chunk)
                await asyncio.to_thread(file.write, chunk)
                if num % 2**26 < len(chunk):
                    self._check_room(0)
        if not num:
            raise DataError("The file is empty. Send a .zip or .npz of pictures, or a .csv of rows.")
        return num, hashed.hexdigest()

    def _check_room(self, num: int) -> None:
        if self._root.num_free - num < KEPT_FREE:
            raise NoRoomError(
                f"The disk has {byte_size(self._root.num_free)} left, of which {byte_size(KEPT_FREE)} are kept free. "
                "Remove searches or pictures that are not needed any more."
            )
        if num and num_bytes(self._root.path) + num > self._most_in_all:
            raise NoRoomError(
                f"This server may hold {byte_size(self._most_in_all)}. Remove searches or pictures that are not needed "
                "any more."
            )


async def _look(path: Path, name: str, thumbnails: Path) -> dict[str, Any]:
    """Looks into a file, in a process of its own that may take little memory and time.

    Raises:
        DataError: it is refused.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kevo.service.look",
        str(path),
        name,
        str(thumbnails),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), _LOOK_SECONDS)
    except TimeoutError as error:
        raise DataError(f"{name} takes longer than {_LOOK_SECONDS:g} seconds to look into.") from error
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    try:
        values: dict[str, Any] = json.loads(output)
    except ValueError:
        raise DataError(f"{name} cannot be looked into: it takes too much memory or time.") from None
    if "error" in values:
        raise DataError(str(values["error"]))
    return values


def _file_name(name: str) -> str:
    """Returns a file's name without its suffix and without anything that means something to a system."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem)[:60].strip("_-")
    return plain or "data"
