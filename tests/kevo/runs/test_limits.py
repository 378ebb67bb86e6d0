"""A search that goes on with other limits keeps those that it had."""

from pathlib import Path

import pytest

from kevo import Settings
from kevo.runs import limits
from kevo.runs.folder import Run
from kevo.runs.limits import Limits


def test_former_limits_are_kept_in_their_order(tmp_path: Path) -> None:
    first = Settings(max_trials=5)
    run = Run.create(tmp_path / "run", {"search": first.to_json(), "data": "digits"})
    longer = first.extended(max_time="10m", seconds=20.0, num_trials=5)
    for settings in (first, longer, Settings(max_trials=9, patience=3)):
        run.replace_search_settings(settings)
    # Another cache is no other limit.
    run.replace_search_settings(Settings(max_trials=9, patience=3, cache=str(tmp_path / "elsewhere")))
    again = Run.open(run.path)
    found = limits.history(again.settings, again.search_settings())
    values = [(one.max_time, one.max_trials, one.patience) for one in found]
    assert values == [(None, 5, None), (620.0, None, None), (None, 9, 3)]
    words = ["5 candidates", "10 min 20 s", "9 candidates, 3 candidates in a row without gain"]
    assert [one.words() for one in found] == words
    first_until, second_until, last_until = (one.until for one in found)
    assert first_until and second_until and first_until <= second_until and last_until is None
    # A search by default ends after a while, and that is what it had.
    assert Limits.of(Settings()).words() == "4 min 0 s"


@pytest.mark.parametrize(
    "damaged",
    [
        "x", [7], [{}], [{"until": "soon", "max_time": 1.0, "max_trials": None, "patience": None}],
        [{"until": "2026-01-01T00:00:00+00:00", "max_time": "NaN", "max_trials": None, "patience": None}],
        [{"until": "2026-01-01T00:00:00+00:00", "max_time": 1.0, "max_trials": -3, "patience": None}],
    ],
)  # fmt: skip
def test_what_is_damaged_is_left_out(damaged: object) -> None:
    settings = Settings(max_trials=5)
    values = {"search": settings.to_json(), "former_limits": damaged}
    assert limits.history(values, settings) == (Limits.of(settings),)
    assert len(limits.history(limits.replaced(values, Settings(max_trials=7)), Settings(max_trials=7))) == 2


def test_only_so_many_are_kept() -> None:
    values = {"search": Settings(max_trials=1).to_json()}
    for number in range(2, 150):
        values = limits.replaced(values, Settings(max_trials=number))
    assert [one.max_trials for one in limits.history(values, Settings(max_trials=149))] == [*range(49, 150)]
