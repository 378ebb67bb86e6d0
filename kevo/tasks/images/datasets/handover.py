"""A data set as it is handed to worker processes: arrays that all of them map into memory instead of reading twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kevo.tasks.images.datasets.dataset import ImageDataset, Split

_SPLITS = ("train", "validation")
"""Workers never see the test split."""


def write(dataset: ImageDataset, folder: Path) -> None:
    """Writes what workers need of a data set into a folder."""
    folder.mkdir(parents=True)
    for split in _SPLITS:
        np.save(folder / f"{split}-pictures.npy", getattr(dataset, split).pictures)
        np.save(folder / f"{split}-labels.npy", getattr(dataset, split).labels)
    (folder / "names.json").write_text(json.dumps({"name": dataset.name, "classes": dataset.class_names}))


def read(folder: Path) -> ImageDataset:
    """Returns what `write` wrote, with pictures that are mapped into memory, and an empty test split."""
    names = json.loads((folder / "names.json").read_text())
    train, validation = (
        Split(
            np.load(folder / f"{split}-pictures.npy", mmap_mode="r", allow_pickle=False),
            np.load(folder / f"{split}-labels.npy", allow_pickle=False),
        )
        for split in _SPLITS
    )
    test = Split(train.pictures[:0], train.labels[:0])
    return ImageDataset(names["name"], tuple(names["classes"]), train, validation, test)
