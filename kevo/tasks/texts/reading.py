"""Reads texts and their answers: from tables, folders and arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kevo.errors import DataError, os_reason
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS
from kevo.tasks.tables.columns import is_missing
from kevo.tasks.tables.free_text import is_idle, text_columns
from kevo.tasks.tables.loading import ARRAY_TARGET
from kevo.tasks.tables.reading import Limits, Table, as_text, is_table_file, listed, read_table
from kevo.tasks.text_files import TEXT_SUFFIX, class_files, decode, is_zip, read_bytes

ARRAY_TEXT = "text"
"""The name of the texts where they came as an array, or as files."""
MOST_LETTERS = 50_000
"""The rest of a longer text is left out."""
_MOST_FILES = 1_000_000
_BYTES_PER_LETTER = 4
_TARGETS = ("label", "labels", "class", "target", "category", "sentiment", "rating", "score", "y", "stars", "polarity")
"""Names of columns that are usually to be predicted."""


@dataclass(slots=True)
class Found:
    """The texts of one split, with their answers and groups, one for each; none where the source has none."""

    texts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Source:
    """What was read.

    Args:
        name: A short name, fit for a file.
        text: The name of the texts.
        target: The name of the answers.
        splits: The splits that the source has; one without splits has only `train`.
        skipped: The files that could not be used.
        notes: What was decided while reading, in words.
    """

    name: str
    text: str
    target: str
    splits: dict[str, Found]
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_of_arrays(data: Any) -> bool:
    """Tells whether data are a pair of texts and answers, or such pairs by split."""
    first = next(iter(data.values()), None) if isinstance(data, Mapping) else data
    if not isinstance(first, tuple | list) or len(first) != 2:
        return False
    texts = first[0]
    if getattr(texts, "ndim", 1) != 1 or isinstance(texts, str | bytes) or not hasattr(texts, "__len__"):
        return False
    return len(texts) > 0 and isinstance(next(iter(texts)), str)


def read(
    source: Any,
    *,
    text: str | None = None,
    target: str | None = None,
    groups: str | None = None,
    limits: Limits | None = None,
) -> Source:
    """Reads texts with their answers; see `loading.load`.

    Args:
        source: A file, a folder, a zip archive of either, or arrays.
        text: The column of a table with the texts; `None` for that with the longest.
        target: The column with the answers; `None` for the only other one, or one with a usual name.
        groups: The column with the groups; `None` for none.
        limits: What to refuse. Defaults to `Limits()`.

    Raises:
        DataError: it cannot be read, or holds no texts with answers.
    """
    limits = limits or Limits()
    if is_zip(source):
        from kevo.tasks.texts.zipped import unpacked

        with unpacked(Path(source), max_bytes=limits.max_bytes) as inner:
            found = read(inner, text=text, target=target, groups=groups, limits=limits)
        found.name = _short(Path(source).stem)
        return found
    if is_table_file(source):
        return _from_table(Path(source), text, target, groups, limits)
    if groups is not None:
        raise DataError(f"Groups of texts are a column of a table. Received {groups!r} for {_shown(source)}.")
    if isinstance(source, str | os.PathLike):
        return _from_folder(Path(source), target or ARRAY_TARGET, limits)
    return _from_arrays(source, target or ARRAY_TARGET)


def columns_of(table: Table, *, text: str | None, name: str) -> tuple[str, list[str]]:
    """Returns the column of a table's texts, and notes.

    Args:
        table: The table.
        text: The column's name; `None` for that with the longest texts.
        name: What to call the table in errors.

    Raises:
        DataError: there is none.
    """
    names = list(table.columns)
    if text is not None:
        if text not in names:
            raise DataError(f"{name} has no column {text!r}. Expected one of: {listed(names)}.")
        return text, []
    found = text_columns(table.columns)
    if not found:
        raise DataError(
            f"{name} has no column of texts: none has several words in most rows. Name it with --text, or search the "
            f"table with --task tables. Its columns: {listed(names)}."
        )
    others = f" The column {listed(found[1:])} holds texts too; take one of these with --text." if found[1:] else ""
    return found[0], [f"The texts are those of the column {found[0]!r}.{others}"]


def shortened(text: str) -> str:
    """Returns what is read of a text."""
    return text[:MOST_LETTERS]


def text_of_file(path: Path) -> str:
    """Returns the text of a file.

    Raises:
        DataError: it cannot be read, or is no text.
    """
    most = _BYTES_PER_LETTER * MOST_LETTERS
    content = read_bytes(path, most)
    text, _ = decode(content, is_cut=len(content) == most)
    if "\0" in text:
        raise DataError(f"{path} is no text: it holds NUL characters.")
    return shortened(text)


def _from_table(path: Path, text: str | None, target: str | None, groups: str | None, limits: Limits) -> Source:
    table = read_table(path, limits=limits)
    text, notes = columns_of(table, text=text, name=str(path))
    others = [name for name in table.columns if name not in (text, groups)]
    if target is None:
        target = _target(others, table, text, path)
        notes.append(f"To be predicted is the column {target!r}; name another with --target.")
    for name in filter(None, (target, groups)):
        if name not in table.columns or name == text:
            raise DataError(f"{path} has no column {name!r} beside its texts. Expected one of: {listed(others)}.")
    if unused := [name for name in others if name != target]:
        notes.append(f"Only the texts are learned from, not {listed(unused)}.")
    found = Found(
        [shortened(str(value)) for value in table.columns[text]],
        [str(value) for value in table.columns[target]],
        [] if groups is None else [str(value) for value in table.columns[groups]],
    )
    return Source(_short(path.stem), text, target, {"train": found}, notes=notes)


def _target(others: Sequence[str], table: Table, text: str, path: Path) -> str:
    usual = [name for name in others if name.strip().casefold() in _TARGETS]
    if len(usual) == 1:
        return usual[0]
    telling = [name for name in others if not is_idle(list(table.columns[name]))] if len(others) > 1 else others
    if len(telling) == 1:
        return telling[0]
    raise DataError(
        f"Which column of {path} is to be predicted from {text!r}? Say so with --target. Expected one of: "
        f"{listed(others) or 'none: it has only texts'}."
    )


def _from_folder(path: Path, target: str, limits: Limits) -> Source:
    if not path.is_dir():
        raise DataError(
            f"Cannot read texts from {path}. Expected a .csv, .tsv or .jsonl file, a folder with a folder of "
            f"{TEXT_SUFFIX} files for each class, or a .zip file of either."
        )
    source = Source(_short(path.resolve().name), ARRAY_TEXT, target, {})
    parts = {SPLIT_ALIASES.get(entry.name, entry.name): Path(entry.path) for entry in _entries(path) if entry.is_dir()}
    is_divided = "train" in parts and set(parts) <= set(SPLITS)
    left = limits.max_bytes
    for split, folder in parts.items() if is_divided else [("train", path)]:
        source.splits[split], left = _from_classes(folder, source, left, limits)
    return source


def _from_classes(folder: Path, source: Source, left: int, limits: Limits) -> tuple[Found, int]:
    """Returns the texts of a folder of classes, and how many bytes may still be read."""
    found, num_cut, others = Found(), 0, set[str]()
    if lists := class_files(folder):
        source.notes.append(f"Each line of a file is a text, and the files are the classes: {listed(list(lists))}.")
    paths = [(name, path) for name, path in lists.items()] or list(_files(folder, source))
    for name, path in paths:
        most = left if lists else min(left, _BYTES_PER_LETTER * MOST_LETTERS)
        if left <= 0 or (lists and path.stat().st_size > left) or len(found.texts) > _MOST_FILES:
            raise DataError(
                f"The texts of {folder} are too many: more than {limits.max_bytes:,} bytes, or {_MOST_FILES:,} files. "
                "Search on a part of them."
            )
        try:
            content = read_bytes(path, most)
        except DataError as error:
            source.skipped.append(Skipped(str(path), str(error).rstrip(".")))
            continue
        if b"\0" in content:
            source.skipped.append(Skipped(str(path.relative_to(folder)), "is no text: it holds NUL characters"))
            continue
        left -= len(content)
        whole, is_unicode = decode(content, is_cut=len(content) == most)
        if not is_unicode:
            others.add(str(path.relative_to(folder)))
        # Other marks, such as a form feed, may stand inside a text.
        texts = whole.replace("\r\n", "\n").split("\n") if lists else [whole]
        for text in filter(str.strip, texts):
            num_cut += len(text) > MOST_LETTERS
            found.texts.append(shortened(text))
            found.answers.append(name)
    if not found.texts:
        raise DataError(
            f"There are no texts in {folder}. Expected a folder of {TEXT_SUFFIX} files for each class, or a file for "
            "each class with a text on each line."
        )
    if others:
        source.notes.append(f"Not UTF-8, and read as Windows-1252: {listed(sorted(others))}.")
    if num_cut:
        source.notes.append(f"Of {num_cut:,} texts only the first {MOST_LETTERS:,} letters are read.")
    return found, left


def _files(folder: Path, source: Source) -> Iterator[tuple[str, Path]]:
    """Yields the class and the path of each text below a folder of class folders."""
    loose = [entry.name for entry in _entries(folder) if entry.is_file() and entry.name.endswith(TEXT_SUFFIX)]
    if loose:
        source.notes.append(f"Files that lie in no folder of a class are left out: {listed(loose)}.")
    for entry in _entries(folder):
        if not entry.is_dir():
            continue
        for place, folders, names in os.walk(entry.path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.casefold().endswith(TEXT_SUFFIX) and not name.startswith("."):
                    yield entry.name, Path(place) / name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {os_reason(error)}.") from error
    return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _from_arrays(source: Any, target: str) -> Source:
    pairs = {"train": source}
    if isinstance(source, Mapping):
        pairs = {SPLIT_ALIASES.get(str(name), str(name)): pair for name, pair in source.items()}
        if "train" not in pairs or not set(pairs) <= set(SPLITS) or len(pairs) < len(source):
            raise DataError(
                f"Received the splits {listed(list(map(str, source)))}. Expected train, and optionally validation and "
                "test."
            )
    return Source("texts", ARRAY_TEXT, target, {split: _from_pair(pair) for split, pair in pairs.items()})


def _from_pair(pair: Any) -> Found:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise DataError(f"Cannot read texts from {_shown(pair)}. Expected a pair (texts, answers) of the same length.")
    texts = texts_of(pair[0])
    answers = np.asarray(pair[1])
    answers = answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers
    if answers.shape != (len(texts),):
        raise DataError(f"Received answers of shape {answers.shape} for {len(texts):,} texts. Expected one for each.")
    if (
        answers.dtype.kind == "f"
        and bool((answers == np.floor(answers)).all())
        and np.abs(answers).max(initial=0) < 2**53
    ):
        answers = answers.astype(np.int64)
    return Found(texts, list(map(as_text, answers.tolist())))


def texts_of(values: Any) -> list[str]:
    """Returns an array, a list or a series of texts as a list. A missing one is the empty text.

    Raises:
        DataError: it holds something else.
    """
    found = np.asarray(values, object)
    if found.ndim != 1 or any(not isinstance(value, str) and as_text(value) for value in found.tolist()):
        raise DataError(f"Received {_shown(values)} for texts. Expected a list of texts, or an array of shape (n,).")
    return [shortened(as_text(value)) for value in found.tolist()]


def drop_missing(source: Source) -> None:
    """Leaves out what has no text, and says so."""
    for split, found in source.splits.items():
        kept = [place for place, text in enumerate(found.texts) if text.strip() and not is_missing(text)]
        if num := len(found.texts) - len(kept):
            source.notes.append(f"{num:,} of {len(found.texts):,} {split} rows have no text and are left out.")
            source.splits[split] = Found(
                *(
                    [values[place] for place in kept] if values else []
                    for values in (found.texts, found.answers, found.groups)
                )
            )


def _short(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name) or "texts"


def _shown(source: Any) -> str:
    return repr(str(source)) if isinstance(source, str | os.PathLike) else type(source).__name__
