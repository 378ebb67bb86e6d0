"""Pictures with their masks, in a folder, an archive or arrays: which belong together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kevo.errors import DataError
from kevo.tasks.images.datasets import files
from kevo.tasks.images.datasets.arrays import shapes_in_npz, splits_of
from kevo.tasks.images.datasets.dataset import Limits, natural
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.images.datasets.masks import (
    IMAGES,
    MASKS,
    MOST_FOLDERS,
    are_pairs,
    are_words,
    beside,
    look_like_pairs,
    named_pairs,
    words_of,
)
from kevo.tasks.images.datasets.pictures import File
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLIT_ALIASES


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture, its mask, and the split in which the source has them; `None` where it does not say."""

    picture: File
    mask: File
    split: str | None


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pictures of a source with their masks.

    Args:
        found: In natural order.
        where: Where they lie, in words: `images/ and masks/`.
        skipped: What has no counterpart.
    """

    found: tuple[Pair, ...]
    where: str
    skipped: tuple[Skipped, ...]


def find(root: Folder) -> Pairs | None:
    """Finds pictures and their masks: in two folders, perhaps inside of those of splits or around them, or in one.

    Args:
        root: The tree.

    Returns:
        The pairs; `None` where the tree holds none.
    """
    while len(root.folders) == 1:
        (name,) = root.folders
        if name.casefold() in SPLIT_ALIASES:
            break
        root = root.folders[name]
    splits = [folder for name, folder in root.folders.items() if name.casefold() in SPLIT_ALIASES]
    pairs: list[Pair] = []
    skipped: list[Skipped] = []
    where = ""
    for folder in (root, *splits):
        if (names := _two_folders(folder)) is not None:
            found, left = _matched(*(folder.folders[name] for name in names))
            where = where or f"{names[0]}/ and {names[1]}/"
            others = folder.folders.keys() - set(names)
            left += [Skipped(folder.folders[name].path, f"stands beside {where}") for name in sorted(others)]
        elif not folder.folders and (named := beside(folder)):
            found, left = _side_by_side(folder, named)
            where = where or f"files such as {named[0][0]} and {named[0][1]}"
        else:
            continue
        pairs += found
        skipped += left
        if folder is root:
            # Folders of splits may lie inside of both.
            break
    if not pairs:
        return None
    return Pairs(tuple(sorted(pairs, key=lambda pair: natural(pair.picture.path))), where, tuple(skipped))


@contextlib.contextmanager
def opened_pairs(path: Path) -> Iterator[Pairs]:
    """Yields the pictures and masks of a folder or archive, which can be read while the context lasts.

    Raises:
        DataError: it cannot be read, or holds none.
    """
    if path.is_dir():
        root, skipped = files.folder_tree(path)
        yield _found(root, path, skipped)
    elif path.suffix.casefold() == ".zip" and path.is_file():
        with files.zip_tree(path, Limits()) as root:
            yield _found(root, path, [])
    else:
        raise DataError(f"Cannot read pictures and masks from {path}. Expected a folder or a .zip file.")


def described(source: Any) -> str | None:
    """Says where a source has pictures and masks: `images/ and masks/: segmentation`; `None` where it has none."""
    if not isinstance(source, str | os.PathLike):
        return "Arrays of pictures and of masks: segmentation" if are_arrays(source) else None
    path = Path(source)
    if path.suffix.casefold() == ".npz" and path.is_file():
        return "Arrays of pictures and of masks: segmentation" if _holds_masks(path) else None
    if not path.is_dir() and path.suffix.casefold() != ".zip":
        return None
    try:
        with opened_pairs(path) as pairs:
            return f"{pairs.where}: segmentation"
    except DataError:
        # What is wrong with it says who reads it.
        return None


def _holds_masks(path: Path) -> bool:
    """Tells whether every array of pictures in an `.npz` stands beside one of masks."""
    shapes = shapes_in_npz(path)
    names = [name for name in shapes if name == "x" or name.startswith("x_")]
    return bool(names) and all(_fit(shapes[name], shapes.get(f"y{name[1:]}", ())) for name in names)


def are_arrays(source: Any) -> bool:
    """Tells whether data are pictures and masks of the same heights and widths."""
    source = splits_of(source) or source
    pairs = list(source.values()) if isinstance(source, Mapping) else [source]
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        return False
    shapes = [tuple(getattr(part, "shape", ())) for pair in pairs for part in pair]
    return all(_fit(pictures, mask) for pictures, mask in zip(shapes[::2], shapes[1::2], strict=True))


def _fit(pictures: tuple[int, ...], masks: tuple[int, ...]) -> bool:
    """Tells whether arrays of such shapes may be pictures and their masks."""
    return len(pictures) in (3, 4) and len(masks) in (3, 4) and pictures[:3] == masks[:3]


def _found(root: Folder, path: Path, skipped: list[Skipped]) -> Pairs:
    found = find(root)
    if found is None:
        raise DataError(
            f"{path} holds no pictures with masks. Expected a folder of pictures and one of masks with the same names, "
            "such as images/ and masks/, perhaps inside of train/, validation/ and test/."
        )
    return Pairs(found.found, found.where, (*skipped, *found.skipped))


def _two_folders(folder: Folder) -> tuple[str, str] | None:
    """The names of the folders of pictures and of masks; of several folders of masks that with the shortest name."""
    named = [pair for pair in named_pairs(folder) if are_pairs(*(folder.folders[name] for name in pair))]
    named = [pair for pair in named if not are_words(folder.folders[pair[1]])]
    if named:
        return min(named, key=lambda pair: (len(pair[1]), pair))
    if 2 <= len(folder.folders) <= MOST_FOLDERS:
        colors: dict[str, int] = {}
        for image, pictures in folder.folders.items():
            for mask, drawn in folder.folders.items():
                if image != mask and look_like_pairs(pictures, drawn, colors):
                    return image, mask
    return None


def _matched(images: Folder, masks: Folder) -> tuple[list[Pair], list[Skipped]]:
    """Finds the mask of each picture: by its path in the folder, or by the words of its name."""
    pictures, drawn = images.all_files(), masks.all_files()
    by_path = {_inner_path(file, masks): file for file in drawn}
    own = (
        set(words_of(PurePosixPath(masks.path).name)) | set(words_of(PurePosixPath(images.path).name)) | MASKS | IMAGES
    )
    by_words: dict[tuple[str, ...], File | None] = {}
    for file in drawn:
        words = _plain_words(file, own)
        # A mask's name may go on: 0001.png, 0001_labelIds.png. Where two begin with the same words, neither is meant.
        for length in range(1, 1 + len(words)):
            by_words[words[:length]] = None if words[:length] in by_words else file
    pairs, skipped, taken = [], [], set[str]()
    for picture in pictures:
        mask = by_path.get(_inner_path(picture, images)) or by_words.get(_plain_words(picture, own))
        if mask is None or mask.path in taken:
            skipped.append(Skipped(picture.path, f"has no mask of its name in {masks.path}"))
            continue
        taken.add(mask.path)
        pairs.append(Pair(picture, mask, _split(picture)))
    skipped += [
        Skipped(file.path, f"has no picture of its name in {images.path}") for file in drawn if file.path not in taken
    ]
    return pairs, skipped


def _side_by_side(folder: Folder, named: list[tuple[str, str]]) -> tuple[list[Pair], list[Skipped]]:
    pairs, skipped, known = [], [], set[str]()
    for name, mask in named:
        if name in known:
            skipped.append(Skipped(folder.files[mask].path, f"is another mask of {name}, of which one is read"))
            continue
        known.add(name)
        pairs.append(Pair(folder.files[name], folder.files[mask], _split(folder.files[name])))
    used = {name for pair in named for name in pair}
    skipped += [Skipped(file.path, "has no mask") for name, file in folder.files.items() if name not in used]
    return pairs, skipped


def _inner_path(file: File, folder: Folder) -> str:
    return PurePosixPath(file.path.removeprefix(folder.path)).with_suffix("").as_posix().casefold()


def _plain_words(file: File, own: set[str]) -> tuple[str, ...]:
    return tuple(word for word in words_of(PurePosixPath(file.path).stem) if word not in own)


def _split(file: File) -> str | None:
    """The split that a folder around a file is called after."""
    names = (SPLIT_ALIASES.get(part.casefold()) for part in PurePosixPath(file.path).parts[:-1])
    return next((name for name in names if name is not None), None)
