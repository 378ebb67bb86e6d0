"""Pictures and their masks, which may look like classes: told by names of folders and files, and by what is in them.

A name alone does not say it: "with_mask" and "without_mask" are classes. Files have to be pairs, and where names say
nothing, one of each pair has to be of few colors where the other has many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.images.datasets.pictures import File, opened
from kevo.tasks.protocols.dataset import Skipped

MASKS = {
    *("ann", "anno", "annot", "annotation", "groundtruth", "gt", "label", "mask", "seg", "segmentation", "target"),
    "truth",
}
IMAGES = {
    *("frame", "image", "img", "input", "jpeg", "jpg", "original", "photo", "pic", "picture", "raw", "rgb", "scan"),
    "source",
}
_PAIRED = 0.9
"""The share of files with the same names from which two folders are pairs of pictures and masks."""
_WORDS = (".json", ".txt", ".xml", ".csv")
"""Files that tell of pictures in words."""
MOST_FOLDERS = 6
"""In so many folders files are compared by what is in them."""
_NUM_LOOKED_AT = 4
_SIDE = 64
_COVERED = 0.95
"""So much of a picture a count of its colors leaves nothing out of: packed masks are not clean at their edges."""
_FEW_COLORS, _MANY_COLORS = 8, 24


def refuse(folder: Folder, source: str) -> None:
    """Refuses folders of pictures and of their masks, which look like two classes.

    Args:
        folder: The folder that should have a folder for each class.
        source: What to call it in errors.

    Raises:
        DataError: that is what these are.
    """
    for image, mask in named_pairs(folder):
        if are_words(folder.folders[mask]):
            raise DataError(
                f"{source} holds pictures in {image}/ and words about them in {mask}/, as pictures and what is where "
                "in them: they are for detection, and kevo learns classes of whole pictures. Expected one folder of "
                "pictures for each class."
            )
        if are_pairs(folder.folders[image], folder.folders[mask]):
            raise _segmentation(source, f"files in {image}/ and {mask}/")
    if 2 <= len(folder.folders) <= MOST_FOLDERS:
        colors: dict[str, int] = {}
        for image in folder.folders:
            for mask in folder.folders:
                if image != mask and look_like_pairs(folder.folders[image], folder.folders[mask], colors):
                    raise _segmentation(source, f"files in {image}/ and {mask}/")
    if not folder.folders and (pairs := beside(folder)):
        raise _segmentation(source, f"files such as {pairs[0][0]} and {pairs[0][1]}")


def leave_out(folder: Folder) -> list[Skipped]:
    """Takes the masks out of a class: those in a folder beside that of its pictures, and those beside their pictures.

    Args:
        folder: The folder of a class.

    Returns:
        What was taken out, and why.
    """
    skipped = []
    for image, mask in list(named_pairs(folder)):
        if mask in folder.folders and are_pairs(folder.folders[image], folder.folders[mask]):
            skipped.append(Skipped(folder.folders.pop(mask).path, f"holds the masks of the pictures in {image}/"))
    for name, mask in beside(folder):
        skipped.append(Skipped(folder.files.pop(mask).path, f"is a mask of {name}"))
    for inner in folder.folders.values():
        skipped += leave_out(inner)
    return skipped


def are_words(folder: Folder) -> bool:
    """Whether all files of a folder are about pictures in words."""
    return all(PurePosixPath(file.path).suffix.casefold() in _WORDS for file in folder.all_files())


def _segmentation(source: str, pairs: str) -> DataError:
    return DataError(
        f"{source} holds pairs of {pairs}, as pictures and their masks are: they are for segmentation (--task "
        "segmentation). Expected one folder of pictures for each class."
    )


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in small letters and without a plural, also of JPEGImages and SegmentationClass."""
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W_A-Za-z0-9]+", name)
    return tuple(word.casefold().removesuffix("s") or word.casefold() for word in found)


def named_pairs(folder: Folder) -> Iterator[tuple[str, str]]:
    """Yields pairs of folders that are called as pictures and masks are."""
    named = {name: set(words_of(name)) for name, inner in folder.folders.items() if inner.all_files()}
    for mask in (name for name, words in named.items() if words & MASKS):
        for image in (name for name, words in named.items() if words & IMAGES and name != mask):
            yield image, mask


def are_pairs(images: Folder, masks: Folder) -> bool:
    """Whether the files of two folders have the same names, but for words that say what they are."""
    names = [_names(folder) for folder in (images, masks)]
    # A mask's name may go on: 0001.png, 0001_labelIds.png.
    found = {name[:length] for name in names[1] for length in range(1, 1 + len(name))} & names[0]
    return len(found) >= _PAIRED * max(1, min(map(len, names)))


def _names(folder: Folder) -> set[tuple[str, ...]]:
    own = set(words_of(PurePosixPath(folder.path).name)) | MASKS | IMAGES
    return {
        tuple(word for word in words_of(PurePosixPath(file.path).stem) if word not in own)
        for file in folder.all_files()
    } - {()}


def look_like_pairs(images: Folder, masks: Folder, colors: dict[str, int]) -> bool:
    """Whether files of the same names look like pictures and their masks."""
    first, second = ({PurePosixPath(file.path).stem: file for file in one.all_files()} for one in (images, masks))
    common = sorted(first.keys() & second.keys())
    if len(common) < max(2, _PAIRED * min(len(first), len(second))):
        return False
    return all(_is_mask(first[name], second[name], colors) for name in common[:_NUM_LOOKED_AT])


def beside(folder: Folder) -> list[tuple[str, str]]:
    """The names of pictures and of their masks in one folder: x.png, x_mask.png, x_mask_1.png."""
    stems: dict[str, str] = {PurePosixPath(name).stem: name for name in folder.files}
    pattern = re.compile(rf"(.+?)[\s_.-]*(?:{'|'.join(sorted(MASKS))})s?(?:[\s_.-]*[0-9]+)?", re.IGNORECASE)
    pairs = []
    for stem, name in stems.items():
        match = pattern.fullmatch(stem)
        if match is not None and match[1] in stems:
            pairs.append((stems[match[1]], name))
    colors: dict[str, int] = {}
    looked_at = pairs[:_NUM_LOOKED_AT]
    if len(pairs) < 2 or not all(_is_mask(folder.files[name], folder.files[mask], colors) for name, mask in looked_at):
        return []
    return pairs


def _is_mask(picture: File, mask: File, colors: dict[str, int]) -> bool:
    """Whether one of two files is of few colors where the other has many; `colors` holds what is known already."""
    for file in (mask, picture):
        if file.path not in colors:
            colors[file.path] = _num_colors(file)
    return 0 < colors[mask.path] <= _FEW_COLORS and colors[picture.path] >= _MANY_COLORS


def _num_colors(file: File) -> int:
    """How many colors a picture mostly consists of; 0 where it cannot be read."""
    try:
        with opened(file, Limits()) as image:
            image.draft("RGB", (4 * _SIDE, 4 * _SIDE))
            small = image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
            if small.mode in ("P", "1") or small.has_transparency_data:
                small = small.convert("RGB")
            values = np.asarray(small, np.float64).reshape(_SIDE * _SIDE, -1)
    except Exception:
        # Decoders meet broken files with errors of every kind, and whether a picture can be read is judged elsewhere.
        return 0
    steps = np.floor(values * (63 / max(1.0, values.max()))) if values.max() > 255 else np.floor(values / 4)
    counts = np.sort(np.unique(steps, axis=0, return_counts=True)[1])[::-1]
    return 1 + int(np.searchsorted(np.cumsum(counts), _COVERED * len(values)))
