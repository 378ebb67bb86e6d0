"""ONNX, for ONNX Runtime and all that reads its files, through tf2onnx: an extra, loaded on use."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kevo.export.formats import Job, Predict
from kevo.export.portable import portable
from kevo.export.saved_model import INPUT, OUTPUT

_AXES = ("batch", "height", "width", "channels")


def write(job: Job, path: Path) -> None:
    """Converts the model, and gives its ends names that a person can use."""
    import onnx

    shape = (None, *(job.size or (None, None)), 3)
    pixels = keras.InputSpec(dtype="float32", shape=shape, name=INPUT)
    with warnings.catch_warnings():
        # Keras mends tf2onnx for NumPy 2 by names that NumPy is going to use for something else.
        warnings.simplefilter("ignore", FutureWarning)
        portable(job.model, size=None).export(path, format="onnx", verbose=False, input_signature=[pixels])
    converted = onnx.load(path)
    (entry,), (exit_,) = converted.graph.input, converted.graph.output
    for node in converted.graph.node:
        for names in (node.input, node.output):
            names[:] = [{entry.name: INPUT, exit_.name: OUTPUT}.get(name, name) for name in names]
    entry.name, exit_.name = INPUT, OUTPUT
    for value in (entry, exit_):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, _AXES, strict=False):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = axis
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)


def opened(path: Path) -> Predict:
    """Loads the file into ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def predict(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        (probabilities,) = session.run([OUTPUT], {INPUT: pictures})
        return np.asarray(probabilities)

    return predict
