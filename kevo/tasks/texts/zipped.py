"""Texts in a zip archive, unpacked within limits for as long as they are read."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from kevo.errors import DataError
from kevo.system import archives
from kevo.tasks.images.datasets.dataset import Limits as ArchiveLimits
from kevo.tasks.images.datasets.files import member_parts, open_archive
from kevo.tasks.tables.reading import is_table_file
from kevo.tasks.text_files import is_litter


@contextlib.contextmanager
def unpacked(path: Path, *, max_bytes: int) -> Iterator[Path]:
    """Unpacks an archive into a folder of its own, which is removed at the end.

    Errors inside the context name the archive instead of what was unpacked.

    Args:
        path: The archive.
        max_bytes: Bytes of all members, unpacked.

    Yields:
        The path of the only table in it, or of the innermost folder that holds all of it.

    Raises:
        DataError: the archive is damaged, encrypted, too large, or reaches out of its folder.
    """
    limits = ArchiveLimits(max_archive_bytes=max_bytes, max_file_bytes=max_bytes)
    with tempfile.TemporaryDirectory(prefix="kevo-texts-") as folder:
        with open_archive(path, limits) as archive:
            for member in archive.infolist():
                parts = member_parts(member, path)
                if not member.is_dir() and not any(map(is_litter, parts)):
                    _unpack(archive, member, Path(folder, *parts), path)
        found = _innermost(Path(folder))
        try:
            yield found
        except DataError as error:
            raise DataError(str(error).replace(str(found), str(path))) from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, path: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for piece in archives.pieces(archive, member):
                file.write(piece)
    except archives.DAMAGED as error:
        raise DataError(
            f"Cannot unpack {member.filename[:200]!r} of {path}: {error}. Make or download the archive again."
        ) from error


def _innermost(folder: Path) -> Path:
    """Returns the only table in a folder, or the first folder on the way down that holds more than one folder."""
    entries = list(folder.iterdir())
    if len(entries) != 1:
        return folder
    if entries[0].is_dir():
        return _innermost(entries[0])
    return entries[0] if is_table_file(entries[0]) else folder
