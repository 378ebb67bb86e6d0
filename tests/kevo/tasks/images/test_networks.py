"""Genome -> network."""

import itertools
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kevo.tasks.images import networks
from kevo.tasks.images.datasets.pictures import resize
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome
from tests.support.stranger import Stranger


def test_a_conv_stack_has_the_layers_that_its_genome_says() -> None:
    genome = {
        **CONV_GENOME,
        "conv/block_1/filters": 4,
        "conv/block_1/kernel_size": 5,
        "conv/block_1/num_convs": 2,
        "conv/block_2/filters": 6,
        "conv/block_2/kernel_size": 1,
        "conv/batch_norm": False,
        "head/num_dense": 2,
        "head/units": 10,
        "head/dropout": 0.3,
        "conv/l2": 0.01,
    }
    network = networks.conv_network(genome, output=classes(3))
    convs = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.kernel_size) for layer in convs] == [(4, (5, 5)), (4, (5, 5)), (6, (1, 1))]
    assert all(float(layer.kernel_regularizer.l2) == pytest.approx(0.01) for layer in convs)
    dense = [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == [10, 10, 3]
    assert sum(isinstance(layer, keras.layers.Dropout) for layer in network.layers) == 2
    weights = (5 * 5 * 3 + 1) * 4 + (5 * 5 * 4 + 1) * 4 + (4 + 1) * 6 + (6 + 1) * 10 + 11 * 10 + 11 * 3
    assert network.count_params() == weights


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
def test_early_pooling_halves_the_map_after_the_first_convolution_of_a_block(pooling: str) -> None:
    blocks = {"conv/block_1/num_convs": 2, "conv/block_2/num_convs": 3, "conv/pooling": pooling}
    late, early = (
        networks.conv_network({**CONV_GENOME, **blocks, "conv/early_pooling": is_early}, output=classes(3))
        for is_early in (False, True)
    )
    before = {"max": 0, "average": 0, "stride": 1}[pooling]
    for network, sides in ((late, [16, 16, 8, 8, 8]), (early, [16, 8, 8, 4, 4])):
        halves = {False: (1, 4), True: (0, 2)}[network is early]
        convs = [layer.output.shape[1] for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
        # A convolution with a stride halves its own map.
        assert convs == [side // 2 if before and place in halves else side for place, side in enumerate(sides)]
    assert late.count_params() == early.count_params()


@pytest.mark.parametrize(
    ("size", "pooling", "summary"),
    list(itertools.product((8, 16), ("max", "average", "stride"), ("average", "max", "flatten"))),
)
def test_no_number_of_blocks_makes_a_small_picture_vanish(size: int, pooling: str, summary: str) -> None:
    blocks = {
        f"conv/block_{block}/{gene}": value
        for block in range(1, 6)
        for gene, value in (("filters", 4), ("kernel_size", 7), ("num_convs", 1))
    }
    shape = {"conv/image_size": size, "conv/num_blocks": 5, "conv/pooling": pooling, "conv/summary": summary}
    network = networks.conv_network({**CONV_GENOME, **blocks, **shape}, output=classes(2))
    probabilities = network(np.zeros((2, size, size, 3), np.float32)).numpy()
    assert probabilities.shape == (2, 2)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    side = max(1, math.ceil(size / 2**5))
    expected = 4 * side * side if summary == "flatten" else 4
    assert network.layers[-1].kernel.shape[0] == expected


@pytest.mark.parametrize("summary", ["average", "max", "flatten"])
def test_a_head_stands_on_pooled_features(summary: str) -> None:
    genome = pretrained_genome("mobilenet_v2", "block_6_expand_relu", pretrained__summary=summary)
    genome["mobilenet_v2/alpha"] = 0.35
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(4))
    network = networks.join(extractor, head)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    expected = head(extractor(pictures)).numpy()
    assert network(pictures).numpy() == pytest.approx(expected, abs=1e-6)
    assert not extractor.trainable_weights
    assert head.trainable_weights


@pytest.mark.parametrize("size", [(30, 50), (50, 30), (16, 16), (21, 24)])
def test_a_deployed_model_crops_as_pictures_are_read(size: tuple[int, int], tmp_path: Path) -> None:
    network = networks.conv_network(CONV_GENOME, output=classes(3))
    networks.deployable(network, crop=True).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    read = resize(Image.fromarray(pixels), (16, 16), crop=True)
    # What is read is rounded.
    assert loaded.predict(pixels[None], verbose=0) == pytest.approx(loaded.predict(read[None], verbose=0), abs=0.01)
    squashed = networks.deployable(network).predict(pixels[None], verbose=0)
    assert (size[0] == size[1]) == (np.abs(squashed - loaded.predict(pixels[None], verbose=0)).max() < 1e-6)


def test_a_deployed_model_takes_any_size_and_needs_only_stock_layers(tmp_path: Path) -> None:
    genome = {**CONV_GENOME, "augment": True, "augment/flip": "horizontal"}
    network = networks.conv_network(genome, output=classes(3))
    networks.deployable(network).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded._flatten_layers())
    same_size = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    assert loaded.predict(same_size, verbose=0) == pytest.approx(network(same_size.astype("float32")).numpy(), abs=1e-5)
    before = loaded.get_weights()
    assert loaded(same_size).numpy() == pytest.approx(loaded.predict(same_size, verbose=0), abs=1e-5)
    assert all(np.array_equal(*pair) for pair in zip(before, loaded.get_weights(), strict=True))
    for height, width in ((7, 30), (100, 80)):
        probabilities = loaded.predict(np.zeros((1, height, width, 3), np.uint8), verbose=0)
        assert probabilities.sum() == pytest.approx(1.0)


def test_a_mirrored_model_predicts_the_mean_of_both_sides(stranger: Stranger, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = networks.conv_network({**CONV_GENOME, "conv/summary": "flatten"}, output=classes(3))
    networks.deployable(network, mirror=True).save(tmp_path / "model.keras")
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    plain, turned = (network.predict(one, verbose=0) for one in (pictures, pictures[:, :, ::-1]))
    assert np.abs(plain - turned).max() > 1e-4
    (predicted,), is_stock = stranger.predict(tmp_path / "model.keras", pictures, folder=tmp_path)
    assert is_stock
    assert predicted == pytest.approx((plain + turned) / 2, abs=1e-5)


@pytest.mark.parametrize(
    ("backbone", "cut", "module"),
    [
        ("vgg16", "block5_pool", keras.applications.vgg16),
        ("vgg16", "block4_pool", keras.applications.vgg16),
        ("resnet50", "conv4_block6_out", keras.applications.resnet),
    ],
)
def test_a_saved_model_preprocesses_as_keras_does(backbone: str, cut: str, module: Any, tmp_path: Path) -> None:
    genome = pretrained_genome(backbone, cut)
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(3))
    networks.deployable(networks.join(extractor, head)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)

    network = loaded.get_layer("pretrained")
    names = [layer.name for layer in network.layers]
    preprocessing = keras.Model(network.input, network.layers[names.index(backbone) - 1].output)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    assert preprocessing(pictures).numpy() == pytest.approx(
        module.preprocess_input(pictures.copy()), abs=1e-5, rel=1e-5
    )
    expected = head(extractor(pictures)).numpy()
    assert loaded(pictures).numpy() == pytest.approx(expected, abs=1e-5)


def test_augmentation_changes_training_only() -> None:
    genome = {
        **CONV_GENOME,
        "augment": True,
        "augment/flip": "horizontal_and_vertical",
        "augment/rotation": 0.1,
        "augment/zoom": 0.2,
        "augment/translation": 0.1,
        "augment/contrast": 0.3,
    }
    changes = networks.augmentation(genome, seed=1)
    assert changes is not None and len(changes.layers) == 5
    pictures = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.float32)
    trained = changes(pictures, training=True).numpy()
    assert np.abs(trained - pictures).mean() > 1
    assert trained.min() >= 0 and trained.max() <= 255
    assert changes(pictures, training=False).numpy() == pytest.approx(pictures)


def test_a_genome_that_changes_nothing_has_no_augmentation() -> None:
    assert networks.augmentation(CONV_GENOME, seed=0) is None
    idle = {"flip": "none", "rotation": 0.0, "zoom": 0.0, "translation": 0.0, "contrast": 0.0}
    genes = {f"augment/{gene}": value for gene, value in idle.items()}
    assert networks.augmentation({**CONV_GENOME, "augment": True, **genes}, seed=0) is None


def test_a_saved_ensemble_is_the_weighted_mean_where_kevo_does_not_exist(stranger: Stranger, tmp_path: Path) -> None:
    members = []
    for size, weight in ((8, 0.2), (16, 0.5), (12, 0.3)):
        keras.utils.set_random_seed(size)
        network = networks.conv_network({**CONV_GENOME, "conv/image_size": size}, output=classes(3))
        members.append(networks.Member(networks.deployable(network), weight))
    networks.weighted_mean(members).save(tmp_path / "ensemble.keras")
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((3, 9, 14, 3), (2, 40, 30, 3))]
    predicted, is_stock = stranger.predict(tmp_path / "ensemble.keras", *pictures, folder=tmp_path)
    assert is_stock
    for values, found in zip(pictures, predicted, strict=True):
        expected = sum(weight * np.asarray(model(values.astype(np.float32))) for model, weight, *_ in members)
        assert found == pytest.approx(expected, abs=1e-5)


def test_heads_on_the_same_features_share_their_pass(tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}
    whole = networks.backbone(genome, weights=None)
    extractor = networks.feature_extractor(genome, whole=whole)
    members = []
    for seed, (weight, mirror) in enumerate(((0.5, False), (0.3, True), (0.2, False))):
        keras.utils.set_random_seed(seed)
        network = networks.join(extractor, networks.head(genome, num_features=48, output=classes(3)))
        networks.deployable(network, mirror=mirror).save(tmp_path / f"{seed}.keras")
        member = keras.models.load_model(tmp_path / f"{seed}.keras", safe_mode=True)
        members.append(networks.Member(member, weight, "the same", mirror))
    together = networks.weighted_mean(members)
    head_size = members[0].model.count_params() - extractor.count_params()
    assert together.count_params() == extractor.count_params() + 3 * head_size
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3)).astype(np.float32)
    expected = sum(weight * np.asarray(model(pictures)) for model, weight, *_ in members)
    together.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras", safe_mode=True)
    assert np.asarray(loaded(pictures)) == pytest.approx(expected, abs=1e-5)
