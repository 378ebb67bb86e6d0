"""Predictions in a run folder, which may come from someone else."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kevo.runs.predictions import read_predictions
from kevo.tasks.outputs.classes.evaluation import are_probabilities


def promise(path: Path) -> None:
    """Says in the header that there are terabytes."""
    np.save(path, np.full((2, 2), 0.5, np.float16))
    path.write_bytes(path.read_bytes().replace(b"(2, 2), }" + b" " * 12, b"(2000000000000, 2), }", 1))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and no array"),
        lambda path: path.mkdir(),
        lambda path: np.save(path, np.array([{}, {}]), allow_pickle=True),
        lambda path: np.save(path, np.full((2, 2), 0.5)),
        lambda path: np.save(path, np.full((2, 3), 1 / 3, np.float16)),
        lambda path: np.save(path, np.full((2, 2), 0.7, np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [np.nan, 1.0]], np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [-1.0, 2.0]], np.float16)),
        lambda path: (np.save(path, np.full((2, 2), 0.5, np.float16)), os.truncate(path, path.stat().st_size - 1)),
        promise,
    ],
)
def test_predictions_that_are_damaged_take_no_part(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path / "0.npy")
    assert read_predictions(tmp_path / "0.npy", shape=(2, 2), are_valid=are_probabilities) is None


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(1000), size=20).astype(np.float16)
    np.save(tmp_path / "0.npy", probabilities)
    found = read_predictions(tmp_path / "0.npy", shape=(20, 1000), are_valid=are_probabilities)
    assert found is not None and found.dtype == np.float32
    assert np.array_equal(found, probabilities)
