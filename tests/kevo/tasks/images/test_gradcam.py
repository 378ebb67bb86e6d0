"""Where a classifier looks."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from kevo.errors import ModelError
from kevo.tasks.images import networks
from kevo.tasks.images.gradcam import GradCam, overlay
from kevo.tasks.outputs.classes.calibration import tempered
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome


def spot(*, row: int = 4, column: int = 4, size: int = 32) -> np.ndarray:
    """A dark picture with a bright square."""
    picture = np.zeros((size, size, 3), np.uint8)
    picture[row : row + 6, column : column + 6] = 255
    return picture


def brightness_network() -> keras.Model:
    """Takes bright pictures for class 1: one convolution that hands on brightness, and two scores of its mean."""
    pixels = keras.Input((32, 32, 3))
    x = layers.Conv2D(1, 1, activation="relu", name="brightness")(pixels)
    x = layers.MaxPooling2D(2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(pixels, layers.Dense(2, activation="softmax")(x))
    network.set_weights([np.ones((1, 1, 3, 1)) / 3, np.zeros(1), np.array([[-1.0, 1.0]]), np.zeros(2)])
    return network


@pytest.mark.parametrize("mirror", [False, True])
def test_what_speaks_for_a_class_is_hot(mirror: bool) -> None:
    model = networks.deployable(brightness_network(), mirror=mirror)
    pictures = np.stack([spot(), spot(row=20, column=22)])
    heat = GradCam(model).heat(pictures, np.array([1, 1]))
    assert heat.shape == (2, 32, 32)
    # Max pooling hands gradients to bright pixels only, whose mean weighs the map: the heat is the brightness.
    assert heat == pytest.approx(pictures[..., 0] / 255, abs=1e-6)


@pytest.mark.parametrize("mirror", [False, True])
def test_where_nothing_speaks_for_a_class_all_is_cold(mirror: bool) -> None:
    model = networks.deployable(brightness_network(), mirror=mirror)
    assert not GradCam(model).heat(spot()[None], np.array([0])).any()


def by_hand(network: keras.Model, layer: str, pictures: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The paper's equations 1 and 2 on a flat network, with gradients by finite differences of the last maps."""
    names = [one.name for one in network.layers]
    maps = keras.Model(network.input, network.get_layer(layer).output)(pictures).numpy()
    rest = keras.Input(maps.shape[1:])
    x: Any = rest
    for one in network.layers[names.index(layer) + 1 : -1]:
        x = one(x)
    dense = network.layers[-1]
    scores = keras.Model(rest, x)
    step = 1e-2
    heat = []
    for picture, index in zip(maps, classes, strict=True):
        moved = picture + step * np.eye(picture.size, dtype=np.float32).reshape(picture.size, *picture.shape)
        before, after = (scores(one).numpy() @ dense.kernel.numpy()[:, index] for one in (picture[None], moved))
        gradients = ((after - before) / step).reshape(picture.shape)
        evidence = np.maximum((gradients.mean(axis=(0, 1)) * picture).sum(axis=2), 0)
        heat.append(evidence / evidence.max())
    return np.stack(heat)


@pytest.mark.parametrize("pooling", ["average", "stride"])
def test_agrees_with_the_papers_equations(pooling: str) -> None:
    keras.utils.set_random_seed(3)
    network = networks.conv_network(
        {**CONV_GENOME, "conv/pooling": pooling, "conv/summary": "flatten"}, output=classes(3)
    )
    pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    grad_cam = GradCam(networks.deployable(network))
    activations = [layer.name for layer in network.layers if isinstance(layer, layers.Activation)]
    assert grad_cam.layer == activations[-1]
    chosen = np.array([2, 1])
    expected = by_hand(network, grad_cam.layer, pictures.astype(np.float32), chosen)
    assert grad_cam.heat(pictures, chosen) == pytest.approx(expected, abs=2e-3)


def test_the_model_predicts_as_before() -> None:
    model = networks.deployable(brightness_network())
    pictures = spot()[None]
    before = model(pictures).numpy()
    GradCam(model).heat(pictures, np.array([1]))
    assert np.array_equal(model(pictures).numpy(), before)
    assert before.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("backbone", "cut", "last", "mirror"),
    [
        ("mobilenet_v2", "block_6_expand_relu", "block_6_expand_relu", True),
        ("vgg16", "block4_pool", "block4_conv3", False),
    ],
)
def test_finds_the_last_maps_inside_a_saved_backbone(
    backbone: str, cut: str, last: str, mirror: bool, tmp_path: Path
) -> None:
    alpha = {"mobilenet_v2/alpha": 0.35} if backbone == "mobilenet_v2" else {}
    genome = {**pretrained_genome(backbone, cut), **alpha}
    keras.utils.set_random_seed(0)
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(2))
    networks.deployable(networks.join(extractor, head), mirror=mirror).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    grad_cam = GradCam(model)
    assert grad_cam.layer == last
    pictures = np.random.default_rng(0).integers(0, 256, (2, 70, 90, 3)).astype(np.uint8)
    heats = [grad_cam.heat(pictures, np.full(2, index)) for index in (0, 1)]
    assert all(heat.shape[0] == 2 and min(heat.shape[1:]) > 1 for heat in heats)
    # Of two classes, what speaks for neither speaks for both alike: somewhere it speaks for one of them.
    assert (np.maximum(*heats).max(axis=(1, 2)) == 1).all()
    if mirror:
        turned = grad_cam.heat(pictures[:, :, ::-1], np.zeros(2, np.int64))
        assert turned[:, :, ::-1] == pytest.approx(heats[0], abs=1e-3)


def test_a_sequential_model_is_explained_too() -> None:
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3), layers.Softmax()]
    )
    heat = GradCam(model).heat(spot(size=16)[None], np.array([2]))
    assert heat.shape == (1, 14, 14)


def test_heads_on_one_network_are_asked_together(tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_6_expand_relu"), "mobilenet_v2/alpha": 0.35}
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    heads = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(2))
        heads.append(networks.join(extractor, head))
    pictures = np.random.default_rng(0).integers(0, 256, (2, 70, 90, 3)).astype(np.uint8)
    networks.deployable(networks.mean_of_heads(heads), mirror=True).save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    together = GradCam(model).heat(pictures, np.array([0, 1]))
    # Scores are linear in the kernels of the heads, so that both together are as one with the sum of these.
    (kernel, bias), (other, _) = (one.get_layer("head").layers[-1].get_weights() for one in heads)
    heads[0].get_layer("head").layers[-1].set_weights([kernel + other, bias])
    alone = GradCam(networks.deployable(heads[0], mirror=True)).heat(pictures, np.array([0, 1]))
    assert together == pytest.approx(alone, abs=1e-4) and together.max() == 1.0


@pytest.mark.parametrize("mirror", [False, True])
def test_a_temperature_changes_nothing(mirror: bool) -> None:
    pictures = np.stack([spot(), spot(row=20, column=22)])
    heats = []
    for temperature in (None, 2.0):
        network = brightness_network()
        kernel, _ = network.layers[-1].get_weights()
        # Brightness speaks for class 1, whose score is below 0 all the same.
        network.layers[-1].set_weights([kernel, np.array([0.0, -10.0])])
        model = networks.deployable(network, mirror=mirror)
        model = model if temperature is None else tempered(model, temperature)
        heats.append(GradCam(model).heat(pictures, np.array([1, 1])))
    assert heats[0] == pytest.approx(heats[1], abs=1e-6) and heats[0].max() == 1.0


def test_an_ensemble_is_refused() -> None:
    members = [networks.Member(networks.deployable(brightness_network()), 0.5) for _ in range(2)]
    with pytest.raises(ModelError, match=r"an ensemble of 2 networks.*best\.keras"):
        GradCam(networks.weighted_mean(members))


def test_a_model_without_maps_is_refused() -> None:
    pixels = keras.Input((16, 16, 3))
    flat = keras.Model(pixels, layers.Dense(2, activation="softmax")(layers.Flatten()(pixels)))
    with pytest.raises(ModelError, match="needs the feature maps of a convolution"):
        GradCam(flat)


def test_a_model_that_looks_several_times_is_refused() -> None:
    network = brightness_network()
    pixels = keras.Input((32, 32, 3))
    twice = keras.Model(pixels, layers.Average()([network(pixels), network(255 - pixels)]))
    with pytest.raises(ModelError, match="'brightness' 2 times"):
        GradCam(twice).heat(spot()[None], np.array([1]))


def test_a_drawing_shows_the_picture_and_its_heat() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[1, 1] = 1.0
    grey = np.full((32, 32, 3), 100, np.uint8)
    drawn = np.asarray(overlay(grey, heat, size=(60, 40))).astype(int)
    assert drawn.shape == (40, 120, 3)
    picture, under = drawn[:, :60], drawn[:, 60:]
    assert (picture == 100).all()
    assert (under[25:, 30:] == 100).all()
    difference = np.abs(under - picture).sum(axis=2)
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    assert abs(row - 7.5) <= 3 and abs(column - 11) <= 4
