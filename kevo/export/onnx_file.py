"""ONNX, for ONNX Runtime and all that reads its files, through tf2onnx: an extra, loaded on use."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kevo.export.formats import Job
from kevo.tasks.protocols.export import Predict


def write(job: Job, path: Path) -> None:
    """Converts the model, and gives its ends names that a person can use."""
    import onnx

    exportable = job.exportable
    inputs = keras.InputSpec(dtype="float32", shape=job.shape, name=exportable.input_name)
    with warnings.catch_warnings():
        # Keras mends tf2onnx for NumPy 2 by names that NumPy is going to use for something else.
        warnings.simplefilter("ignore", FutureWarning)
        model = _inference_only(exportable.portable(job.shape), job.shape)
        model.export(path, format="onnx", verbose=False, input_signature=[inputs])
    converted = onnx.load(path)
    (entry,), (exit_,) = converted.graph.input, converted.graph.output
    renamed = {entry.name: exportable.input_name, exit_.name: exportable.output_name}
    for node in converted.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    entry.name, exit_.name = exportable.input_name, exportable.output_name
    for value in (entry, exit_):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, exportable.axes, strict=False):
            if not dimension.HasField("dim_value"):
                dimension.dim_param = axis
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)


def _inference_only(model: keras.Model, shape: tuple[int | None, ...]) -> keras.Model:
    """Returns a model that predicts the same and never trains.

    A layer such as `RandomFlip` switches all layers behind it to training where nobody says that they are not to.
    """
    entry = keras.Input(shape[1:], batch_size=shape[0])
    return keras.Model(entry, model(entry, training=False))


def opened(path: Path) -> Predict:
    """Loads the file into ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    (entry,) = session.get_inputs()

    def predict(examples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        (outputs,) = session.run(None, {entry.name: examples})
        return np.asarray(outputs)

    return predict
