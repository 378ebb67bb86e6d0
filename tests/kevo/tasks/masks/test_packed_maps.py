"""Maps of all levels as one array."""

import numpy as np

from kevo.tasks.masks import encoders
from kevo.tasks.masks.networks import Colors, decoder, levels, network
from kevo.tasks.masks.packed_maps import columns, on_packed, packing
from kevo.tasks.outputs.masks.output import PixelClasses
from tests.support.masks import ON_BACKBONE

ONE = PixelClasses(("disk",), (0, 255))


def test_a_decoder_answers_the_same_from_packed_maps() -> None:
    encoder = encoders.build("mobilenet_v2", alpha=0.35, weights=None)
    channels = encoders.facts("mobilenet_v2", 0.35).channels
    colors = Colors((100.0, 90.0, 80.0), (50.0, 40.0, 60.0))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3)).astype(np.float32)
    packed = np.asarray(packing(encoder)(pixels))
    assert packed.shape == (2, 4, 2, columns(range(5), channels).stop)
    for genome in (
        ON_BACKBONE,
        {**ON_BACKBONE, "reduce": 2, "encoder/depth": 4, "unet/skip": "add"},
        {**ON_BACKBONE, "unet/skip": "none", "encoder/depth": 2},
    ):
        whole = network(genome, colors=colors, output=ONE, encoder=encoder)
        maps = on_packed(whole.get_layer("decoder"), levels(genome), channels)
        given = packed[..., columns(levels(genome), channels)]
        expected = np.asarray(whole(pixels, training=False))
        assert expected.shape == (2, 64, 32, 1)
        np.testing.assert_allclose(maps(given, training=False), expected, atol=1e-5)
    assert decoder(ON_BACKBONE, colors=colors, num_channels=channels, output=ONE).count_params() > 0


def test_squares_of_packed_maps_are_squares_of_maps() -> None:
    encoder = encoders.build("mobilenet_v2", alpha=0.35, weights=None)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    channels = [one.shape[-1] for one in encoder.outputs]
    packed = np.asarray(packing(encoder)(pixels))[:, 1:3, 2:]
    first = packed[..., columns([0], channels)].reshape(1, 2, 2, 16, 16, 3)
    np.testing.assert_array_equal(first.transpose(0, 1, 3, 2, 4, 5).reshape(1, 32, 32, 3), pixels[:, 16:48, 32:])
    np.testing.assert_allclose(packed[..., columns([4], channels)], encoder(pixels)[-1][:, 1:3, 2:], atol=1e-5)
