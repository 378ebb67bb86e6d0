"""TensorFlow's SavedModel: a folder for TensorFlow Serving and its like."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.export.formats import Job, Predict

INPUT, OUTPUT = "pixels", "probabilities"
"""What the ends of an export are called, where a format has names for them."""
_SIGNATURE = "serving_default"


def write(job: Job, path: Path) -> None:
    """Writes the folder, with one signature `serving_default` from `pixels` to `probabilities`."""
    # TensorFlow runs every operation of the model as it is: nothing has to be replaced.
    write_signature(job.model, path, shape=(None, *(job.size or (None, None)), 3))


def write_signature(model: keras.Model, path: Path, *, shape: tuple[int | None, ...]) -> None:
    """Writes a model that takes raw pixels of this shape, and nothing but its forward pass.

    `keras.Model.export` would store every weight twice: in a list of its own, and in the model.
    """
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT)])  # type: ignore[untyped-decorator]
    def forward(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: model(pictures, training=False)}

    tf.saved_model.save(module, str(path), signatures={_SIGNATURE: forward})


def opened(path: Path) -> Predict:
    """Loads the folder as TensorFlow alone does."""
    loaded = tf.saved_model.load(str(path))

    def predict(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # `loaded` is named here so that it lives on: a signature alone keeps none of its variables.
        outputs = loaded.signatures[_SIGNATURE](**{INPUT: tf.constant(pictures)})
        return np.asarray(outputs[OUTPUT])

    return predict
