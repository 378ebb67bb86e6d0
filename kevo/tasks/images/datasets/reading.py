"""`read()` reads pictures and labels from folders, archives, lists, arrays and built-in data sets."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kevo.errors import DataError, SettingsError
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets import arrays, builtin, files, pictures, splitting
from kevo.tasks.images.datasets import groups as grouping
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.levels import UNKNOWN, Whites
from kevo.tasks.images.datasets.targets import CLASS_LABELS, Targets, as_texts
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.classes.stratified import groups_in_several
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.sampling import EVERYTHING, Sampling, sample, sentence

_WORTH_TIMING, _NUM_TIMED = 4096, 512
"""More pictures than these may take long to read, and so many tell how long."""
_DECODING_SHARE = 0.4
"""Of the time from the first file to what workers read: copies are looked for, and splits are written to the disk."""
_IN_ORDER = 'The data sets are taken for {} in this order: to have it otherwise, write {{"train": ..., "test": ...}}.'
_CROPPED = (
    "Of pictures that are no squares their middle is taken; --fit squash takes all of them, with other proportions."
)
_NUMBERED = "No class names are given: each class is called by the number that the source's labels have for it."


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures and labels of a source, at one size, before labels become numbers.

    Args:
        name: A short name, fit for a file.
        pictures: Of each split that the source has; a source without splits has only `train`.
        labels: The same for the labels: names, or positions in `class_names`, or numbers where there are none.
        class_names: The names of the classes, where the source gives them.
        skipped: The files that could not be used.
        notes: What was decided while reading, in words.
        whites: The values that were white, of numbers that did not come as 0-255.
        crop: Whether the squares are the middle of the pictures; see `load`.
        groups: The groups of the pictures of each split, where they were asked for.
        max_examples: What reading was limited to; `None` where the whole source was read.
    """

    name: str
    pictures: dict[str, Pictures]
    labels: dict[str, list[int] | list[str]]
    class_names: Sequence[str] | None = None
    skipped: Sequence[Skipped] = ()
    notes: tuple[str, ...] = ()
    whites: Whites = UNKNOWN
    crop: bool = False
    groups: Mapping[str, list[str]] | None = None
    max_examples: int | None = None


def read(
    source: Any = None,
    *,
    image_size: pictures.Size | None = None,
    limits: Limits | None = None,
    whites: Whites | None = None,
    groups: str | None = None,
    targets: Targets = CLASS_LABELS,
    sampling: Sampling = EVERYTHING,
    crop: bool | None = None,
) -> Found:
    """Reads a source without making missing splits; arguments and errors as for `load`.

    Args:
        source: What to read.
        image_size: The side of the squares, in pixels.
        limits: What to refuse.
        whites: The values that are white in the pictures of a model that is to see these; `None` chooses them.
        groups: Which pictures belong together, see `load`.
        targets: What is asked, see `load`.
        sampling: How many pictures to read, see `load`.
        crop: How they become squares, see `load`.

    Example:
        >>> sorted(read("digits").pictures)
        ['train']
    """
    source = builtin.DEFAULT_NAME if source is None else source
    if crop is None and targets.asks != CLASSIFICATION:
        # A number or a label may stand for something at the edge.
        crop = False
    reading = _Reading(
        image_size,
        limits or Limits(),
        whites,
        groups,
        targets,
        sampling,
        crop,
    )
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if builtin.is_meant(source):
            splits, class_names = builtin.read(str(source))
            return _from_arrays(str(source), splits, class_names, reading)
        # `Path.exists` raises where a name is too long.
        if os.path.exists(path):
            name = re.sub(r"[^\w.-]+", "_", path.resolve().stem if path.is_file() else path.resolve().name)
            return _read_path(path, name or "pictures", reading)
        close = difflib.get_close_matches(str(source), builtin.BUILT_IN_NAMES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"There is no such path or data set: {str(source)!r}.{hint} Expected a folder, a .zip, .csv or .npz file, "
            f"or one of: {', '.join(builtin.BUILT_IN_NAMES)}."
        )
    if arrays.is_tf_dataset(source):
        return _from_arrays("tf_data", {"train": source}, None, reading)
    if isinstance(source, Mapping):
        return _from_arrays("arrays", source, None, reading)
    if (several := arrays.splits_of(source)) is not None:
        found = _from_arrays("arrays", several, None, reading)
        return dataclasses.replace(found, notes=(_IN_ORDER.format(" and ".join(several)), *found.notes))
    if isinstance(source, tuple | list) and any(map(arrays.is_tf_dataset, source)):
        raise DataError(
            f"Received {len(source)} values, of which some are data sets, without a word which is which. Expected a "
            'mapping: {"train": first, "validation": second, "test": third}.'
        )
    if isinstance(source, tuple | list) and len(source) == 2:
        return _from_arrays("arrays", {"train": source}, None, reading)
    raise DataError(
        f"Cannot read pictures from {type(source).__name__}{_length(source)}. Expected a path, a built-in name, a pair "
        "(pictures, labels), two such pairs as load_data() returns them, a tf.data.Dataset or several, or a mapping of "
        "train, validation and test to such pairs or data sets."
    )


def _length(source: Any) -> str:
    return f" of length {len(source)}" if isinstance(source, tuple | list) else ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How to read: see `read`."""

    image_size: pictures.Size | None
    limits: Limits
    whites: Whites | None
    groups: str | None
    targets: Targets
    sampling: Sampling
    crop: bool | None


def _read_path(path: Path, name: str, reading: _Reading) -> Found:
    if reading.targets.asks != CLASSIFICATION and path.suffix.casefold() not in (".csv", ".npz"):
        raise DataError(
            f"{path} tells classes of pictures only. Expected a .csv with a column `path` and one of answers, or an "
            f".npz, for {reading.targets.asks}."
        )
    if path.is_dir():
        return _from_files(name, files.list_folder(path), path, reading)
    match path.suffix.casefold():
        case ".zip":
            with files.list_zip(path, reading.limits) as listing:
                return _from_files(name, listing, path, reading)
        case ".csv":
            return _from_files(
                name, files.list_csv(path, groups=reading.groups, targets=reading.targets), path, reading
            )
        case ".npz":
            return _from_arrays(name, *arrays.from_npz(path, reading.limits), reading, are_own=True)
    raise DataError(f"Cannot read {path}. Expected a folder, or a .zip, .csv or .npz file.")


def _from_arrays(
    name: str,
    source: Mapping[Any, Any],
    class_names: Sequence[str] | None,
    reading: _Reading,
    *,
    are_own: bool = False,
) -> Found:
    if reading.groups is not None:
        raise SettingsError(
            "`groups` needs pictures in files, in a folder, a .zip or a .csv: arrays have neither columns nor paths."
        )
    if reading.targets.asks != CLASSIFICATION:
        source, class_names = as_texts(source, reading.targets, class_names), None
    splits = arrays.from_mapping(source)
    found, whites, crop, note = arrays.to_pictures(
        {split: one.blocks for split, one in splits.items()},
        image_size=reading.image_size,
        whites=reading.whites,
        crop=reading.crop,
        are_own=are_own,
    )
    if class_names is None:
        class_names = next((one.class_names for one in splits.values() if one.class_names is not None), None)
    labels = {split: splitting.renumbered(one.labels, one.class_names, class_names) for split, one in splits.items()}
    for split in (split for split, one in splits.items() if not one.is_ordered):
        found[split], labels[split] = splitting.in_own_order(found[split], labels[split])
    is_numbered = class_names is None and not any(isinstance(label, str) for label in labels.get("train", ()))
    notes = [
        *([note] if note else []),
        *([_NUMBERED] if is_numbered else []),
        *([_CROPPED] if crop and reading.crop is None else []),
    ]
    read = Found(name, found, labels, class_names, notes=tuple(notes), whites=whites, crop=crop)
    return _limited(read, reading)


def _limited(found: Found, reading: _Reading) -> Found:
    """Leaves out what is more than was asked for, of pictures that are in memory already."""
    most, total = reading.sampling.most, sum(map(len, found.labels.values()))
    if most is None or most >= total:
        return found
    places = [(split, place) for split, labels in found.labels.items() for place in range(len(labels))]
    strata = [_stratum(split, found.labels[split][place], reading) for split, place in places]
    taken: dict[str, list[int]] = {split: [] for split in found.labels}
    for position in sample(strata, most, seed=reading.sampling.seed):
        split, place = places[position]
        taken[split].append(place)
    note = sentence(sum(map(len, taken.values())), total, examples="pictures")
    labels: dict[str, Any] = {
        split: [found.labels[split][place] for place in chosen] for split, chosen in taken.items()
    }
    return dataclasses.replace(
        found,
        pictures={split: picture_arrays.taken(found.pictures[split], chosen) for split, chosen in taken.items()},
        labels=labels,
        notes=(*found.notes, note),
        max_examples=most,
    )


def _stratum(split: str, label: int | str, reading: _Reading) -> tuple[str, int | str]:
    return split, label if reading.targets.asks == CLASSIFICATION else ""


def _limit(listed: Sequence[files.Listed], reading: _Reading) -> tuple[int | None, float | None]:
    """Returns how many of the files to read at most, `None` for all; and how long all would take, where that is why.

    Where the time may not do for all, some are read to see how long one takes.
    """
    asked, total = reading.sampling, len(listed)
    if asked.most is not None:
        return (asked.most if asked.most < total else None), None
    if asked.seconds is None or total <= _WORTH_TIMING:
        return None, None
    some = np.random.default_rng(asked.seed).permutation(total)[:_NUM_TIMED].tolist()
    began = time.monotonic()
    pictures.decode(
        [listed[place].file for place in some],
        image_size=reading.image_size,
        limits=reading.limits,
        whites=reading.whites,
        crop=reading.crop,
    )
    seconds = (time.monotonic() - began) * total / len(some) / _DECODING_SHARE
    most = max(_WORTH_TIMING, int(total * asked.seconds / seconds))
    return (most, seconds) if most < total else (None, None)


def _from_files(name: str, listing: files.Listing, path: Path, reading: _Reading) -> Found:
    listed = sorted(listing.files, key=lambda entry: listing.splits.index(entry.split))
    notes = list(listing.notes)
    most, seconds = _limit(listed, reading)
    if most is not None:
        total, strata = len(listed), [_stratum(entry.split, entry.label, reading) for entry in listed]
        listed = [listed[place] for place in sample(strata, most, seed=reading.sampling.seed)]
        allowed = reading.sampling.seconds
        notes.append(sentence(len(listed), total, examples="pictures", seconds=seconds, allowed=allowed))
    found = pictures.decode(
        [entry.file for entry in listed],
        image_size=reading.image_size,
        limits=reading.limits,
        whites=reading.whites,
        crop=reading.crop,
    )
    decoded, reasons = found.pictures, found.reasons
    skipped = [
        *listing.skipped,
        *(Skipped(entry.file.path, reason) for entry, reason in zip(listed, reasons, strict=True) if reason),
    ]
    good = [entry for entry, reason in zip(listed, reasons, strict=True) if reason is None]
    if len(good) < len(listed):
        decoded = picture_arrays.taken(decoded, [place for place, reason in enumerate(reasons) if reason is None])
    # Sorted by split, each split is a slice and no copy.
    slices: dict[str, slice] = {}
    start = 0
    for split in listing.splits:
        num_pictures = sum(entry.split == split for entry in good)
        if num_pictures == 0:
            examples = "".join(f" {one.path} {one.reason}." for one in skipped[:3])
            raise DataError(f"{path} has no {split} picture that can be read.{examples}")
        slices[split] = slice(start, start + num_pictures)
        start += num_pictures
    labels = [entry.label for entry in good]
    own_groups: dict[str, list[str]] | None = None
    notes += found.notes
    if found.crop and reading.crop is None:
        notes.append(_CROPPED)
    if reading.groups is not None:
        names, note = grouping.group(good, reading.groups)
        own_groups = {split: names[part] for split, part in slices.items()}
        notes += filter(None, (note, groups_in_several(own_groups)))
    return Found(
        name,
        {split: decoded[part] for split, part in slices.items()},
        {split: labels[part] for split, part in slices.items()},
        listing.class_names,
        skipped,
        notes=tuple(notes),
        whites=found.whites,
        crop=found.crop,
        groups=own_groups,
        max_examples=most,
    )
