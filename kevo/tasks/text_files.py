"""Folders and archives of text files: told from those of pictures, and read whatever their encoding is."""

from __future__ import annotations

import itertools
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from kevo.errors import DataError, os_reason

TEXT_SUFFIX = ".txt"
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
ZIP_SUFFIX = ".zip"
_LITTER = "__macosx"
"""A folder that file managers leave in archives."""
_ABOUT = re.compile(r"(readme|license|licence|copying|notice|about)\b.*", re.IGNORECASE | re.DOTALL)
"""Names of files that tell of the others."""
_PICTURES = frozenset(
    f".{name}"
    for name in "jpg jpeg jfif png gif bmp webp tif tiff avif jp2 ppm pgm pbm pcx sgi ico".split()  # noqa: SIM905
)
_NUM_LOOKED_AT = 500
_HEAD = 4096
_LINES = 2
_MOST_PER_LETTER = 3
"""Bytes of a letter before its last one."""


def holds_texts(source: Path) -> bool:
    """Tells whether a folder or a zip archive holds texts and no pictures.

    Of a folder the first 500 files tell. An archive holds texts where it has `.txt` files, or a single table.
    """
    if is_zip(source):
        suffixes = _suffixes(_packed_names(source))
        return not _PICTURES.intersection(suffixes) and (TEXT_SUFFIX in suffixes or _is_one_table(suffixes))
    names = [Path(name).suffix.casefold() for name in itertools.islice(_names(source), _NUM_LOOKED_AT)]
    if any(suffix in _PICTURES for suffix in names):
        return False
    return TEXT_SUFFIX in names or bool(class_files(source))


def is_zip(source: object) -> bool:
    """Tells whether a source is the path of a zip archive that is there."""
    return (
        isinstance(source, str | os.PathLike)
        and Path(source).suffix.casefold() == ZIP_SUFFIX
        and os.path.isfile(source)
    )


def is_zipped_table(source: object) -> bool:
    """Tells whether a source is the path of a zip archive with a single table in it, and nothing else."""
    return is_zip(source) and _is_one_table(_suffixes(_packed_names(Path(str(source)))))


def table_in(archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    """Returns the only file of an archive, where it is a table."""
    members = _files(archive)
    return members[0] if _is_one_table(_suffixes(member.filename for member in members)) else None


def is_litter(name: str) -> bool:
    """Tells whether a part of a path is what file managers leave behind."""
    return name.startswith(".") or name.casefold() == _LITTER


def class_files(folder: Path) -> dict[str, Path]:
    """Returns the files of a folder that hold the texts of one class each, a text on each line, by their classes.

    Such files lie in a folder without others: `neg.txt` and `pos.txt`, or `reviews.neg` and `reviews.pos`. Files such
    as README do not count. None where it is no such folder.
    """
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return {}
    if any(entry.is_dir() for entry in entries):
        return {}
    paths = sorted(Path(entry.path) for entry in entries if entry.is_file() and not _ABOUT.fullmatch(entry.name))
    if len(paths) < _LINES or not all(map(_is_list_of_texts, paths)):
        return {}
    if all(path.suffix.casefold() == TEXT_SUFFIX for path in paths):
        return {path.stem: path for path in paths}
    if len({path.stem for path in paths}) == 1 and len({path.suffix for path in paths}) == len(paths):
        return {path.suffix.lstrip("."): path for path in paths}
    return {}


def decode(content: bytes, *, is_cut: bool = False) -> tuple[str, bool]:
    r"""Returns a text, and whether it was UTF-8: what is not is read as Windows-1252, in which every byte is a letter.

    Args:
        content: Its bytes.
        is_cut: Whether more would follow: its last letter may be cut in the middle.

    Example:
        >>> decode(b"caf\xc3\xa9"), decode(b"caf\xe9")
        (('café', True), ('café', False))
    """
    try:
        return content.decode("utf-8-sig"), True
    except UnicodeDecodeError as error:
        if is_cut and error.start >= len(content) - _MOST_PER_LETTER:
            return content[: error.start].decode("utf-8-sig"), True
        # Five bytes mean nothing there.
        return content.decode("cp1252", errors="replace"), False


def read_bytes(path: Path, most: int) -> bytes:
    """Returns the first bytes of a file.

    Raises:
        DataError: it cannot be read, or is no file.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}. Expected a text.")
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {os_reason(error)}.") from error


def _is_list_of_texts(path: Path) -> bool:
    try:
        head = read_bytes(path, _HEAD)
    except DataError:
        return False
    return b"\0" not in head and len(head.split(b"\n")) > _LINES


def _names(folder: Path) -> Iterator[str]:
    for _, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (name for name in sorted(files) if not name.startswith("."))


def _packed_names(path: Path) -> list[str]:
    """Returns the names of an archive's files; none where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [member.filename for member in _files(archive)]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return []


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Returns the files of an archive, without what file managers leave there."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not any(map(is_litter, member.filename.split("/")))
    ]


def _suffixes(names: Iterable[str]) -> list[str]:
    return [Path(name).suffix.casefold() for name in names]


def _is_one_table(suffixes: list[str]) -> bool:
    return len(suffixes) == 1 and suffixes[0] in TABLE_SUFFIXES
