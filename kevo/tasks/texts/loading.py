"""`load()` makes a data set of texts: missing splits are made, and texts that are alike stay together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, SettingsError
from kevo.tasks.folds import divide as fold_numbers
from kevo.tasks.outputs.classes.output import CLASSIFICATION, Classes
from kevo.tasks.outputs.classes.stratified import divide, divide_groups, groups_in_several
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.sampling import EVERYTHING, Sampling, sample, sentence
from kevo.tasks.tables import answers
from kevo.tasks.tables.columns import is_missing
from kevo.tasks.tables.reading import Limits, is_table_file
from kevo.tasks.text_files import is_zipped_table
from kevo.tasks.texts import reading, twins, vectors
from kevo.tasks.texts.dataset import Split, TextDataset
from kevo.tasks.texts.reading import SPLITS, Found

VALIDATION_FRACTION, TEST_FRACTION = 0.2, 0.15


def load(
    source: Any,
    *,
    text: str | None = None,
    target: str | None = None,
    groups: str | None = None,
    asks: str = CLASSIFICATION,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    test_fraction: float = TEST_FRACTION,
    limits: Limits | None = None,
    sampling: Sampling = EVERYTHING,
    num_folds: int | None = None,
    vectors_file: str | None = None,
) -> TextDataset:
    """Reads texts with their answers, and makes missing splits.

    Args:
        source: One of

            - the path of a CSV or TSV file in UTF-8, or of a file with an object of JSON on each line.
            - A folder with a folder of `.txt` files for each class; or with such a one in `train` and optionally
              `validation` (or `val`) and `test`; or with a file for each class, such as `neg.txt` and `pos.txt`, that
              has a text on each line.
            - A zip archive of such a file or folder.
            - A pair (texts, answers): texts a list, an array or a series of shape (n,); answers of shape (n,).
            - A mapping of `train`, and optionally `validation` and `test`, to such pairs.
        text: The column of a file with the texts. `None` takes that with the longest.
        target: The column that is to be predicted. `None` takes the only other one, or one with a usual name.
        groups: The column that says which texts are never in different splits, such as those of one author. Rows
            without a value stand alone.
        asks: `classification` for classes, `regression` for amounts.
        seed: Seed of the splits.
        validation_fraction: What to take for validation out of each class's training texts, when no validation split
            is given. Each class keeps at least one text in every split, and texts that are alike stay together.
        test_fraction: The same for the test split.
        limits: What to refuse. Defaults to `Limits()`.
        sampling: How many texts to use.
        num_folds: Divides the texts of train and validation into so many folds, in which each is judged once; see
            `TextDataset.folds`. The test split stays the same. `None` for no folds.
        vectors_file: A file of pretrained word vectors; see `vectors.read`. `None` for none.

    Returns:
        The data set. The same source and seed give the same texts in the same order.

    Raises:
        DataError: the source cannot be read, or holds no texts that can be learned from.
        SettingsError: a fraction is out of range.

    Example:
        >>> texts = [f"{one} film number {place}" for place in "abcdefghijkl" for one in ("good", "bad")]
        >>> load((texts, ["yes", "no"] * 12)).class_names
        ('no', 'yes')
    """
    fractions = {"validation": validation_fraction, "test": test_fraction}
    if not (min(fractions.values()) > 0 and sum(fractions.values()) < 1):
        raise SettingsError(
            "`validation_fraction` and `test_fraction` must be positive and leave something to train on. Received: "
            f"{validation_fraction} and {test_fraction}."
        )
    found = reading.read(source, text=text, target=target, groups=groups, limits=limits)
    reading.drop_missing(found)
    total = sum(len(one.texts) for one in found.splits.values())
    max_examples = None if sampling.most is None or sampling.most >= total else sampling.most
    if max_examples is not None:
        _keep_part(found.splits, max_examples, asks=asks, seed=sampling.seed)
        found.notes.append(sentence(sum(len(one.texts) for one in found.splits.values()), total, examples="texts"))
    if not found.splits["train"].texts:
        raise DataError("There are no texts to learn from. Expected some with words in them.")
    output, labels = answers.read({split: one.answers for split, one in found.splits.items()}, found.target, asks)
    alike = _alike(found.splits)
    rows = {split: np.arange(len(labels[split])) for split in found.splits}
    keys: dict[str, list[Hashable]] = {split: list(one.tolist()) for split, one in alike.items()}
    missing = {split: fraction for split, fraction in fractions.items() if split not in found.splits}
    if groups is not None:
        members = {split: list(_groups(one.groups, split)) for split, one in found.splits.items()}
        found.notes += filter(None, [groups_in_several(members)])
        keys = {split: list(one) for split, one in members.items()}
    if missing:
        strata, names = output.strata(labels["train"])
        if groups is None:
            own = alike["train"].tolist()
            rows |= divide(own, strata, missing, class_names=names, examples="texts", seed=seed, across_classes=True)
        else:
            rows |= divide_groups(members["train"], strata, missing, class_names=names, examples="texts", seed=seed)
    repeats = tuple(_repeats(alike, are_folded=num_folds is not None))
    if (num := len(alike["train"]) - len(np.unique(alike["train"]))) and missing:
        found.notes.append(f"{num:,} of {len(alike['train']):,} texts are alike another one: they stay in one split.")
    origins = {split: split if split in found.splits else "train" for split in SPLITS}
    splits = {
        split: Split(tuple(found.splits[origin].texts), labels[origin])[rows[split]]
        for split, origin in origins.items()
    }
    folds = None
    if num_folds is not None:
        learned = ("train", "validation")
        pool = Split(
            tuple(text for split in learned for text in splits[split].texts),
            np.concatenate([splits[split].labels for split in learned]),
        )
        splits |= {"train": pool, "validation": pool}
        strata, names = output.strata(pool.labels)
        folds = fold_numbers(
            [keys[origins[split]][row] for split in learned for row in rows[split].tolist()],
            strata,
            num_folds,
            names=names,
            examples="texts",
            seed=seed,
            are_classes=isinstance(output, Classes),
            is_grouped=groups is not None,
        )
    if isinstance(output, Numbers):
        output = Numbers.of(found.target, splits["train"].labels)
    pretrained = None
    if vectors_file is not None:
        pretrained, said = vectors.read(vectors_file, splits["train"].texts)
        found.notes.append(said)
    return TextDataset(
        name=found.name,
        text=found.text,
        target=found.target,
        output=output,
        notes=(*found.notes, *repeats),
        made_splits=tuple(missing),
        max_examples=max_examples,
        repeats=repeats,
        skipped=tuple(found.skipped),
        folds=folds,
        vectors=pretrained,
        **splits,
    )


def suggested(
    source: Any, *, text: str | None = None, target: str | None = None, groups: str | None = None
) -> tuple[str, str]:
    """Decides whether a target is one of classes or of amounts; see `TaskKind.suggested`.

    Raises:
        DataError: the source cannot be read.
    """
    if not (reading.is_of_arrays(source) or is_table_file(source) or is_zipped_table(source)):
        return CLASSIFICATION, ""
    found = reading.read(source, text=text, target=target, groups=groups)
    return answers.suggested_for(found.splits["train"].answers, found.target)


def _keep_part(splits: dict[str, Found], most: int, *, asks: str, seed: int) -> None:
    """Leaves texts out: of classes the same part of each."""
    places = [(split, place) for split, one in splits.items() for place in range(len(one.texts))]
    strata = [(split, splits[split].answers[place] if asks == CLASSIFICATION else "") for split, place in places]
    taken: dict[str, list[int]] = {split: [] for split in splits}
    for position in sample(strata, most, seed=seed):
        split, place = places[position]
        taken[split].append(place)
    for split, one in splits.items():
        parts = (one.texts, one.answers, one.groups)
        splits[split] = Found(*([part[place] for place in taken[split]] if part else [] for part in parts))


def _alike(splits: Mapping[str, Found]) -> dict[str, npt.NDArray[np.int64]]:
    """Returns for each split a number for each text, the same only for texts that are alike, in any split."""
    numbers = twins.groups([text for one in splits.values() for text in one.texts])
    ends = np.cumsum([len(one.texts) for one in splits.values()])
    return dict(zip(splits, np.split(numbers, ends[:-1]), strict=True))


def _groups(values: list[str], split: str) -> Iterator[str]:
    # The names cannot be each other's.
    for row, value in enumerate(values):
        yield f"alone {split} {row}" if is_missing(value) else f"group {value}"


def _repeats(alike: Mapping[str, npt.NDArray[np.int64]], *, are_folded: bool) -> Iterator[str]:
    """Says how many texts of a split that the source gives are like one of an earlier one."""
    known: set[int] = set()
    for split in (split for split in SPLITS if split in alike):
        own = alike[split].tolist()
        num = sum(number in known for number in own)
        # Texts that are alike are in the same fold.
        if num and not (are_folded and split == "validation"):
            others, so = "training", "candidates are chosen by texts that they know"
            if split == "test":
                others, so = "training or validation", "the scores on the test split may be too good"
            yield f"{num:,} of {len(own):,} {split} texts are the same as, or nearly, {others} texts: {so}."
        known.update(own)
