import math
from collections.abc import Callable

import numpy as np
import pytest

from kevo.report.gene_importance import importance
from kevo.runs.records import TrialRecord
from tests.support.searches import PAUSED

Genome = dict[str, object]


def random_genome(rng: np.random.Generator) -> Genome:
    genome: Genome = {
        "family": str(rng.choice(["conv", "pretrained"])),
        "rate": float(10 ** rng.uniform(-4, -1)),
        "batch": int(rng.choice([16, 32, 64])),
        "mirror": bool(rng.random() < 0.5),
        "fixed": "same",
    }
    if genome["family"] == "pretrained":
        genome["size"] = int(rng.choice([96, 160, 224]))
        genome["summary"] = str(rng.choice(["average", "max"]))
    else:
        genome["blocks"] = int(rng.integers(1, 5))
    return genome


def searched(num: int, fitness: Callable[[Genome], float], **changes: object) -> list[TrialRecord]:
    rng = np.random.default_rng(1)
    genomes = [random_genome(rng) for _ in range(num)]
    return [trial(number, genome, fitness(genome), **changes) for number, genome in enumerate(genomes)]


def trial(number: int, genome: Genome, fitness: float, **changes: object) -> TrialRecord:
    values = {**PAUSED.to_json(), "number": number, "trial_id": str(number), "genome": genome, "fitness": fitness}
    return TrialRecord.from_json({**values, "is_paused": False, **changes})


def distance(genome: Genome) -> float:
    """The best rate is 0.003, twice as much is no better than half."""
    return abs(math.log10(float(str(genome["rate"])) / 3e-3))


def test_the_gene_that_decides_stands_first() -> None:
    shares = importance(searched(100, distance))
    assert next(iter(shares)) == "rate" and shares["rate"] > 0.9
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_genes_share_by_what_they_decide() -> None:
    def fitness(genome: Genome) -> float:
        return 3.0 * bool(genome["mirror"]) + float(str(genome["batch"])) / 32

    shares = importance(searched(100, fitness))
    assert list(shares)[:2] == ["mirror", "batch"]
    assert shares["mirror"] > 2 * shares["batch"] > 10 * (1 - shares["mirror"] - shares["batch"])


def test_a_gene_that_few_have_takes_nothing_from_the_one_that_decides_who_has_it() -> None:
    shares = importance(searched(100, lambda genome: float(genome["family"] == "conv")))
    assert shares["family"] > 0.9


def test_a_gene_counts_only_where_it_is() -> None:
    def fitness(genome: Genome) -> float:
        return {1: 0.0, 2: 0.3, 3: 0.6, 4: 0.9}.get(int(str(genome.get("blocks", 0))), 0.45)

    # The family decides whether the number of blocks does.
    shares = importance(searched(100, fitness))
    assert list(shares)[:2] == ["blocks", "family"]
    assert shares["blocks"] + shares["family"] > 0.95


def test_says_nothing_where_nothing_is_known() -> None:
    rng = np.random.default_rng(2)
    assert importance([]) == {}
    assert importance(searched(23, distance)) == {}
    assert importance(searched(60, lambda genome: 0.5)) == {}
    assert importance(searched(60, lambda genome: float(rng.random()))) == {}
    alike = [trial(number, {"family": "conv"}, number / 60) for number in range(60)]
    assert importance(alike) == {}


def test_the_same_candidates_give_the_same_shares() -> None:
    records = searched(60, distance)
    assert importance(records) == importance(records)


def test_what_was_trained_once_more_or_failed_does_not_count() -> None:
    records = searched(60, distance)
    again = searched(60, lambda genome: float(bool(genome["mirror"])))
    others = [
        *(
            TrialRecord.from_json({**one.to_json(), "trial_id": f"{one.trial_id}-full", "full_length": True})
            for one in again
        ),
        *(
            TrialRecord.from_json({**one.to_json(), "trial_id": f"{one.trial_id}-on", "continues": one.trial_id})
            for one in again
        ),
        *(
            TrialRecord.from_json(
                {**one.to_json(), "trial_id": f"{one.trial_id}-no", "status": "failed", "fitness": None}
            )
            for one in again
        ),
    ]
    assert importance([*records, *others]) == importance(records)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, ["list"], {"an": "object"}, "<script>", 10**400], ids=lambda value: str(value)[:9]
)
def test_any_value_of_a_gene_is_taken(value: object) -> None:
    records = searched(60, distance)
    hostile = trial(60, {**records[0].genome, "rate": value, "mirror": value, "family": value}, 0.5)
    assert sum(importance([*records, hostile]).values()) == pytest.approx(1.0)
