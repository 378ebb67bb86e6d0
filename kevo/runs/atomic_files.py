"""Writes files whole or not at all, and names what is wrong with files: the system's refusal, or damaged content."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kevo.errors import RunError, os_reason

RESTORE = " Restore it, or start a new search."
"""What to do about a file that is needed: the end of an error."""
DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""The errors that reading content of the wrong kind raises."""
_LARGEST_WHOLE = 10**18
"""The largest whole number in a file: more than any count of parameters, operations or bytes."""
_LARGEST_REAL = 1e150
"""The largest other number in a file: far more than single precision holds, and its square is still a number."""
PARTIAL = ".partial-"
"""The first letters of a file that is not whole yet, or that a killed process left behind."""


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Writes a file at once: readers see the whole old or the whole new content, even after a crash.

    Raises:
        RunError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: Path, text: str) -> None:
    """As `atomic_write_bytes`, for text in UTF-8.

    Raises:
        RunError: the file cannot be written.
    """
    atomic_write_bytes(path, text.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside a file, and moves what was written there to the file at the end.

    The temporary path has the suffix of the file. If the block raises, the file stays as it was.

    Raises:
        RunError: the file cannot be written.
    """
    # The same folder means the same file system, without which a move is no single step.
    temporary = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    with writing(path):
        make_folder(path.parent)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it, where they are missing, so that they outlast a power cut."""
    missing = [folder for folder in (path, *path.parents) if not os.path.exists(folder)]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Waits until the disk holds the names in a folder: without that, a power cut may take a file that is whole."""
    # Not every file system can do it, and then there is nothing to wait for.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def describe_damage(error: Exception) -> str:
    """Returns what is wrong with content, as told by one of the errors of `DAMAGE`."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turns the errors of `DAMAGE` into one that names the damaged file.

    Raises:
        RunError: the content is damaged.
    """
    try:
        yield
    except DAMAGE as error:
        raise RunError(f"{path} is damaged: {describe_damage(error)}.{RESTORE}") from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` into an error that says what to do.

    Raises:
        RunError: the system refuses to write.
        MemoryError: it has no memory for that.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"{error.filename or path}: {os_reason(error)}") from error
        raise RunError(
            f"Cannot write {error.filename or path}: {os_reason(error)}. Make room or permit writing there, or "
            "name another folder."
        ) from error


def read(path: Path) -> bytes:
    """Reads a file.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"Cannot read {path}: {os_reason(error)}.{RESTORE}") from error


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Returns values as JSON, with null for NaN and infinity.

    Example:
        >>> dumps({"loss": float("nan")})
        '{"loss": null}'
    """
    return json.dumps(_without_nan(value), allow_nan=False, indent=indent)


def loads(content: bytes) -> Any:
    """Returns the values of JSON, which may come from anywhere.

    Raises:
        ValueError: it is no JSON, too deeply nested, or has a number that is larger than any that is written.
    """
    try:
        return json.loads(content, parse_int=_whole, parse_float=_real, parse_constant=_real)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def _whole(text: str) -> int:
    if len(text) > len(str(_LARGEST_WHOLE)) + 1 or abs(int(text)) > _LARGEST_WHOLE:
        raise ValueError(f"it has a number of {len(text.lstrip('-'))} digits, expected at most {_LARGEST_WHOLE}")
    return int(text)


def _real(text: str) -> float:
    if not abs(number := float(text)) <= _LARGEST_REAL:
        raise ValueError(f"it has the number {text[:20]}, expected at most {_LARGEST_REAL:g}")
    return number


def _without_nan(value: Any) -> Any:
    """Returns values with `None` for NaN and infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
