"""Training one candidate."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.tasks.images import datasets, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.inference import predict
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.training import stage
from kevo.training.effort import CandidateError, Earlier, Effort
from kevo.training.history import History
from kevo.training.loop import Loop
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome, stripes
from tests.support.trainers import Clock, paused, trainer


def test_a_conv_stack_learns_and_keeps_its_best_epoch(dataset: ImageDataset) -> None:
    trained = trainer(dataset).train(CONV_GENOME, Effort(8))
    assert trained.metrics["val_accuracy"] > 0.9
    assert trained.metrics["val_accuracy"] == max(epoch["val_accuracy"] for epoch in trained.history)
    probabilities = predict(trained.network, dataset.validation.pictures)
    accuracy = (probabilities.argmax(axis=1) == dataset.validation.labels).mean()
    assert accuracy == pytest.approx(trained.metrics["val_accuracy"])
    assert trained.num_parameters == trained.network.count_params()
    assert trained.stages == ["train"] * len(trained.history)


@pytest.mark.parametrize("tuning", [{}, FINE_TUNED, None])
def test_what_it_made_of_the_validation_pictures_is_told(small: ImageDataset, tuning: dict[str, Any] | None) -> None:
    genome: dict[str, Any] = {**CONV_GENOME, "conv/image_size": 32, "head/dropout": 0.3}
    if tuning is not None:
        genome = pretrained_genome("mobilenet", "conv_pw_3_relu", **tuning)
    genome |= {"mobilenet/alpha": 0.25, "augment": True, "augment/flip": "horizontal"}
    genome |= {f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    teacher = trainer(small)
    trained = teacher.train(genome, Effort(2))
    expected = predict(trained.network, teacher.cache.pictures("validation", 32))
    assert trained.outputs == pytest.approx(expected, abs=1e-5)


def test_the_same_seed_trains_the_same_network(dataset: ImageDataset) -> None:
    genome = {**CONV_GENOME, "augment": True, "augment/flip": "horizontal", "head/dropout": 0.3}
    genome |= {f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    first, second, other = (trainer(dataset, seed=seed).train(genome, Effort(1)) for seed in (3, 3, 4))
    assert first.history == second.history
    assert first.history != other.history


def test_the_best_epoch_is_the_objectives(dataset: ImageDataset) -> None:
    trained = trainer(dataset).train({**CONV_GENOME, "learning_rate": 0.05}, Effort(4))
    for objective in OBJECTIVES.values():
        history = History(objective)
        for epoch in trained.history:
            history.add("train", epoch)
        best = history.best
        scores = [epoch[objective.metric] for epoch in trained.history]
        highest = max(scores) if objective.direction == "max" else min(scores)
        assert best[objective.metric] == highest
        surest = min(
            epoch["val_cross_entropy"] for epoch, score in zip(trained.history, scores, strict=True) if score == highest
        )
        assert best["val_cross_entropy"] == surest


def test_standing_still_ends_training(dataset: ImageDataset) -> None:
    frozen_rate = {**CONV_GENOME, "learning_rate": 1e-12, "schedule": "constant", "conv/batch_norm": False}
    trained = trainer(dataset).train(frozen_rate, Effort(30, patience=2))
    assert len(trained.history) == 3


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_and_schedule_trains(dataset: ImageDataset, optimizer: str) -> None:
    genome: dict[str, Any] = {**CONV_GENOME, "optimizer": optimizer, "label_smoothing": 0.1, "schedule": "constant"}
    genome |= {"weight_decay": 1e-4} if optimizer in ("adamw", "sgd") else {}
    if optimizer == "sgd":
        genome["sgd/learning_rate"] = genome.pop("learning_rate")
    history = trainer(dataset).train(genome, Effort(3)).history
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_loss_that_is_no_number_fails_the_candidate(dataset: ImageDataset) -> None:
    wild = {**CONV_GENOME, "conv/batch_norm": False, "optimizer": "sgd", "sgd/learning_rate": 1e20, "conv/l2": 1e-3}
    with pytest.raises(CandidateError, match="no longer a number in epoch 1"):
        trainer(dataset).train(wild, Effort(3))


def test_time_up_keeps_what_there_is(dataset: ImageDataset) -> None:
    trained = trainer(dataset).train(CONV_GENOME, Effort(50, seconds=0.0))
    assert len(trained.history) == 1
    assert "val_accuracy" in trained.metrics
    assert trained.outputs is not None


@pytest.mark.parametrize(
    ("seconds", "num_epochs"),
    [
        (25.0, 2),  # The third validation would end at 30.
        (15.0, 1),
    ],
)
def test_validation_has_its_share_of_the_time(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, seconds: float, num_epochs: int
) -> None:
    clock = Clock(validation=10.0)
    monkeypatch.setattr("kevo.training.clock.time", clock)
    trained = trainer(dataset).train(CONV_GENOME, Effort(5, seconds=seconds), progress=clock.progress)
    assert len(trained.history) == num_epochs
    assert trained.metrics in trained.history


def test_a_first_validation_without_end_fails_the_candidate(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(validation=1000.0)
    monkeypatch.setattr("kevo.training.clock.time", clock)
    with pytest.raises(CandidateError, match="too slow: its first steps and one pass over the validation examples"):
        trainer(dataset).train(CONV_GENOME, Effort(5, seconds=10.0), progress=clock.progress)


def test_progress_runs_from_start_to_end(dataset: ImageDataset) -> None:
    seen: list[tuple[str, float, int]] = []

    def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        assert "accuracy" in metrics and stage == "train"
        seen.append((stage, done, total))

    trainer(dataset).train(CONV_GENOME, Effort(2), progress=progress)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1] == ("train", 2.0, 2)


def test_a_pause_is_a_part_of_the_whole_training(dataset: ImageDataset, tmp_path: Path) -> None:
    teacher = trainer(dataset)
    whole = teacher.train(CONV_GENOME, Effort(6))
    first = teacher.train(CONV_GENOME, Effort(6, pause_after=2))
    assert first.history == whole.history[:2], "the learning rate falls over all epochs"
    earlier = paused(first, tmp_path / "first.keras")
    second = teacher.train(CONV_GENOME, Effort(6, pause_after=4), earlier=earlier)
    assert (second.history[:2], len(second.history), second.stages) == (first.history, 4, ["train"] * 4)
    assert second.history[2]["loss"] < first.history[0]["loss"], "it does not begin again"
    last = teacher.train(CONV_GENOME, Effort(6), earlier=paused(second, tmp_path / "second.keras"))
    assert last.metrics["val_accuracy"] == max(epoch["val_accuracy"] for epoch in last.history)
    # What is saved knows nothing of the pauses.
    paused(last, tmp_path / "last.keras")
    model = keras.models.load_model(tmp_path / "last.keras", safe_mode=True)
    predicted = predict(model, dataset.validation.pictures).argmax(axis=1)
    assert (predicted == dataset.validation.labels).mean() == pytest.approx(last.metrics["val_accuracy"])


def test_the_best_epoch_may_lie_before_the_pause(dataset: ImageDataset, tmp_path: Path) -> None:
    teacher = trainer(dataset, objective="loss")
    first = teacher.train(CONV_GENOME, Effort(6, pause_after=2))
    wild = {**CONV_GENOME, "learning_rate": 10.0}
    second = teacher.train(wild, Effort(6, pause_after=3), earlier=paused(first, tmp_path / "first.keras"))
    assert second.history[2]["val_cross_entropy"] > first.metrics["val_cross_entropy"]
    assert second.metrics == first.metrics
    before, after = (predict(one.network, dataset.test.pictures) for one in (first, second))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_epochs_without_gain_count_across_a_pause(dataset: ImageDataset, tmp_path: Path) -> None:
    frozen_rate = {**CONV_GENOME, "learning_rate": 1e-12, "schedule": "constant", "conv/batch_norm": False}
    first = trainer(dataset).train(frozen_rate, Effort(30, patience=4, pause_after=3))
    assert len(first.history) == 3
    second = trainer(dataset).train(
        frozen_rate, Effort(30, patience=4), earlier=paused(first, tmp_path / "first.keras")
    )
    assert len(second.history) == 5


def test_memory_does_not_grow_with_candidates(small: ImageDataset) -> None:
    teacher = trainer(small)

    def num_objects() -> int:
        teacher.train(CONV_GENOME, Effort(1))
        keras.backend.clear_session()
        gc.collect()
        return len(gc.get_objects())

    num_objects()
    first = num_objects()
    last = [num_objects() for _ in range(3)][-1]
    # One graph of the smallest network has thousands.
    assert last - first < 500


@pytest.mark.parametrize("family", ["conv", "pretrained"])
def test_a_mirrored_genome_is_judged_by_what_its_model_predicts(small: ImageDataset, family: str) -> None:
    genome = CONV_GENOME
    if family == "pretrained":
        genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
    plain, mirrored = (trainer(small).train({**genome, "mirror": mirror}, Effort(1)) for mirror in (False, True))
    assert [one["loss"] for one in plain.history] == [one["loss"] for one in mirrored.history]
    assert mirrored.outputs is not None and not np.allclose(mirrored.outputs, plain.outputs)
    predicted = predict(networks.deployable(mirrored.network, mirror=True), small.validation.pictures)
    assert mirrored.outputs == pytest.approx(predicted, abs=1e-2)


@pytest.mark.parametrize("kind", ["conv", "frozen", "fine_tune"])
def test_a_refit_learns_from_all_pictures_for_so_many_epochs(small: ImageDataset, kind: str) -> None:
    genome: dict[str, Any] = dict(CONV_GENOME)
    if kind != "conv":
        tuned = FINE_TUNED if kind == "fine_tune" else {}
        genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **tuned), "mobilenet/alpha": 0.25}
    stages = {"conv": ["train"], "frozen": ["head"], "fine_tune": ["head", "fine-tune"]}[kind]
    told: list[tuple[str, float]] = []
    teacher = trainer(small)
    first = teacher.train(genome, Effort(4))
    trained = teacher.train(
        genome,
        Effort(4, refit=dict.fromkeys(stages, 2)),
        progress=lambda stage, done, total, metrics: told.append((stage, done)),
    )
    assert trained.history == [] and trained.metrics == {} and not trained.is_paused
    # What judges it need not pass the pictures again.
    predicted = predict(networks.deployable(trained.network), small.validation.pictures)
    assert trained.outputs == pytest.approx(predicted, abs=1e-2)
    assert {stage for stage, done in told if done == 2.0} == set(stages) and max(done for _, done in told) == 2.0
    assert len(trained.network.get_weights()) == len(first.network.get_weights())
    no_time = Effort(4, seconds=1e-9, refit=dict.fromkeys(stages, 2))
    if kind == "conv":
        # Its learning rate has fallen by then.
        assert teacher.train(genome, no_time).history == []
        return
    with pytest.raises(CandidateError, match="to train once more on all examples takes more than its 0 seconds"):
        teacher.train(genome, no_time)


@pytest.mark.parametrize("kind", ["conv", "fine_tune"])
def test_a_long_training_can_be_taken_up_where_it_was_kept(
    small: ImageDataset, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.training.checkpoints._SECONDS_BETWEEN", 0.0)
    genome: dict[str, Any] = dict(CONV_GENOME)
    if kind == "fine_tune":
        genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
    kept: list[tuple[list[dict[str, float]], list[str]]] = []

    def keep(model: keras.Model, history: Sequence[dict[str, float]], stages: Sequence[str], seconds: float) -> None:
        model.save(tmp_path / "kept.keras")
        kept.append((list(history), list(stages)))
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(small).train(genome, Effort(4, patience=99), keep=keep)
    history, stages = kept[-1]
    assert set(stages) == ({"train"} if kind == "conv" else {"head", "fine-tune"}) and stages[-2:] != ["head", "head"]
    # The weights are those of the best epoch, whichever was the last.
    probabilities = predict(keras.models.load_model(tmp_path / "kept.keras"), small.validation.pictures)
    accuracy = (probabilities.argmax(axis=1) == small.validation.labels).mean()
    assert accuracy == max(epoch["val_accuracy"] for epoch in history)
    resumed = trainer(small).train(
        genome, Effort(4, patience=99), earlier=Earlier(tmp_path / "kept.keras", history, stages)
    )
    assert resumed.history[: len(history)] == history
    assert resumed.stages.count(stages[-1]) == 4


def test_a_refit_goes_on_from_weights_with_the_share_of_the_rate_that_it_is_given(
    small: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class Watched(Loop):
        def __init__(self, model: keras.Model, **options: Any) -> None:
            rates.append(float(options["optimizer"].learning_rate))
            weights.append(model.get_weights())
            super().__init__(model, **options)

    weights: list[list[np.ndarray]] = []
    monkeypatch.setattr(stage, "Loop", Watched)
    genome = {**CONV_GENOME, "schedule": "constant"}
    first = trainer(small).train(genome, Effort(2))
    first.deployable().save(tmp_path / "first.keras")
    again = trainer(small).train(
        genome, Effort(1, refit={"train": 1}, rate=0.5), earlier=Earlier(tmp_path / "first.keras", (), ())
    )
    assert rates == [pytest.approx(0.01), pytest.approx(0.005)] and not again.history
    for begun, ended in zip(weights[1], first.network.get_weights(), strict=True):
        np.testing.assert_array_equal(begun, ended)


def test_a_child_begins_with_what_its_parent_computes(small: ImageDataset, tmp_path: Path) -> None:
    # Without batch norm's statistics, a rate of next to nothing changes nothing.
    parent = {**CONV_GENOME, "conv/batch_norm": False, "mirror": True}
    first = trainer(small).train(parent, Effort(2))
    first.deployable().save(tmp_path / "parent.keras")
    child = {**parent, "conv/block_2/kernel_size": 5, "conv/block_1/num_convs": 2}
    begun = Earlier(tmp_path / "parent.keras", (), (), parent)
    heir = trainer(small).train(child, Effort(1, rate=1e-9), earlier=begun)
    assert heir.inherited == pytest.approx(1.0) and first.inherited == 0.0 and len(heir.history) == 1
    np.testing.assert_allclose(heir.outputs, first.outputs, atol=1e-5)
    # What broke off goes on from its own model, and knows what it has inherited.
    heir.deployable().save(tmp_path / "heir.keras")
    kept = Earlier(tmp_path / "heir.keras", heir.history, heir.stages, parent)
    again = trainer(small).train(child, Effort(2, rate=1e-9), earlier=kept)
    assert again.inherited == heir.inherited and again.history[:1] == heir.history and len(again.history) == 2


@pytest.mark.parametrize(("fits", "words"), [(8, ""), (1, "out of memory, also with half the batch")])
def test_without_memory_half_a_batch_is_tried_once(
    small: ImageDataset, fits: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    class Small(Loop):
        def __init__(self, model: keras.Model, *, batch_size: int, **options: Any) -> None:
            batches.append(batch_size)
            if batch_size > fits:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            rates.append(float(options["optimizer"].learning_rate))
            super().__init__(model, batch_size=batch_size, **options)

    rates: list[float] = []
    monkeypatch.setattr(stage, "Loop", Small)
    genome = {**CONV_GENOME, "schedule": "constant"}
    if words:
        with pytest.raises(CandidateError, match=words):
            trainer(small).train(genome, Effort(1))
    else:
        assert trainer(small).train(genome, Effort(1)).history and rates == [pytest.approx(0.005)]
    assert batches == [16, 8]


def test_a_rare_class_is_not_forgotten() -> None:
    pictures, labels = stripes(600)
    keep = (labels != 0) | (np.cumsum(labels == 0) <= 20)
    rare = datasets.load((pictures[keep], labels[keep]))
    assert rare.class_weights() is not None
    trained = trainer(rare, objective="macro_f1").train(CONV_GENOME, Effort(8))
    predicted = predict(trained.network, rare.validation.pictures).argmax(axis=1)
    assert (predicted[rare.validation.labels == 0] == 0).mean() > 0.5
