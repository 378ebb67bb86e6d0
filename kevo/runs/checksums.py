"""Whether a model's file is what was written, told by the checksums that are in it."""

from __future__ import annotations

import errno
import zipfile
import zlib
from pathlib import Path

from kevo.errors import describe_error
from kevo.runs.atomic_files import DAMAGE

_SEEK_BEFORE_START = errno.EINVAL
"""What the system says to a place in a file that cannot be: the archive names one."""


def flaw(path: Path) -> str | None:
    """Returns the flaw of a model file, a zip archive with checksums; `None` for an intact one.

    A file that cannot be read for a reason of the system's, such as too few file descriptors, has no flaw by that.
    """
    try:
        with zipfile.ZipFile(path) as file:
            part = file.testzip()
    except (*DAMAGE, EOFError, FileNotFoundError, zipfile.BadZipFile, zlib.error) as error:
        return describe_error(error)
    except OSError as error:
        # Decompressors raise it without a number.
        return describe_error(error) if error.errno in (None, _SEEK_BEFORE_START) else None
    return None if part is None else f"{part} in it is not what was written"
