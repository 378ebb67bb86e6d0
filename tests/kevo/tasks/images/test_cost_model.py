"""What a candidate is going to take."""

import time
from typing import Any

import keras
import numpy as np
import pytest

from kevo.engine.budget import Budget
from kevo.settings import Settings
from kevo.tasks.images import costs
from kevo.tasks.images.cost_model import Forecast, Work
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache, frozen_part
from kevo.tasks.images.pretrained_weights import Weights
from kevo.training.loop import Forward
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome

FROZEN = {**pretrained_genome("mobilenet_v2", "out_relu", pretrained__image_size=64), "mobilenet_v2/alpha": 0.35}
TUNED = {**FROZEN, **{name.replace("__", "/"): value for name, value in FINE_TUNED.items()}}
RANDOM = Weights(backbone="mobilenet_v2", source="none", alpha=0.35)
AUGMENT = {
    "augment": True,
    "augment/flip": "horizontal",
    **{f"augment/{kind}": 0.0 for kind in ("rotation", "zoom", "translation", "contrast")},
}


@pytest.fixture
def cache(dataset: ImageDataset) -> FeatureCache:
    return FeatureCache(dataset)


@pytest.fixture
def forecast(dataset: ImageDataset, cache: FeatureCache) -> Forecast:
    return Forecast(dataset, cache, weights=lambda genome: RANDOM, num_epochs=10, num_first_epochs=10)


def known(cache: FeatureCache, *features: tuple[dict[str, Any], str]) -> None:
    """Takes these for computed."""
    for genome, kind in features:
        copy = (kind, "horizontal" if kind == "flip" else 0.0)
        for split in ("train", "validation"):
            cache._arrays[cache._key(split, genome, RANDOM, copy)] = cache.pictures("test", 16)


def test_a_pass_that_is_made_already_costs_nothing(
    dataset: ImageDataset, forecast: Forecast, cache: FeatureCache
) -> None:
    first = forecast.work(FROZEN)
    forecast.speeds["mobilenet_v2", 0.35, 64] = 0.01
    measured = forecast.work(FROZEN)
    assert measured.shared == pytest.approx(0.01 * (len(dataset.train) + len(dataset.validation)))
    assert first.own == measured.own > 0 and first.shared > 0
    known(cache, (FROZEN, "plain"))
    assert forecast.work(FROZEN).shared == 0.0
    # Other cuts and poolings come from the same pass; another copy of the pictures does not.
    assert forecast.work({**FROZEN, "mobilenet_v2/cut": "block_3_expand_relu"}).shared == 0.0
    assert forecast.work({**FROZEN, **AUGMENT}).shared == pytest.approx(0.01 * len(dataset.train))
    mirrored = {**FROZEN, **AUGMENT, "mirror": True}
    assert forecast.work(mirrored).shared == pytest.approx(0.01 * (len(dataset.train) + len(dataset.validation)))
    known(cache, (FROZEN, "flip"))
    assert forecast.work({**FROZEN, **AUGMENT}).shared == forecast.work(mirrored).shared == 0.0


def test_a_finalist_is_fine_tuned_where_there_is_time() -> None:
    budget = Budget(Settings(max_time=400.0), started=time.monotonic())
    whole, after_passes = budget.tuning_seconds(0.0), budget.tuning_seconds(90.0)
    assert whole is not None and 65 < whole < 70
    # 152 seconds are for fine-tuning and the refit, which need not repeat 90 of them.
    assert after_passes == pytest.approx(90 + (0.4 * 380 - 90) / 2.25, abs=1)
    most, few = (budget.left_for_evolution([1e9], tunes=tunes) for tunes in (False, True))
    assert most is not None and few is not None and 280 < most < 290 and 225 < few < 235
    assert budget.may_tune(Work(60.0, 40.0), 100.0) and not budget.may_tune(Work(60.0, 41.0), 100.0)
    assert Budget(Settings(max_trials=1), started=0.0).tuning_seconds(1.0) is None
    assert budget.may_tune(Work(1e9, 0.0), None)


def test_whoever_wins_has_time_left_to_learn_from_all_pictures() -> None:
    budget = Budget(Settings(max_time=400.0), started=time.monotonic())
    left, first, second = budget.left, budget.left_for_finalist(0.0), budget.left_for_finalist(200.0)
    assert left is not None and first is not None and second is not None
    # What learns from a quarter more pictures takes a quarter longer.
    assert 2.25 * first == pytest.approx(left, abs=1) and second + 1.25 * 200.0 == pytest.approx(left, abs=1)
    assert budget.left_for_finalist(1e9) == pytest.approx(first, abs=1)
    assert budget.left_for_finalist(0.0, shared=100.0) == pytest.approx(100 + (left - 100) / 2.25, abs=1)
    assert budget.left_for_finalist(0.0, shared=1e9) == pytest.approx(left, abs=1)
    few, many = budget.left_for_evolution([10.0], tunes=True), budget.left_for_evolution([10.0, 20.0], tunes=True)
    assert few == pytest.approx(left - 22.5, abs=1) and many == pytest.approx(left - 55.0, abs=1)
    assert Budget(Settings(max_trials=1), started=0.0).left_for_finalist(1.0) is None


def test_larger_pictures_and_other_backbones_are_judged_by_what_was_measured(
    forecast: Forecast, cache: FeatureCache
) -> None:
    forecast.speeds["mobilenet_v2", 0.35, 64] = 0.01
    small, large = (forecast.work({**FROZEN, "pretrained/image_size": size}).shared for size in (64, 128))
    assert large == pytest.approx(4 * small)
    wide = {**FROZEN, "mobilenet_v2/alpha": 1.0}
    expected = costs.pass_cost(wide, cut="out_relu") / costs.pass_cost(FROZEN, cut="out_relu")
    assert forecast.work(wide).shared == pytest.approx(expected * small)


def test_a_large_head_and_small_batches_cost_more(forecast: Forecast) -> None:
    dense = {**FROZEN, "head/num_dense": 2, "head/units": 256}
    linear, large, slow = (forecast.work(genome).own for genome in (FROZEN, dense, {**FROZEN, "batch_size": 8}))
    assert linear < large and linear < slow
    # 1,280 features, 256 units twice, 3 classes.
    assert costs.num_head_parameters(dense, num_classes=3) == 1281 * 256 + 257 * 256 + 257 * 3


def test_a_sample_costs_its_own_pass_only(
    dataset: ImageDataset, forecast: Forecast, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    forecast.speeds["mobilenet_v2", 0.35, 64] = 0.1
    work = forecast.sampled_work(FROZEN)
    assert work.shared == pytest.approx(0.1 * (20 + len(dataset.validation)))
    # The head is trained in what is left of the candidate's time.
    assert work.own == pytest.approx(work.shared * 0.3 / 0.7)
    assert forecast.sampled_work(CONV_GENOME) == forecast.work(CONV_GENOME)
    # A larger sample is of whole blocks; a network that is to be fine-tuned is not judged by one.
    assert forecast.sampled_work(FROZEN, 30).shared == pytest.approx(0.1 * (40 + len(dataset.validation)))
    assert forecast.sampled_work(TUNED, 30) == forecast.work(TUNED)
    # What has passed needs not pass again.
    forecast.speeds["mobilenet_v2", 0.35, 64] = 1.0
    cache.extend("train", FROZEN, network=colors, weights=RANDOM, num_rows=40)
    assert forecast.work(FROZEN).shared == pytest.approx(len(dataset.train) - 40 + len(dataset.validation))
    assert forecast.sampled_work(FROZEN).shared == pytest.approx(len(dataset.validation))


def colors() -> Forward:
    pixels = keras.Input((None, None, 3))
    return Forward(keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels)), dtype=np.uint8)


def test_fine_tuning_costs_what_is_above_the_frozen_part(forecast: Forecast, cache: FeatureCache) -> None:
    forecast.speeds["mobilenet_v2", 0.35, 64] = 0.01
    shallow, deep = (forecast.work({**TUNED, "fine_tune/num_blocks": num}) for num in (1, 3))
    frozen, everything = forecast.work(FROZEN), forecast.work({**TUNED, "fine_tune/num_blocks": 9})
    assert frozen.own < shallow.own < deep.own < everything.own
    # The frozen part makes a pass of its own, up to its end; where nothing is frozen there is none.
    part = costs.pass_cost(FROZEN, cut="block_16_project_BN") / costs.pass_cost(FROZEN)
    assert shallow.shared == pytest.approx((1 + part) * frozen.shared)
    assert everything.shared == pytest.approx(frozen.shared)


def test_a_frozen_part_whose_maps_are_too_large_is_none() -> None:
    genome = {**TUNED, "pretrained/image_size": 224, "fine_tune/num_blocks": 3}
    part = frozen_part(genome, num_pictures=1000)
    assert part is not None and part["mobilenet_v2/cut"] == "block_6_expand_relu"
    assert costs.num_map_values(part) == pytest.approx(28 * 28 * 96)
    assert frozen_part(genome, num_pictures=100_000) is None
    assert frozen_part({**genome, "fine_tune/num_blocks": 5}, num_pictures=1) is None


def test_forecasts_learn_from_what_candidates_took(forecast: Forecast) -> None:
    work = forecast.work(CONV_GENOME)
    assert work.shared == 0.0
    for _ in range(3):
        forecast.learn(CONV_GENOME, forecast.work(CONV_GENOME), 3 * work.seconds)
    assert forecast.work(CONV_GENOME).seconds == pytest.approx(3 * work.seconds)
    # One that took longer than others is not what is expected.
    forecast.learn(CONV_GENOME, forecast.work(CONV_GENOME), 100 * work.seconds)
    assert forecast.work(CONV_GENOME).seconds == pytest.approx(3 * work.seconds)
    assert forecast.work(FROZEN).own == forecast.work({**FROZEN, "head/dropout": 0.5}).own


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_what_candidates_take_that_began_together_is_not_multiplied(forecast: Forecast, factor: float) -> None:
    first = forecast.work(CONV_GENOME).seconds
    for _ in range(2):
        for work in [forecast.work(CONV_GENOME) for _ in range(4)]:
            forecast.learn(CONV_GENOME, work, factor * first)
        assert forecast.work(CONV_GENOME).seconds == pytest.approx(factor * first)


def test_scoring_takes_a_pass_over_what_has_not_passed_yet(dataset: ImageDataset, forecast: Forecast) -> None:
    num_test, num_both = len(dataset.test), len(dataset.validation) + len(dataset.test)
    seconds = [dict[str, float]() for _ in range(2)]
    for found, speed in zip(seconds, (0.02, 0.04), strict=True):
        forecast.speeds["mobilenet_v2", 0.35, 64] = speed
        whole = {**TUNED, "fine_tune/num_blocks": 5}
        for name, genome in (("frozen", FROZEN), ("tuned", TUNED), ("whole", whole)):
            found[name] = forecast.scoring_seconds(genome)
    passes = {name: seconds[1][name] - seconds[0][name] for name in seconds[0]}
    assert passes["frozen"] == pytest.approx(0.02 * num_test)
    assert 0.02 * num_test < passes["tuned"] < passes["whole"] == pytest.approx(0.02 * num_both)


def test_a_budget_begins_what_can_end() -> None:
    budget = Budget(Settings(max_time=100.0), started=time.monotonic())
    # Of the 95 seconds for training an eighth may be expected, with passes that others share a quarter.
    assert budget.allows(Work(0.0, 11.0), 50.0) and not budget.allows(Work(0.0, 13.0), 50.0)
    assert budget.allows(Work(22.0, 1.0), 50.0) and not budget.allows(Work(12.0, 10.0), 50.0)
    # Whatever is allowed may also take as long as was forecast.
    num_epochs, seconds = budget.for_a_candidate(Work(0.0, 11.0), 50.0, is_first=True)
    assert num_epochs == 20 and seconds == pytest.approx(95 / 4, abs=0.5)
    assert not budget.allows(Work(24.5, 0.0), 50.0)
    assert not budget.allows(Work(0.0, 6.0), 5.0)
    assert budget.allows(Work(1e9, 1e9), None)
    # Nor is anything that could not be scored in what is kept for the end, a sixth of the whole at most.
    assert budget.allows(Work(0.0, 5.0), 50.0, scoring_seconds=16.0)
    assert not budget.allows(Work(0.0, 5.0), 50.0, scoring_seconds=17.0)


def from_scratch(per_epoch: float) -> Work:
    """A training that may have any length: 20 epochs of it are forecast, 40 are its full length."""
    return Work(0.0, 1.0 + 20 * per_epoch, per_epoch=per_epoch)


def test_where_few_trainings_fit_one_network_gets_nearly_all_the_time() -> None:
    budget = Budget(Settings(max_time=400.0, final_epochs=40), started=time.monotonic())
    whole = 380.0
    plenty, scarce = from_scratch(1.0), from_scratch(7.0)
    # 40 epochs take 40 and 280 seconds.
    assert [budget.is_scarce(work) for work in (plenty, scarce)] == [False, True]
    for work, is_first, num_epochs, share in (
        (plenty, True, 20, 1 / 16),
        (plenty, False, 20, 1 / 16),
        # A fifth is left for going on with the validation split too.
        (scarce, True, 40, 0.8),
        (scarce, False, 20, 1 / 16),
    ):
        found, seconds = budget.for_a_candidate(work, budget.left, is_first=is_first)
        assert found == num_epochs and seconds == pytest.approx(share * whole, abs=1.0)
    left = budget.left_for_evolution([], tunes=False, best=[from_scratch(2.0)])
    assert left == pytest.approx(whole - 180, abs=1.0), "80 seconds for a full training, 100 for one on all examples"
    assert budget.left_for_evolution([], tunes=False, best=[scarce]) == pytest.approx(0.4 * whole, abs=1.0)
    assert budget.fits_a_refit(from_scratch(4.0)) and not budget.fits_a_refit(from_scratch(4.4))
    # As many epochs as fit into its share of the time: two of them must.
    assert budget.allows(from_scratch(11.0), 300.0) and not budget.allows(from_scratch(13.0), 300.0)
    assert budget.expected_seconds(plenty) == 21.0 and budget.expected_seconds(scarce) == pytest.approx(whole / 16)
    assert budget.num_refit_epochs(scarce) == pytest.approx(whole / 8.75, abs=0.2)
    assert not Budget(Settings(max_time=400.0, minimize=("params",)), started=time.monotonic()).is_scarce(scarce)


def test_a_slow_machine_gives_its_first_network_more_time() -> None:
    budget = Budget(Settings(max_time=400.0, final_epochs=40), started=time.monotonic())
    work = from_scratch(1.0)
    shares = []
    for slowness in (0.5, 2.0, 5.0, 8.0):
        budget.slowness = slowness
        left = budget.left or 0.0
        _, seconds = budget.for_a_candidate(work, left, is_first=True)
        shares.append((seconds or 0.0) / left)
        # Its own forecast has learned how slow the machine is by then.
        _, later = budget.for_a_candidate(work, left, is_first=False)
        assert later == pytest.approx(left / 16, rel=0.01)
    # At eight times 40 seconds there is time for one network only.
    assert shares == pytest.approx([1 / 16, 2 / 16, 1 / 4, 0.8], rel=0.02)


def test_without_a_limit_of_time_none_is_scarce() -> None:
    budget = Budget(Settings(max_trials=3), started=time.monotonic())
    work = from_scratch(1e6)
    assert not budget.is_scarce(work) and budget.expected_seconds(work) == work.seconds
    assert budget.for_a_candidate(work, None, is_first=True) == (20, None)
    assert budget.left_for_evolution([], tunes=False, best=[work]) is None


def test_conv_stacks_may_be_trained_for_any_time(forecast: Forecast) -> None:
    work = forecast.work(CONV_GENOME)
    assert work.per_epoch is not None and 0 < work.per_epoch < work.own
    assert forecast.work(FROZEN).per_epoch is None


def test_time_for_scoring_is_kept() -> None:
    budget = Budget(Settings(max_time=100.0), started=time.monotonic())
    assert budget.left == pytest.approx(95.0, abs=1.0)
    budget.scoring_seconds = 10.0 / 2.6
    assert budget.left == pytest.approx(90.0, abs=1.0)
    budget.scoring_seconds = 1000.0
    assert budget.left == pytest.approx(100 * 5 / 6, abs=1.0), "training comes first"
