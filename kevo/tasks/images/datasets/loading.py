"""`load()` reads pictures from everything that `reading` knows, and makes the splits that are missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, SettingsError
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets import repeats, splitting
from kevo.tasks.images.datasets.dataset import NOT_REPEATED, ImageDataset, Limits, Split, natural
from kevo.tasks.images.datasets.reading import Found, read
from kevo.tasks.images.datasets.targets import CLASS_LABELS, Targets
from kevo.tasks.outputs.classes.output import CLASSIFICATION, Classes
from kevo.tasks.outputs.labels.output import Labels
from kevo.tasks.outputs.numbers.output import REGRESSION, Numbers
from kevo.tasks.outputs.numbers.output import parse as parse_numbers
from kevo.tasks.outputs.output import Output
from kevo.tasks.sampling import EVERYTHING, Sampling
from kevo.tasks.splits import TEST_FRACTION, VALIDATION_FRACTION, fractions_of

_MOST_VALIDATION = 5000
"""So many pictures tell accuracies apart to within a point: all others are better learned from."""


def load(
    source: Any = None,
    *,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
    test_fraction: float = TEST_FRACTION,
    image_size: int | None = None,
    limits: Limits | None = None,
    groups: str | None = None,
    targets: Targets = CLASS_LABELS,
    sampling: Sampling = EVERYTHING,
    num_folds: int | None = None,
    crop: bool | None = None,
) -> ImageDataset:
    """Reads pictures with their answers, decodes them once, and makes the splits that are missing.

    Files may be JPEG, PNG, GIF (its first frame), BMP, TIFF, WebP, AVIF, JPEG 2000, PPM, PCX, SGI or ICO, of any colors
    and depth. What is transparent is put on white, and cameras' orientation is applied. A file that cannot be used is
    skipped and named in `skipped`; hidden files are ignored.

    Args:
        source: One of

            - `None`: `digits`.
            - A built-in name: `digits`, `mnist`, `fashion_mnist`, `cifar10`, `cifar100`. A path of that name wins.
            - A path: a folder of class folders, with pictures at any depth; a folder with `train/` and optionally
              `validation/` (or `val/`) and `test/`; a `.zip` of either; a `.csv` with the columns `path,label[,split]`;
              an `.npz` with `x_train` and `y_train`, or `x` and `y`, optionally `x_val`, `y_val`, `x_test`, `y_test`
              and `class_names`.
            - A pair of arrays (pictures, labels): pictures of shape (n, height, width[, 1, 3 or 4]), either integers
              0-255, 16-bit integers, floats 0-1 or floats 0-255; labels are integers, strings or one-hot.
              Pictures of several sizes are a list of arrays. Two such pairs, as Keras's `load_data()` returns them, are
              train and test; three are train, validation and test.
            - A `tf.data.Dataset` of such pairs, batched or not, with its `class_names` where a reader of Keras gave it
              some. It may yield another order each time: its pictures are sorted by label and content. Two of them,
              as `image_dataset_from_directory(subset="both")` returns them, are train and validation; three are train,
              validation and test.
            - A mapping of `train`, `validation` and `test` to any of the two.
        seed: Seed of the splits.
        validation_fraction: What to take for validation out of each class's training pictures, when no validation split
            is given, up to 5,000 pictures. Each class keeps at least one picture in every split, and identical pictures
            stay together.
        test_fraction: The same for the test split.
        image_size: The side in pixels of the squares that pictures become. `None`: squares of one size stay
            as they are; others take the next of 8, 16, ... 224 above the median of their longer sides. 224 is the most.
            Pictures that would take more than a quarter of the memory are kept on disk, in a file without a name.
        limits: What to refuse. Defaults to `Limits()`.
        groups: Which pictures are never in different splits, such as those of one patient: a column of the CSV, or a
            regular expression for their paths; see `groups.group`.
        targets: What is asked of the pictures: classes, or numbers or labels, which a CSV file or arrays hold.
        sampling: How many pictures to read.
        num_folds: Divides the pictures of train and validation into so many folds, in which each is judged once; see
            `ImageDataset.folds`. The test split stays the same. `None` for no folds.
        crop: Whether the squares are the middle of the pictures, or all of them, squashed. `None` crops where classes
            are asked for, nine tenths of the pictures have sides of up to 2 to 3, and the shorter ones are of 96 pixels
            or more: photographs.

    Returns:
        The data set. The same source, seed and machine give the same arrays in the same order.

    Raises:
        DataError: the source cannot be read, or is no data set that can be learned from.
        SettingsError: `seed`, `image_size` or a fraction is out of range.

    Example:
        >>> from kevo.tasks.images import datasets
        >>> digits = datasets.load("digits", seed=1)
        >>> digits.train.pictures.shape
        (1169, 8, 8, 3)
    """
    if seed < 0:
        raise SettingsError(f"`seed` must not be negative. Received: {seed}.")
    fractions_of(validation=validation_fraction, test=test_fraction)
    found = read(
        source, image_size=image_size, limits=limits, groups=groups, targets=targets, sampling=sampling, crop=crop
    )
    return divide(
        found,
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        targets=targets,
        num_folds=num_folds,
    )


def divide(
    found: Found,
    *,
    seed: int,
    validation_fraction: float = VALIDATION_FRACTION,
    test_fraction: float = TEST_FRACTION,
    targets: Targets = CLASS_LABELS,
    num_folds: int | None = None,
) -> ImageDataset:
    """Makes the splits that a source lacks; arguments and errors as for `load`."""
    if "train" not in found.pictures:
        raise DataError(f"{found.name} has no train split, only: {', '.join(found.pictures) or 'nothing'}. Add one.")
    output, labels = _answers(found, targets)
    fractions = fractions_of(validation=validation_fraction, test=test_fraction)
    return with_splits(found, output, labels, fractions=fractions, seed=seed, num_folds=num_folds)


def with_splits(
    found: Found,
    output: Output,
    labels: Mapping[str, npt.NDArray[Any]],
    *,
    fractions: Mapping[str, float],
    seed: int,
    num_folds: int | None = None,
) -> ImageDataset:
    """Makes the splits that a source lacks.

    Args:
        found: The pictures of each split that it has; `train` must be one.
        output: What is asked of them.
        labels: The answers of each split, as arrays.
        fractions: What to take for validation and for the test; see `load`.
        seed: Seed of the splits.
        num_folds: See `load`.

    Raises:
        DataError: there are too few different pictures.
    """
    splits = {split: Split(found.pictures[split], labels[split]) for split in labels}
    missing = {split: fraction for split, fraction in fractions.items() if split not in splits}
    if "validation" in missing:
        missing["validation"] = min(missing["validation"], _MOST_VALIDATION / len(splits["train"]))
    note, groups = None, found.groups
    if missing:
        own_groups = None if groups is None else groups["train"]
        strata = output.strata(splits["train"].labels)
        made = splitting.make_splits(splits["train"], missing, strata=strata, seed=seed, groups=own_groups)
        splits, note = splits | made.splits, made.note
        if groups is not None and own_groups is not None:
            groups = {**groups, **{split: [own_groups[row] for row in rows] for split, rows in made.positions.items()}}
        # As long as another split is a part of the same array, that takes up room with all its pictures.
        views = {split: one for split, one in splits.items() if one.pictures.base is found.pictures["train"].base}
        splits |= {
            split: Split(picture_arrays.taken(one.pictures, range(len(one))), one.labels)
            for split, one in views.items()
            if one.pictures.base is not None
        }
    counted = repeats.count(splits, output.names if isinstance(output, Classes) else ())
    folds = None
    if num_folds is not None:
        learned = [splits["train"], splits["validation"]]
        pool = Split(
            picture_arrays.joined([one.pictures for one in learned]), np.concatenate([one.labels for one in learned])
        )
        folds = splitting.make_folds(
            pool,
            num_folds,
            strata=output.strata(pool.labels),
            are_classes=isinstance(output, Classes),
            seed=seed,
            groups=None if groups is None else [*groups["train"], *groups["validation"]],
        )
        splits |= {"train": pool, "validation": pool}
        # Copies are in the same fold.
        counted = dataclasses.replace(counted, validation=NOT_REPEATED)
    if isinstance(output, Numbers):
        # What is predicted by is not to know of other splits.
        output = Numbers.of(output.name, splits["train"].labels)
    return ImageDataset(
        name=found.name,
        output=output,
        skipped=tuple(sorted(found.skipped, key=lambda skipped: natural(skipped.path))),
        made_splits=tuple(missing),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        notes=(*found.notes, *([note] if note else []), *counted.sentences()),
        whites=found.whites,
        crop=found.crop,
        repeats=counted,
        max_examples=found.max_examples,
        folds=folds,
    )


def _answers(found: Found, targets: Targets) -> tuple[Output, dict[str, npt.NDArray[Any]]]:
    """Returns what is asked, and the answers of each split."""
    if targets.asks == CLASSIFICATION:
        labels, class_names = splitting.number_labels(found.labels, found.class_names)
        return Classes(class_names), dict(labels)
    texts = {split: list(map(str, one)) for split, one in found.labels.items()}
    if targets.asks == REGRESSION:
        name = targets.target or "number"
        numbers = {split: parse_numbers(one, name) for split, one in texts.items()}
        return Numbers.of(name, numbers["train"]), dict(numbers)
    output = Labels.of(texts["train"])
    return output, {split: output.parse(one) for split, one in texts.items()}
