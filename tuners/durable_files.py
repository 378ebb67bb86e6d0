"""JSON files that are there whole or not at all, whenever the process dies or the power is cut."""

import json
import os
from contextlib import suppress


def write_json(path: str, content: object, *, is_durable: bool = True) -> None:
    """Writes a JSON file that is there whole or not at all, whenever the process dies.

    Args:
        path: The file; it is replaced if it exists.
        content: Anything that JSON can hold.
        is_durable: Whether the file is whole after a power cut too. Waiting for the disk takes about ten times as long
            as all the rest.
    """
    # The same name each time, so that what a killed process leaves behind is overwritten.
    unfinished = f"{path}.tmp"
    with open(unfinished, "w", encoding="utf-8") as file:
        # `json.dump` would encode in Python, twenty times slower.
        file.write(json.dumps(content))
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(unfinished, path)
    if is_durable:
        _sync_folder(os.path.dirname(path))


def sync(path: str) -> None:
    """Waits until the disk holds a file that is written already, and its name."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    _sync_folder(os.path.dirname(path))


def _sync_folder(path: str) -> None:
    """Waits until the disk holds the names in a folder, and the folder's own name."""
    for folder in (path, os.path.dirname(os.path.abspath(path))):
        # Not every file system can do it, and then there is nothing to wait for.
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
