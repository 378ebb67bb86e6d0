"""Keras's own file: a copy of the run's."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kevo.export.formats import Job
from kevo.system import model_files
from kevo.tasks.protocols.export import Predict


def write(job: Job, path: Path) -> None:
    """Copies the file."""
    shutil.copyfile(job.source, path)


def opened(path: Path) -> Predict:
    """Loads the file."""
    return calling(model_files.load(path))


def calling(model: keras.Model) -> Predict:
    """Returns how a Keras model predicts, compiled and without `predict`'s own overhead."""

    def predict(examples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(model.predict_on_batch(examples), np.float32)

    return predict
