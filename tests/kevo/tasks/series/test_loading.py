"""A series becomes windows, divided by time."""

from pathlib import Path

import numpy as np
import pytest

from kevo.errors import DataError
from kevo.tasks.series import dataset
from kevo.tasks.series.loading import load
from kevo.tasks.splits import SPLITS
from tests.support.series import small_dataset, values, write_csv


def test_splits_follow_each_other_in_time() -> None:
    found = load(np.arange(100.0) % 7, horizon=3, window=5, season=1)
    # A step is its own number here: what follows a window never lies in two splits.
    ranges = [(int(one.firsts[0]), int(one.firsts[-1]) + 2) for one in (found.train, found.validation, found.test)]
    assert ranges == [(5, 64), (65, 84), (85, 99)]
    assert [found.num_examples(split) for split in SPLITS] == [58, 18, 13]
    series = found.test.series[:, 0]
    # Of eighteen validation windows of three steps six do not overlap.
    assert found.num_judged == 6
    np.testing.assert_array_equal(found.validation.inputs[0, :, 0], series[60:65])
    np.testing.assert_array_equal(found.validation.labels[0], series[65:68])
    assert found.train.inputs.shape == (58, 5, 1) and found.labels("test").shape == (13, 3)


def test_scales_are_those_of_the_training_part() -> None:
    numbers = np.concatenate([np.tile([0.0, 1.0], 40), np.tile([0.0, 1000.0], 20)])
    found = load(numbers, horizon=1, window=4, season=1)
    assert found.output.scale == 1.0 and int(found.train.firsts[-1]) == 77


def test_what_is_decided_is_said(tmp_path: Path) -> None:
    found = load(write_csv(tmp_path / "shop.csv"), target="sales")
    assert (found.window, found.output.horizon, found.output.season) == (24, 4, 4)
    assert found.summary() == (
        "shop: 120 steps of 3 months, 87 windows of 24 steps of 2 columns, the next 4 values of sales (51 train, 21 "
        "validation*, 15 test*; * from train)"
    )
    assert found.notes[3:] == (
        "'sales' repeats after 4 steps, as far as its changes tell; --season none for never.",
        "Windows of 24 steps are followed by 4 to be forecast; --horizon asks for another number.",
        "Divided by time: train 1996-01-01 to 2009-04-01, validation 2009-07-01 to 2015-04-01, test 2015-07-01 to "
        "2019-10-01. A window may look back into the part before; what follows it never lies in two parts.",
    )


def test_windows_without_a_known_answer_are_left_out() -> None:
    numbers = values()
    numbers[50] = np.nan
    found = load(numbers, season=4)
    whole = small_dataset()
    assert len(whole.train) - len(found.train) == 4
    assert not {47, 48, 49, 50} & set(found.train.firsts.tolist())
    # The value before stands in windows.
    place = found.train.firsts.tolist().index(51)
    assert found.train.inputs[place, -1, 0] == pytest.approx(numbers[49])


def test_what_is_given_is_taken() -> None:
    found = load(values(), horizon=2, window=6, season=1)
    assert (found.window, found.output.horizon, found.output.season) == (6, 2, 1)
    limited = load(values(), max_examples=80)
    assert len(limited.test.series) == 80 and limited.max_examples == 80
    assert "Of 120 steps the last 80 are used." in limited.notes
    assert load(values(), max_examples=500).max_examples is None
    # Without a season, the longest window that leaves twice as many to learn from.
    assert load(np.random.default_rng(0).normal(size=200).cumsum()).window == 32


@pytest.mark.parametrize(
    ("numbers", "options", "words"),
    [
        (values(30), {"horizon": 12}, "0 windows of 1 steps for train, each followed by 12 known values"),
        (values(60), {"window": 40}, "for train, each followed by"),
        (np.concatenate([np.ones(60), np.arange(30.0)]), {"season": 1}, "In the training part 'value' is always 1"),
    ],
)
def test_series_that_are_too_short_or_plain(numbers: np.ndarray, options: dict[str, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(numbers, **options)  # type: ignore[arg-type]


def test_workers_read_all_but_the_test_split(tmp_path: Path) -> None:
    whole = small_dataset()
    whole.write(tmp_path / "data")
    found = dataset.read(tmp_path / "data")
    assert (found.columns, found.output, found.clock) == (whole.columns, whole.output, whole.clock)
    for split in ("train", "validation"):
        np.testing.assert_array_equal(getattr(found, split).inputs, getattr(whole, split).inputs)
        np.testing.assert_array_equal(found.labels(split), whole.labels(split))
    assert len(found.test) == 0 and len(found.train.series) == int(whole.test.firsts[0])


def test_fingerprints() -> None:
    first, second = load(values()), load(values())
    assert first.fingerprint() == second.fingerprint()
    others = [load(values(), horizon=3), load(values(), window=8), load(values() + 1), load(values()[1:])]
    assert len({one.fingerprint() for one in (first, *others)}) == 5
