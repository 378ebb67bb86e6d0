"""A search that brings nothing new any more."""

import pytest

from tuners.patience import Patience


def test_only_what_is_new_ends_the_wait() -> None:
    patience = Patience(3)
    waits = []
    for points in [(0.5,), (0.5,), (0.4,), (0.6,), None, (0.6,), (0.2,)]:
        patience.tell(points)
        waits.append(patience.num_in_vain)
    assert waits == [0, 1, 2, 0, 1, 2, 3] and patience.is_over


def test_of_several_objectives_a_new_exchange_is_new() -> None:
    patience = Patience(2)
    waits = []
    for points in [(1.0, 1.0), (2.0, 0.0), (1.5, 0.5), (1.4, 0.4), (2.0, 0.0), (2.0, 1.0), (1.5, 0.5)]:
        patience.tell(points)
        waits.append(patience.num_in_vain)
    assert waits == [0, 0, 0, 1, 2, 0, 1]


def test_the_first_of_a_higher_rung_is_new() -> None:
    patience = Patience(1)
    for points, rung, num in [((0.9,), 0, 0), ((0.5,), 1, 0), ((0.95,), 0, 1), ((0.6,), 1, 0)]:
        patience.tell(points, rung=rung)
        assert patience.num_in_vain == num


def test_no_limit_is_no_end() -> None:
    patience = Patience(None)
    for _ in range(100):
        patience.tell(None)
    assert not patience.is_over


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_are_positive(limit: int) -> None:
    with pytest.raises(ValueError, match="Received"):
        Patience(limit)
