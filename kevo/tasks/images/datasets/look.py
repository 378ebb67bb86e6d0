"""What a file of pictures holds, told without decoding them: classes, splits and counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images.datasets import files, pictures, splitting
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.reading import read
from kevo.tasks.protocols.dataset import Skipped

_THUMBNAIL = 160
"""The side of a small picture, in pixels: twice what pages show, for screens that are sharp."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a source holds.

    Args:
        counts: For each class the number of pictures in each split that the source has; the splits in order.
        skipped: Files that have no place in it.
        notes: What was decided while reading, in words.
        thumbnails: Small pictures that were written: class and file name.
    """

    counts: dict[str, dict[str, int]]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    thumbnails: tuple[tuple[str, str], ...] = ()


def look(path: Path, *, name: str, thumbnails: Path | None = None, per_class: int = 4, most: int = 200) -> Look:
    """Looks into a zip of pictures, or an `.npz` of arrays.

    Nothing is unpacked to disk. Of the pictures of a zip only those are decoded that become thumbnails.

    Args:
        path: The file.
        name: What errors call it, so that they tell nobody where it lies.
        thumbnails: A folder for small pictures, which must exist. `None` makes none.
        per_class: So many small pictures of each class at most.
        most: So many in all.

    Raises:
        DataError: it cannot be read, or is no data set for classification.
    """
    try:
        if path.suffix.casefold() == ".zip":
            return _look_into_zip(path, thumbnails, per_class, most)
        return _look_into_arrays(path, thumbnails, per_class, most)
    except DataError as error:
        raise DataError(str(error).replace(str(path), name)) from error


def _look_into_zip(path: Path, thumbnails: Path | None, per_class: int, most: int) -> Look:
    limits = Limits()
    with files.list_zip(path, limits) as listing:
        labels = {split: [one.label for one in listing.files if one.split == split] for split in listing.splits}
        counts = _counts(labels, listing.class_names)
        chosen: list[files.Listed] = []
        taken = Counter[str]()
        # Those to learn from first.
        for one in sorted(listing.files, key=lambda one: listing.splits.index(one.split)):
            if taken[one.label] < per_class and len(chosen) < most:
                taken[one.label] += 1
                chosen.append(one)
        skipped, written = list(listing.skipped), []
        if thumbnails is not None and chosen:
            found = pictures.decode([one.file for one in chosen], image_size=_THUMBNAIL, limits=limits)
            for place, (one, reason) in enumerate(zip(chosen, found.reasons, strict=True)):
                if reason is not None:
                    skipped.append(Skipped(one.file.path, reason))
                    continue
                written.append((one.label, _write(Image.fromarray(found.pictures[place]), thumbnails, place)))
    return Look(counts, tuple(skipped), listing.notes, tuple(written))


def _look_into_arrays(path: Path, thumbnails: Path | None, per_class: int, most: int) -> Look:
    found = read(path)
    numbers, class_names = splitting.number_labels(found.labels, found.class_names)
    labels = {split: [class_names[label] for label in numbers[split]] for split in numbers}
    counts = _counts(labels, class_names)
    written: list[tuple[str, str]] = []
    if thumbnails is not None:
        taken = Counter[str]()
        for place, label in enumerate(labels["train"]):
            if taken[label] < per_class and len(written) < most:
                taken[label] += 1
                image = Image.fromarray(found.pictures["train"][place])
                written.append((label, _write(image, thumbnails, len(written))))
    return Look(counts, tuple(found.skipped), found.notes, tuple(written))


def _counts(labels: dict[str, list[str]], class_names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts the pictures of each class and split; refuses what is no data set for classification."""
    if not labels.get("train"):
        raise DataError("There are no pictures to train on. Expected one folder of pictures for each class.")
    splitting.number_labels(dict(labels), class_names)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for split, found in labels.items():
        numbers = Counter(found)
        for name in class_names:
            counts[name][split] = numbers[name]
    return dict(counts)


def _write(image: Image.Image, folder: Path, place: int) -> str:
    """Writes a small picture anew, and returns the name of its file."""
    name = f"{place}.png"
    if max(image.size) < _THUMBNAIL:
        # Tiny pictures stay sharp.
        factor = max(1, _THUMBNAIL // max(image.size))
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    image.save(folder / name, "PNG")
    return name
