"""Whether a model's file is what was written, told by the checksums that are in it."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

from kevo.errors import describe_error
from kevo.system import archives

_SEEK_BEFORE_START = errno.EINVAL
"""What the system says to a place in a file that cannot be: the archive names one."""


def flaw(path: Path) -> str | None:
    """Returns the flaw of a model file, a zip archive with checksums; `None` for an intact one.

    A file that cannot be read for a reason of the system's, such as too few file descriptors, has no flaw by that.
    """
    name = ""
    try:
        with zipfile.ZipFile(path) as file:
            for part in file.infolist():
                name = part.filename
                for _ in archives.pieces(file, part):
                    pass
    except FileNotFoundError as error:
        return describe_error(error)
    except OSError as error:
        # Decompressors raise it without a number.
        return describe_error(error) if error.errno in (None, _SEEK_BEFORE_START) else None
    except MemoryError:
        return None
    except Exception as error:
        # Decompressors meet broken content with errors of every kind.
        return f"{name} in it is not what was written" if name else describe_error(error)
    return None
