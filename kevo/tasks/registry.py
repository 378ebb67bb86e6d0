"""The table of tasks: which there are, and which one data and settings mean."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from kevo.errors import SettingsError
from kevo.tasks.protocols.kind import AnyKind

TASKS: Mapping[str, str] = {
    "images": "kevo.tasks.images.kind:KIND",
    "tables": "kevo.tasks.tables.kind:KIND",
    "texts": "kevo.tasks.texts.kind:KIND",
    "image-regression": "kevo.tasks.images.kind:REGRESSION",
    "image-multilabel": "kevo.tasks.images.kind:MULTILABEL",
    "segmentation": "kevo.tasks.masks.kind:KIND",
    "table-regression": "kevo.tasks.tables.kind:REGRESSION",
    "text-regression": "kevo.tasks.texts.kind:REGRESSION",
    "series": "kevo.tasks.series.kind:KIND",
}
"""Where each task's row stands; the first one is taken where nothing tells of another."""


DEFAULT = next(iter(TASKS))
"""The task of run folders that name none."""


AUTO = "auto"
"""Says instead of a task's name that its options or the data decide."""


def kind_of(name: str) -> AnyKind:
    """A task's row.

    Args:
        name: Its key in `TASKS`.

    Raises:
        SettingsError: there is no such task.
    """
    if name not in TASKS:
        raise SettingsError(f"Unknown task {name!r}. Expected one of: {', '.join(TASKS)}.")
    return _loaded(name)


def all_kinds() -> tuple[AnyKind, ...]:
    """All rows, in the order of the table."""
    return tuple(map(_loaded, TASKS))


def input_kinds() -> tuple[AnyKind, ...]:
    """The first row for each kind of data: what it says of resources holds for the others too."""
    return tuple({kind.inputs: kind for kind in reversed(all_kinds())}.values())[::-1]


def asked_words() -> tuple[str, ...]:
    """The words for what may be asked, such as `regression`."""
    return tuple(dict.fromkeys(kind.asks for kind in all_kinds()))


def named_by(options: Iterable[str], *, asks: str | None = None, space: object = None) -> AnyKind:
    """The task that has these options, and such a space if any has; the first of the table where there are none.

    Args:
        options: Names of options.
        asks: The word for what is asked; `None` for anything.
        space: The name of a preset, if it is one.

    Raises:
        SettingsError: no task has all of these options.
    """
    wanted = set(options)
    having = [
        kind for kind in all_kinds() if asks in (None, kind.asks) and wanted <= {option.name for option in kind.options}
    ]
    if having:
        return next((kind for kind in having if space in kind.presets), having[0])
    known = [option.name for kind in all_kinds() for option in kind.options]
    what = "task" if asks is None else f"{asks} task"
    raise SettingsError(
        f"No {what} has the options {', '.join(sorted(wanted))}. Expected those of one task among: "
        f"{', '.join(dict.fromkeys(known)) or 'none'}."
    )


def choose(task: str, data: Any, options: Mapping[str, str]) -> tuple[AnyKind, str]:
    """Chooses the task for data.

    Args:
        task: A task's name, the word for what is asked, or `auto`.
        data: The source.
        options: Settings that only one task has, by name.

    Returns:
        The task, and what was decided, in a sentence; empty where that goes without saying.

    Raises:
        DataError: the source has to be read for that, and cannot.
        SettingsError: nothing of the kind can be asked of such data.
    """
    if task in TASKS:
        return kind_of(task), ""
    known = next((kind for kind in all_kinds() if kind.recognizes(data)), None)
    if known is None:
        return named_by(options, asks=None if task == AUTO else task), ""
    asks, note = known.suggested(data, options) if task == AUTO else (task, "")
    alike = [kind for kind in all_kinds() if kind.inputs == known.inputs]
    for kind in alike:
        if kind.asks == asks:
            return kind, note
    raise SettingsError(
        f"The task {asks!r} is not to be had for {known.examples}. Expected one of: "
        f"{', '.join(kind.asks for kind in alike)}."
    )


@functools.cache
def _loaded(name: str) -> AnyKind:
    module, _, row = TASKS[name].partition(":")
    kind: AnyKind = getattr(importlib.import_module(module), row)
    return kind
