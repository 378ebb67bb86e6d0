"""U-Nets of genomes, and the models that are saved of them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.tasks.images.networks import resize
from kevo.tasks.masks import encoders, networks
from kevo.tasks.masks.networks import Colors, deployable, network, num_flops, num_parameters
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.prepared.combining import weighted_mean
from tests.support.masks import GENOME, ON_BACKBONE
from tests.support.stranger import Stranger

ONE, TWO = PixelClasses(("disk",), (0, 255)), PixelClasses(("a", "b"), (0, 1, 2))
COLORS = Colors((100.0, 90.0, 80.0), (50.0, 40.0, 60.0))
GENOMES: list[dict[str, Any]] = [
    GENOME,
    {**GENOME, "reduce": 2, "unet/block": "separable", "unet/skip": "add", "unet/kernel": 5},
    {**GENOME, "unet/block": "residual", "unet/up": "transposed", "unet/norm": "group", "unet/attention": True},
    {**GENOME, "unet/depth": 3, "unet/growth": 1.5, "unet/skip": "none", "unet/dilation": 2, "unet/dropout": 0.2},
]


def pictures(num: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("genome", GENOMES, ids=["plain", "reduced", "residual", "deep"])
def test_networks_take_crops_and_whole_pictures(genome: dict[str, Any]) -> None:
    for output in (ONE, TWO):
        model = network(genome, colors=COLORS, output=output)
        assert model.count_params() == num_parameters(genome, num_outputs=output.size)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def forward(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    for side in (32, 64):
        found = np.asarray(forward(pictures(2, side, side)))
        assert found.shape == (2, side, side, 3)
        np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"reduce": 2, "encoder/depth": 4, "unet/skip": "add"}, {"unet/skip": "none"}])
def test_networks_on_a_backbone(changes: dict[str, Any]) -> None:
    encoder = encoders.build("mobilenet_v2", alpha=0.35, weights=None)
    genome = {**ON_BACKBONE, "unet/block": "residual", "unet/attention": True, **changes}
    model = network(genome, colors=COLORS, output=TWO, encoder=encoder)
    assert model.count_params() == num_parameters(genome, num_outputs=3)
    assert np.asarray(model(pictures(2, 32, 64), training=False)).shape == (2, 32, 64, 3)
    trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert trained < model.count_params() - encoders.facts("mobilenet_v2", 0.35).num_parameters[2]


@pytest.mark.parametrize("genome", [GENOME, ON_BACKBONE], ids=["scratch", "on a backbone"])
def test_saved_models_answer_at_the_size_of_pictures(
    tmp_path: Path, stranger: Stranger, genome: dict[str, Any]
) -> None:
    encoder = None if genome is GENOME else encoders.build("mobilenet_v2", alpha=0.35, weights=None)
    inner = network(genome, colors=COLORS, output=ONE, encoder=encoder)
    deployable(inner, side=32).save(tmp_path / "model.keras")
    sizes = ((50, 71), (32, 32), (9, 90))
    given = [pictures(2, *size) for size in sizes]
    answers, is_stock = stranger.predict(tmp_path / "model.keras", *given, folder=tmp_path)
    assert is_stock
    for one, size, found in zip(given, sizes, answers, strict=True):
        masks = inner(np.asarray(resize(one, (32, 32))), training=False)
        expected = np.asarray(tf.image.resize(masks, size, antialias=False))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_weighted_mean(tmp_path: Path) -> None:
    members = [deployable(network(genome, colors=COLORS, output=ONE), side=32) for genome in GENOMES[:2]]
    weighted_mean(members, [0.25, 0.75], networks.raw_pixels()).save(tmp_path / "mean.keras")
    mean, given = keras.models.load_model(tmp_path / "mean.keras"), pictures(1, 40, 33)
    first, second = (np.asarray(member(given, training=False)) for member in members)
    np.testing.assert_allclose(np.asarray(mean(given, training=False)), 0.25 * first + 0.75 * second, atol=1e-5)


def test_costs_grow_with_networks() -> None:
    flops = [num_flops(genome, side=64, num_outputs=1) for genome in (GENOME, {**GENOME, "unet/width": 16})]
    assert 3 < flops[1] / flops[0] < 4
    assert num_flops({**GENOME, "reduce": 2}, side=64, num_outputs=1) == flops[0] / 4
    # A level of two channels: 3 -> 2 -> 2, up 2 -> 2 and 4 -> 2 -> 2 at the top, by hand; and the same below.
    small = {**GENOME, "unet/depth": 1, "unet/width": 2, "unet/growth": 1.0}
    by_hand = 9 * (3 * 2 + 2 * 2) + (9 * 2 * (2 * 2) + 2 * 2) / 4 + 9 * (4 * 2 + 2 * 2) + 2
    assert num_flops(small, side=1, num_outputs=1) == 2 * by_hand


def test_colors() -> None:
    colors = Colors.of(np.stack([np.full((4, 4, 3), value, np.uint8) for value in (10, 30)]))
    assert colors == Colors((20.0,) * 3, (10.0,) * 3)
