"""What makes one candidate better than another."""

import pytest

from kevo.objective import Objective, binomial_error

ACCURACY = Objective("accuracy", "max", tie_breaker="loss", standard_error=binomial_error)
LOSS = Objective("loss", "min")


def test_the_better_score_ranks_higher_in_either_direction() -> None:
    low, high = {"accuracy": 0.5, "loss": 0.1}, {"accuracy": 0.6, "loss": 0.9}
    assert ACCURACY.rank(high) > ACCURACY.rank(low)
    assert LOSS.rank(low) > LOSS.rank(high)


def test_of_equals_the_lower_tie_breaker_ranks_higher() -> None:
    first, second = {"accuracy": 0.5, "loss": 0.1}, {"accuracy": 0.5, "loss": 0.2}
    assert ACCURACY.rank(first) > ACCURACY.rank(second)
    assert Objective("accuracy", "max").rank(first) == Objective("accuracy", "max").rank(second)


def test_it_names_the_metrics_that_it_reads() -> None:
    assert ACCURACY.metrics == ("accuracy", "loss") and ACCURACY.tie({"loss": 0.25}) == 0.25
    assert LOSS.metrics == ("loss",) and LOSS.tie({}) == 0.0


@pytest.mark.parametrize(("share", "num_examples", "error"), [(0.5, 100, 0.05), (0.8, 64, 0.05), (1.0, 10, 0.0)])
def test_the_margin_of_a_share_is_its_standard_error(share: float, num_examples: int, error: float) -> None:
    assert binomial_error(share, num_examples) == pytest.approx(error)
    assert ACCURACY.margin(share, num_examples=num_examples) == pytest.approx(error)


def test_a_loss_has_no_margin() -> None:
    assert LOSS.margin(0.3, num_examples=10) == 0.0
