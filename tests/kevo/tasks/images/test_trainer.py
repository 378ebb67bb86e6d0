"""Training one candidate."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.system.array_store import ArrayStore
from kevo.tasks.images import backbones, datasets, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.trainer import Trained, Trainer, predict
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.training import optimizers, stage
from kevo.training.candidate_fit import CandidateError, CandidateFit, Earlier, Effort, num_best_epochs
from kevo.training.loop import Loop
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome, stripes

RANDOM = {(name, None): Weights(backbone=name, source="none") for name in ("vgg16", "resnet50")} | {
    ("mobilenet_v2", 0.35): Weights(backbone="mobilenet_v2", source="none", alpha=0.35)
}


@pytest.fixture(scope="module")
def small(dataset: ImageDataset) -> ImageDataset:
    return ImageDataset(
        **{name: getattr(dataset, name) for name in ("name", "class_names", "skipped")},
        train=datasets.Split(dataset.train.pictures[:32], dataset.train.labels[:32]),
        validation=datasets.Split(dataset.validation.pictures[:16], dataset.validation.labels[:16]),
        test=dataset.test,
    )


def trainer(dataset: ImageDataset, **options: Any) -> Trainer:
    return Trainer(dataset, weights=RANDOM, **options)


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
        genome = pretrained_genome("mobilenet_v2", "block_3_expand_relu", **tuning)
    genome |= {"mobilenet_v2/alpha": 0.35, "augment": True, "augment/flip": "horizontal"}
    genome |= {f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    teacher = trainer(small)
    trained = teacher.train(genome, Effort(2))
    expected = predict(trained.network, teacher.cache.pictures("validation", 32))
    assert trained.probabilities == pytest.approx(expected, abs=1e-5)


def test_the_same_seed_trains_the_same_network(dataset: ImageDataset) -> None:
    genome = {**CONV_GENOME, "augment": True, "augment/flip": "horizontal", "head/dropout": 0.3}
    genome |= {f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    first, second, other = (trainer(dataset, seed=seed).train(genome, Effort(1)) for seed in (3, 3, 4))
    assert first.history == second.history
    assert first.history != other.history


def test_the_best_epoch_is_the_objectives(dataset: ImageDataset) -> None:
    trained = trainer(dataset).train({**CONV_GENOME, "learning_rate": 0.05}, Effort(4))
    for objective in OBJECTIVES.values():
        # What trained before is taken down epoch by epoch, as it is while it trains.
        earlier = Earlier(Path("nowhere"), trained.history, trained.stages)
        best = CandidateFit(objective, Effort(4), None, earlier, keep=None, mirror=False).best
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
    assert trained.probabilities is not None


def test_a_backbone_too_slow_for_its_time_fails_with_the_reason(dataset: ImageDataset) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "out_relu"), "mobilenet_v2/alpha": 0.35}
    with pytest.raises(CandidateError, match="too slow: one pass of the backbone"):
        trainer(dataset).train(genome, Effort(5, seconds=0.0))


def test_features_that_a_former_search_left_are_trained_on_alike(small: ImageDataset, tmp_path: Path) -> None:
    genome = {
        **pretrained_genome("mobilenet_v2", "block_3_expand_relu"),
        "mobilenet_v2/alpha": 0.35,
        "head/dropout": 0.3,
        "augment": True,
        "augment/flip": "horizontal",
        **{f"augment/{gene}": 0.1 for gene in ("rotation", "zoom", "translation", "contrast")},
    }

    def train(seed: int) -> tuple[list[dict[str, float]], set[str]]:
        stages = set()
        trained = trainer(small, seed=seed, store=ArrayStore(tmp_path)).train(
            genome, Effort(2), progress=lambda stage, *_: stages.add(stage)
        )
        return trained.history, stages

    (first, computing), (second, reading), (_, other) = map(train, (3, 3, 4))
    assert computing == other == {"features", "probe", "head"}
    assert reading == {"probe", "head"}
    # Random weights too are the same for the same seed.
    assert second == first


class Clock:
    """Time that passes only where a training says how far it is.

    A word that does not go one step further is about validation, at the end of an epoch or of what there was of it.

    Args:
        train: Seconds for each word about training.
        validation: Seconds for each word about validation.
    """

    def __init__(self, *, train: float = 0.0, validation: float = 0.0) -> None:
        self.now = 0.0
        self._seconds = (train, validation)
        self._last = 0.0
        self._step = 0.0

    def monotonic(self) -> float:
        return self.now

    def progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if stage not in ("features", "probe"):
            self._step = self._step or done
            self.now += self._seconds[not np.isclose(done - self._last, self._step)]
            self._last = done


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
    monkeypatch.setattr("kevo.training.candidate_fit.time", clock)
    trained = trainer(dataset).train(CONV_GENOME, Effort(5, seconds=seconds), progress=clock.progress)
    assert len(trained.history) == num_epochs
    assert trained.metrics in trained.history


def test_a_first_validation_without_end_fails_the_candidate(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(validation=1000.0)
    monkeypatch.setattr("kevo.training.candidate_fit.time", clock)
    with pytest.raises(CandidateError, match="too slow: its first steps and one pass over the validation pictures"):
        trainer(dataset).train(CONV_GENOME, Effort(5, seconds=10.0), progress=clock.progress)


def test_fine_tuning_does_not_begin_when_the_time_is_up(small: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    clock = Clock(train=100.0)
    monkeypatch.setattr("kevo.training.candidate_fit.time", clock)
    trained = trainer(small).train(genome, Effort(2, seconds=250.0), progress=clock.progress)
    assert trained.stages == ["head"]


def test_progress_runs_from_start_to_end(dataset: ImageDataset) -> None:
    seen: list[tuple[str, float, int]] = []

    def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        assert "accuracy" in metrics and stage == "train"
        seen.append((stage, done, total))

    trainer(dataset).train(CONV_GENOME, Effort(2), progress=progress)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1] == ("train", 2.0, 2)


def paused(trained: Trained, path: Path) -> Earlier:
    networks.deployable(trained.network).save(path)
    return Earlier(path, trained.history, trained.stages)


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


@pytest.mark.parametrize("fine_tune_rate", [None, 1e-3])
def test_the_learning_rate_goes_on_where_it_paused(fine_tune_rate: float | None) -> None:
    whole, rest = (
        optimizers.optimizer(CONV_GENOME, num_steps=100, num_done=num_done, fine_tune_rate=fine_tune_rate)
        for num_done in (0, 40)
    )
    for optimizer, steps in ((whole, 45), (rest, 5)):
        optimizer.build([keras.Variable(0.0)])
        optimizer.iterations.assign(steps)
    assert float(rest.learning_rate) == pytest.approx(float(whole.learning_rate))
    assert float(whole.learning_rate) < (fine_tune_rate or 0.01)


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


def test_fine_tuning_pauses_and_its_head_does_not(small: ImageDataset, tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    teacher = trainer(small)
    first = teacher.train(genome, Effort(3, patience=99, pause_after=1))
    assert first.stages == ["head"] * 3 + ["fine-tune"]
    second = teacher.train(
        genome, Effort(3, patience=99, pause_after=2), earlier=paused(first, tmp_path / "first.keras")
    )
    assert second.stages == [*first.stages, "fine-tune"]
    assert second.history[:4] == first.history
    assert second.num_parameters == first.num_parameters


def test_a_backbone_is_frozen_then_tuned_from_its_block(small: ImageDataset) -> None:
    teacher = trainer(small)
    frozen = teacher.train(pretrained_genome("vgg16", "block4_pool"), Effort(1))
    tuned = teacher.train(pretrained_genome("vgg16", "block4_pool", **FINE_TUNED), Effort(1))
    assert frozen.stages == ["head"]
    assert tuned.stages == ["head", "fine-tune"]
    assert tuned.history[0] == frozen.history[0], "both begin with the same head"
    assert frozen.num_parameters == tuned.num_parameters


def test_fine_tuning_moves_the_last_block_only_and_no_statistics(dataset: ImageDataset) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_6_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    teacher = trainer(dataset, objective="loss")
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    before = networks.feature_extractor(
        genome, whole=networks.backbone(genome, weights=RANDOM["mobilenet_v2", 0.35])
    ).get_layer("mobilenet_v2")
    trained = teacher.train({**genome, "fine_tune/learning_rate": 1e-2}, Effort(2, patience=99))
    assert trained.metrics in trained.history[2:], "it is judged by what became of it, whatever its head was"
    after = trained.network.get_layer("mobilenet_v2")
    moved = {
        old.name
        for old, new in zip(before.layers, after.layers, strict=True)
        if any(not np.array_equal(a, b) for a, b in zip(old.get_weights(), new.get_weights(), strict=True))
    }
    names = [layer.name for layer in before.layers]
    last_block = set(names[names.index("block_3_expand_relu") + 1 :])
    assert moved and moved <= last_block
    assert not any(isinstance(after.get_layer(name), keras.layers.BatchNormalization) for name in moved)


def test_fine_tuning_on_maps_is_fine_tuning_on_pictures(small: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_6_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    seen: list[tuple[int, ...]] = []
    original = stage.Loop

    def watched(model: keras.Model, **options: Any) -> Loop:
        seen.append(options["inputs"][0].shape[1:])
        return original(model, **options)

    monkeypatch.setattr(stage, "Loop", watched)
    teacher = trainer(small)
    on_maps = teacher.train(genome, Effort(2, patience=99))
    with monkeypatch.context() as patch:
        patch.setattr("kevo.tasks.images.features._MAX_MAP_BYTES", 0)
        on_pictures = trainer(small).train(genome, Effort(2, patience=99))
    # Head, maps behind the third block; head, pictures.
    assert seen[1:2] == [(8, 8, 48)] and seen[3] == (32, 32, 3) and seen[0] == seen[2]
    for one, other in zip(on_maps.history, on_pictures.history, strict=True):
        assert one == pytest.approx(other, rel=0.02, abs=0.05)
    probabilities = predict(on_maps.network, teacher.cache.pictures("validation", 32))
    assert probabilities == pytest.approx(on_maps.probabilities, abs=0.01)


def test_a_head_is_the_same_on_a_backbone_that_was_there_before(small: ImageDataset) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}
    teacher = trainer(small)
    first, second = (teacher.train({**genome, "head/dropout": 0.3}, Effort(2)) for _ in range(2))
    assert second.history == first.history
    assert trainer(small).train({**genome, "head/dropout": 0.3}, Effort(2)).history == first.history


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


def test_augmented_views_of_a_frozen_backbone_are_learned_from_too(small: ImageDataset) -> None:
    genes = {"augment": True, "augment__flip": "horizontal"}
    genes |= {f"augment__{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    plain = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}
    changed = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **genes), "mobilenet_v2/alpha": 0.35}
    teacher = trainer(small)
    assert teacher.train(plain, Effort(1)).history != teacher.train(changed, Effort(1)).history


@pytest.mark.parametrize("family", ["conv", "pretrained"])
def test_a_mirrored_genome_is_judged_by_what_its_model_predicts(small: ImageDataset, family: str) -> None:
    genome = CONV_GENOME
    if family == "pretrained":
        genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}
    plain, mirrored = (trainer(small).train({**genome, "mirror": mirror}, Effort(1)) for mirror in (False, True))
    assert [one["loss"] for one in plain.history] == [one["loss"] for one in mirrored.history]
    assert mirrored.probabilities is not None and not np.allclose(mirrored.probabilities, plain.probabilities)
    predicted = predict(networks.deployable(mirrored.network, mirror=True), small.validation.pictures)
    assert mirrored.probabilities == pytest.approx(predicted, abs=1e-2)


@pytest.mark.parametrize("kind", ["conv", "frozen", "fine_tune"])
def test_a_refit_learns_from_all_pictures_for_so_many_epochs(small: ImageDataset, kind: str) -> None:
    genome: dict[str, Any] = dict(CONV_GENOME)
    if kind != "conv":
        tuned = FINE_TUNED if kind == "fine_tune" else {}
        genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **tuned), "mobilenet_v2/alpha": 0.35}
    stages = {"conv": ["train"], "frozen": ["head"], "fine_tune": ["head", "fine-tune"]}[kind]
    told: list[tuple[str, float]] = []
    teacher = trainer(small)
    first = teacher.train(genome, Effort(4))
    trained = teacher.train(
        genome,
        Effort(4, refit=dict.fromkeys(stages, 2)),
        progress=lambda stage, done, total, metrics: told.append((stage, done)),
    )
    assert trained.history == [] and trained.metrics == {} and trained.probabilities is None and not trained.is_paused
    assert {stage for stage, done in told if done == 2.0} == set(stages) and max(done for _, done in told) == 2.0
    assert len(trained.network.get_weights()) == len(first.network.get_weights())
    with pytest.raises(CandidateError, match="to train once more on all pictures takes more than its 0 seconds"):
        teacher.train(genome, Effort(4, seconds=1e-9, refit=dict.fromkeys(stages, 2)))


@pytest.mark.parametrize("kind", ["conv", "fine_tune"])
def test_a_long_training_can_be_taken_up_where_it_was_kept(
    small: ImageDataset, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.training.candidate_fit._KEEP_SECONDS", 0.0)
    genome: dict[str, Any] = dict(CONV_GENOME)
    if kind == "fine_tune":
        genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    kept: list[tuple[list[dict[str, float]], list[str]]] = []

    def keep(network: keras.Model, history: Sequence[dict[str, float]], stages: Sequence[str], seconds: float) -> None:
        networks.deployable(network).save(tmp_path / "kept.keras")
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


def test_the_best_epochs_of_each_stage_are_those_that_counted() -> None:
    def epochs(*accuracies: float) -> list[dict[str, float]]:
        return [{"val_accuracy": accuracy, "val_cross_entropy": 1.0} for accuracy in accuracies]

    objective = OBJECTIVES["accuracy"]
    stages = ["head", "head", "fine-tune", "fine-tune"]
    assert num_best_epochs(epochs(0.5, 0.6, 0.7, 0.6), stages, objective) == {"head": 2, "fine-tune": 1}
    assert num_best_epochs(epochs(0.6, 0.5, 0.4, 0.5), stages, objective) == {"head": 1, "fine-tune": 2}


def test_a_rare_class_is_not_forgotten() -> None:
    pictures, labels = stripes(600)
    keep = (labels != 0) | (np.cumsum(labels == 0) <= 20)
    rare = datasets.load((pictures[keep], labels[keep]))
    assert rare.class_weights() is not None
    trained = trainer(rare, objective="macro_f1").train(CONV_GENOME, Effort(8))
    predicted = predict(trained.network, rare.validation.pictures).argmax(axis=1)
    assert (predicted[rare.validation.labels == 0] == 0).mean() > 0.5


def test_every_backbone_has_a_place_in_the_default_space() -> None:
    from kevo.tasks.images.space import preset

    assert set(preset("default").backbones) == set(backbones.BACKBONES)
