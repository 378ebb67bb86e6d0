"""What networks learn masks by."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.tasks.outputs.masks.answers import MaskLoss, dice_of_each
from kevo.tasks.outputs.masks.losses import LOSSES

TRUE = np.array([[[1, 0], [0, 0]], [[0, 0], [1, 1]]], np.uint8)[..., np.newaxis]
SEEN = np.array([[[0.8, 0.1], [0.1, 0.1]], [[0.2, 0.2], [0.6, 0.6]]], np.float32)[..., np.newaxis]


def test_a_loss_by_hand() -> None:
    dice = (2 * (0.8 + 0.6 + 0.6) + 1) / (SEEN.sum() + TRUE.sum() + 1)
    assert float(MaskLoss("dice", num_outputs=1)(TRUE, SEEN)) == pytest.approx(1 - dice, abs=1e-5)
    right = np.where(TRUE > 0, SEEN, 1 - SEEN)
    entropy = float(-np.log(right).mean())
    assert float(MaskLoss("bce_dice", num_outputs=1)(TRUE, SEEN)) == pytest.approx(entropy + 1 - dice, abs=1e-5)
    focal = float((-np.log(right) * (1 - right) ** 2).mean())
    assert float(MaskLoss("focal_dice", num_outputs=1)(TRUE, SEEN)) == pytest.approx(focal + 1 - dice, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_two_outputs_mean_the_same_as_one(name: str) -> None:
    both = np.concatenate([1 - SEEN, SEEN], axis=-1)
    one, two = (float(MaskLoss(name, num_outputs=out.shape[-1])(TRUE, out)) for out in (SEEN, both))
    assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_falls_towards_the_masks(name: str) -> None:
    seen = tf.Variable(SEEN)
    with tf.GradientTape() as tape:
        loss = MaskLoss(name, num_outputs=1)(TRUE, seen)
    slope = np.asarray(tape.gradient(loss, seen))
    assert (slope[TRUE > 0] < 0).all() and (slope[TRUE == 0] > 0).all()


def test_the_score_of_a_step() -> None:
    empty = np.zeros_like(TRUE)
    assert np.asarray(dice_of_each(tf.constant(TRUE), tf.constant(SEEN))).tolist() == [1.0, 1.0]
    assert np.asarray(dice_of_each(tf.constant(empty), tf.constant(SEEN))).tolist() == [0.0, 0.0]
    assert np.asarray(dice_of_each(tf.constant(empty), tf.zeros_like(SEEN))).tolist() == [1.0, 1.0]
    several = keras.ops.one_hot(TRUE[..., 0], 3)
    assert np.asarray(dice_of_each(tf.constant(TRUE), several)).tolist() == [1.0, 1.0]
