"""TensorFlow's SavedModel: a folder for TensorFlow Serving and other programs."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.export.formats import Job
from kevo.tasks.protocols.export import Exportable, Predict

_SIGNATURE = "serving_default"


def write(job: Job, path: Path) -> None:
    """Writes the folder, with one signature `serving_default`."""
    # TensorFlow runs every operation of the model as it is: nothing has to be replaced.
    write_signature(job.exportable.model, path, exportable=job.exportable, shape=job.shape)


def write_signature(model: keras.Model, path: Path, *, exportable: Exportable, shape: tuple[int | None, ...]) -> None:
    """Writes a model that takes inputs of this shape, and nothing but its forward pass.

    `keras.Model.export` would store every weight twice: in a list of its own, and in the model.

    Args:
        model: The model.
        path: The folder.
        exportable: Says what the input and the output are called.
        shape: The shape of the inputs.
    """
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]
    inputs = tf.TensorSpec(shape, tf.float32, name=exportable.input_name)

    @tf.function(input_signature=[inputs])  # type: ignore[untyped-decorator]
    def forward(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {exportable.output_name: model(examples, training=False)}

    tf.saved_model.save(module, str(path), signatures={_SIGNATURE: forward})


def opened(path: Path) -> Predict:
    """Loads the folder as TensorFlow alone does."""
    loaded = tf.saved_model.load(str(path))
    (name,) = loaded.signatures[_SIGNATURE].structured_input_signature[1]

    def predict(examples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # `loaded` is named here so that it lives on: a signature alone keeps none of its variables.
        (outputs,) = loaded.signatures[_SIGNATURE](**{name: tf.constant(examples)}).values()
        return np.asarray(outputs)

    return predict
