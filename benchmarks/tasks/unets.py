"""U-Nets by hand: what a person with some practice would write first for masks of one class, in plain Keras."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from kevo.tasks.images.datasets import ImageDataset

WIDTH = 64
"""Channels of the first level of the paper's network."""
_DEPTH, _MOMENTUM = 4, 0.9
_CROP, _BATCH_SIZE, _PATIENCE = 128, 4, 20


class Trained(NamedTuple):
    """A U-Net after its training.

    Args:
        model: Raw pixels in, shape (n, height, width, 3); probabilities out, shape (n, height, width, 1).
        num_steps: How many batches it learned from.
    """

    model: keras.Model
    num_steps: int


def unet(width: int = WIDTH) -> keras.Model:
    """Returns the U-Net of Ronneberger et al. 2015, arXiv:1505.04597, with batch norm, and padded so that sizes stay.

    Args:
        width: Channels of the first level, which double from level to level.
    """

    def block(x: Any, num: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(num, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(x))
        return x

    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    beside = []
    for level in range(_DEPTH):
        beside.append(block(x, width * 2**level))
        x = layers.MaxPooling2D(2)(beside[-1])
    x = block(x, width * 2**_DEPTH)
    for level in reversed(range(_DEPTH)):
        x = layers.Conv2DTranspose(width * 2**level, 2, strides=2)(x)
        x = block(layers.Concatenate()([beside[level], x]), width * 2**level)
    return keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))


def train(dataset: ImageDataset, *, width: int, seconds: float, seed: int) -> Trained:
    """Trains a U-Net on random crops, mirrored at random, with cross-entropy and Dice, and Adam.

    An epoch is as many crops as cover the training pictures. After each, and after the last one, which the time may end
    early, whole validation pictures are judged; the weights with the best Dice are kept.

    Args:
        dataset: Pictures with masks of one class, whose side can be halved four times.
        width: See `unet`.
        seconds: How long it may learn. What is judged after the last epoch takes longer.
        seed: Seed of weights and crops.
    """
    keras.utils.set_random_seed(seed)
    model = unet(width)
    model.compile("adam", cross_entropy_and_dice, metrics=[dice])
    crop = min(_CROP, dataset.image_size)
    num_steps = max(1, round(len(dataset.train) * (dataset.image_size / crop) ** 2 / _BATCH_SIZE))
    ends = time.monotonic() + seconds

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """Ends the training when the time is up."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = time.monotonic() >= ends

    model.fit(
        batches(dataset.train.pictures, dataset.train.labels, crop=crop, seed=seed),
        steps_per_epoch=num_steps,
        shuffle=False,
        epochs=1_000_000,
        validation_data=(dataset.validation.pictures, dataset.validation.labels),
        validation_batch_size=1,
        callbacks=[
            Clock(),
            keras.callbacks.EarlyStopping("val_dice", mode="max", patience=_PATIENCE, restore_best_weights=True),
        ],
        verbose=0,
    )
    return Trained(model, int(model.optimizer.iterations))


def batches(
    pictures: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.uint8],
    *,
    crop: int,
    seed: int,
    batch_size: int = _BATCH_SIZE,
    turns: bool = False,
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Yields random crops and their masks without end, half of them mirrored from left to right.

    Args:
        pictures: Shape (n, side, side, 3).
        masks: Shape (n, side, side, 1).
        crop: Side of the crops, in pixels.
        seed: The same seed yields the same crops.
        batch_size: Number of crops in a batch.
        turns: Whether crops are turned by quarters too.
    """
    rng = np.random.default_rng(seed)
    last = pictures.shape[1] - crop
    while True:
        chosen = []
        for place in rng.integers(len(pictures), size=batch_size):
            top, left = rng.integers(last + 1, size=2)
            step = rng.choice((1, -1))
            quarters = int(rng.integers(4)) if turns else 0
            cut = (one[place, top : top + crop, left : left + crop][:, ::step] for one in (pictures, masks))
            chosen.append([np.rot90(one, quarters) for one in cut])
        yield np.stack([one[0] for one in chosen]), np.stack([one[1] for one in chosen])


def cross_entropy_and_dice(true: Any, predicted: Any) -> Any:
    """Returns the mean cross-entropy of a batch's pixels, plus one minus the Dice of their probabilities."""
    true = ops.cast(true, "float32")
    overlap = (2 * ops.sum(true * predicted) + 1) / (ops.sum(true) + ops.sum(predicted) + 1)
    return ops.mean(keras.losses.binary_crossentropy(true, predicted)) + 1 - overlap


def dice(true: Any, predicted: Any) -> Any:
    """Returns the Dice of a batch's masks, all pictures as one; 1 where both are empty."""
    true, found = ops.cast(true, "float32"), ops.cast(predicted >= 0.5, "float32")
    both = ops.sum(true) + ops.sum(found)
    return ops.where(both > 0, 2 * ops.sum(true * found) / ops.maximum(both, 1.0), 1.0)
