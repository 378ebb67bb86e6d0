"""What is a genome of an image classifier, and what is none."""

from collections.abc import Mapping
from typing import Any

import pytest

from kevo.tasks.images.genome_check import check_genome
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome

FROZEN = {**pretrained_genome("mobilenet_v2", "out_relu"), "mobilenet_v2/alpha": 0.35}


@pytest.mark.parametrize("genome", [CONV_GENOME, FROZEN, pretrained_genome("vgg16", "block4_pool", **FINE_TUNED)])
def test_a_genome_has_all_of_its_genes(genome: Mapping[str, Any]) -> None:
    check_genome(genome)
    for gene in genome.keys() - {"mobilenet_v2/alpha"}:
        with pytest.raises(ValueError, match=f"The gene '{gene}' is missing"):
            check_genome({name: value for name, value in genome.items() if name != gene})


@pytest.mark.parametrize(
    "gene", ["color", "fine_tune/num_blocks", "augment/flip", "head/units", "weight_decay", "conv/block_3/filters"]
)
def test_a_genome_has_no_other_genes(gene: str) -> None:
    with pytest.raises(ValueError, match=f"The gene '{gene}' is unknown, or not active here"):
        check_genome({**CONV_GENOME, gene: 1})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"conv/num_blocks": 10**12}, "'conv/block_3/filters' is missing"),
        ({"conv/num_blocks": True}, "an integer"),
        ({"conv/batch_norm": 1}, "true or false"),
        ({"conv/activation": None}, "a word"),
        ({"learning_rate": "fast"}, "a finite number"),
        ({"learning_rate": float("nan")}, "a finite number"),
        ({"learning_rate": False}, "a finite number"),
        ({"optimizer": "lion"}, "one of: adam, adamw, sgd, rmsprop"),
        ({"optimizer": ["adam"]}, "one of: adam, adamw, sgd, rmsprop"),
    ],
)
def test_a_gene_has_a_value_of_its_kind(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_genome({**CONV_GENOME, **changes})


def test_a_backbone_and_its_cut_must_be_known() -> None:
    with pytest.raises(ValueError, match="'backbone' is 'resnet5'. Expected one of: "):
        check_genome({**FROZEN, "backbone": "resnet5"})
    with pytest.raises(ValueError, match="'mobilenet_v2/cut' is 'block1_pool'. Expected one of: "):
        check_genome({**FROZEN, "mobilenet_v2/cut": "block1_pool"})
