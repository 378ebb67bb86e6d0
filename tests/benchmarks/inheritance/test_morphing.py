"""Weights that a child takes over: what changes its function, and what does not."""

from typing import Any

import keras
import numpy as np
import pytest

from benchmarks.inheritance.morphing import can_inherit, inherit
from kevo.tasks.images import networks
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
        ({"head/units": 4}, 1.0),
        ({"conv/num_blocks": 1}, 1.0),
        ({"head/num_dense": 0}, 0.5),
        ({"conv/summary": "flatten"}, 0.4),
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


@pytest.mark.parametrize(
    "change",
    [
        {"family": "pretrained"},
        {"conv/batch_norm": False},
        {"conv/convolution": "separable"},
        {"conv/activation": "elu"},
        {"conv/pooling": "stride"},
        {"conv/squeeze_excite": True},
        {"conv/block_3/from_1": True},
    ],
)
def test_what_means_something_else_is_not_inherited(change: dict[str, Any]) -> None:
    assert can_inherit(PARENT, PARENT) and not can_inherit(PARENT, {**PARENT, **change})
