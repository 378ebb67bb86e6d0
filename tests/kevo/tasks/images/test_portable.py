"""Classifiers in operations that every converter knows."""

import keras
import numpy as np
import pytest

from kevo.tasks.images import networks
from kevo.tasks.images.portable import Squash, own_size, portable
from tests.support.samples import CONV_GENOME


@pytest.mark.parametrize("size", [(16, 16), (7, 30), (1, 1), (41, 80)])
def test_products_of_matrices_resize_as_tensorflow_does(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, *size, 3)).astype(np.float32)
    expected = np.asarray(networks.resize(pixels, (16, 12)))
    assert np.asarray(Squash((16, 12))(pixels)) == pytest.approx(expected, abs=2e-3)


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    model = networks.deployable(networks.conv_network(CONV_GENOME, num_classes=3))
    assert own_size(model) == (16, 16)
    pixels = keras.ops.ones((1, 16, 16, 3))
    assert Squash((16, 16))(pixels) is pixels


def test_portable_models_share_their_weights() -> None:
    model = networks.deployable(networks.conv_network(CONV_GENOME, num_classes=3))
    assert [id(one) for one in portable(model, size=None).weights] == [id(one) for one in model.weights]
