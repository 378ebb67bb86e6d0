"""Networks of every row of the pretrained table: their contracts, and how they are cut, frozen, trained and saved."""

import functools
import importlib
import itertools
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.errors import KevoError, SpaceError, WeightsError
from kevo.tasks.images import backbone_networks
from kevo.tasks.images.backbones import BACKBONES, Backbone
from kevo.tasks.images.pretrained_weights import Weights

TORCH_MEAN, TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

every_row = pytest.mark.parametrize("row", BACKBONES.values(), ids=BACKBONES)
studied_rows = pytest.mark.parametrize("name", ["vgg16", "resnet50", "mobilenet_v2"])


@functools.cache
def network(name: str) -> keras.Model:
    """The bare network in its narrowest width; building it takes most of this file's time, so that tests share it."""
    row = BACKBONES[name]
    return backbone_networks.network(row, alpha=row.variants[0].alpha)


@functools.cache
def extractor(name: str) -> keras.Model:
    row = BACKBONES[name]
    return backbone_networks.build(row, image_size=row.min_size, whole=network(name))


def pictures(size: int, *, num: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, size, size, 3), dtype=np.uint8)


def run(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(pixels, training=False))


def preprocessing(model: keras.Model) -> keras.Model:
    """What lies between the pixels and the network."""
    return keras.Model(model.input, model.get_layer("preprocess").output)


def trainable_layers(body: keras.Model) -> set[str]:
    return {layer.name for layer in body.layers if layer.trainable_variables}


def weighty_layers(body: keras.Model) -> set[str]:
    """Layers that may ever become trainable: those with weights, but batch normalization."""
    return {layer.name for layer in body.layers if layer.weights and "BatchNorm" not in type(layer).__name__}


@pytest.mark.parametrize(
    ("row", "alpha", "num_parameters"),
    [
        pytest.param(row, variant.alpha, variant.num_parameters, id=f"{row.name}-{variant.alpha}")
        for row in BACKBONES.values()
        for variant in row.variants
    ],
)
def test_every_variant_has_the_size_it_claims(row: Backbone, alpha: float | None, num_parameters: int) -> None:
    is_narrowest = alpha == row.variants[0].alpha
    built = network(row.name) if is_narrowest else backbone_networks.network(row, alpha=alpha)
    assert built.count_params() == num_parameters


@every_row
def test_cut_points_are_layers_from_shallow_to_deep(row: Backbone) -> None:
    built = network(row.name)
    names = [layer.name for layer in built.layers]
    positions = [names.index(cut) for cut in row.cut_points]
    assert positions == sorted(positions)
    assert 3 <= len(set(row.cut_points)) <= 5
    sizes = [built.get_layer(cut).output.shape[1] for cut in row.cut_points]
    assert sizes == sorted(sizes, reverse=True)
    body = extractor(row.name).get_layer(row.name)
    assert body.output.shape == built.output.shape
    assert len(body.layers) >= len(names) - 3, "the last cut point stands for the whole network"


@every_row
def test_no_layer_behind_a_cut_leads_to_it(row: Backbone) -> None:
    """So that order in the network tells a block's layers, whatever branches it has."""
    built = network(row.name)
    names = [layer.name for layer in built.layers]
    for cut in row.cut_points[:-1]:
        above = keras.Model(built.input, built.get_layer(cut).output)
        assert {layer.name for layer in above.layers} == set(names[: names.index(cut) + 1])


@every_row
def test_preprocessing_is_that_of_keras(row: Backbone) -> None:
    pixels = pictures(row.min_size)
    ours = preprocessing(extractor(row.name))
    np.testing.assert_allclose(run(ours, pixels), preprocessed_by_keras(row, pixels), rtol=1e-5, atol=1e-5)
    assert not ours.weights, "nothing there to train"


def preprocessed_by_keras(row: Backbone, pixels: np.ndarray) -> np.ndarray:
    module, _, function = row.builder.partition(":")
    home = sys.modules[getattr(importlib.import_module(module), function).__module__]
    pixels = home.preprocess_input(pixels.astype("float32"))
    if row.stem is None:
        return pixels
    built = network(row.name)
    inside = keras.Model(built.input, built.get_layer(row.stem).input)
    if row.name != "efficientnet_b0":
        return run(inside, pixels)
    # Its published file holds the deviations where variances belong, so that Keras, told `weights="imagenet"`, divides
    # by their roots once more: https://github.com/tensorflow/tensorflow/issues/49930.
    (normalization,) = (layer for layer in inside.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([np.array(TORCH_MEAN), np.array(TORCH_STD), np.array(0)])
    normalization.finalize_state()
    return run(inside, pixels) / np.sqrt(TORCH_STD)


@every_row
def test_blocks_open_from_the_top_and_batch_norm_stays_frozen(row: Backbone) -> None:
    model = extractor(row.name)
    body = model.get_layer(row.name)
    opened = []
    for num_blocks in range(len(row.cut_points) + 1):
        backbone_networks.unfreeze(model, row, cut=row.cut_points[-1], num_blocks=num_blocks)
        opened.append(trainable_layers(body))
        assert model.trainable_variables == body.trainable_variables
    assert opened[0] == set()
    assert opened[-1] == weighty_layers(body)
    assert all(fewer < more for fewer, more in itertools.pairwise(opened))
    names = [layer.name for layer in body.layers]
    for blocks, cut in zip(opened[1:-1], row.cut_points[-2::-1], strict=True):
        assert blocks == weighty_layers(body) & set(names[names.index(cut) + 1 :])
    backbone_networks.unfreeze(model, row, cut=row.cut_points[-1], num_blocks=99)
    assert trainable_layers(body) == opened[-1]


def test_vgg16_blocks_are_those_of_its_paper() -> None:
    row = BACKBONES["vgg16"]
    model = backbone_networks.build(row, image_size=32, cut="block4_pool", whole=network("vgg16"))
    body = model.get_layer("vgg16")
    opened = {}
    for num_blocks in range(3):
        backbone_networks.unfreeze(model, row, cut="block4_pool", num_blocks=num_blocks)
        opened[num_blocks] = trainable_layers(body)
    assert opened[0] == set()
    assert opened[1] == {"block4_conv1", "block4_conv2", "block4_conv3"}
    assert opened[2] == {name for name in weighty_layers(body) if name < "block4_conv4"}
    assert len(opened[2]) == 10


def test_resnet50_blocks_are_its_stages() -> None:
    row = BACKBONES["resnet50"]
    model = extractor("resnet50")
    stages = ("conv5", "conv4", "conv3", "conv2")
    for num_blocks in (1, 2, 3):
        backbone_networks.unfreeze(model, row, cut="conv5_block3_out", num_blocks=num_blocks)
        opened = trainable_layers(model.get_layer("resnet50"))
        assert {name[:5] for name in opened} == set(stages[:num_blocks])
        assert not any(name.endswith("_bn") for name in opened)
    assert {"conv3_block1_0_conv", "conv3_block4_3_conv", "conv5_block3_3_conv"} <= opened


def test_mobilenet_v2_blocks_begin_behind_the_cut() -> None:
    row = BACKBONES["mobilenet_v2"]
    model = extractor("mobilenet_v2")
    body = model.get_layer("mobilenet_v2")
    backbone_networks.unfreeze(model, row, cut="out_relu", num_blocks=1)
    assert trainable_layers(body) == {"Conv_1"}
    backbone_networks.unfreeze(model, row, cut="out_relu", num_blocks=2)
    opened = {"block_13_depthwise", "block_13_project", "Conv_1"}
    opened |= {f"block_{block}_{part}" for block in (14, 15, 16) for part in ("expand", "depthwise", "project")}
    assert trainable_layers(body) == opened


@studied_rows
def test_a_step_of_fine_tuning_moves_the_open_block_alone(name: str) -> None:
    row = BACKBONES[name]
    cut = row.cut_points[-2]
    model = backbone_networks.build(row, image_size=32, cut=cut, whole=network(name))
    body = model.get_layer(name)
    model.trainable = False
    scores = keras.layers.Dense(2, name="scores")(keras.layers.GlobalAveragePooling2D()(model.output))
    classifier = keras.Model(model.input, keras.layers.BatchNormalization(name="head_norm")(scores))
    backbone_networks.unfreeze(classifier, row, cut=cut, num_blocks=1)
    assert classifier.get_layer("scores").trainable_variables, "the head stays open"
    assert classifier.get_layer("head_norm").trainable_variables, "only the backbone's own norms are frozen"

    before = {layer.name: layer.get_weights() for layer in body.layers}
    # Random weights give the smallest of gradients; Adam's steps are as long with them, down to its epsilon.
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-30)
    # A single step: tracing it would take longer.
    classifier.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    classifier.fit(pictures(32, num=4).astype("float32"), np.array([0, 1, 0, 1]), verbose=0)
    moved = {
        layer.name
        for layer in body.layers
        if any(not np.array_equal(old, new) for old, new in zip(before[layer.name], layer.get_weights(), strict=True))
    }
    names = [layer.name for layer in body.layers]
    assert moved == weighty_layers(body) & set(names[names.index(row.cut_points[-3]) + 1 :])


@every_row
def test_frozen_and_trained_part_are_the_whole(row: Backbone) -> None:
    whole, model = network(row.name), extractor(row.name)
    pooled = keras.Model(model.input, keras.layers.GlobalMaxPooling2D()(model.output))
    parts = backbone_networks.split(pooled, row, whole=whole, cut=row.cut_points[-1], num_blocks=1)
    if not row.is_chain:
        assert parts is None
        with pytest.raises(ValueError, match="connected"):
            keras.Model(
                model.get_layer(row.name).get_layer(row.cut_points[-2]).output, model.get_layer(row.name).output
            )
        return
    assert parts is not None
    pixels = pictures(row.min_size).astype("float32")
    np.testing.assert_allclose(run(parts.trained, run(parts.frozen, pixels)), run(pooled, pixels), rtol=1e-5, atol=1e-6)
    backbone_networks.unfreeze(pooled, row, cut=row.cut_points[-1], num_blocks=1)
    shared = {id(variable) for variable in parts.trained.trainable_variables}
    assert shared == {id(variable) for variable in pooled.trainable_variables} and shared


def test_where_all_blocks_are_trained_nothing_is_split() -> None:
    row, whole = BACKBONES["vgg16"], network("vgg16")
    model = backbone_networks.build(row, image_size=32, whole=whole)
    assert backbone_networks.split(model, row, whole=whole, cut="block5_pool", num_blocks=3) is None
    assert backbone_networks.split(model, row, whole=whole, cut="block5_pool", num_blocks=2) is not None


def test_all_cuts_in_one_are_those_of_each() -> None:
    row = BACKBONES["mobilenet_v2"]
    whole = network("mobilenet_v2")
    pixels = pictures(32).astype("float32")
    together = backbone_networks.build_for_all_cuts(row, image_size=32, whole=whole)(pixels)
    for cut, found in zip(row.cut_points, together, strict=True):
        alone = backbone_networks.build(row, image_size=32, cut=cut, whole=whole)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), run(alone, pixels), rtol=1e-5, atol=1e-6)
        assert backbone_networks.num_channels(row, whole)[cut] == alone.output.shape[-1]


@studied_rows
def test_a_saved_extractor_loads_in_safe_mode_from_stock_layers(name: str, tmp_path: Path) -> None:
    row = BACKBONES[name]
    model = backbone_networks.build(row, image_size=24, cut=row.cut_points[0], whole=network(name))
    backbone_networks.unfreeze(model, row, cut=row.cut_points[0], num_blocks=1)
    model.save(tmp_path / "extractor.keras")
    loaded = keras.models.load_model(tmp_path / "extractor.keras", safe_mode=True)
    pixels = pictures(24).astype("float32")
    np.testing.assert_allclose(run(loaded, pixels), run(model, pixels), rtol=1e-6)
    kinds = {part["module"] for part in parts(json.loads(model.to_json()))}
    assert kinds <= {
        "keras",
        "keras.layers",
        "keras.initializers",
        "keras.src.models.functional",
        "keras.src.ops.image",
    }


def parts(config: object) -> list[dict[str, object]]:
    """Every serialized object of a configuration that names its module."""
    if isinstance(config, list):
        return [found for value in config for found in parts(value)]
    if not isinstance(config, dict):
        return []
    inner = [found for value in config.values() for found in parts(value)]
    return [config, *inner] if config.get("module") and config.get("class_name") else inner


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "inception_v3"])
def test_small_pictures_are_upsampled(name: str) -> None:
    row = BACKBONES[name]
    model = backbone_networks.build(row, image_size=8, cut=row.cut_points[0], whole=network(name))
    body = model.get_layer(name)
    assert body.input.shape == (None, row.min_size, row.min_size, 3)
    orange = np.tile(np.array([250, 120, 10], "float32"), (1, 8, 8, 1))
    seen = run(preprocessing(model), orange)
    expected = preprocessed_by_keras(row, np.tile(orange, (1, 2, 2, 1)))[:, :1, :1]
    np.testing.assert_allclose(seen, np.broadcast_to(expected, seen.shape), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def bare() -> keras.Model:
    return backbone_networks.network(BACKBONES["mobilenet_v2"], image_size=64, alpha=0.5)


@pytest.mark.parametrize("cut", ["block_3_expand_relu", "block_16_project_BN", None])
def test_features_are_those_of_the_bare_network_at_the_cut(bare: keras.Model, cut: str | None) -> None:
    row = BACKBONES["mobilenet_v2"]
    model = backbone_networks.build(row, image_size=64, cut=cut, alpha=0.5)
    body = model.get_layer("mobilenet_v2")
    body.set_weights(bare.get_weights()[: len(body.weights)])
    pixels = pictures(64).astype("float32")
    own = keras.Model(bare.input, bare.output if cut is None else bare.get_layer(cut).output)
    expected = run(own, keras.applications.mobilenet_v2.preprocess_input(pixels.copy()))
    np.testing.assert_allclose(run(model, pixels), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("vgg16", {"cut": "block9_pool"}, SpaceError, "'block9_pool' for vgg16. Expected one of: block3_pool, block4"),
        ("mobilenet_v2", {"alpha": 0.4}, SpaceError, "alpha 0.4 for mobilenet_v2. Expected one of: 0.35, 0.5"),
        ("vgg16", {"alpha": 1.0}, SpaceError, "comes in one width only"),
        ("vgg16", {"weights": Weights("vgg19", "none")}, WeightsError, "weights of vgg19 for vgg16"),
        (
            "mobilenet_v2",
            {"alpha": 0.5, "weights": Weights("mobilenet_v2", "none", alpha=0.35)},
            WeightsError,
            r"weights of mobilenet_v2 \(alpha 0.35\) for mobilenet_v2 \(alpha 0.5\)",
        ),
    ],
)
def test_what_a_row_does_not_offer_is_refused(
    name: str, options: dict[str, object], error: type[KevoError], message: str
) -> None:
    with pytest.raises(error, match=message):
        backbone_networks.build(BACKBONES[name], image_size=32, **options)


def test_unfreeze_refuses_other_models_and_negative_numbers() -> None:
    pixels = keras.Input((32, 32, 3))
    other = keras.Model(pixels, keras.layers.Flatten()(pixels), name="other")
    with pytest.raises(ValueError, match="'other' does not contain vgg16"):
        backbone_networks.unfreeze(other, BACKBONES["vgg16"], cut="block5_pool", num_blocks=1)
    with pytest.raises(ValueError, match="num_blocks=-1"):
        backbone_networks.unfreeze(extractor("vgg16"), BACKBONES["vgg16"], cut="block5_pool", num_blocks=-1)


def test_the_network_is_found_however_deep_it_lies() -> None:
    row = BACKBONES["vgg16"]
    inner = extractor("vgg16")
    inner.trainable = False
    pixels = keras.Input((32, 32, 3))
    outer = keras.Model(pixels, inner(pixels))
    backbone_networks.unfreeze(outer, row, cut="block5_pool", num_blocks=1)
    assert len(outer.trainable_variables) == 6
