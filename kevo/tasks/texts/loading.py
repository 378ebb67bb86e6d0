"""`load()` makes a data set of texts: missing splits are made, and texts that are alike stay together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.classes.stratified import groups_in_several
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.prepared import dividing
from kevo.tasks.sampling import EVERYTHING, Sampling, sentence
from kevo.tasks.splits import SPLITS, TEST_FRACTION, VALIDATION_FRACTION, fractions_of
from kevo.tasks.tables import answers
from kevo.tasks.tables.columns import is_missing
from kevo.tasks.tables.reading import Limits, is_table_file
from kevo.tasks.text_files import is_zipped_table
from kevo.tasks.texts import reading, twins, vectors
from kevo.tasks.texts.dataset import Split, TextDataset
from kevo.tasks.texts.reading import Found


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
    fractions = fractions_of(validation=validation_fraction, test=test_fraction)
    found = reading.read(source, text=text, target=target, groups=groups, limits=limits)
    reading.drop_missing(found)
    total = sum(len(one.texts) for one in found.splits.values())
    max_examples = None if sampling.most is None or sampling.most >= total else sampling.most
    if max_examples is not None:
        answered = {split: one.answers for split, one in found.splits.items()}
        for split, places in dividing.sampled(answered, max_examples, asks=asks, seed=sampling.seed).items():
            one = found.splits[split]
            parts = (one.texts, one.answers, one.groups)
            found.splits[split] = Found(*([part[place] for place in places] if part else [] for part in parts))
        found.notes.append(sentence(sum(len(one.texts) for one in found.splits.values()), total, examples="texts"))
    if not found.splits["train"].texts:
        raise DataError("There are no texts to learn from. Expected some with words in them.")
    output, labels = answers.read({split: one.answers for split, one in found.splits.items()}, found.target, asks)
    alike = _alike(found.splits)
    rows = {split: np.arange(len(labels[split])) for split in found.splits}
    keys: dict[str, list[Hashable]] = {split: list(one.tolist()) for split, one in alike.items()}
    members: dict[str, list[str]] = {}
    missing = {split: fraction for split, fraction in fractions.items() if split not in found.splits}
    if groups is not None:
        for split, one in found.splits.items():
            named = [None if is_missing(value) else value for value in one.groups]
            members[split] = dividing.grouped(named, split=split)
        found.notes += filter(None, [groups_in_several(members)])
    if missing:
        rows |= dividing.made_splits(
            labels["train"],
            missing,
            keys=keys["train"],
            groups=members.get("train"),
            output=output,
            examples="texts",
            seed=seed,
            across_classes=True,
        )
    repeats = tuple(
        dividing.repeats(keys, are_folded=num_folds is not None, examples="texts", same="the same as, or nearly,")
    )
    if (num := len(alike["train"]) - len(np.unique(alike["train"]))) and missing:
        found.notes.append(f"{num:,} of {len(alike['train']):,} texts are alike another one: they stay in one split.")
    origins = {split: split if split in found.splits else "train" for split in SPLITS}
    splits = {
        split: Split(tuple(found.splits[origin].texts), labels[origin])[rows[split]]
        for split, origin in origins.items()
    }
    folds = None
    if num_folds is not None:
        learned = [splits["train"], splits["validation"]]
        pool = Split(
            tuple(text for one in learned for text in one.texts), np.concatenate([one.labels for one in learned])
        )
        splits |= {"train": pool, "validation": pool}
        folds = dividing.folds_of(
            pool.labels,
            num_folds,
            keys=dividing.pooled(origins, rows, members or keys),
            output=output,
            examples="texts",
            seed=seed,
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


def _alike(splits: Mapping[str, Found]) -> dict[str, npt.NDArray[np.int64]]:
    """Returns for each split a number for each text, the same only for texts that are alike, in any split."""
    numbers = twins.groups([text for one in splits.values() for text in one.texts])
    ends = np.cumsum([len(one.texts) for one in splits.values()])
    return dict(zip(splits, np.split(numbers, ends[:-1]), strict=True))
