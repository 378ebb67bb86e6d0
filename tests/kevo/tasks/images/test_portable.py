"""Classifiers in operations that every converter knows."""

import keras
import numpy as np
import pytest

from kevo.tasks.images import networks
from kevo.tasks.images.portable import Resized, own_size, portable
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("size", [(16, 16), (7, 30), (1, 1), (41, 80), (80, 41), (1, 9)])
def test_products_of_matrices_resize_as_tensorflow_does(size: tuple[int, int], crop: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.float32)
    for target in ((16, 12), (16, 16)):
        expected = np.asarray(networks.resize(pixels, target, crop=crop))
        assert np.asarray(Resized(target, crop=crop)(pixels)) == pytest.approx(expected, abs=2e-3)


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    model = networks.deployable(networks.conv_network(CONV_GENOME, output=classes(3)))
    assert own_size(model) == (16, 16)
    pixels = keras.ops.ones((1, 16, 16, 3))
    assert Resized((16, 16))(pixels) is pixels


def foreign(*, is_sequential: bool, antialias: bool = True) -> keras.Model:
    """A classifier as people build it: resizing and augmentation are layers of it."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Resizing(16, 12, antialias=antialias),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    entry = keras.Input((None, None, 3))
    if is_sequential:
        return keras.Sequential([entry, *layers])
    outputs = entry
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(entry, outputs)


@pytest.mark.parametrize("is_sequential", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
def test_layers_that_resize_are_seen_as_the_operation_is(is_sequential: bool, antialias: bool) -> None:
    model = foreign(is_sequential=is_sequential, antialias=antialias)
    assert own_size(model) == (16, 12)
    changed = portable(model, size=None)
    is_replaced = any(isinstance(operation, Resized) for operation in changed.operations)
    assert is_replaced is antialias
    pixels = np.random.default_rng(0).integers(0, 256, (2, 23, 31, 3)).astype(np.float32)
    assert changed.predict(pixels, verbose=0) == pytest.approx(model.predict(pixels, verbose=0), abs=1e-5)
    assert [id(one) for one in changed.weights] == [id(one) for one in model.weights]


def test_portable_models_share_their_weights() -> None:
    model = networks.deployable(networks.conv_network(CONV_GENOME, output=classes(3)))
    assert [id(one) for one in portable(model, size=None).weights] == [id(one) for one in model.weights]
