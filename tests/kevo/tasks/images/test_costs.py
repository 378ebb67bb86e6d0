"""Costs against the networks themselves and against TensorFlow's own profiler."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

from kevo.objective import COSTS
from kevo.tasks.images import backbones, costs, genes, networks
from kevo.tasks.images.space import PRESETS
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome
from tuners.genome import SearchSpace


def built(genome: dict[str, Any], num_classes: int) -> keras.Model:
    """The network of a genome as training puts it together."""
    if genome["family"] == "conv":
        return networks.conv_network(genome, output=classes(num_classes))
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    head = networks.head(genome, num_features=extractor.output.shape[-1], output=classes(num_classes))
    return networks.join(extractor, head)


def sampled(preset: str, *, seed: int, **alphas: tuple[float | None, ...]) -> dict[str, Any]:
    """A random genome of a preset, pretrained if there are backbones."""
    families = ("pretrained",) if alphas else ("conv",)
    hyperparameters = genes.declare(
        dataclasses.replace(PRESETS[preset], families=families, backbones=tuple(alphas) or PRESETS[preset].backbones),
        image_size=96,
        num_pictures=1000,
        alphas=alphas,
    )
    return dict(SearchSpace.from_hyperparameters(hyperparameters).sample(np.random.default_rng(seed)))


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_conv_stacks(preset: str) -> None:
    for seed in range(8):
        genome = sampled(preset, seed=seed)
        assert costs.num_parameters(genome, num_classes=7) == built(genome, 7).count_params(), genome


@pytest.mark.parametrize("preset", ["default", "wide", "deepga"])
def test_parameters_of_conv_stacks_that_see_no_squares(preset: str) -> None:
    space = dataclasses.replace(PRESETS[preset], families=("conv",))
    declared = genes.declare(space, image_size=7, num_pictures=1000, shape=(6, 7), alphas={})
    for seed in range(8):
        genome = dict(SearchSpace.from_hyperparameters(declared).sample(np.random.default_rng(seed)))
        network = built(genome, 7)
        assert network.input.shape[1:] == (6, 7, 3)
        assert costs.num_parameters(genome, num_classes=7) == network.count_params(), genome


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_of_pretrained_networks(preset: str) -> None:
    for seed in range(2):
        genome = sampled(preset, seed=seed, mobilenet=(0.25, 0.5))
        assert costs.num_parameters(genome, num_classes=3) == built(genome, 3).count_params(), genome


@pytest.mark.parametrize(
    ("backbone", "size", "summary", "changes"),
    [
        ("vgg16", 48, "flatten", {"head__num_dense": 2, "head__units": 10}),
        # The features of larger pictures are larger; smaller ones are enlarged.
        ("mobilenet", 96, "flatten", {"pretrained__normalize_features": False}),
        ("xception", 32, "flatten", {}),
        # The builder's own preprocessing has parameters, which are not deployed.
        ("efficientnet_b0", 32, "average", {}),
    ],
)
def test_parameters_of_backbones(backbone: str, size: int, summary: str, changes: dict[str, Any]) -> None:
    cut = backbones.get(backbone).cut_points[0]
    shape = {"pretrained__image_size": size, "pretrained__summary": summary, **changes}
    genome = pretrained_genome(backbone, cut, **shape)
    assert costs.num_parameters(genome, num_classes=3) == built(genome, 3).count_params()


def test_a_backbone_is_built_once() -> None:
    genome = pretrained_genome("mobilenet", "conv_pw_3_relu", mobilenet__alpha=0.25)
    costs.num_parameters(genome, num_classes=3)
    before = costs._extractors.cache_info()
    for cut in backbones.get("mobilenet").cut_points:
        costs.num_parameters({**genome, "mobilenet/cut": cut, "pretrained/image_size": 96}, num_classes=9)
    assert costs._extractors.cache_info().misses == before.misses


def profiled(network: keras.Model) -> int:
    """What TensorFlow counts for convolutions and matrix products, with one picture."""
    specification = tf.TensorSpec((1, *network.input.shape[1:]), tf.float32)
    concrete = tf.function(lambda x: network(x, training=False)).get_concrete_function(specification)
    frozen, _ = convert_variables_to_constants_v2_as_graph(concrete)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen.graph.as_graph_def(), name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        counted = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    total, pending = 0, [counted]
    while pending:
        node = pending.pop()
        pending.extend(node.children)
        total += node.float_ops if node.name in ("Conv2D", "DepthwiseConv2dNative", "MatMul") else 0
    return total


@pytest.mark.parametrize(
    "genome",
    [
        {
            **CONV_GENOME,
            "conv/block_1/num_convs": 2,
            "conv/pooling": "stride",
            "conv/summary": "flatten",
            "head/num_dense": 1,
            "head/units": 12,
        },
        pretrained_genome("mobilenet_v3_small", "expanded_conv_7_add", mobilenet_v3_small__alpha=0.75),
        pretrained_genome("xception", "block4_sepconv1_act"),
    ],
    ids=["conv", "depthwise", "separable"],
)
def test_flops_are_those_of_the_profiler(genome: dict[str, Any]) -> None:
    network = built(genome, 3)
    assert costs.flops(network) == profiled(network)


@pytest.mark.parametrize("is_early", [False, True])
def test_the_cost_of_a_conv_stack_is_its_flops_and_its_maps(is_early: bool) -> None:
    blocks = {"conv/block_1/num_convs": 2, "conv/block_2/num_convs": 2, "conv/early_pooling": is_early}
    genome = {**CONV_GENOME, **blocks}
    maps = 8 * (16**2 + 2 * 8**2 + 4**2 if is_early else 2 * 16**2 + 2 * 8**2)
    head = 2 * 8 * 3
    assert costs.pass_cost(genome) == costs.flops(built(genome, 3)) - head + 300 * maps


def test_flops_by_hand() -> None:
    genome = {**CONV_GENOME, "conv/num_blocks": 1, "conv/block_1/filters": 4}
    assert costs.flops(built(dict(genome), 5)) == 2 * (16 * 16 * 3 * 3 * 3 * 4 + 4 * 5)


def test_only_what_is_asked_for_is_measured() -> None:
    network = built(dict(CONV_GENOME), 3)
    measured = costs.measure(network, list(COSTS), seconds=1.5)
    assert measured == {
        "params": network.count_params(),
        "seconds": 1.5,
        "flops": costs.flops(network),
        "bytes": pytest.approx(costs.num_bytes(network), abs=20),
    }
    assert costs.measure(network, ["flops"], seconds=1.5) == {"flops": measured["flops"]}


def test_bytes_are_those_of_the_deployed_file(tmp_path: Path) -> None:
    network = built(dict(CONV_GENOME), 3)
    # Keras numbers what has no name of its own, and the file holds the numbers.
    keras.backend.clear_session()
    networks.deployable(network).save(tmp_path / "best.keras")
    keras.backend.clear_session()
    assert costs.num_bytes(network) == (tmp_path / "best.keras").stat().st_size
