"""What a zip of pictures and masks holds: splits, classes of pixels, and some pictures with their masks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.errors import DataError, os_reason
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.pairs import Pair, opened_pairs
from kevo.tasks.images.datasets.pictures import UnusableError, decode
from kevo.tasks.masks import coding
from kevo.tasks.masks.coding import Coding
from kevo.tasks.outputs.masks.predictions import overlay
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLITS

_MOST_READ = 500
_MOST_PIXELS = 400_000_000
"""Masks are read until there are so many, or so many pixels."""
_NUM_THUMBNAILS = 12
_THUMBNAIL = 160
"""The side of a small picture, in pixels."""


@dataclass(frozen=True, slots=True)
class MaskLook:
    """What a source of pictures and masks holds.

    Args:
        sizes: How many pictures each split has; the splits in order.
        counts: For each class the number of masks in each split that have it, of those that were read.
        shares: For each class its share of the pixels of these.
        skipped: Files that have no place in it.
        notes: What was decided while reading, in words.
        thumbnails: Small pictures that were written, each without and with its mask: no class, and file name.
    """

    sizes: dict[str, int]
    counts: dict[str, dict[str, int]]
    shares: dict[str, float]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    thumbnails: tuple[tuple[str, str], ...] = ()


class _Mask(NamedTuple):
    pair: Pair
    counts: Counter[int]


def look(path: Path, *, name: str, thumbnails: Path | None = None) -> MaskLook:
    """Looks into a zip of pictures and masks. Nothing is unpacked to disk.

    Args:
        path: The file.
        name: What errors call it, so that they tell nobody where it lies.
        thumbnails: A folder for small pictures, which must exist. `None` makes none.

    Raises:
        DataError: it cannot be read, or its masks are none.
    """
    try:
        with opened_pairs(path) as pairs:
            skipped, limits = list(pairs.skipped), Limits()
            sizes = Counter(pair.split or SPLITS[0] for pair in pairs.found)
            read = _read(pairs.found, limits, skipped)
            code, note = coding.choose(sum((one.counts for one in read), Counter[int]()))
            notes = [note]
            if len(read) + len(skipped) - len(pairs.skipped) < len(pairs.found):
                notes.append(f"So far {len(read):,} of {len(pairs.found):,} masks were read; the search reads all.")
            written = [] if thumbnails is None else _write(read, code, thumbnails, limits, skipped)
    except DataError as error:
        raise DataError(str(error).replace(str(path), name)) from error
    splits = [split for split in SPLITS if sizes[split]]
    names = code.output().classes
    shown = {split: Counter[int]() for split in splits}
    pixels, total = Counter[int](), 0
    for pair, counts in read:
        by_class = _by_class(counts, code)
        shown[pair.split or SPLITS[0]].update(place for place, num in by_class.items() if num)
        pixels.update(by_class)
        total += counts.total()
    return MaskLook(
        {split: sizes[split] for split in splits},
        {one: {split: shown[split][place] for split in splits} for place, one in enumerate(names, start=1)},
        {one: pixels[place] / total for place, one in enumerate(names, start=1)},
        tuple(skipped),
        tuple(notes),
        tuple(("", file) for file in written),
    )


def _read(pairs: tuple[Pair, ...], limits: Limits, skipped: list[Skipped]) -> list[_Mask]:
    """Counts the values of masks; of many only of some all over the file."""
    found: list[_Mask] = []
    num_pixels = 0
    # Every third one of 1,500, say: files that stand together are alike.
    for pair in pairs[:: -(-len(pairs) // _MOST_READ)]:
        if num_pixels > _MOST_PIXELS:
            break
        try:
            values = coding.read(pair.mask, limits)
        except UnusableError as error:
            skipped.append(Skipped(pair.mask.path, str(error)))
            continue
        except MemoryError:
            raise
        except Exception as error:
            # Decoders meet broken files with errors of every kind.
            reason = f"cannot be read: {os_reason(error)}" if isinstance(error, OSError) else f"is broken: {error}"
            skipped.append(Skipped(pair.mask.path, reason))
            continue
        num_pixels += values.size
        found.append(_Mask(pair, coding.count(values)))
    return found


def _by_class(counts: Counter[int], code: Coding) -> Counter[int]:
    """Returns how many pixels of a mask are of each class; 0 is the background."""
    values = np.array(list(counts), np.int64)
    found = Counter[int]()
    for place, num in zip(code.classes(values).tolist(), counts.values(), strict=True):
        found[place] += num
    return found


def _write(read: list[_Mask], code: Coding, folder: Path, limits: Limits, skipped: list[Skipped]) -> list[str]:
    """Writes some pictures, each beside itself with its mask over it, and returns the names of the files."""
    # Those that show a class say more.
    chosen = sorted(read, key=lambda one: set(_by_class(one.counts, code)) <= {0})
    pairs = [one.pair for one in chosen[:_NUM_THUMBNAILS]]
    decoded = decode([pair.picture for pair in pairs], image_size=_THUMBNAIL, limits=limits)
    written = []
    for place, (pair, reason) in enumerate(zip(pairs, decoded.reasons, strict=True)):
        if reason is not None:
            skipped.append(Skipped(pair.picture.path, reason))
            continue
        picture: npt.NDArray[np.uint8] = decoded.pictures[place]
        classes = code.classes(coding.read(pair.mask, limits))
        mask = coding.resized(classes, _THUMBNAIL, num_classes=len(code.values) - 1)[..., 0]
        name = f"{place}.png"
        Image.fromarray(np.hstack([picture, overlay(picture, mask)])).save(folder / name, "PNG")
        written.append(name)
    return written
