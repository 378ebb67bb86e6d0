"""TensorFlow Lite, now LiteRT: for phones and small devices, also in whole numbers of eight bits.

Only operations that every interpreter has are used. The file takes one example of the network's own size: that is what
devices' accelerators ask for, and quantization needs numbers of known ranges.

Quantization after training: Jacob and others 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", arXiv:1712.05877.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.export.formats import Job
from kevo.export.saved_model import write_signature
from kevo.tasks.protocols.export import Predict


def write(job: Job, path: Path) -> None:
    """Converts the model; by examples to calibrate on, to whole numbers inside and floats at both ends."""
    exportable, calibration = job.exportable, job.calibration
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_signature(exportable.portable(job.shape), Path(folder), exportable=exportable, shape=job.shape)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([example] for example in calibration())
        path.write_bytes(converter.convert())


def opened(path: Path) -> Predict:
    """Loads the file into an interpreter that uses all cores."""
    with warnings.catch_warnings():
        # It announces its move to a package of its own, and is still the one that TensorFlow brings.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(examples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        predicted = []
        for example in examples:
            interpreter.set_tensor(entry["index"], example[np.newaxis])
            interpreter.invoke()
            predicted.append(interpreter.get_tensor(exit_["index"])[0])
        return np.stack(predicted)

    return predict
