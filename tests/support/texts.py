"""Small reviews, shared by the tests of texts."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.loading import load

GENOME: dict[str, Any] = {
    "family": "bag",
    "vocabulary": 1000,
    "token_dropout": 0.0,
    "bag/tokens": "words",
    "bag/ngrams": 2,
    "bag/weights": "tf_idf",
    "bag/units": 0,
    "bag/start": "counts",
    "num_layers": 0,
    "l2": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "cosine",
    "batch_size": 16,
    "label_smoothing": 0.0,
    "balance_classes": False,
}
_BAG = ("bag/tokens", "bag/ngrams", "bag/weights", "bag/units", "bag/start")
_SEQUENCE: dict[str, Any] = {
    **{name: value for name, value in GENOME.items() if name not in _BAG},
    "sequence/tokens": "words",
    "sequence/length": 1.0,
    "sequence/units": 8,
    "sequence/dropout": 0.0,
}
CONV: dict[str, Any] = {
    **_SEQUENCE,
    "family": "conv",
    "conv/branches": 2,
    "conv/branch_1/width": 1,
    "conv/branch_2/width": 3,
    "conv/filters": 4,
    "conv/pooling": "both",
    "conv/activation": "relu",
}
BAG: dict[str, Any] = {
    **{name: value for name, value in GENOME.items() if name != "bag/start"},
    "bag/units": 4,
    "bag/activation": "relu",
    "bag/dropout": 0.0,
}
"""A bag of words with features."""
RECURRENT: dict[str, Any] = {**_SEQUENCE, "family": "recurrent", "recurrent/units": 4}
VECTORS: dict[str, Any] = {
    **{name: value for name, value in GENOME.items() if name not in _BAG},
    "family": "vectors",
    "vectors/pretrained": "frozen",
    "vectors/pooling": "both",
    "vectors/weights": "rarity",
    "vectors/dropout": 0.0,
}
"""The mean and the maximum of pretrained word vectors."""
_GOOD, _BAD = ("great", "moving", "superb", "lovely"), ("dull", "boring", "awful", "tedious")
_ANY = ("film", "movie", "story", "actor", "scene", "plot", "ending", "music", "camera", "script", "cast", "sound")


def reviews(num: int = 240, *, seed: int = 0) -> tuple[list[str], list[str], list[float]]:
    """Returns texts of nine words, their classes and their stars: two of the words say what the review thinks."""
    rng = np.random.default_rng(seed)
    texts, kinds, stars = [], [], []
    for number in range(num):
        good = int(rng.integers(3)) if number % 5 else 2 * (number % 2)
        said = [*rng.choice(_GOOD, good), *rng.choice(_BAD, 2 - good), *rng.choice(_ANY, 7)]
        texts.append(" ".join(map(str, rng.permutation(said))).capitalize() + ".")
        kinds.append("good" if good + rng.random() > 1.5 else "bad")
        stars.append(round(1 + 2 * good + float(rng.normal(0, 0.3)), 2))
    return texts, kinds, stars


def write_csv(path: Path, num: int = 240, *, seed: int = 0) -> Path:
    """Writes reviews with their classes, and a number for each row."""
    texts, kinds, _ = reviews(num, seed=seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "review", "kind"])
        writer.writerows([number, text, kind] for number, (text, kind) in enumerate(zip(texts, kinds, strict=True)))
    return path


def small_dataset(num: int = 240) -> TextDataset:
    """Returns reviews with their classes as a data set."""
    texts, kinds, _ = reviews(num)
    return load((texts, kinds), target="kind")


def write_vectors(path: Path) -> Path:
    """Writes word vectors of four numbers; the first says whether a word praises."""
    rng = np.random.default_rng(0)
    lines = []
    for word in (*_ANY, *_GOOD, *_BAD, "splendid", "wretched"):
        praise = 1.0 if word in (*_GOOD, "splendid") else -1.0 if word in (*_BAD, "wretched") else 0.0
        lines.append(f"{word} {praise} {' '.join(format(value, '.3f') for value in rng.normal(0, 0.1, 3))}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def dataset_with_vectors(folder: Path, num: int = 60) -> TextDataset:
    """Returns reviews with their classes, and vectors of their words, read from a file in a folder."""
    texts, kinds, _ = reviews(num)
    return load((texts, kinds), target="kind", vectors_file=str(write_vectors(folder / "words.vec")))


def rated_dataset(num: int = 240) -> TextDataset:
    """Returns reviews with their stars as a data set."""
    texts, _, stars = reviews(num)
    return load((texts, stars), target="stars", asks="regression")
