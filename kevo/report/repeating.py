"""How a search is done once more: as a command, or in Python where a command cannot say it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np

from kevo.runs.reader import Facts
from kevo.settings import Settings
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.registry import named_by

_FLAGS = {"num_rungs": "--rungs", "num_finalists": "--finalists"}
"""Options of `kevo search` that are called otherwise than their settings."""
_PYTHON_ONLY = ("seeds",)


def how_to_repeat(facts: Facts) -> str:
    """Returns the command, or else the lines of Python, that repeat a search; nothing where its settings are damaged.

    Args:
        facts: What is known of the search.
    """
    if facts.search is None:
        return ""
    changes, kind = _changes(facts.search, Settings()), facts.kind
    if kind.name == named_by(facts.search.options).name:
        # Nothing but its options, or their absence, is needed to tell which task it is.
        changes.pop("task", None)
    if facts.search.objective == next(iter(kind.objectives)):
        changes.pop("objective", None)
    is_command = facts.data is not None and isinstance(facts.search.space, str) and not changes.keys() & {*_PYTHON_ONLY}
    return shlex.join(_command(str(facts.data), changes)) if is_command else _python(facts.data, changes, kind)


def _changes(value: Any, default: Any) -> dict[str, Any]:
    """Returns the fields of a record that are not as they are by default."""
    named = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    return {name: one for name, one in named.items() if one != getattr(default, name)}


def _command(data: str, changes: dict[str, Any]) -> Iterator[str]:
    yield from ("kevo", "search")
    for name, value in changes.items():
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        if name == "options":
            yield from (word for option, one in value.items() for word in (f"--{option}", one))
            continue
        if value is True:
            yield flag
            continue
        if name == "weights":
            values = [f"{weights}={source}" for weights, source in value.items()]
        elif name == "minimize":
            values = list(value)
        else:
            values = [f"{np.format_float_positional(value, trim='-')}s" if name == "max_time" else str(value)]
        for one in values:
            yield from (flag, one)
    # A folder may be called as an option is.
    yield from ("--", data) if data.startswith("-") else (data,)


def _python(data: str | None, changes: dict[str, Any], kind: AnyKind) -> str:
    words = ", ".join(f"{name}={_literal(value, kind)}" for name, value in changes.items())
    source = f"({kind.examples}, labels)" if data is None else repr(data)
    module = kind.space_name.rpartition(".")[0] if "space" in changes else "kevo"
    return f"import {module}\n\nkevo.search({source}, kevo.Settings({words}))"


def _literal(value: Any, kind: AnyKind) -> str:
    if not dataclasses.is_dataclass(value):
        return repr(dict(value) if hasattr(value, "items") else value)
    default: Any = type(value)
    words = ", ".join(f"{name}={one!r}" for name, one in _changes(value, default()).items())
    return f"{kind.space_name}({words})"
