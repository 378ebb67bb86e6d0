"""A search's task of masks, and its trainer."""

from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.errors import SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.images.contract import read_contract, read_known
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.masks import frozen_maps
from kevo.tasks.masks.task import MaskTask
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.protocols.task import Member
from kevo.tasks.registry import kind_of
from kevo.training.effort import Effort
from kevo.training.stage import StageSpec
from tests.support.masks import GENOME, ON_BACKBONE, small_dataset

SETTINGS = kevo.Settings(task="segmentation", space="small", max_trials=2)


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return small_dataset()


@pytest.fixture(scope="module")
def task(dataset: ImageDataset) -> MaskTask:
    return MaskTask(dataset, SETTINGS, {})


def test_a_candidate_learns(task: MaskTask, dataset: ImageDataset) -> None:
    trained = task.trainer().train(GENOME, Effort(num_epochs=8))
    assert trained.metrics["val_dice"] > 0.8
    assert trained.outputs is not None and trained.outputs.shape == task.output_shape == (5, 32, 32, 1)
    model = trained.deployable()
    predicted = task.predict(model, "validation")
    np.testing.assert_allclose(predicted, trained.outputs, atol=1e-4)
    assert task.score(predicted, "validation").value("dice") == pytest.approx(trained.metrics["val_dice"], abs=1e-3)
    assert task.loss(predicted, "validation") == pytest.approx(trained.metrics["val_mask_loss"], abs=1e-3)
    assert task.are_valid(predicted) and not task.are_valid(predicted + 1)
    costs = task.costs(model, GENOME, ("params", "flops"), seconds=1.0)
    assert costs == trained.costs(("params", "flops"), seconds=1.0)
    assert costs["params"] == task.num_parameters(GENOME) == trained.num_parameters
    other = task.trainer().train({**GENOME, "unet/block": "separable"}, Effort(num_epochs=1)).deployable()
    together = task.combine([Member(model, 0.5, GENOME), Member(other, 0.5, GENOME)])
    expected = np.mean([predicted, task.predict(other, "validation")], axis=0)
    np.testing.assert_allclose(task.predict(together, "validation"), expected, atol=1e-5)


def test_a_network_goes_on_at_a_part_of_its_rate(task: MaskTask) -> None:
    ended = [
        task.trainer().train(GENOME, Effort(num_epochs=1, refit={"train": 1}, rate=rate)).network.trainable_weights
        for rate in (0.0, 1e-9, 1.0)
    ]
    first, nearly, other = (np.concatenate([np.ravel(one) for one in weights]) for weights in ended)
    np.testing.assert_allclose(nearly, first, atol=1e-6)
    assert np.abs(other - first).max() > 1e-3


@pytest.mark.long
def test_a_candidate_learns_on_a_backbone_whose_maps_are_made_once(dataset: ImageDataset, tmp_path: Path) -> None:
    weights = {"mobilenet_v2": (Weights("mobilenet_v2", "none", alpha=0.35),)}
    settings = kevo.Settings(
        task="segmentation", space="small", max_trials=2, weights={"mobilenet_v2": "none"}, cache=str(tmp_path)
    )
    task = MaskTask(dataset, settings, weights)
    assert task.identity == {"backbones": {"mobilenet_v2": [0.35]}}
    assert [one["family"] for one in task.seeds[:3]] == ["pretrained_unet", "unet", "unet"]
    run = Run.create(tmp_path / "run", {"search": settings.to_json()})
    task.attach(run, work=None, note=print)
    before = task.work(ON_BACKBONE)
    trained = task.trainer().train(ON_BACKBONE, Effort(num_epochs=12))
    assert trained.metrics["val_dice"] > 0.7
    # Another decoder finds all maps there, also in another process.
    after = MaskTask(dataset, settings, weights)
    after.attach(run, work=None, note=print)
    other = {**ON_BACKBONE, "unet/width": 4, "unet/skip": "add"}
    assert before.shared > 0 == task.work(other).shared == after.work(other).shared
    assert after.work({**other, "augment": "move"}).shared == pytest.approx(before.shared * 15 / 65)
    model = trained.deployable()
    assert trained.outputs is not None
    np.testing.assert_allclose(task.predict(model, "validation"), trained.outputs, atol=0.01)
    costs = task.costs(model, ON_BACKBONE, ("params", "flops"), seconds=1.0)
    assert costs == trained.costs(("params", "flops"), seconds=1.0)
    assert costs["params"] == task.num_parameters(ON_BACKBONE) == trained.num_parameters
    assert task.scoring_seconds(ON_BACKBONE) > task.scoring_seconds(GENOME)
    again = task.trainer().train(other, Effort(num_epochs=1, refit={"train": 1}))
    assert again.metrics == {} and again.num_parameters < trained.num_parameters


@pytest.mark.long
def test_the_lowest_levels_of_a_backbone_are_trained_after_the_way_up(dataset: ImageDataset) -> None:
    settings = kevo.Settings(task="segmentation", space="small", max_trials=2, weights={"mobilenet_v2": "none"})
    task = MaskTask(dataset, settings, {"mobilenet_v2": (Weights("mobilenet_v2", "none", alpha=0.35),)})
    tuned = {
        **ON_BACKBONE,
        "encoder/tuning": "fine_tune",
        "fine_tune/num_levels": 1,
        "fine_tune/learning_rate": 1e-3,
    }
    assert task.work(tuned).seconds > 2 * task.work(ON_BACKBONE).seconds - 7
    assert task.num_parameters(tuned) == task.num_parameters(ON_BACKBONE)
    trainer = task.trainer()
    frozen = trainer.train(ON_BACKBONE, Effort(num_epochs=3))
    trained = trainer.train(tuned, Effort(num_epochs=3))
    # It goes on from the best epoch before, and ends no worse.
    assert trained.stages == ["train"] * 3 + ["fine-tune"] * 4
    assert trained.history[3] == max(trained.history[:3], key=lambda one: one["val_dice"])
    assert trained.metrics["val_dice"] >= trained.history[3]["val_dice"]
    assert trained.outputs is not None
    np.testing.assert_allclose(task.predict(trained.deployable(), "validation"), trained.outputs, atol=0.01)
    # Those of other candidates are still what they were.
    again = trainer.train(ON_BACKBONE, Effort(num_epochs=3))
    assert again.history == frozen.history
    refit = trainer.train(tuned, Effort(num_epochs=3, refit={"train": 1, "fine-tune": 2}))
    assert refit.metrics == {} and task.are_valid(task.predict(refit.deployable(), "validation"))


@pytest.mark.long
def test_maps_that_take_too_much_memory_are_made_in_every_step(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_maps, "_MOST_BYTES", 100_000)
    settings = kevo.Settings(task="segmentation", space="small", max_trials=2, weights={"mobilenet_v2": "none"})
    task = MaskTask(dataset, settings, {"mobilenet_v2": (Weights("mobilenet_v2", "none", alpha=0.35),)})
    assert task.work(ON_BACKBONE).shared == 0
    trained = task.trainer().train({**ON_BACKBONE, "augment": "none"}, Effort(num_epochs=1))
    assert trained.outputs is not None and task.are_valid(trained.outputs)


def test_large_networks_are_not_worth_training(dataset: ImageDataset) -> None:
    small = MaskTask(dataset, kevo.Settings(task="segmentation", space="small", max_params=3000), {})
    assert small.obstacle(GENOME) == ("too many parameters" if small.num_parameters(GENOME) > 3000 else None)
    assert small.obstacle({**GENOME, "unet/width": 32}) == "too many parameters"
    assert min(map(small.num_parameters, small.seeds[-1:])) <= 3000
    with pytest.raises(SettingsError, match="No network of this space has 5 parameters or fewer for these pictures"):
        MaskTask(dataset, kevo.Settings(task="segmentation", max_params=5), {})


def test_forecasts(task: MaskTask) -> None:
    work = [task.work(one) for one in (GENOME, {**GENOME, "unet/width": 16})]
    assert 0 < work[0].seconds < work[1].seconds
    assert all(one.per_epoch is not None and 0 < one.per_epoch < one.seconds for one in work)
    assert task.scoring_seconds(GENOME) > 0


def test_references_stand_in_the_run_folder(task: MaskTask, tmp_path: Path) -> None:
    run, notes = Run.create(tmp_path / "run", {"search": SETTINGS.to_json()}), []
    task.attach(run, work=None, note=notes.append)
    task.prepare(may_go_on=lambda: True)
    assert [note.partition(" has ")[0] for note in notes] == ["Boosted trees of pixels", "All background"]
    trees, background = reference.read(run.path, kind_of("segmentation").parse_scores)
    assert trees.test.dice > 0.9 and background.test.dice == background.test.background_dice == 0.0
    task.write_contract(run)
    found = read_contract(run.path / layout.MODEL)
    assert found is not None and found.output == task.dataset.output and found.image_size == 32
    assert len(read_known(run.path / layout.MODEL)) == 20


def test_references_of_several_classes() -> None:
    trees, background = MaskTask(small_dataset(classes=2), SETTINGS, {}).references()
    assert trees.validation.dice > 0.8 and set(trees.test.by_class) == {"class 1", "class 2"}
    assert background.test.dice == 0.0


@pytest.mark.long
def test_several_classes() -> None:
    task = MaskTask(small_dataset(classes=2), SETTINGS, {})
    assert isinstance(task.dataset.output, PixelClasses) and task.output_shape[-1] == 3
    trained = task.trainer().train({**GENOME, "reduce": 2}, Effort(num_epochs=1))
    assert trained.outputs is not None and task.are_valid(trained.outputs)


def test_another_process_learns_from_the_same(dataset: ImageDataset, tmp_path: Path) -> None:
    kind = kind_of("segmentation")
    dataset.write(tmp_path / "work")
    spec = StageSpec(genome=GENOME, split="train+validation", num_epochs=1, num_done=0, learning_rate=None)
    inputs, answers = kind.stage_data(kind.read(tmp_path / "work"), seed=0)(spec)
    assert sum(map(len, inputs)) == len(answers.targets) == answers.num_copies * 20
