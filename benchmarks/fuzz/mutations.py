"""What happens to files: JSON with another value somewhere, and bytes that are cut, flipped or gone."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

_LARGE = (-1, 2**31, 10**9, 10**12, 2**63, 10**18, 10**30, 10**400)
_REALS = (math.nan, math.inf, -math.inf, -0.0, 1e-320, 1e30, 1e100, 1.7e308)
_TEXTS = ("", "\0", "..", "../..", "/", "a" * 300, "\x1b[2J", "\u202e", "\ud800", "none", "imagenet", "0-full", "é")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.sampled_from(_LARGE)
    | st.floats()
    | st.sampled_from(_REALS)
    | st.text(max_size=8)
    | st.sampled_from(_TEXTS)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
"""Any JSON value, and numbers that JSON does not have."""


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Draws JSON values that differ from others in one place or a few."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(changed)
        if not places:
            return draw(VALUES)
        container, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(("replace", "replace", "replace", "remove", "rename", "repeat"))):
            case "replace":
                container[key] = draw(VALUES)
            case "remove":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[draw(st.text(max_size=8))] = container.pop(key)
            case "repeat" if isinstance(container, list):
                container.extend(copy.deepcopy(container))
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Returns every place in JSON values: a container, and a key or a position in it."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


@st.composite
def damages(draw: st.DrawFn, folder: Path) -> tuple[str, Callable[[Path], object]]:
    """Draws something that happens to one file of a folder.

    Args:
        draw: Draws.
        folder: The folder as it was; nothing in it is changed.

    Returns:
        It in words, and a function that does it to a copy of the folder.
    """
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    weighed = [name for name in names for _ in range(5 if name.endswith((".json", ".jsonl")) else 1)]
    name = draw(st.sampled_from(weighed))
    content = (folder / name).read_bytes()
    if name.endswith(".json") and draw(st.integers(0, 3)):
        values = draw(mutated(json.loads(content)))
        return f"{name} holds other values", lambda to: (to / name).write_text(_dumps(values))
    if name.endswith(".jsonl") and draw(st.integers(0, 3)):
        lines = content.decode().splitlines()
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = _dumps(draw(mutated(json.loads(lines[place]))))
        return f"line {place} of {name} holds other values", lambda to: (to / name).write_text("\n".join(lines) + "\n")
    return draw(st.sampled_from(_kinds(draw, name, content)))


def _kinds(draw: st.DrawFn, name: str, content: bytes) -> list[tuple[str, Callable[[Path], object]]]:
    """Returns what may happen to a file's bytes, or to the file itself."""
    cut = draw(st.integers(0, len(content)))
    flipped = bytearray(content)
    if flipped:
        flipped[draw(st.integers(0, len(flipped) - 1))] ^= 1 << draw(st.integers(0, 7))
    noise = draw(st.binary(max_size=40))
    return [
        (f"{name} is cut after {cut} bytes", lambda to: (to / name).write_bytes(content[:cut])),
        (f"a bit of {name} is flipped", lambda to: (to / name).write_bytes(bytes(flipped))),
        (f"{name} is noise", lambda to: (to / name).write_bytes(noise)),
        (f"{name} ends in noise", lambda to: (to / name).write_bytes(content + noise)),
        (f"{name} is gone", lambda to: (to / name).unlink()),
        (f"{name} is a folder", lambda to: _become(to / name, Path.mkdir)),
        (f"{name} is a pipe", lambda to: _become(to / name, os.mkfifo)),
        (f"{name} is a link", lambda to: _become(to / name, lambda path: path.symlink_to("/etc/hostname"))),
        (f"the folder of {name} is gone", lambda to: _without_folder(to, name)),
    ]


def _become(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _without_folder(folder: Path, name: str) -> None:
    if (parent := (folder / name).parent) != folder:
        shutil.rmtree(parent)


def _dumps(values: Any) -> str:
    # Lone surrogates stay as they are: JSON may hold them.
    return json.dumps(values)
