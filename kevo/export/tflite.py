"""TensorFlow Lite, now LiteRT: for phones and small devices, also in whole numbers of eight bits.

Only operations that every interpreter has are used. The file takes one picture of the network's own size: that is what
devices' accelerators ask for, and quantization needs numbers of known ranges.

Quantization after training: Jacob and others 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", arXiv:1712.05877.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.export.formats import Job, Predict
from kevo.export.portable import portable
from kevo.export.saved_model import write_signature
from kevo.tasks.images import networks


def write(job: Job, path: Path) -> None:
    """Converts the model; by pictures to calibrate on, to whole numbers inside and floats at both ends."""
    size, calibration = job.size, job.calibration
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_signature(portable(job.model, size=size), Path(folder), shape=(1, *(size or (None, None)), 3))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _one_by_one(calibration, size)
        path.write_bytes(converter.convert())


def _one_by_one(
    pictures: npt.NDArray[np.uint8], size: tuple[int, int] | None
) -> Iterator[list[npt.NDArray[np.float32]]]:
    for picture in pictures:
        pixels = picture[np.newaxis].astype(np.float32)
        yield [pixels if size is None else np.asarray(networks.resize(pixels, size))]


def opened(path: Path) -> Predict:
    """Loads the file into an interpreter that uses all cores."""
    with warnings.catch_warnings():
        # It announces its move to a package of its own, and is still the one that TensorFlow brings.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        predicted = []
        for picture in pixels:
            interpreter.set_tensor(entry["index"], picture[np.newaxis])
            interpreter.invoke()
            predicted.append(interpreter.get_tensor(exit_["index"])[0])
        return np.stack(predicted)

    return predict
