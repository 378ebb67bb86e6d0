"""The splits of a data set."""

import pytest

from kevo.errors import SettingsError
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS, fractions_of


def test_every_name_stands_for_a_split() -> None:
    assert set(SPLIT_ALIASES.values()) == set(SPLITS)
    assert all(SPLIT_ALIASES[name] == name for name in SPLITS)


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.1), (0.2, -0.1), (0.5, 0.5), (float("nan"), 0.1)])
def test_parts_that_leave_nothing(validation: float, test: float) -> None:
    with pytest.raises(SettingsError, match="must be positive and leave something to train on"):
        fractions_of(validation=validation, test=test)
