"""The data set of texts in memory, in splits, and its files for worker processes."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import describe_splits
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.texts.reading import SPLITS
from kevo.tasks.texts.vectors import WordVectors

_WORKER_SPLITS = ("train", "validation")
"""Workers never see the test split."""
_JSON, _ARRAYS, _FOLDS = "texts.json", "texts.npz", "folds"
_VECTORS = "vectors"


@dataclass(frozen=True, slots=True)
class Split:
    """Texts with their answers.

    Args:
        texts: The texts.
        labels: The answers: positions in the data set's class names, or numbers; shape (n,).
    """

    texts: tuple[str, ...]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: npt.NDArray[np.integer]) -> Split:
        return Split(tuple(self.texts[row] for row in rows.tolist()), self.labels[rows])


@dataclass(frozen=True, slots=True)
class TextDataset:
    """Texts with their answers, for training, choosing and measuring.

    Args:
        name: A short name, fit for a file.
        text: The name of the texts, such as that of their column.
        target: The name of what is predicted.
        output: What is asked of each text.
        train: What models learn from.
        validation: What decides between them.
        test: What is looked at once, at the end.
        notes: What was decided while reading, in words.
        made_splits: The splits that the source did not give and that were taken out of `train`.
        max_examples: What reading was limited to; `None` where all texts are used.
        repeats: What there is to say of texts that stand in several splits of the source.
        skipped: Files that could not be used.
        folds: The fold in which each text of `train` is judged, shape (n,); `validation` is then the same as `train`.
            `None` where the texts are divided once.
        vectors: Pretrained vectors of words; `None` for none.
    """

    name: str
    text: str
    target: str
    output: Output
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    made_splits: tuple[str, ...] = ()
    max_examples: int | None = None
    repeats: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    folds: npt.NDArray[np.int64] | None = None
    vectors: WordVectors | None = None

    @property
    def num_folds(self) -> int | None:
        """Number of folds that the texts are divided into; `None` where they are divided once."""
        return None if self.folds is None else int(self.folds.max()) + 1

    def part(self, train: npt.NDArray[np.int64], validation: npt.NDArray[np.int64]) -> TextDataset:
        """Returns some texts of `train`, by their positions, as a data set of its own.

        Args:
            train: What is learned from.
            validation: What is judged by.
        """
        return dataclasses.replace(self, train=self.train[train], validation=self.train[validation], folds=None)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of a model's outputs; of numbers, their name."""
        return self.output.names

    @property
    def num_classes(self) -> int:
        """Number of classes, or of numbers."""
        return self.output.size

    def split(self, name: str) -> Split:
        """A split by its name."""
        split: Split = getattr(self, name)
        return split

    @property
    def num_judged(self) -> int:
        """Number of validation texts: none says what another does."""
        return self.num_examples("validation")

    def num_examples(self, split: str) -> int:
        """Number of texts of a split."""
        return len(self.split(split))

    def labels(self, split: str) -> npt.NDArray[Any]:
        """The answers of a split."""
        return self.split(split).labels

    def class_weights(self) -> dict[int, float] | None:
        """Weights with which each class counts the same in training; `None` where there is nothing to balance."""
        return self.output.class_weights(self.train.labels)

    def fingerprint(self) -> str:
        """Content hash of texts, answers, all splits and word vectors."""
        digest = hashlib.blake2b(json.dumps([self.target, self.output.names]).encode(), digest_size=16)
        for name in SPLITS:
            for array in (*packed(self.split(name).texts), np.ascontiguousarray(self.labels(name))):
                digest.update(repr(array.shape).encode())
                digest.update(array.data)
        if self.folds is not None:
            digest.update(self.folds.data)
        if self.vectors is not None:
            digest.update(packed(self.vectors.words)[0].data)
            digest.update(np.ascontiguousarray(self.vectors.table).data)
        return digest.hexdigest()

    def summary(self) -> str:
        """Describes the data set in one line.

        Example:
            >>> from kevo.tasks.texts.loading import load
            >>> texts = [f"{one} film number {place}" for place in "abcdefghijkl" for one in ("good", "bad")]
            >>> load((texts, ["yes", "no"] * 12), seed=0).summary()
            'texts: 24 texts, 2 classes (16 train, 4 validation*, 4 test*; * from train)'
        """
        total, sizes = describe_splits(self)
        return f"{self.name}: {total} texts, {self.output.summary()} ({sizes})"

    def write(self, folder: Path) -> None:
        """Writes everything but the test split and the notes into a new folder, for worker processes."""
        folder.mkdir(parents=True)
        facts = {"name": self.name, "text": self.text, "target": self.target, **self.output.to_json()}
        (folder / _JSON).write_text(json.dumps(facts))
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name in _WORKER_SPLITS:
            arrays[f"{name}_letters"], arrays[f"{name}_ends"] = packed(self.split(name).texts)
            arrays[f"{name}_labels"] = self.labels(name)
        if self.folds is not None:
            arrays[_FOLDS] = self.folds
        if self.vectors is not None:
            arrays[f"{_VECTORS}_letters"], arrays[f"{_VECTORS}_ends"] = packed(self.vectors.words)
            arrays[_VECTORS] = self.vectors.table
        np.savez(folder / _ARRAYS, allow_pickle=False, **arrays)


def read(folder: Path) -> TextDataset:
    """Reads a data set of `TextDataset.write`'s, with an empty test split."""
    facts = json.loads((folder / _JSON).read_text())
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        train, validation = (
            Split(unpacked(arrays[f"{name}_letters"], arrays[f"{name}_ends"]), arrays[f"{name}_labels"])
            for name in _WORKER_SPLITS
        )
        folds = arrays.get(_FOLDS)
        vectors = None
        if _VECTORS in arrays:
            words = unpacked(arrays[f"{_VECTORS}_letters"], arrays[f"{_VECTORS}_ends"])
            vectors = WordVectors(words, arrays[_VECTORS])
    test = Split((), train.labels[:0])
    output = parsing.output(facts)
    return TextDataset(
        facts["name"], facts["text"], facts["target"], output, train, validation, test, folds=folds, vectors=vectors
    )


def packed(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns texts as bytes of UTF-8, one after the other, and where each ends."""
    found = [text.encode() for text in texts]
    return np.frombuffer(b"".join(found), np.uint8), np.cumsum(list(map(len, found)), dtype=np.int64)


def unpacked(letters: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Returns the texts of what `packed` returned."""
    content, bounds = letters.tobytes(), [0, *ends.tolist()]
    return tuple(content[start:end].decode() for start, end in itertools.pairwise(bounds))
