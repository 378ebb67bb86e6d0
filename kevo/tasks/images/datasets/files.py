"""Which picture files a folder, a zip or a CSV names, with their class and split."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import itertools
import os
import re
import stat
import struct
import threading
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from kevo.errors import DataError, os_reason
from kevo.system import archives
from kevo.tasks.images.datasets import csv_columns
from kevo.tasks.images.datasets.dataset import Limits, natural
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.images.datasets.layouts import understand
from kevo.tasks.images.datasets.pictures import File
from kevo.tasks.images.datasets.targets import CLASS_LABELS, Targets
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS

_LITTER = {"__macosx", "thumbs.db", "desktop.ini", "icon\r"}
"""What file managers leave behind, besides names that begin with a dot; ignored in silence."""
_IRREGULAR = ((stat.S_ISDIR, "folder"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"))
_MAX_CSV_BYTES = 512 * 1024**2
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MAX_DEPTH = 64
"""Folders around a member of an archive; no data set needs more."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture's file with its class, its split, and the group that is never divided."""

    file: File
    label: str
    split: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All picture files of a source.

    Args:
        files: In order.
        splits: The splits in order, also those without a file.
        class_names: The classes in the order of their letters, as Keras sorts them, also those without a file.
        skipped: What cannot be a picture of any class.
        notes: What was decided, in words.
    """

    files: list[Listed]
    splits: tuple[str, ...]
    class_names: tuple[str, ...]
    skipped: list[Skipped]
    notes: tuple[str, ...] = ()


def list_folder(path: Path) -> Listing:
    """Lists a folder of class folders, or one with train/ and optionally validation/ and test/.

    Links are followed, but never in a circle.

    Raises:
        DataError: the folder is laid out otherwise, or cannot be read.
    """
    root, skipped = folder_tree(path)
    return _arrange(root, str(path), skipped)


def folder_tree(path: Path) -> tuple[Folder, list[Skipped]]:
    """Returns a folder with all that is in it, and what is no file.

    Raises:
        DataError: it cannot be read.
    """
    skipped: list[Skipped] = []
    root = Folder()
    try:
        _scan(path, root, frozenset({_identity(path.stat())}), skipped)
    except OSError as error:
        raise DataError(f"Cannot read {error.filename or path}: {os_reason(error)}.") from error
    return root, skipped


@contextlib.contextmanager
def list_zip(path: Path, limits: Limits) -> Iterator[Listing]:
    """Lists an archive laid out as a folder may be; its pictures can be read while the context lasts.

    Nothing is unpacked to disk.

    Raises:
        DataError: the archive is broken, encrypted, too large, reaches out of its folder, or is laid out otherwise.
    """
    with zip_tree(path, limits) as root:
        yield _arrange(root, str(path), [])


@contextlib.contextmanager
def zip_tree(path: Path, limits: Limits) -> Iterator[Folder]:
    """Opens an archive as a tree of folders, whose files can be read while the context lasts.

    Raises:
        DataError: the archive is broken, encrypted, too large, or reaches out of its folder.
    """
    with open_archive(path, limits) as archive:
        reading = threading.Lock()  # ZipFile counts its open members without one.

        def unpack(member: zipfile.ZipInfo) -> BinaryIO:
            with reading:
                return io.BytesIO(archives.unpack(archive, member))

        root = Folder()
        for member in archive.infolist():
            parts = member_parts(member, path)
            parents, names = (parts, []) if member.is_dir() else (parts[:-1], parts[-1:])
            if any(map(_is_litter, parents)):
                continue
            folder = root
            for parent in parents:
                folder = folder.folder(parent)
            for name in itertools.filterfalse(_is_litter, names):
                folder.files[name] = File(f"{folder.path}{name}", member.file_size, partial(unpack, member))
        yield root


@contextlib.contextmanager
def open_archive(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Opens a zip archive that stays within its limits.

    Raises:
        DataError: it is no archive, is encrypted, or unpacks to more than its limits.
    """
    check_regular(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise DataError(f"Cannot read {path} as a zip archive: {error}. Make or download it again.") from error
    with archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        packed = path.stat().st_size  # The members' own word on it may count the same bytes many times.
        if len(members) > limits.max_members:
            raise DataError(
                f"{path} holds {len(members):,} files and folders, more than the {limits.max_members:,} allowed. "
                "Unpack it yourself if you trust it, and give the folder."
            )
        allowed = min(limits.max_archive_bytes, max(limits.max_file_bytes, limits.max_archive_ratio * packed))
        if unpacked > allowed:
            raise DataError(
                f"{path} unpacks from {packed:,} to {unpacked:,} bytes, as a zip bomb does. At most {allowed:,.0f} "
                "bytes are allowed. Unpack it yourself if you trust it, and give the folder."
            )
        encrypted = next((member.filename for member in members if member.flag_bits & 1), None)
        if encrypted is not None:
            raise DataError(f"{path} is encrypted ({encrypted}). Unpack it with its password, and give the folder.")
        yield archive


def list_csv(path: Path, *, groups: str | None = None, targets: Targets = CLASS_LABELS) -> Listing:
    """Lists the pictures that a CSV of `path,label[,split]` names; with other answers, they are the labels.

    The delimiter is a comma, semicolon, tab or bar. Paths are absolute or relative to the CSV's folder; backslashes
    count as slashes, and an extension may be missing where one file fits. The split is `train`, `validation` (or `val`)
    or `test`; no value means `train`. Columns by other names are found by what is in them where they can be told, see
    `csv_columns`. Others are ignored, but for that called as `groups` is: it says which pictures belong together.

    Raises:
        DataError: the CSV cannot be read, lacks a column or a value, or names an unknown split.
    """
    check_regular(path)
    if (size := path.stat().st_size) > _MAX_CSV_BYTES:
        raise DataError(f"{path} is too large: {size:,} bytes. Expected at most {_MAX_CSV_BYTES:,}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = _delimiter(text)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}. Save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"Cannot read {path} as CSV: {error}.") from error
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    group = (groups or "").strip().casefold()
    has_classes = targets == CLASS_LABELS
    found = csv_columns.find(header, rows[1:], path.parent, is_file=_is_file, other=[group], has_classes=has_classes)
    header = found.header
    if "path" not in header or (has_classes and "label" not in header):
        raise DataError(
            f"{path} must begin with the line path,label or path,label,split. Its columns are: "
            f"{', '.join(rows[0]) if rows else 'none'}, parted by {_DELIMITERS[delimiter]}.{found.hint}"
        )
    columns = targets.columns(header, groups=groups)
    needed = ("path",) if targets.may_be_empty else ("path", *columns)
    files: list[Listed] = []
    skipped: list[Skipped] = []
    names: set[str] = set()
    splits: set[str] = set()
    for number, row in enumerate(rows[1:], start=2):
        values = dict(zip(header, (value.strip() for value in row), strict=False))
        if not any(values.values()):
            continue
        for column in needed:
            if not values.get(column):
                raise DataError(f"Row {number} of {path} has no {column}. Fill it in, or remove the row.")
        split = SPLIT_ALIASES.get((values.get("split") or "train").casefold())
        if split is None:
            raise DataError(
                f"Row {number} of {path} has the split {values['split']!r}. Expected train, validation or test."
            )
        label = targets.text(values, columns, row=number)
        names.add(label)
        splits.add(split)
        file = _csv_file(found.folder, values["path"])
        if isinstance(file, Skipped):
            skipped.append(file)
        else:
            files.append(Listed(file, label, split, values.get(group) or None))
    if not names:
        raise DataError(f"{path} names no pictures. Expected a row path,label[,split] for each.")
    return _listing(files, splits, names, skipped, (found.note,) if found.note else ())


def check_regular(path: Path) -> None:
    """Refuses what is no ordinary file: a pipe would be waited for, and a device may never end.

    Raises:
        DataError: it is none.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {path}: {os_reason(error)}.") from error
    if not stat.S_ISREG(mode):
        kind = next((words for is_one, words in _IRREGULAR if is_one(mode)), "special")
        raise DataError(f"{path} is no file but a {kind}. Write what it holds to a file, and give that.")


def _delimiter(text: str) -> str:
    """The delimiter of a table: of those that programs write, the most frequent one in the first line."""
    first = next(iter(text.splitlines()), "")
    return max(_DELIMITERS, key=first.count)


def _csv_file(folder: Path, name: str) -> File | Skipped:
    """Finds a picture, also by a path as Windows has it, or without its extension where one file fits."""
    # `Path.exists` raises where a name is too long.
    found = next((path for path in _meant(folder, name) if os.path.exists(path)), folder / name)
    try:
        status = found.stat()
    except (OSError, ValueError) as error:
        return Skipped(name, f"cannot be found in {folder}: {os_reason(error)}")
    if not stat.S_ISREG(status.st_mode):
        return Skipped(name, "is no file")
    return File(name, status.st_size, partial(_open, str(found)))


def _is_file(folder: Path, name: str) -> bool:
    return any(os.path.isfile(path) for path in _meant(folder, name))


def _meant(folder: Path, name: str) -> Iterator[Path]:
    with contextlib.suppress(OSError, ValueError):
        for words in dict.fromkeys((name, name.replace("\\", "/"))):
            path = folder / words
            yield path
            if not path.suffix and path.parent.is_dir():
                same = list(path.parent.glob(f"{glob.escape(path.name)}.*"))
                if len(same) == 1:
                    yield same[0]


def _scan(path: Path, folder: Folder, above: frozenset[tuple[int, int]], skipped: list[Skipped]) -> None:
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if _is_litter(entry.name):
                continue
            name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
            here = f"{folder.path}{name}"
            try:
                status = entry.stat()
            except OSError as error:
                skipped.append(Skipped(here, f"cannot be found: {os_reason(error)}"))
                continue
            if stat.S_ISDIR(status.st_mode):
                identity = _identity(status)
                if identity in above:
                    skipped.append(Skipped(f"{here}/", "is a link to a folder that it lies in"))
                else:
                    _scan(Path(entry.path), folder.folder(name), above | {identity}, skipped)
            elif stat.S_ISREG(status.st_mode):
                folder.files[name] = File(here, status.st_size, partial(_open, entry.path))
            else:
                skipped.append(Skipped(here, "is no file"))


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER


def member_parts(member: zipfile.ZipInfo, path: Path) -> list[str]:
    """The folders and the name of a member.

    Raises:
        DataError: it reaches out of the archive's folder.
    """
    name = member.filename.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    link = stat.S_ISLNK(member.external_attr >> 16)
    deep = len(parts) > _MAX_DEPTH
    if link or deep or name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        what = "is a link" if link else f"lies {len(parts)} folders deep" if deep else "lies outside of its folder"
        raise DataError(
            f"{path} is refused: its member {member.filename[:200]!r} {what}. Make the archive anew without it."
        )
    return parts


def _arrange(root: Folder, source: str, skipped: list[Skipped]) -> Listing:
    """Lists the pictures of each split and class."""
    layout = understand(root, source)
    skipped += layout.skipped
    files: list[Listed] = []
    names: set[str] = set()
    for split, folder in layout.splits.items():
        if not folder.folders:
            raise DataError(
                f"{source} has no class folders{f' in {folder.path}' if folder.path else ''}. Expected one folder of "
                "pictures for each class, or such folders inside train/ and optionally validation/ and test/."
            )
        skipped += (Skipped(file.path, "lies in no class folder") for file in folder.files.values())
        for label, members in folder.folders.items():
            inside = members.all_files()
            if not inside:
                raise DataError(f"The class folder {members.path} in {source} is empty. Fill it, or remove it.")
            names.add(label)
            files += (Listed(file, label, split) for file in inside)
    files.sort(key=lambda listed: natural(listed.file.path))
    return _listing(files, layout.splits, names, skipped, layout.notes)


def _listing(
    files: list[Listed],
    splits: Iterable[str],
    names: Iterable[str],
    skipped: list[Skipped],
    notes: tuple[str, ...] = (),
) -> Listing:
    return Listing(files, tuple(sorted(splits, key=SPLITS.index)), tuple(sorted(names)), skipped, notes)
