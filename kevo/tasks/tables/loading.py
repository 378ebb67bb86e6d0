"""`load()` makes a data set of a CSV file or arrays: columns get their kinds, and missing splits are made."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.classes.stratified import groups_in_several
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.prepared import dividing
from kevo.tasks.sampling import EVERYTHING, Sampling, sentence
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS, TEST_FRACTION, VALIDATION_FRACTION, fractions_of
from kevo.tasks.tables import answers
from kevo.tasks.tables.columns import (
    Column,
    Kind,
    Typed,
    count_missing,
    decide,
    encode,
    is_missing,
    kind_of_values,
    typed,
)
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.reading import Limits, Table, as_text, from_array, is_table, listed, read_table

ARRAY_TARGET = "target"
"""The name of the target where it came as an array."""
_MAX_FEATURES = 500_000_000
"""Rows times network inputs: 2 GB."""


class _Found(NamedTuple):
    """One split of a source: its columns without the target, and the target."""

    table: Table
    target: list[str]


class _Kinds(NamedTuple):
    """The kinds of the columns that are used, the names of the others, and notes on both."""

    kinds: dict[str, Kind]
    unused: list[str]
    notes: list[str]


def load(
    source: Any,
    *,
    target: str | None = None,
    asks: str = CLASSIFICATION,
    keep: Sequence[str] = (),
    groups: str | None = None,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    test_fraction: float = TEST_FRACTION,
    limits: Limits | None = None,
    sampling: Sampling = EVERYTHING,
    num_folds: int | None = None,
) -> TableDataset:
    """Reads a table, decides the kind of each column, and makes missing splits.

    Args:
        source: One of

            - the path of a CSV file or of JSON lines, which may be alone in a zip archive; see `reading.read_table`.
            - A pair (x, y): x of shape (n, num_columns) with numbers, texts and `None`, or a data frame; y of shape
              (n,) with the classes as numbers or texts, or with the numbers to be predicted.
            - A mapping of `train`, and optionally `validation` and `test`, to such pairs.
        target: The column of a CSV file that is to be predicted.
        asks: What it holds: `classification` for classes, `regression` for amounts.
        keep: Columns that are learned from even if they seem to repeat the target or to identify rows.
        groups: The column that says which rows are never in different splits, such as those of one patient. Rows
            without a value stand alone. Nothing is learned from it, unless `keep` names it.
        seed: Seed of the splits.
        validation_fraction: What to take for validation out of each class's training rows, when no validation split is
            given. Each class keeps at least one row in every split, and identical rows stay together. Of numbers, each
            split has the same part of the low and the high ones.
        test_fraction: The same for the test split.
        limits: What to refuse. Defaults to `Limits()`.
        sampling: How many rows to use.
        num_folds: Divides the rows of train and validation into so many folds, in which each is judged once; see
            `TableDataset.folds`. The test split stays the same. `None` for no folds.

    Returns:
        The data set. The same source and seed give the same arrays in the same order.

    Raises:
        DataError: the source cannot be read, or is no table that can be learned from.
        SettingsError: a fraction is out of range.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> load(load_wine(return_X_y=True)).summary()
        'table: 178 rows, 13 numbers, 3 classes (115 train, 36 validation*, 27 test*; * from train)'
    """
    fractions = fractions_of(validation=validation_fraction, test=test_fraction)
    name, target, found = _find(source, target, limits)
    total = sum(len(one.target) for one in found.values())
    max_examples = None if sampling.most is None or sampling.most >= total else sampling.most
    if max_examples is not None:
        answered = {split: one.target for split, one in found.items()}
        chosen = dividing.sampled(answered, max_examples, asks=asks, seed=sampling.seed)
        found = {split: _rows(found[split], places) for split, places in chosen.items()}
    output, labels = answers.read({split: one.target for split, one in found.items()}, target, asks)
    members = {} if groups is None else _groups(found, groups)
    kinds, unused, notes = _decide(found["train"].table, labels["train"], keep, groups)
    notes += filter(None, [groups_in_several(members)])
    values = {split: _typed(one.table, kinds, split) for split, one in found.items()}
    rows = {split: np.arange(len(labels[split])) for split in found}
    missing = {split: fraction for split, fraction in fractions.items() if split not in found}
    if missing:
        rows |= dividing.made_splits(
            labels["train"],
            missing,
            keys=_row_keys(values["train"]),
            groups=members.get("train"),
            output=output,
            examples="rows",
            seed=seed,
        )
    repeats = tuple(_repeats(values, are_folded=num_folds is not None))
    notes += repeats
    origins = {split: split if split in found else "train" for split in SPLITS}
    # Over folds all of these rows are learned from.
    learned = ("train",) if num_folds is None else ("train", "validation")

    def gathered(of: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([of[origins[split]][rows[split]] for split in learned])

    raw = {name: gathered({split: one[name] for split, one in values.items()}) for name in kinds}
    columns = tuple(_column(name, kind, raw[name]) for name, kind in kinds.items())
    if max_examples is not None:
        notes.append(sentence(sum(len(one.target) for one in found.values()), total, examples="rows"))
    _check_size(columns, len(labels["train"]))
    if isinstance(output, Numbers):
        output = Numbers.of(target, gathered(labels), may_be_log=True)
        if output.is_log:
            notes.append(
                f"A few numbers of the target {target!r} are far above the others: networks learn its logarithm."
            )
    splits = {split: _split(values[one], columns, labels[one], rows[split]) for split, one in origins.items()}
    folds = None
    if num_folds is not None:
        pool = _split(raw, columns, gathered(labels), np.arange(len(rows["train"]) + len(rows["validation"])))
        splits |= {"train": pool, "validation": pool}
        folds = dividing.folds_of(
            pool.labels,
            num_folds,
            keys=_row_keys(raw) if groups is None else dividing.pooled(origins, rows, members),
            output=output,
            examples="rows",
            seed=seed,
            is_grouped=groups is not None,
        )
    return TableDataset(
        name=name,
        target=target,
        columns=columns,
        output=output,
        unused=tuple(unused),
        notes=tuple(notes),
        made_splits=tuple(missing),
        max_examples=max_examples,
        repeats=repeats,
        folds=folds,
        **splits,
    )


def _rows(one: _Found, chosen: Sequence[int]) -> _Found:
    columns: dict[str, Any] = {name: [values[place] for place in chosen] for name, values in one.table.columns.items()}
    return _Found(Table(columns, len(chosen)), [one.target[place] for place in chosen])


def suggested(source: Any, *, target: str | None = None) -> tuple[str, str]:
    """Decides whether a target is one of classes or of amounts; see `TaskKind.suggested`.

    Numbers are amounts unless they are whole, and at most 20 different ones.

    Raises:
        DataError: the source cannot be read.
    """
    if is_table(source) and target is None:
        return CLASSIFICATION, ""
    _, name, found = _find(source, target, None)
    return answers.suggested_for(found["train"].target, name)


def separate(table: Table, target: str, *, name: str) -> tuple[Table, list[str]]:
    """Takes the target out of a table.

    Args:
        table: The table, as `reading.read_csv` returns it.
        target: The target's column.
        name: What to call the table in errors.

    Returns:
        The other columns, and the target.

    Raises:
        DataError: there is no such column, or no other one.
    """
    names = list(table.columns)
    if target not in names:
        folded = {name.strip().casefold(): name for name in reversed(names)}
        close = difflib.get_close_matches(target.strip().casefold(), folded, n=1)
        hint = f" Did you mean {folded[close[0]]!r}?" if close else ""
        raise DataError(f"{name} has no column {target!r}.{hint} Expected one of: {listed(names)}.")
    if len(names) == 1:
        raise DataError(f"{name} has no column but the target {target!r}. Expected others to predict it from.")
    others = {name: values for name, values in table.columns.items() if name != target}
    return Table(others, table.num_rows), list(table.columns[target])


def _find(source: Any, target: str | None, limits: Limits | None) -> tuple[str, str, dict[str, _Found]]:
    """Reads a source, and returns its name, that of its target, and its splits."""
    if is_table(source):
        path = Path(source)
        table = read_table(path, limits=limits)
        if target is None:
            raise DataError(
                f"Which column of {path} is to be predicted? Expected one of: {listed(list(table.columns))}."
            )
        found = _Found(*separate(table, target, name=str(path)))
        return re.sub(r"[^\w.-]+", "_", path.resolve().stem) or "table", target, {"train": found}
    if isinstance(source, Mapping):
        splits = {SPLIT_ALIASES.get(str(name), str(name)): pair for name, pair in source.items()}
        if "train" not in splits or not set(splits) <= set(SPLITS) or len(splits) < len(source):
            raise DataError(
                f"Received the splits {listed(list(map(str, source)))}. Expected train, and optionally validation and "
                "test."
            )
    else:
        splits = {"train": source}
    return "table", target or ARRAY_TARGET, {split: _from_pair(pair, limits) for split, pair in splits.items()}


def _from_pair(pair: Any, limits: Limits | None) -> _Found:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise DataError(
            f"Cannot read a table from {_shown(pair)}. Expected the path of a table, such as a .csv file, or a pair "
            "(x, y) with x of shape (rows, columns) and y of shape (rows,)."
        )
    table = from_array(pair[0], limits=limits)
    labels = np.asarray(pair[1])
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (table.num_rows,):
        raise DataError(
            f"Received classes of shape {labels.shape} for {table.num_rows:,} rows. Expected one class for each row, "
            f"of shape ({table.num_rows},)."
        )
    if labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all()) and abs(labels).max(initial=0) < 2**53:
        labels = labels.astype(np.int64)
    return _Found(table, list(map(as_text, labels.tolist())))


def _shown(source: Any) -> str:
    return repr(str(source)) if isinstance(source, str | os.PathLike) else type(source).__name__


def _groups(found: Mapping[str, _Found], groups: str) -> dict[str, list[str]]:
    """Returns the group of each row of each split."""
    members = {}
    for split, one in found.items():
        if groups not in one.table.columns:
            raise DataError(
                f"There is no column {groups!r} of groups in {split}. Expected one of: "
                f"{listed(list(one.table.columns))}."
            )
        texts = map(str, one.table.columns[groups])
        members[split] = dividing.grouped([None if is_missing(text) else text for text in texts], split=split)
    return members


def _repeats(values: Mapping[str, Mapping[str, Typed]], *, are_folded: bool) -> Iterator[str]:
    """Says how many rows of a split that the source gives stand in an earlier one too, whatever their answers."""
    order = [split for split in SPLITS if split in values]
    together = {name: np.concatenate([values[split][name] for split in order]) for name in values["train"]}
    keys = iter(_row_keys(together))
    sizes = {split: len(next(iter(values[split].values()))) for split in order}
    return dividing.repeats(
        {split: list(itertools.islice(keys, size)) for split, size in sizes.items()},
        are_folded=are_folded,
        examples="rows",
        same="the same as",
        behind=" in every column that is learned from",
    )


def _decide(table: Table, labels: npt.NDArray[Any], keep: Sequence[str], groups: str | None) -> _Kinds:
    if unknown := [name for name in keep if name not in table.columns]:
        raise DataError(
            f"There is no column {listed(unknown)} to keep. Expected some of: {listed(list(table.columns))}."
        )
    kinds: dict[str, Kind] = {}
    left_out: dict[str, list[str]] = {}
    remarks: dict[str, list[str]] = {}
    gaps: dict[str, int] = {}
    for name, raw in table.columns.items():
        kind, words = decide(raw, labels, name=name)
        if kind is None and name in keep:
            kind, words = kind_of_values(raw), ""
        if name == groups and name not in keep:
            kind, words = None, "it names the groups"
        if kind is None:
            left_out.setdefault(words, []).append(name)
            continue
        kinds[name] = kind
        if words:
            remarks.setdefault(words, []).append(name)
        if num_gaps := count_missing(raw):
            gaps[name] = num_gaps
    notes = [f"Left out {listed(names)}: {reason}." for reason, names in left_out.items()]
    if not kinds:
        raise DataError(f"No column is left to predict from. {' '.join(notes)} Add columns that say something.")
    if codes := [name for name, kind in kinds.items() if kind == "code"]:
        notes.append(f"Whole numbers with few values are taken for categories: {listed(codes)}.")
    notes += [f"Of {listed(names)} {words}." for words, names in remarks.items()]
    if gaps:
        notes.append(f"Values are missing in {listed(list(gaps))}: {sum(gaps.values()):,} in all.")
    return _Kinds(kinds, [name for names in left_out.values() for name in names], notes)


def _typed(table: Table, kinds: Mapping[str, Kind], split: str) -> dict[str, Typed]:
    if lacking := [name for name in kinds if name not in table.columns]:
        raise DataError(f"The {split} split lacks the columns {listed(lacking)}, which train has. Give all the same.")
    return {name: typed(table.columns[name], kind) for name, kind in kinds.items()}


def _row_keys(values: Mapping[str, Typed]) -> list[bytes]:
    """Returns a key for each row that only identical rows share."""
    codes = [
        np.unique(one, return_inverse=True)[1].astype(np.float32) if one.dtype == object else one
        for one in values.values()
    ]
    return [row.tobytes() for row in np.stack(codes, axis=1)]


def _column(name: str, kind: Kind, values: Typed) -> Column:
    """Describes a column by its training rows."""
    if kind == "category":
        return Column(name, kind, tuple(sorted(set(values.tolist()))))
    is_gap = np.isnan(values)
    codes = tuple(np.unique(values[~is_gap]).tolist()) if kind == "code" else ()
    return Column(name, kind, codes, has_gaps=bool(is_gap.any()))


def _check_size(columns: Sequence[Column], num_rows: int) -> None:
    num_features = sum(column.num_features for column in columns)
    if num_rows * num_features > _MAX_FEATURES:
        raise DataError(
            f"The table becomes {num_features:,} inputs of a network for each of {num_rows:,} rows, which is too much "
            f"for memory. Expected at most {_MAX_FEATURES:,} numbers in all. Search on a sample of the rows, or leave "
            "out columns with many categories."
        )


def _split(
    values: Mapping[str, Typed], columns: Sequence[Column], labels: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> Split:
    chosen = [(column, encode(values[column.name][rows], column)) for column in columns]
    numbers = [one for column, one in chosen if column.kind != "category"]
    categories = [one for column, one in chosen if column.kind == "category"]
    return Split(
        np.stack(numbers, axis=1) if numbers else np.empty((len(rows), 0), np.float32),
        np.stack(categories, axis=1) if categories else np.empty((len(rows), 0), np.int32),
        labels[rows],
    )
