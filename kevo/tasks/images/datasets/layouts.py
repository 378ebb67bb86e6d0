"""What a tree of folders means: which folders are splits, and which are classes.

Names alone do not say it, since a class may be called "train": what stands beside a folder decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from kevo.errors import DataError
from kevo.tasks.images.datasets import masks
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS

_BESIDE = "stands beside the folders of the splits"


@dataclass(frozen=True, slots=True)
class Layout:
    """The meaning of a tree.

    Args:
        splits: For each split its folder, in which there is one folder for each class.
        skipped: What has no place in it.
        notes: What was decided, in words.
    """

    splits: Mapping[str, Folder]
    skipped: list[Skipped]
    notes: tuple[str, ...] = ()


def understand(root: Folder, source: str) -> Layout:
    """Tells splits from classes; a single folder around everything is passed through.

    Args:
        root: The tree.
        source: What to call it in errors.

    Raises:
        DataError: it is laid out otherwise, or may mean two things.
    """
    skipped: list[Skipped] = []
    notes: list[str] = []
    while len(root.folders) == 1 and not _named_splits(root):
        inner = next(iter(root.folders.values()))
        if not inner.folders:
            break
        skipped += (Skipped(file.path, "lies in no class folder") for file in root.files.values())
        root = inner
    splits = _splits(root, source)
    if splits:
        beside = {*(file.path for file in root.files.values()), *(folder.path for folder in root.folders.values())}
        beside -= {folder.path for folder in splits.values()}
        skipped += (Skipped(path, _BESIDE) for path in sorted(beside))
        splits = {split: _inside(splits[split]) for split in SPLITS if split in splits}
        classes = splits["train"].folders.keys()
        for split in [split for split in splits if split != "train" and classes]:
            folder = splits[split]
            if not classes & folder.folders.keys() and folder.all_files():
                reason = "has no class folder that train/ has: it is left out, and can be predicted afterwards"
                skipped.append(Skipped(folder.path, reason))
                del splits[split]
        other_names = [folder.path for folder in splits.values() if not _is_plain(folder.path)]
        if other_names:
            listed = ", ".join(f"{folder.path} as {split}" for split, folder in splits.items())
            notes.append(f"The folders are taken for splits: {listed}.")
    else:
        splits = {"train": root}
    num_skipped = len(skipped)
    for folder in splits.values():
        masks.refuse(folder, source)
        for inner in folder.folders.values():
            skipped += masks.leave_out(inner)
    if root in splits.values():
        notes += _doubts(root)
    if len(skipped) > num_skipped:
        notes.append("There are masks beside the pictures of the classes: they are left out.")
    return Layout(splits, skipped, tuple(notes))


def _splits(root: Folder, source: str) -> dict[str, Folder]:
    """The folders of the splits; none where they are classes."""
    found = _named_splits(root)
    if not found:
        return {}
    others = {name: folder for name, folder in root.folders.items() if folder not in found.values()}
    if "train" not in found:
        if others:
            # A class may be called "test".
            return {}
        raise DataError(f"{', '.join(sorted(root.folders))} stand without a train/ folder beside them. Add train/.")
    train = _inside(found["train"])
    if not others:
        return found
    if not train.folders:
        # Pictures of trains beside pictures of buses.
        return {}
    if any(
        train.folders.keys() & _inside(folder).folders.keys() for split, folder in found.items() if split != "train"
    ):
        return found
    alike = [name for name, folder in others.items() if train.folders.keys() & folder.folders.keys()]
    if len(others) == 1 and len(found) == 1 and alike:
        raise DataError(
            f"{source} may mean two things: {found['train'].path} and {alike[0]}/ have folders of the same names in "
            f"them ({', '.join(sorted(train.folders)[:3])}), as two splits have, or as two classes may. Call the "
            f"second validation/ or test/ if these are splits, and the first otherwise if they are classes."
        )
    if alike:
        return {}
    # Folders whose names say that they hold what is to be predicted, or nothing to learn from.
    with_pictures = [name for name, folder in others.items() if folder.all_files()]
    if len(found) > 1 or not with_pictures:
        return found
    raise DataError(
        f"{source} may mean two things: {found['train'].path} has the folders "
        f"{', '.join(sorted(train.folders)[:3])} in it, as a split does, and stands beside "
        f"{', '.join(sorted(with_pictures)[:3])}, as a class does. Give {found['train'].path} itself if it is the "
        "training pictures, or rename it if it is a class."
    )


def _doubts(root: Folder) -> list[str]:
    """Says that what are taken for classes all have the same folders in them, as folds of a data set have."""
    inner = [
        frozenset(name for name, one in folder.folders.items() if one.all_files()) for folder in root.folders.values()
    ]
    if len(inner) < 2 or len(set(inner)) > 1 or len(inner[0]) < 2:
        return []
    if any(folder.files for folder in root.folders.values()):
        return []
    classes, names = (", ".join(sorted(some)[:3]) for some in (root.folders, inner[0]))
    return [
        f"The classes are {classes}, and each has the folders {names} in it. If those are the classes, give one of the "
        "outer folders, or call these train/, validation/ and test/."
    ]


def _named_splits(root: Folder) -> dict[str, Folder]:
    """The folders that are called as splits are: train, seg_train, images-test."""
    plain: dict[str, Folder] = {}
    longer: dict[str, Folder] = {}
    for name, folder in root.folders.items():
        found = {SPLIT_ALIASES[word] for word in _words(name) if word in SPLIT_ALIASES}
        if len(found) != 1:
            continue
        (split,) = found
        into = plain if name.casefold() in SPLIT_ALIASES else longer
        if split in into and (into is plain or split not in plain):
            raise DataError(f"{into[split].path} and {folder.path} both are the {split} split. Keep one.")
        into[split] = folder
    if plain or "train" not in longer or len(longer) < 2:
        # "train set" alone, or "test tubes" beside other classes, are no splits.
        return plain
    return longer


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())


def _is_plain(path: str) -> bool:
    return any(part.casefold() in SPLIT_ALIASES for part in PurePosixPath(path).parts)


def _inside(folder: Folder) -> Folder:
    """Passes through folders that stand inside themselves: train/train."""
    while len(folder.folders) == 1:
        (name, inner), outer = next(iter(folder.folders.items())), PurePosixPath(folder.path).name
        if name.casefold() != outer.casefold() or not inner.folders:
            break
        folder = inner
    return folder
