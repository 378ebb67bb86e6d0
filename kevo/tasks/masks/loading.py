"""`load()` makes a data set of pictures and masks: both at one size, and the splits that are missing."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kevo.errors import DataError, SettingsError, os_reason
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets import ImageDataset, Limits, arrays
from kevo.tasks.images.datasets import groups as grouping
from kevo.tasks.images.datasets.files import Listed
from kevo.tasks.images.datasets.levels import Whites
from kevo.tasks.images.datasets.loading import with_splits
from kevo.tasks.images.datasets.loose import upright
from kevo.tasks.images.datasets.pairs import Pair, Pairs, are_arrays, opened_pairs
from kevo.tasks.images.datasets.pictures import UnusableError, decode, opened
from kevo.tasks.images.datasets.reading import Found
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.masks import coding
from kevo.tasks.masks.space import SIDES_BY
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.sampling import EVERYTHING, Sampling, sample, sentence
from kevo.tasks.splits import SPLITS, TEST_FRACTION, VALIDATION_FRACTION

_LARGEST_SIDE = 512
_MOST_PIXELS = 256_000_000
"""Of all pictures together: larger sets are kept smaller."""
_MOST_JUDGED = 8_000_000
"""Pixels of the validation split: what each candidate answers for it is kept."""
_OTHER_SHAPE = 0.02
"""Sides of a picture and of its mask may differ in proportion by that much."""


class Read(NamedTuple):
    """The pictures and masks of a source, before splits are made.

    Args:
        found: The pictures.
        masks: For each split the class of each pixel, shape (n, side, side, 1).
        output: What is asked.
    """

    found: Found
    masks: dict[str, Pictures]
    output: PixelClasses


def load(source: Any, *, seed: int = 0, groups: str | None = None, sampling: Sampling = EVERYTHING) -> ImageDataset:
    """Reads pictures with their masks, and makes missing splits.

    Args:
        source: One of

            - a folder or `.zip` with a folder of pictures and a folder of masks, such as images/ and masks/, whose
              files have the same names; both in train/ and optionally validation/ and test/, or these in both.
            - A folder with `x.png` and `x_mask.png` side by side.
            - An `.npz` with `x_train` and `y_train`, or `x` and `y`, and optionally those of other splits.
            - A pair of arrays (pictures, masks): pictures of shape (n, height, width[, 1, 3 or 4]), masks as for
              `coding.of_arrays`. Or a mapping of `train`, and optionally `validation` and `test`,
              to such pairs.
        seed: Seed of the splits.
        groups: Which pictures are never in different splits; see `kevo.tasks.images.datasets.groups.group`.
        sampling: How many pictures to use.

    Returns:
        The data set, whose answers are the classes of pixels, shape (n, side, side, 1). The same source and seed give
        the same.

    Raises:
        DataError: the source cannot be read, or holds no pictures with masks.
    """
    read_ = read(source, groups=groups, sampling=sampling)
    found, side = read_.found, read_.masks["train"].shape[1] if "train" in read_.masks else 0
    if not side:
        raise DataError(f"{found.name} has no train split, only: {', '.join(read_.masks)}. Add one.")
    num = len(read_.masks["train"])
    fractions = {
        "validation": min(VALIDATION_FRACTION, max(1.5, _MOST_JUDGED / (side**2 * read_.output.size)) / num),
        "test": TEST_FRACTION,
    }
    dataset = with_splits(found, read_.output, read_.masks, fractions=fractions, seed=seed)
    if not dataset.train.labels.any():
        raise DataError(f"No training mask of {found.name} has any class. Expected some with more than background.")
    return dataset


def read(
    source: Any,
    *,
    groups: str | None = None,
    sampling: Sampling = EVERYTHING,
    side: int | None = None,
    output: PixelClasses | None = None,
    whites: Whites | None = None,
) -> Read:
    """Reads a source without making splits; arguments and errors as for `load`.

    Args:
        source: What to read.
        groups: Which pictures belong together.
        sampling: How many to use.
        side: The side of the squares, in pixels; `None` chooses it.
        output: The classes of a model that is to see these; `None` takes those of the masks.
        whites: The values that are white; see `kevo.tasks.images.datasets.loading.read`.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.suffix.casefold() != ".npz":
            with opened_pairs(path) as pairs:
                return _from_pairs(path, pairs, groups, sampling, side, output, whites)
        source, _ = arrays.from_npz(path, Limits())
        name = _name(path.stem)
    else:
        name = "arrays"
    if groups is not None:
        raise SettingsError("`groups` needs pictures in files: arrays have no paths.")
    return _from_arrays(source, name, sampling, side, output, whites)


def _from_pairs(
    path: Path,
    pairs: Pairs,
    groups: str | None,
    sampling: Sampling,
    side: int | None,
    output: PixelClasses | None,
    whites: Whites | None,
) -> Read:
    limits, notes = Limits(), []
    skipped = list(pairs.skipped)
    listed, chosen = list(pairs.found), None
    if sampling.most is not None and sampling.most < len(listed):
        chosen = sampling.most
        kept = sample([pair.split for pair in listed], chosen, seed=sampling.seed)
        notes.append(sentence(len(kept), len(listed), examples="pictures"))
        listed = [listed[place] for place in kept]
    usable, shapes, counts = _measured(listed, limits, skipped)
    if not usable:
        raise DataError(
            f"Not one picture of {path} can be used with its mask. "
            + (f"The first: {skipped[0].path} {skipped[0].reason}." if skipped else "Add some.")
        )
    if output is None:
        code, note = coding.choose(counts)
        notes.append(note)
    else:
        code = coding.fitting(output, counts)
    side = _side(shapes) if side is None else side
    name = path.resolve().stem if path.is_file() else path.resolve().name
    decoded = decode([pair.picture for pair in usable], image_size=side, limits=limits, whites=whites)
    drawn = picture_arrays.empty((len(usable), side, side, 1))
    good = []
    for place, (pair, reason) in enumerate(zip(usable, decoded.reasons, strict=True)):
        if reason is not None:
            skipped.append(Skipped(pair.picture.path, reason))
            continue
        try:
            classes = code.classes(coding.read(pair.mask, limits))
        except UnusableError as error:
            skipped.append(Skipped(pair.mask.path, str(error)))
            continue
        drawn[place] = coding.resized(classes, side, num_classes=len(code.values) - 1)
        good.append(place)
    splits = _split_places([usable[place].split for place in good])
    found = Found(
        name=_name(name),
        pictures={split: picture_arrays.taken(decoded.pictures, [good[one] for one in rows]) for split, rows in splits},
        labels={},
        skipped=skipped,
        notes=(*notes, *decoded.notes),
        whites=decoded.whites,
        max_examples=chosen,
    )
    if groups is not None:
        named, note = grouping.group([Listed(usable[place].picture, "", "train") for place in good], groups)
        found = dataclasses.replace(
            found,
            groups={split: [named[one] for one in rows] for split, rows in splits},
            notes=(*found.notes, note),
        )
    drawn_by_split = {split: picture_arrays.taken(drawn, [good[one] for one in rows]) for split, rows in splits}
    return Read(found, drawn_by_split, output or code.output())


def _measured(
    pairs: Sequence[Pair], limits: Limits, skipped: list[Skipped]
) -> tuple[list[Pair], list[tuple[int, int]], Counter[int]]:
    """Returns the pairs whose files can be read and have one shape, their sizes, and the values of their masks."""
    usable, shapes, counts = [], [], Counter[int]()
    for pair in pairs:
        file = pair.picture
        try:
            with opened(file, limits) as image:
                width, height = upright(image)
            file = pair.mask
            values = coding.read(file, limits)
        except UnusableError as error:
            skipped.append(Skipped(file.path, str(error)))
            continue
        except MemoryError:
            raise
        except Exception as error:
            # Decoders meet broken files with errors of every kind.
            reason = f"cannot be read: {os_reason(error)}" if isinstance(error, OSError) else f"is broken: {error}"
            skipped.append(Skipped(file.path, reason))
            continue
        rows, columns = values.shape
        if abs(width * rows - height * columns) > _OTHER_SHAPE * width * rows:
            skipped.append(Skipped(file.path, f"is of {columns} x {rows} px, and its picture of {width} x {height} px"))
            continue
        usable.append(pair)
        shapes.append((width, height))
        counts += coding.count(values)
    return usable, shapes, counts


def _name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text) or "pictures"


def _from_arrays(
    source: Any, name: str, sampling: Sampling, side: int | None, output: PixelClasses | None, whites: Whites | None
) -> Read:
    if not are_arrays(source):
        raise DataError(
            f"Cannot read pictures and masks from {type(source).__name__}. Expected a folder, a .zip file, a pair of "
            "arrays (pictures, masks) of the same heights and widths, or a mapping of train, validation and test to "
            "such pairs."
        )
    source = arrays.splits_of(source) or source
    pairs = arrays.by_split(source) if isinstance(source, Mapping) else {"train": source}
    values = {split: coding.of_arrays(np.asarray(one[1])) for split, one in pairs.items()}
    notes = []
    if sampling.most is not None and sampling.most < sum(map(len, values.values())):
        total = sum(map(len, values.values()))
        places = [(split, place) for split, one in values.items() for place in range(len(one))]
        kept = [places[one] for one in sample([split for split, _ in places], sampling.most, seed=sampling.seed)]
        rows = {split: [place for name, place in kept if name == split] for split in values}
        pairs = {split: (np.asarray(pairs[split][0])[rows[split]], None) for split in values}
        values = {split: values[split][rows[split]] for split in values}
        notes.append(sentence(len(kept), total, examples="pictures"))
        chosen: int | None = sampling.most
    else:
        chosen = None
    counts = sum((coding.count(one) for one in values.values()), Counter[int]())
    if output is None:
        code, note = coding.choose(counts)
        notes.append(note)
    else:
        code = coding.fitting(output, counts)
    if side is None:
        side = _side([(one.shape[2], one.shape[1]) for one in values.values() for _ in range(len(one))])
    blocks = arrays.from_mapping({split: (one[0], np.zeros(len(one[0]), int)) for split, one in pairs.items()})
    pictures, whites, _, note_ = arrays.to_pictures(
        {split: one.blocks for split, one in blocks.items()}, image_size=side, whites=whites
    )
    try:
        drawn = {
            split: np.stack(
                [coding.resized(code.classes(mask), side, num_classes=len(code.values) - 1) for mask in one]
            )
            for split, one in values.items()
        }
    except UnusableError as error:
        raise DataError(f"A mask {error}.") from error
    notes += filter(None, [note_])
    found = Found(name, pictures, {}, notes=tuple(notes), whites=whites, max_examples=chosen)
    return Read(found, drawn, output or code.output())


def _side(shapes: Sequence[tuple[int, int]]) -> int:
    """Chooses the side of the squares: the median of the longer sides, to the next multiple of 32, 512 at most.

    Args:
        shapes: Width and height of each picture, in pixels.
    """
    median = float(np.median(np.array(shapes).max(axis=1)))
    most = min(_LARGEST_SIDE, (_MOST_PIXELS / len(shapes)) ** 0.5)
    return max(SIDES_BY, SIDES_BY * min(round(median / SIDES_BY), int(most / SIDES_BY)))


def _split_places(splits: Sequence[str | None]) -> list[tuple[str, list[int]]]:
    """Returns the splits with the positions of their pictures; without a training split all are one."""
    named = [split or "train" for split in splits]
    return [
        (split, places) for split in SPLITS if (places := [place for place, name in enumerate(named) if name == split])
    ]
