"""A search that takes too long."""

import pytest

from tuners.deadline import Deadline


def test_time_counts_from_the_first_question_on() -> None:
    now = 0.0
    deadline = Deadline(10.0, lambda: now)
    now = 100.0
    assert not deadline.is_over()
    now = 109.9
    assert not deadline.is_over()
    now = 110.0
    assert deadline.is_over()
    deadline.start_again()
    assert not deadline.is_over()
    assert not Deadline(None).is_over()


@pytest.mark.parametrize("limit", [0, -1])
def test_times_are_positive(limit: int) -> None:
    with pytest.raises(ValueError, match="Received"):
        Deadline(limit)
