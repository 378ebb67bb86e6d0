"""Which columns of a CSV name pictures, their classes and their splits, and in which folder the pictures are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kevo.tasks.splits import SPLIT_ALIASES

PATH, LABEL, SPLIT = "path", "label", "split"
_LABELS = ("labels", "class", "class_name", "classname", "category", "target", "species", "y")
_SPLITS = ("set", "subset", "partition", "phase", "usage")
_NUM_LOOKED_AT = 8
_MOST_FOLDERS = 50


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a CSV by the names that are expected of them.

    Args:
        header: For each column its name, or `path`, `label` or `split` for one that means that.
        folder: What paths are relative to.
        note: What was decided, in words; `None` where the CSV says it itself.
        hint: What is to be done where `path` or `label` is not there; may be empty.
    """

    header: list[str]
    folder: Path
    note: str | None = None
    hint: str = ""


def find(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    folder: Path,
    *,
    is_file: Callable[[Path, str], bool],
    other: Sequence[str] = (),
    has_classes: bool = True,
) -> Columns:
    """Finds the columns by their names, or by what is in them: a column of names of files names the pictures.

    Files are looked for in the folder of the CSV, and, where none is there, in the one subfolder that has them.

    Args:
        header: The names of the columns, in small letters.
        rows: The other lines.
        folder: The folder of the CSV.
        is_file: Tells whether there is a picture of a name in a folder.
        other: Columns that mean something else.
        has_classes: Whether one column is to hold classes; otherwise all but paths and splits keep their names.
    """
    sample = [row for row in rows if any(map(str.strip, row))][:_NUM_LOOKED_AT]
    if any(is_file(folder, name.strip()) for name in header if name.strip()):
        return Columns(list(header), folder, hint=" Its first line names a picture: put the line path,label above it.")
    found = _paths(header, sample, folder, is_file)
    names = list(header)
    said = []
    if found is not None:
        place, base = found
        within = "" if base == folder else f", in {base.name}/"
        if names[place] != PATH or within:
            said.append(f"the column {header[place]!r} names the pictures{within}")
        names[place] = PATH
    else:
        base = folder
    if has_classes and LABEL not in names:
        left = [name for name in names if name not in (PATH, SPLIT, *_SPLITS, *other) and name]
        known = [name for name in left if name in _LABELS] or left
        if (
            PATH in names
            and len(known) == 1
            and (known[0] in _LABELS or not _are_numbers(sample, names.index(known[0])))
        ):
            said.append(f"{known[0]!r} their classes")
            names[names.index(known[0])] = LABEL
    if SPLIT not in names:
        for name in (name for name in _SPLITS if name in names):
            place = names.index(name)
            values = {row[place].strip().casefold() for row in rows if len(row) > place} - {""}
            if values and values <= SPLIT_ALIASES.keys():
                said.append(f"{name!r} their splits")
                names[place] = SPLIT
                break
    note = f"{' and '.join([', '.join(said[:-1]), said[-1]] if said[1:] else said)}." if said else None
    hint = ""
    if PATH not in names:
        hint = " Where it holds no pictures but rows of a table, say which column is to be predicted: --target COLUMN."
    elif has_classes and LABEL not in names:
        hint = " It names pictures: call the column of their classes label."
    return Columns(names, base, note and note[0].upper() + note[1:], hint)


def _are_numbers(sample: Sequence[Sequence[str]], place: int) -> bool:
    """Whether a column holds numbers, which may be anything but classes."""
    values = [row[place].strip() for row in sample if len(row) > place]
    return all(re.fullmatch(r"[-+]?[0-9]*[.,]?[0-9]+(e[-+]?[0-9]+)?", value, re.IGNORECASE) for value in values)


def _paths(
    header: Sequence[str], sample: Sequence[Sequence[str]], folder: Path, is_file: Callable[[Path, str], bool]
) -> tuple[int, Path] | None:
    """The column that names files, and the folder that they are in; `None` where there is none."""

    def num_found(place: int, base: Path) -> int:
        names = {row[place].strip() for row in sample if len(row) > place} - {""}
        return sum(is_file(base, name) for name in names)

    places = [header.index(PATH)] if PATH in header else range(len(header))
    counts = {place: num_found(place, folder) for place in places}
    if not any(counts.values()):
        try:
            inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:
            inner = []
        within = {(place, base): num_found(place, base) for place in places for base in inner[:_MOST_FOLDERS]}
        most = max(within.values(), default=0)
        best = [key for key, num in within.items() if num == most]
        if most and len(best) == 1:
            return best[0]
    if PATH in header:
        return header.index(PATH), folder
    most = max(counts.values(), default=0)
    best_here = [place for place, num in counts.items() if num == most]
    # Numbers of classes may be names of files too, but not all of them.
    return (best_here[0], folder) if most and 2 * most >= min(len(sample), 2) and len(best_here) == 1 else None
