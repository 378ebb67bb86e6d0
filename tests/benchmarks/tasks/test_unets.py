"""U-Nets by hand: their size, what they learn from and by, and a training."""

import itertools

import numpy as np
import pytest

from benchmarks.tasks import unets
from benchmarks.tasks.report import _UNET_PARAMETERS
from kevo.tasks.outputs.masks.evaluation import evaluate
from tests.support.masks import disks, small_dataset


def test_the_network_is_as_large_as_that_of_the_paper() -> None:
    assert unets.unet().count_params() == _UNET_PARAMETERS


def test_crops_and_their_masks_are_cut_and_mirrored_together() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = list(itertools.islice(unets.batches(pictures, pictures[..., :1], crop=16, seed=0), 8))
    crops, masks = (np.concatenate([batch[part] for batch in found]) for part in (0, 1))
    assert crops.shape == (32, 16, 16, 3)
    np.testing.assert_array_equal(crops[..., :1], masks)
    windows = np.lib.stride_tricks.sliding_window_view(pictures[..., 0], (16, 16), axis=(1, 2))
    as_cut, mirrored = (
        [bool((windows == crop[:, ::step, 0]).all(axis=(-1, -2)).any()) for crop in crops] for step in (1, -1)
    )
    assert [one != other for one, other in zip(as_cut, mirrored, strict=True)] == [True] * len(crops)
    assert any(as_cut) and any(mirrored)


def test_dice_is_that_of_the_score() -> None:
    true = disks(2)[1].reshape(2, 32, 32, 1)
    outputs = np.random.default_rng(0).random(true.shape).astype(np.float32)
    one_by_one = [float(unets.dice(true[[place]], outputs[[place]])) for place in (0, 1)]
    assert np.mean(one_by_one) == pytest.approx(evaluate(outputs, true, names=("disk",)).dice, abs=1e-6)
    assert float(unets.dice(0 * true, 0 * outputs)) == 1


def test_the_loss_is_cross_entropy_and_what_dice_lacks() -> None:
    true = np.array([1, 1, 0, 0], np.uint8).reshape(1, 2, 2, 1)
    outputs = np.array([0.5, 0.5, 0.5, 0.5], np.float32).reshape(1, 2, 2, 1)
    # Two of four pixels are of the class: the overlap is (2 * 1 + 1) / (2 + 2 + 1).
    assert float(unets.cross_entropy_and_dice(true, outputs)) == pytest.approx(np.log(2) + 1 - 0.6, abs=1e-5)


def test_a_training_ends_when_its_time_is_up() -> None:
    dataset = small_dataset()
    trained = unets.train(dataset, width=2, seconds=0, seed=0)
    assert trained.num_steps == 1
    found = trained.model.predict(dataset.test.pictures[:, :, :16], verbose=0)
    assert found.shape == (len(dataset.test), 32, 16, 1)
    assert 0 <= found.min() < found.max() <= 1
