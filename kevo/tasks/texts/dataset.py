"""The data set of texts in memory, in splits, and its files for worker processes."""

from __future__ import annotations

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
from kevo.tasks.prepared.dataset import WORKER_SPLITS, SplitDataset, folds_in
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.splits import SPLITS
from kevo.tasks.texts.vectors import WordVectors

_JSON, _ARRAYS = "texts.json", "texts.npz"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDataset(SplitDataset[Split]):
    """Texts with their answers, for training, choosing and measuring; see `SplitDataset` for the other fields.

    Args:
        text: The name of the texts, such as that of their column.
        skipped: Files that could not be used.
        vectors: Pretrained vectors of words; `None` for none.
    """

    text: str
    skipped: tuple[Skipped, ...] = ()
    vectors: WordVectors | None = None

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
        for name in WORKER_SPLITS:
            arrays[f"{name}_letters"], arrays[f"{name}_ends"] = packed(self.split(name).texts)
            arrays[f"{name}_labels"] = self.labels(name)
        if self.vectors is not None:
            arrays[f"{_VECTORS}_letters"], arrays[f"{_VECTORS}_ends"] = packed(self.vectors.words)
            arrays[_VECTORS] = self.vectors.table
        np.savez(folder / _ARRAYS, allow_pickle=False, **arrays, **self.fold_arrays())


def read(folder: Path) -> TextDataset:
    """Reads a data set of `TextDataset.write`'s, with an empty test split."""
    facts = json.loads((folder / _JSON).read_text())
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        train, validation = (
            Split(unpacked(arrays[f"{name}_letters"], arrays[f"{name}_ends"]), arrays[f"{name}_labels"])
            for name in WORKER_SPLITS
        )
        folds = folds_in(arrays)
        vectors = None
        if _VECTORS in arrays:
            words = unpacked(arrays[f"{_VECTORS}_letters"], arrays[f"{_VECTORS}_ends"])
            vectors = WordVectors(words, arrays[_VECTORS])
    return TextDataset(
        name=facts["name"],
        text=facts["text"],
        target=facts["target"],
        output=parsing.output(facts),
        train=train,
        validation=validation,
        test=Split((), train.labels[:0]),
        folds=folds,
        vectors=vectors,
    )


def packed(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Returns texts as bytes of UTF-8, one after the other, and where each ends."""
    found = [text.encode() for text in texts]
    return np.frombuffer(b"".join(found), np.uint8), np.cumsum(list(map(len, found)), dtype=np.int64)


def unpacked(letters: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Returns the texts of what `packed` returned."""
    content, bounds = letters.tobytes(), [0, *ends.tolist()]
    return tuple(content[start:end].decode() for start, end in itertools.pairwise(bounds))
