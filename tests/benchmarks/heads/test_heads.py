"""Which of many heads to hand over: what is compared, and the report."""

import pytest

from benchmarks.heads.measuring import ALIKE, ANY, BEST, FIRST, WAYS, DataSet, Measurement, compare, gains
from benchmarks.heads.report import report
from kevo.tasks.images import datasets
from kevo.tasks.images.pretrained_weights import Weights
from tests.support.samples import stripes

RANDOM = Weights("mobilenet_v2", "none", alpha=0.35)


def measured(seed: int, winner: float, other: float) -> Measurement:
    accuracies = {way: winner if way == BEST else other for way in WAYS}
    return Measurement(
        name="cats_vs_dogs",
        seed=seed,
        num_heads=30,
        num_equals=4 + seed,
        num_kept_out=320,
        accuracies=accuracies,
        losses={way: 1 - accuracy for way, accuracy in accuracies.items()},
        nums={way: 1 if way in (BEST, FIRST) else 3 for way in WAYS},
        machine="2 cores",
    )


@pytest.mark.parametrize("mirror", [False, True])
def test_heads_are_judged_by_pictures_that_nothing_was_chosen_by(mirror: bool) -> None:
    whole = datasets.load(stripes(150), seed=0)
    pictures = DataSet("stripes", "", 96, mirror)
    found = compare(whole, pictures, weights=RANDOM, name="cats_vs_dogs", seed=1, num_heads=3)
    assert found == Measurement.from_json({name: getattr(found, name) for name in Measurement.__slots__})
    assert found.num_kept_out == len(whole.train) // 5 and 1 <= found.num_equals <= found.num_heads == 3
    assert list(found.accuracies) == list(found.losses) == list(found.nums) == list(WAYS)
    assert found.nums[BEST] == found.nums[FIRST] == 1
    for num in ALIKE:
        assert 1 <= found.nums[ALIKE[num]] <= found.nums[ANY[num]] == min(num, found.num_equals)
    one_head = [way for way in ALIKE.values() if found.nums[way] == 1]
    assert all(found.losses[way] == found.losses[BEST] for way in one_head)


def test_gains_are_over_the_winner_of_the_same_division() -> None:
    rows = [measured(0, 0.5, 0.75), measured(1, 0.5, 0.625)]
    assert gains(rows, ANY[4]) == [0.25, 0.125] and gains(rows, ANY[4], of_losses=True) == [-0.25, -0.125]
    text = report(rows)
    assert f"| {BEST} | 1.0 | 0.5000 (+0.0000 ± 0.0000) | 0.5000 (+0.0000 ± 0.0000) | 0 of 2 |" in text
    assert f"| {ANY[4]} | 3.0 | 0.6875 (+0.1875 ± 0.0625) | 0.3125 (-0.1875 ± 0.0625) | 2 of 2 |" in text
    assert "2 divisions, 30 heads each, of which 4.5 are within one standard error of the" in text
