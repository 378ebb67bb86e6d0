"""Backbones as the way down of U-Nets."""

import keras
import numpy as np
import pytest

from kevo.errors import SpaceError, UnknownBackboneError
from kevo.tasks.images import backbones
from kevo.tasks.masks import encoders
from kevo.tasks.masks.encoders import LEVELS


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", *(pytest.param(one, marks=pytest.mark.long) for one in LEVELS if one != "mobilenet_v2")]
)
def test_maps_are_halved_from_level_to_level(name: str) -> None:
    alpha = next(iter(backbones.get(name).alphas), None)
    encoder, facts = encoders.build(name, alpha=alpha, weights=None), encoders.facts(name, alpha)
    given = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.float32)
    maps = encoder(given)
    assert [one.shape for one in maps] == [
        (1, 64 >> level, 96 >> level, num) for level, num in enumerate(facts.channels, start=1)
    ]
    assert encoder.count_params() == facts.num_parameters[-1] and not encoder.trainable_variables
    assert list(facts.multiplications) == sorted(facts.multiplications) and list(facts.values) == sorted(facts.values)
    part = encoders.down_to(encoder, 2)
    assert part.count_params() == facts.num_parameters[1]
    for one, expected in zip(part(given), maps, strict=False):
        np.testing.assert_array_equal(one, expected)


def test_the_lowest_levels_are_trained_but_for_their_batch_norm() -> None:
    for depth, num_levels, first in ((3, 1, "block_3_expand_relu"), (2, 4, None)):
        encoder = encoders.down_to(encoders.build("mobilenet_v2", alpha=0.35, weights=None), depth)
        encoders.unfreeze(encoder, num_levels=num_levels)
        inner = encoder.layers[-1]
        names = [layer.name for layer in inner.layers]
        above = names[: 1 + names.index(first)] if first else []
        trained = {layer.name for layer in inner.layers if layer.trainable_weights}
        norms = {layer.name for layer in inner.layers if isinstance(layer, keras.layers.BatchNormalization)}
        assert trained == {layer.name for layer in inner.layers if layer.weights} - norms - {*above}
        before = encoder.get_weights()
        encoder(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32), training=True)
        for found, expected in zip(encoder.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_multiplications_of_a_picture_are_those_of_the_paper() -> None:
    # Sandler et al. 2018 state 300 million for the whole network of width 1 at 224 px; 79 are behind the lowest map.
    assert encoders.facts("mobilenet_v2", 1.0).multiplications[-1] * 224**2 == pytest.approx(221e6, rel=0.01)


def test_backbones_that_cannot_serve() -> None:
    encoders.check("mobilenet_v2")
    with pytest.raises(SpaceError, match="The maps of xception have no halves, .* vgg16, "):
        encoders.check("xception")
    with pytest.raises(UnknownBackboneError, match="mobilenet_v2"):
        encoders.check("mobilenet_v4")
