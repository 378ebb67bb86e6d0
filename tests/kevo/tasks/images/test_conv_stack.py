"""The blocks of a conv stack."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from kevo.tasks.images import costs, networks
from kevo.tasks.images.describe import describe
from kevo.tasks.images.genes import connection
from kevo.tasks.images.genome_check import check_genome
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME
from tests.support.search_spaces import declared

DEEP: dict[str, Any] = {
    **CONV_GENOME,
    "conv/num_blocks": 3,
    **{f"conv/block_{block}/filters": 4 * block for block in (1, 2, 3)},
    **{f"conv/block_{block}/kernel_size": 3 for block in (1, 2, 3)},
    **{f"conv/block_{block}/num_convs": 3 for block in (1, 2, 3)},
}
SHORTCUT = {"conv/shortcut": True, "conv/drop_path": 0.0}


def layers_of(genome: dict[str, Any], kind: type[keras.layers.Layer]) -> list[Any]:
    return [one for one in networks.conv_network(genome, output=classes(3)).layers if type(one) is kind]


@pytest.mark.parametrize(
    ("pooling", "is_early", "changes"),
    [
        (pooling, is_early, changes)
        for pooling, is_early in itertools.product(("max", "average", "stride"), (False, True))
        for changes in (
            {"conv/convolution": "separable"},
            {"conv/squeeze_excite": True},
            {"conv/shortcut": True, "conv/drop_path": 0.2},
            {connection(1, 3): True},
        )
    ],
)
def test_every_part_goes_with_every_pooling(pooling: str, is_early: bool, changes: dict[str, Any]) -> None:
    genome = {**DEEP, "conv/pooling": pooling, "conv/early_pooling": is_early, **changes}
    check_genome(genome)
    network = networks.conv_network(genome, output=classes(3))
    assert network(np.zeros((2, 16, 16, 3), np.float32)).shape == (2, 3)
    assert network.count_params() == costs.num_parameters(genome, num_classes=3)
    assert network.layers[-3].output.shape[1:3] == (2, 2)


def test_only_the_first_convolution_of_a_separable_stack_is_full() -> None:
    genome = {**DEEP, "conv/convolution": "separable", "conv/l2": 0.01}
    (first,) = layers_of(genome, keras.layers.Conv2D)
    others = layers_of(genome, keras.layers.SeparableConv2D)
    assert (first.filters, len(others)) == (4, 8)
    assert all(float(one.depthwise_regularizer.l2) == pytest.approx(0.01) for one in others)
    # Each of the others writes a map for each of its inputs as well.
    sides, inputs = [16] * 2 + [8] * 3 + [4] * 3, [4, 4, 4, 8, 8, 8, 12, 12]
    maps = sum(side**2 * num for side, num in zip(sides, inputs, strict=True))
    maps += sum(3 * side**2 * filters for side, filters in ((16, 4), (8, 8), (4, 12)))
    head = 2 * 12 * 3
    assert costs.pass_cost(genome) == costs.flops(networks.conv_network(genome, output=classes(3))) - head + 300 * maps


def test_a_shortcut_leads_around_all_convolutions_but_the_first() -> None:
    genome = {**DEEP, **SHORTCUT, "conv/batch_norm": False}
    assert len(layers_of(genome, keras.layers.Add)) == 3
    assert not layers_of({**genome, **{f"conv/block_{block}/num_convs": 1 for block in (1, 2, 3)}}, keras.layers.Add)
    network = networks.conv_network({**genome, "conv/num_blocks": 1}, output=classes(3))
    for one in [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)][1:]:
        one.set_weights([np.zeros_like(weight) for weight in one.get_weights()])
    (added,) = (layer for layer in network.layers if isinstance(layer, keras.layers.Add))
    parts = keras.Model(network.input, [added.input[0], added.output])
    before, after = parts(np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32))
    # What adds nothing changes nothing.
    assert np.array_equal(before, after) and np.ptp(before) > 0


def test_a_dropped_path_is_left_out_for_a_whole_picture_and_in_training_only() -> None:
    (one,) = layers_of({**DEEP, "conv/num_blocks": 1, **SHORTCUT, "conv/drop_path": 0.5}, keras.layers.Dropout)
    given = np.ones((64, 4, 4, 2), np.float32)
    assert np.array_equal(one(given, training=False), given)
    trained = np.asarray(one(given, training=True))
    assert {len(np.unique(picture)) for picture in trained} == {1}
    assert set(np.unique(trained)) == {0.0, 2.0}


def test_squeeze_and_excite_weighs_channels() -> None:
    genome = {**DEEP, "conv/num_blocks": 1, "conv/block_1/filters": 16, "conv/squeeze_excite": True}
    small, weights, _ = layers_of(genome, keras.layers.Dense)
    assert (small.units, weights.units) == (2, 16)
    assert weights.output.shape == (None, 1, 1, 16)


def test_a_block_sees_what_it_is_connected_with() -> None:
    (joined,) = layers_of({**DEEP, connection(1, 3): True}, keras.layers.Concatenate)
    # Its own predecessor has 8 channels, the first block 4; both maps are halved twice.
    assert joined.output.shape == (None, 4, 4, 12)
    assert not layers_of({**DEEP, connection(1, 3): False}, keras.layers.Concatenate)


def test_the_preset_of_connections_is_a_string_of_bits() -> None:
    search_space = declared("deepga", alphas={})
    rng = np.random.default_rng(0)
    genomes = [search_space.sample(rng) for _ in range(60)]
    for genome in genomes:
        num_blocks = int(genome["conv/num_blocks"])
        bits = [gene for gene in genome if "/from_" in gene]
        assert len(bits) == (num_blocks - 1) * (num_blocks - 2) // 2
        assert all(type(genome[gene]) is bool for gene in bits)
    assert {genome["conv/num_blocks"] for genome in genomes} == {2, 3, 4, 5}


def test_the_parts_are_said_in_words() -> None:
    genome = {**DEEP, "conv/convolution": "separable", "conv/squeeze_excite": True, connection(1, 3): True}
    assert describe({**genome, "conv/shortcut": True, "conv/drop_path": 0.1}).startswith(
        "conv stack 3 of 4x3x3 > 3 of 8x3x3 > 3 of 12x3x3 (sees block 1 too) at 16 px, relu, batch norm, separable, "
        "squeeze and excite, shortcuts, drop path 0.1, average pooling"
    )
