"""The genes of networks for series."""

import numpy as np
import pytest

from kevo.errors import SpaceError
from kevo.tasks.series.space import (
    INPUTS,
    PRESETS,
    Facts,
    Space,
    check_genome,
    declare,
    describe,
    fitted,
    from_json,
    narrowest,
    seeds,
    steps,
)
from tests.support.series import GENOME, MLP
from tuners.genome import SearchSpace

MONTHS = Facts(window=24, season=12, is_positive=True, num_windows=80)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "facts", [MONTHS, Facts(window=1, season=1, is_positive=False, num_windows=10), Facts(6, 12, True, 400)]
)
def test_every_genome_of_a_space_is_whole(preset: str, facts: Facts) -> None:
    space = fitted(PRESETS[preset], facts)
    genes = SearchSpace.from_hyperparameters(declare(space, facts))
    rng = np.random.default_rng(0)
    found = [*map(genes.default, [*seeds(space), *narrowest(space, facts)]), *(genes.sample(rng) for _ in range(50))]
    for genome in found:
        check_genome(genome)
        assert describe(genome)
        assert facts.is_positive or genome["transform"] == "none"
        assert genome["steps"] <= facts.window
        # A season needs a window that reaches so far.
        assert (facts.season == 12 and facts.window == 24) or "seasonal" not in (genome["base"], genome["inputs"])


def test_a_search_begins_with_linear_models_on_what_is_left_of_the_season() -> None:
    first = seeds(fitted(Space(), MONTHS))
    genes = SearchSpace.from_hyperparameters(declare(fitted(Space(), MONTHS), MONTHS))
    begun = genes.default(first[0])
    assert (begun["family"], begun["base"], begun["inputs"]) == ("linear", "seasonal", "seasonal")
    assert {one["transform"] for one in first[:2]} == {"log", "none"}
    assert [one["family"] for one in first[3:6]] == ["mlp", "tcn", "lstm"]


def test_a_network_sees_whole_seasons() -> None:
    assert steps(Space(), MONTHS) == (24, 12, 6)
    assert steps(Space(shares=(0.9, 0.7)), MONTHS) == (12,)
    assert steps(Space(), Facts(32, 1, True, 100)) == (32, 16, 8)


def test_what_a_series_cannot_have_is_left_out() -> None:
    plain = fitted(Space(), Facts(window=8, season=1, is_positive=False, num_windows=50))
    assert (plain.bases, plain.transforms) == (("last", "none"), ("none",))
    assert plain.inputs == tuple(one for one in INPUTS if one != "seasonal")
    only = fitted(Space(bases=("seasonal",), inputs=("seasonal",), transforms=("log",)), Facts(8, 1, False, 50))
    assert (only.bases, only.inputs, only.transforms) == (("last",), ("relative",), ("none",))


def test_words() -> None:
    assert describe(GENOME) == (
        "linear, 8 steps as seasonal differences, added to the season before; adam 0.001, cosine, batch 16"
    )
    assert describe({**MLP, "base": "none", "inputs": "values", "transform": "log"}) == (
        "MLP 8, relu, beside a linear model, 8 steps as they are, logarithms; adam 0.001, cosine, batch 16"
    )
    network = {**MLP, "linear_part": False, "inputs": "relative", "base": "last"}
    conv = {**network, "family": "tcn", "tcn/blocks": 3, "tcn/filters": 8, "tcn/kernel": 2, "tcn/activation": "elu"}
    assert describe(conv).startswith("TCN 3 x 8, kernel 2, elu, 8 steps beside the last value, added to the last value")
    assert describe({**network, "family": "lstm", "lstm/units": 4, "dropout": 0.1}).startswith("LSTM 4, dropout 0.1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "arima"}, "must be one of linear, mlp, tcn, lstm"),
        ({"base": "mean"}, "must be one of seasonal, last, none"),
        ({"steps": -1}, "must be finite and not negative"),
        ({"family": "lstm"}, "lacks the gene 'linear_part'"),
    ],
)
def test_genomes_that_are_none(change: dict[str, object], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        check_genome({**GENOME, **change})  # type: ignore[dict-item]


def test_spaces_that_are_none() -> None:
    for field, words in (({"shares": (0.0,)}, "parts of a window"), ({"families": ("rnn",)}, "holds 'rnn'")):
        with pytest.raises(SpaceError, match=words):
            from_json(field)
