"""The data set of pictures in memory, and the limits of a source."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import describe_splits
from kevo.tasks.images.datasets.levels import UNKNOWN, Whites
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.dataset import Skipped

_HANDED_OVER = ("train", "validation")
"""Workers never see the test split."""
_FOLDS = "folds.npy"


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures with their answers.

    Args:
        pictures: Raw RGB pixels 0-255 of shape (n, size, size, 3), or (n, height, width, 3) of small ones.
        labels: The answers: positions in the data set's class names, shape (n,); numbers, shape (n,); or 1 for each of
            several labels that a picture has, and else 0, shape (n, num_labels); or classes of pixels, shape (n, size,
            size, 1).
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many pictures of a split stand in an earlier one too.

    Args:
        identical: So many are identical to one there.
        near: So many others are near copies of one there.
        num_pictures: Of so many.
    """

    identical: int = 0
    near: int = 0
    num_pictures: int = 0

    def sentence(self, split: str, others: str, consequence: str) -> str | None:
        """Says so, and what follows; `None` where there are none."""
        if not self.identical + self.near:
            return None
        near = f"near copies of {others} pictures"
        parts = [f"identical to {others} pictures"] if self.identical else []
        parts += [f"{self.near} more are {near}" if parts else near] if self.near else []
        first = self.identical or self.near
        are = "is" if first == 1 else "are"
        return f"{first} of {self.num_pictures} {split} pictures {are} {', and '.join(parts)}: {consequence}"


NOT_REPEATED = Repeated()


@dataclass(frozen=True, slots=True)
class Repeats:
    """Pictures that stand in several splits, or under several classes.

    Args:
        validation: Those of the validation split that stand in train.
        test: Those of the test split that stand in train or validation.
        num_contradictions: How many different pictures stand under more than one class.
        contradicted: Two such classes.
    """

    validation: Repeated = NOT_REPEATED
    test: Repeated = NOT_REPEATED
    num_contradictions: int = 0
    contradicted: tuple[str, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """What a user should know."""
        num = self.num_contradictions
        pictures = "1 picture stands" if num == 1 else f"{num} pictures stand"
        found = (
            self.test.sentence("test", "training or validation", "the scores on the test split are too good."),
            self.validation.sentence("validation", "training", "candidates are chosen by pictures that they know."),
            f"{pictures} under several classes, such as {' and '.join(map(repr, self.contradicted))}: no model can be "
            "right each time."
            if num
            else None,
        )
        return tuple(filter(None, found))


NO_REPEATS = Repeats()


@dataclass(frozen=True, slots=True)
class ImageDataset:
    """Pictures of one size with their answers, for training, choosing and measuring.

    Args:
        name: A short name, fit for a file.
        output: What is asked of each picture.
        train: What models learn from.
        validation: What decides between them.
        test: What is looked at once, at the end.
        skipped: The files that could not be used.
        made_splits: The splits that the source did not give and that were taken out of `train`.
        notes: What was decided while reading, in words.
        whites: The values that were white, of numbers that did not come as 0-255.
        crop: Whether the squares are the middle of the pictures, or all of them, squashed.
        repeats: Which pictures stand in several splits, or under several classes.
        max_examples: What reading was limited to; `None` where the whole source was read.
        folds: The fold in which each picture of `train` is judged, shape (n,); `validation` is then the same as
            `train`. `None` where the pictures are divided once.
    """

    name: str
    output: Output
    train: Split
    validation: Split
    test: Split
    skipped: tuple[Skipped, ...] = ()
    made_splits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    whites: Whites = UNKNOWN
    crop: bool = False
    repeats: Repeats = NO_REPEATS
    max_examples: int | None = None
    folds: npt.NDArray[np.int64] | None = None

    @property
    def num_judged(self) -> int:
        """Number of validation pictures: none says what another does."""
        return self.num_examples("validation")

    def num_examples(self, split: str) -> int:
        """How many pictures a split has: `train`, `validation` or `test`."""
        return len(getattr(self, split))

    def labels(self, split: str) -> npt.NDArray[Any]:
        """The answers of a split."""
        one: Split = getattr(self, split)
        return one.labels

    @property
    def num_folds(self) -> int | None:
        """How many folds the pictures are divided into; `None` where they are divided once."""
        return None if self.folds is None else int(self.folds.max()) + 1

    def part(self, train: npt.NDArray[np.int64], validation: npt.NDArray[np.int64]) -> Self:
        """Returns the answers of some pictures of `train` as a data set of its own.

        Their pixels stay where they are: `kevo.tasks.images.fold_features` finds them there.

        Args:
            train: The positions of what is learned from.
            validation: The positions of what is judged by.
        """
        none, labels = self.train.pictures[:0], self.train.labels
        train_part, validation_part = (Split(none, labels[rows]) for rows in (train, validation))
        return dataclasses.replace(self, train=train_part, validation=validation_part, folds=None)

    def write(self, folder: Path) -> None:
        """Writes train and validation into a new folder, as arrays that worker processes map into memory."""
        folder.mkdir(parents=True)
        for split in _HANDED_OVER if self.folds is None else ("train",):
            np.save(folder / f"{split}-pictures.npy", getattr(self, split).pictures)
            np.save(folder / f"{split}-labels.npy", getattr(self, split).labels)
        if self.folds is not None:
            np.save(folder / _FOLDS, self.folds)
        (folder / "names.json").write_text(json.dumps({"name": self.name, "crop": self.crop, **self.output.to_json()}))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads a data set of `write`'s, with an empty test split."""
        names = json.loads((folder / "names.json").read_text())
        folds = np.load(folder / _FOLDS, allow_pickle=False) if (folder / _FOLDS).is_file() else None
        train, validation = (
            Split(
                np.load(folder / f"{split}-pictures.npy", mmap_mode="r", allow_pickle=False),
                np.load(folder / f"{split}-labels.npy", allow_pickle=False),
            )
            for split in (_HANDED_OVER if folds is None else ("train", "train"))
        )
        test = Split(train.pictures[:0], train.labels[:0])
        return cls(names["name"], parsing.output(names), train, validation, test, crop=names["crop"], folds=folds)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of a model's outputs; with other answers what each output stands for."""
        return self.output.names

    @property
    def num_classes(self) -> int:
        """How many classes there are, or other outputs."""
        return self.output.size

    @property
    def image_size(self) -> int:
        """The side of the stored squares, in pixels; of small pictures that are no squares the longer one."""
        return max(self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the stored pictures, in pixels."""
        _, height, width, _ = self.train.pictures.shape
        return height, width

    def class_weights(self) -> dict[int, float] | None:
        """Weights with which each class counts the same in training; `None` where there is nothing to balance."""
        return self.output.class_weights(self.train.labels)

    def fingerprint(self) -> str:
        """Returns a string that two data sets share only if their pictures, answers and splits are the same."""
        digest = hashlib.blake2b("\0".join(self.output.names).encode(), digest_size=16)
        for split in (self.train, self.validation, self.test):
            digest.update(repr(split.pictures.shape).encode())
            digest.update(np.ascontiguousarray(split.pictures).data)
            digest.update(np.ascontiguousarray(split.labels).data)
        if self.folds is not None:
            digest.update(self.folds.data)
        return digest.hexdigest()

    def summary(self) -> str:
        """Describes the data set in one line.

        Example:
            >>> from kevo.tasks.images import datasets
            >>> datasets.load("digits").summary()
            'digits: 1797 pictures of 8 x 8 px in 10 classes (1169 train, 359 validation*, 269 test*; * from train)'
        """
        total, sizes = describe_splits(self)
        skipped = f"; {len(self.skipped)} skipped" if self.skipped else ""
        return (
            f"{self.name}: {total} pictures of {self.shape[1]} x {self.shape[0]} px{self._asked()} ({sizes}){skipped}"
        )

    def _asked(self) -> str:
        return f" in {self.output.summary()}" if isinstance(self.output, Classes) else f", {self.output.summary()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a source may ask of the machine, so that a hostile file cannot take it down.

    Args:
        max_pixels: Width times height of one picture; a greater one is skipped. Defaults to Pillow's own line.
        max_file_bytes: Bytes of one picture's file, unpacked; a greater one is skipped.
        max_members: Files and folders in one archive.
        max_archive_bytes: Bytes of all members of an archive, unpacked.
        max_archive_ratio: Unpacked bytes for each byte of the archive; not looked at up to `max_file_bytes` in all.
    """

    max_pixels: int = 89_478_485
    max_file_bytes: int = 256 * 1024**2
    max_members: int = 1_000_000
    max_archive_bytes: int = 64 * 1024**3
    max_archive_ratio: float = 200.0


def digest(picture: npt.NDArray[np.uint8]) -> bytes:
    """Content hash of a picture as it is stored."""
    return hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16).digest()


def natural(text: str) -> tuple[Any, ...]:
    """Sorts names as people do: `picture 9` before `picture 10`."""
    parts = re.split(r"0*([0-9]+)", text)  # Names and numbers take turns; a longer number is a greater one.
    return tuple((len(part), part) if turn % 2 else (0, part.casefold()) for turn, part in enumerate(parts)), text
