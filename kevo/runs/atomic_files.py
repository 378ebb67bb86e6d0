"""Files that are written whole or not at all, and in words what the system or their own content has against them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kevo.errors import RunError, os_reason

RESTORE = " Restore it, or start a new search."
"""What to do about a file without which nothing goes on."""
DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""The errors that content of the wrong kind leads to."""
PARTIAL = ".partial-"
"""What the name of a file begins with that is not whole yet, or never became so."""


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that whoever reads it, and whatever happens, sees the old or the new content whole.

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
    """Lends out a path beside a file, with the same suffix, and puts what was written there in its place.

    Raises:
        RunError: the file cannot be written.
    """
    # The same folder means the same file system, without which a move is no single step.
    temporary = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def describe_damage(error: Exception) -> str:
    """Says what is wrong with content, by one of the errors of `DAMAGE`."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Says which part of a run folder it is that cannot be used.

    Raises:
        RunError: in place of the errors that content of the wrong kind leads to.
    """
    try:
        yield
    except DAMAGE as error:
        raise RunError(f"{path} is damaged: {describe_damage(error)}.{RESTORE}") from error


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
    """Writes JSON, with null for numbers that are none.

    Example:
        >>> dumps({"loss": float("nan")})
        '{"loss": null}'
    """
    return json.dumps(_without_nan(value), allow_nan=False, indent=indent)


def loads(content: bytes) -> Any:
    """Reads JSON, whoever wrote it.

    Raises:
        ValueError: this is none.
    """
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
