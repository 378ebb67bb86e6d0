"""The stages of a classifier's training."""

import numpy as np
import pytest

from kevo.tasks.images import datasets, stages
from kevo.tasks.images.datasets import ImageDataset
from kevo.training.effort import Effort
from tests.support.samples import CONV_GENOME, stripes


def by_name(effort: Effort, schedule: str = "cosine") -> dict[str, stages.StagePlan]:
    return {plan.name: plan for plan in stages.plans(effort, {**CONV_GENOME, "schedule": schedule})}


def test_one_cycle_from_scratch_goes_on_to_its_end() -> None:
    assert [plan.patience for plan in by_name(Effort(9, patience=3), "one_cycle").values()] == [None, 3, 3]
    assert [plan.fits_its_time for plan in by_name(Effort(9)).values()] == [True, False, True]


def test_a_head_neither_pauses_nor_is_it_kept() -> None:
    found = by_name(Effort(9, patience=3, pause_after=2))
    assert {name: plan.last_epoch for name, plan in found.items()} == {"train": 2, "head": 9, "fine-tune": 2}
    assert {name: plan.is_kept for name, plan in found.items()} == {"train": True, "head": False, "fine-tune": True}
    assert {(plan.num_epochs, plan.patience) for plan in found.values()} == {(9, 3)}


def test_fine_tuning_of_a_length_of_its_own_goes_on_to_its_end() -> None:
    found = by_name(Effort(9, patience=3, tune_epochs=4))
    assert (found["fine-tune"].num_epochs, found["fine-tune"].patience) == (4, None)
    assert (found["head"].num_epochs, found["head"].patience) == (9, 3)


def test_a_refit_learns_from_the_validation_pictures_too(dataset: ImageDataset) -> None:
    for effort, num in (
        (Effort(3), len(dataset.train)),
        (Effort(3, refit={}), len(dataset.train) + len(dataset.validation)),
    ):
        found = stages.answers(dataset, CONV_GENOME, split=stages.split_to_learn(effort))
        assert found.targets.shape == (num,) and found.weights is None
        assert np.array_equal(found.validation_targets, dataset.validation.labels)
        assert np.array_equal(found.targets[: len(dataset.train)], dataset.train.labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_answers_are_smoothed_and_weighed_as_the_genome_and_the_pictures_want(smoothing: float) -> None:
    pictures, labels = stripes(300)
    keep = (labels != 0) | (np.cumsum(labels == 0) <= 20)
    rare = datasets.load((pictures[keep], labels[keep]))
    found = stages.answers(rare, {**CONV_GENOME, "label_smoothing": smoothing}, split="train")
    assert found.weights is not None and found.weights.max() > 2 * found.weights.min()
    certain = float(found.loss(found.targets, np.eye(3, dtype=np.float32)[found.targets]))
    assert (certain > 0.1) == (smoothing > 0)
