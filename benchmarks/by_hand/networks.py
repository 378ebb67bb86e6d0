"""Networks by hand: what a person with some practice would write first, a page each, in plain Keras.

Both time a few steps, and choose their number of epochs so that the training ends when the time is up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from benchmarks.support import project

Pictures = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.integer]
_CERTAIN_SHARE = 0.95
"""The part of the time that is left that epochs are laid out for."""
_LEAST = 0.6
"""Where so much of an epoch seems to fit, one is begun: a forecast is never exact."""
_TIMED = 32
"""So many batches tell how long an epoch takes."""


def from_scratch(
    pictures: Pictures, labels: Labels, *, num_classes: int, flips: bool, left: Callable[[], float], data: Path
) -> keras.Model:
    """Trains six convolutions from scratch.

    Args:
        pictures: Shape (n, size, size, 3), 0 to 255.
        labels: Shape (n,).
        num_classes: Number of classes.
        flips: Whether a picture means the same in a mirror.
        left: Returns the seconds that are left.
        data: Folder with weights; none are needed here.
    """
    inputs = keras.Input(pictures.shape[1:])
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    if flips:
        x = layers.RandomFlip("horizontal")(x)
    for filters in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(num_classes, activation="softmax")(x))
    _fit(model, pictures, labels, rate=4e-3, batch_size=128, most=40, left=left)
    return model


def transferred(
    pictures: Pictures, labels: Labels, *, num_classes: int, flips: bool, left: Callable[[], float], data: Path
) -> keras.Model:
    """Trains a linear head on frozen MobileNetV2, then the last third of it as well; see `from_scratch`."""
    size = 160
    inputs = keras.Input((None, None, 3))
    resized = keras.ops.image.resize(inputs, (size, size), antialias=True)
    base = keras.applications.MobileNetV2(
        (size, size, 3), alpha=0.35, include_top=False, weights=data / project.MOBILENET_V2_WEIGHTS, pooling="avg"
    )
    base.trainable = False
    features = base(layers.Rescaling(1 / 127.5, offset=-1)(resized), training=False)
    extractor = keras.Model(inputs, features)
    head = keras.Sequential([layers.Dropout(0.2), layers.Dense(num_classes, activation="softmax")])
    known = extractor.predict(pictures, batch_size=64, verbose=0)
    head.build(known.shape)
    _fit(head, known, labels, rate=3e-3, batch_size=32, most=20, left=left)

    model = keras.Model(inputs, head(features))
    base.trainable = True
    for layer in base.layers[: 2 * len(base.layers) // 3]:
        layer.trainable = False
    _fit(model, pictures, labels, rate=1e-4, batch_size=32, most=10, left=left)
    return model


def _fit(
    model: keras.Model,
    inputs: npt.NDArray[np.number],
    labels: Labels,
    *,
    rate: float,
    batch_size: int,
    most: int,
    left: Callable[[], float],
) -> None:
    """Trains by Adam, with a rate that rises over a fifth of the steps and falls by a cosine, for up to `most` epochs.

    Nothing is trained where there is hardly time for half an epoch.
    """
    weights = model.get_weights()
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    some = inputs[: _TIMED * batch_size], labels[: _TIMED * batch_size]
    model.fit(inputs[:batch_size], labels[:batch_size], batch_size=batch_size, verbose=0)
    began = time.monotonic()
    model.fit(*some, batch_size=batch_size, verbose=0)
    seconds_per_epoch = (time.monotonic() - began) * len(inputs) / len(some[0])
    model.set_weights(weights)
    fitting = _CERTAIN_SHARE * left() / seconds_per_epoch
    if fitting < _LEAST:
        return
    num_epochs = min(most, max(1, int(fitting)))
    num_steps = num_epochs * math.ceil(len(inputs) / batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, num_steps - num_steps // 5, warmup_target=rate, warmup_steps=num_steps // 5
    )
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(inputs, labels, epochs=num_epochs, batch_size=batch_size, verbose=0)
