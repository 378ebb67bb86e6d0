"""Weights that a child takes over: what changes its function, and what does not."""

from typing import Any

import keras
import numpy as np
import pytest

from kevo.tasks.images import networks
from kevo.tasks.images.inheritance import can_inherit
from kevo.tasks.images.morphing import inherit
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, stripes

PARENT = {**CONV_GENOME, "conv/block_1/num_convs": 2, "head/num_dense": 1, "head/units": 8}
PICTURES = stripes(32)[0].astype(np.float32)


def network(genome: dict[str, Any]) -> keras.Model:
    built = networks.conv_network(genome, output=classes(3))
    # As after a training: statistics and offsets that are those of no new network.
    rng = np.random.default_rng(1)
    built.set_weights(
        [weights + rng.uniform(0.05, 0.3, weights.shape) * (weights.ndim == 1) for weights in built.get_weights()]
    )
    return built


def inherited(parent: dict[str, Any], child: dict[str, Any], *, noise: float = 0.0) -> tuple[float, float]:
    """Returns the share of the child's weights that are inherited, and how far apart the outputs are at most."""
    old, new = network(parent), networks.conv_network(child, output=classes(3))
    share = inherit(parent, old, child, new, rng=np.random.default_rng(0), noise=noise)
    return share, float(np.abs(old.predict(PICTURES, verbose=0) - new.predict(PICTURES, verbose=0)).max())


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.002, "head/dropout": 0.3, "augment": True, "conv/block_1/num_convs": 3},
        {"conv/block_1/filters": 13, "conv/block_2/kernel_size": 4, "head/units": 12},
        {"conv/block_1/filters": 9, "conv/block_2/num_convs": 3, "conv/block_2/kernel_size": 5, "head/units": 9},
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"conv/batch_norm": False},
        {"conv/convolution": "separable"},
        {"conv/convolution": "separable", "conv/batch_norm": False, "conv/pooling": "average"},
        {"conv/shortcut": True, "conv/drop_path": 0.0, "conv/early_pooling": True},
    ],
)
def test_a_larger_child_computes_what_its_parent_does(shape: dict[str, Any], change: dict[str, Any]) -> None:
    parent = {**PARENT, **shape}
    share, difference = inherited(parent, {**parent, **change})
    assert share == pytest.approx(1.0) and difference < 1e-5


def test_a_block_more_changes_nothing_where_all_is_averaged() -> None:
    parent = {**PARENT, "conv/pooling": "average"}
    block = {"conv/block_3/filters": 8, "conv/block_3/kernel_size": 3, "conv/block_3/num_convs": 2}
    assert inherited(parent, {**parent, "conv/num_blocks": 3, **block})[1] < 1e-5


def test_copies_get_noise_so_that_they_learn_to_differ() -> None:
    wider = {**PARENT, "conv/block_1/filters": 16}
    assert 1e-7 < inherited(PARENT, wider, noise=0.01)[1] < 0.05


@pytest.mark.parametrize(
    ("change", "least"),
    [
        ({"conv/block_1/filters": 4}, 1.0),
        ({"conv/block_1/kernel_size": 1}, 1.0),
        ({"conv/block_1/num_convs": 1}, 1.0),
        ({"conv/activation": "elu", "conv/early_pooling": True, "conv/block_1/filters": 16}, 1.0),
        ({"head/units": 4}, 1.0),
        ({"conv/num_blocks": 1}, 0.5),
        ({"head/num_dense": 0}, 0.5),
    ],
)
def test_a_smaller_child_keeps_what_fits(change: dict[str, Any], least: float) -> None:
    share, _ = inherited(PARENT, {**PARENT, **change})
    assert least - 1e-6 <= share <= 1.0


def test_the_strongest_channels_are_kept() -> None:
    old = network(PARENT)
    first = next(layer for layer in old.layers if isinstance(layer, keras.layers.Conv2D))
    kernel = np.full(first.kernel.shape, 1e-3, np.float32)
    kernel[..., [2, 5, 6, 7]] = 1.0
    first.set_weights([kernel])
    narrow = {**PARENT, "conv/block_1/filters": 4}
    new = networks.conv_network(narrow, output=classes(3))
    inherit(PARENT, old, narrow, new, rng=np.random.default_rng(0))
    taken = next(layer for layer in new.layers if isinstance(layer, keras.layers.Conv2D))
    assert float(np.min(taken.kernel)) == 1.0


@pytest.mark.parametrize("shape", [{}, {"conv/convolution": "separable", "conv/pooling": "average"}])
@pytest.mark.parametrize("has_norm", [True, False])
def test_batch_norm_is_folded_into_kernels_or_begins_neutral(shape: dict[str, Any], has_norm: bool) -> None:
    parent = {**PARENT, **shape, "conv/batch_norm": has_norm}
    share, difference = inherited(parent, {**parent, "conv/batch_norm": not has_norm})
    assert share == pytest.approx(1.0) and difference < 1e-5


def test_a_further_dense_layer_passes_on_what_comes() -> None:
    share, difference = inherited(PARENT, {**PARENT, "head/num_dense": 2, "head/units": 11})
    assert share == pytest.approx(1.0) and difference < 1e-5


@pytest.mark.parametrize(
    "layers",
    [
        {"conv/summary": "flatten"},
        {"conv/squeeze_excite": True, "conv/shortcut": True, "conv/drop_path": 0.1},
        {"conv/num_blocks": 3, "conv/block_3/filters": 4, "conv/block_3/kernel_size": 3, "conv/block_3/num_convs": 1}
        | {"conv/block_3/from_1": True},
    ],
)
def test_where_only_training_differs_all_is_copied(layers: dict[str, Any]) -> None:
    parent = {**PARENT, **layers}
    child = {**parent, "learning_rate": 0.5, "conv/l2": 0.01, "head/dropout": 0.4, "augment": True}
    assert can_inherit(parent, child) and inherited(parent, child, noise=0.01) == (1.0, 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"family": "pretrained"},
        {"conv/convolution": "separable"},
        {"conv/summary": "flatten"},
        {"conv/summary": "max"},
        {"conv/squeeze_excite": True},
        {"conv/block_3/from_1": True},
    ],
)
def test_what_means_something_else_is_not_inherited(change: dict[str, Any]) -> None:
    assert can_inherit(PARENT, PARENT) and not can_inherit(PARENT, {**PARENT, **change})


def test_pictures_of_another_size_find_the_weights_as_they_are() -> None:
    child = {**PARENT, "conv/image_size": 8}
    old, new = network(PARENT), networks.conv_network(child, output=classes(3))
    assert can_inherit(PARENT, child) and inherit(PARENT, old, child, new, rng=np.random.default_rng(0)) == 1.0
    assert all(map(np.array_equal, old.get_weights(), new.get_weights()))


def test_weights_behind_a_flattened_map_belong_to_its_size() -> None:
    flat = {**PARENT, "conv/summary": "flatten"}
    assert can_inherit(flat, {**flat, "batch_size": 8}) and not can_inherit(flat, {**flat, "conv/image_size": 8})
