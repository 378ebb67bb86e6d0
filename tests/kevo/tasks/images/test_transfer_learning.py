"""Training on pretrained backbones: a head on frozen features, and fine-tuning."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from kevo.system.array_store import ArrayStore
from kevo.tasks.images import networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.describe import describe
from kevo.tasks.images.genome_check import check_genome
from kevo.tasks.images.inference import predict
from kevo.tasks.images.picture_copies import augmented_copies
from kevo.training import stage
from kevo.training.effort import CandidateError, Effort, MeanMember
from kevo.training.loop import Forward, Loop
from kevo.training.mean_network import num_networks
from tests.support.samples import FINE_TUNED, pretrained_genome
from tests.support.trainers import RANDOM, Clock, paused, trainer

FLIPPED = {
    "augment": True,
    "augment/flip": "horizontal",
    **{f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")},
}


def test_a_backbone_too_slow_for_its_time_fails_with_the_reason(dataset: ImageDataset) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_13_relu"), "mobilenet/alpha": 0.25}
    with pytest.raises(CandidateError, match="too slow: one pass of the backbone"):
        trainer(dataset).train(genome, Effort(5, seconds=0.0))


def test_the_weights_of_a_head_evolve(dataset: ImageDataset) -> None:
    genome = {
        **pretrained_genome("mobilenet", "conv_pw_3_relu"),
        "mobilenet/alpha": 0.25,
        "optimizer": "evolution",
        "learning_rate": 0.05,
        "evolution/spread": 0.05,
        "evolution/grow": False,
    }
    check_genome(genome)
    assert "evolution 0.05, noise 0.05" in describe(genome)
    found = trainer(dataset).train(genome, Effort(4))
    losses = [epoch["loss"] for epoch in found.history]
    assert len(losses) == 4 and losses[-1] < losses[0]
    with pytest.raises(CandidateError, match=r"it has .* weights, more than the 5,000"):
        trainer(dataset).train({**genome, "head/num_dense": 1, "head/units": 1000}, Effort(1))


def test_a_pass_that_takes_too_long_leaves_a_head_on_a_sample(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    monkeypatch.setattr("kevo.tasks.images.passes._LARGEST_BLOCK", 40)
    genome = {
        **pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED),
        "mobilenet/alpha": 0.25,
        **FLIPPED,
    }
    clock = Clock()
    monkeypatch.setattr("kevo.training.clock.time", clock)
    teacher = trainer(dataset)

    def slow(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        # Each word is about a batch: validation, and then blocks of 20, 20 and 40 pictures.
        clock.now += 10.0 * (stage == "features")

    first = teacher.train(genome, Effort(3, seconds=80.0), progress=slow)
    assert first.is_cut_short and first.stages == ["head"] * 3
    assert first.outputs is not None and len(first.outputs) == len(dataset.validation)
    kept = [
        teacher.cache.num_kept("train", genome, RANDOM["mobilenet", 0.25], copy) for copy in augmented_copies(genome)
    ]
    assert kept == [80, 0]
    # More time goes on from there, and all pictures are learned from.
    second = teacher.train(genome, Effort(3, seconds=1000.0), progress=slow)
    assert not second.is_cut_short and second.stages == ["head"] * 3 + ["fine-tune"] * 3
    assert second.history[2] != first.history[2]


class CountedForward(Forward):
    """A forward pass that counts the pictures that pass."""

    num_pictures = 0

    def batches(self, inputs: npt.NDArray[np.uint8], batch_size: int) -> Iterator[npt.NDArray[np.float32]]:
        for batch in super().batches(inputs, batch_size):
            CountedForward.num_pictures += len(batch)
            yield batch


def watched_loops(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list that grows by how many examples and copies of them each stage learns from."""
    seen, original = list[int](), stage.Loop

    def watched(model: keras.Model, **options: Any) -> Loop:
        seen.append(sum(map(len, options["inputs"])))
        return original(model, **options)

    monkeypatch.setattr(stage, "Loop", watched)
    return seen


def test_a_sample_is_passed_once_and_extended_by_later_candidates(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    monkeypatch.setattr("kevo.tasks.images.passes._LARGEST_BLOCK", 40)
    monkeypatch.setattr(CountedForward, "num_pictures", 0)
    monkeypatch.setattr(
        "kevo.tasks.images.transfer_learning.forward_pass", lambda network: CountedForward(network, dtype=np.uint8)
    )
    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
    seen, teacher, num_validation = watched_loops(monkeypatch), trainer(dataset), len(dataset.validation)
    # A sample of 30 ends with the block in which the 30th is.
    sampled = teacher.train(genome, Effort(3, num_examples=30))
    assert sampled.is_cut_short and sampled.stages == ["head"] * 3
    assert sampled.outputs is not None and len(sampled.outputs) == num_validation
    assert CountedForward.num_pictures == num_validation + 40
    # What is there is learned from, also by those who asked for less.
    again = teacher.train(genome, Effort(3, num_examples=20))
    assert again.history == sampled.history and CountedForward.num_pictures == num_validation + 40
    # At last its head learns from the validation pictures too, whose features are there.
    teacher.train(genome, Effort(3, refit={"head": 2}, num_examples=1))
    assert seen == [40, 40, 40 + num_validation] and CountedForward.num_pictures == num_validation + 40
    whole = teacher.train(genome, Effort(3))
    assert not whole.is_cut_short and whole.history != sampled.history
    assert CountedForward.num_pictures == num_validation + len(dataset.train)
    assert not teacher.train(genome, Effort(3, num_examples=20)).is_cut_short, "all are there"


def slow_maps(clock: Clock) -> Callable[[str, float, int, Mapping[str, float]], None]:
    """Returns what is told of a training whose passes take ten seconds a batch, once its head is trained."""
    stages = set[str]()

    def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        stages.add(stage)
        clock.now += 10.0 * (stage == "features" and "head" in stages)

    return progress


@pytest.mark.parametrize(
    # After the head come a word, the validation pictures in a batch, and blocks of 20, 20, 40 and more in each copy.
    ("seconds", "num_rows"),
    [(80.0, 40), (120.0, 156), (200.0, 312)],
)
def test_fine_tuning_learns_from_what_has_passed_in_its_time(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, seconds: float, num_rows: int
) -> None:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    monkeypatch.setattr("kevo.tasks.images.passes._LARGEST_BLOCK", 40)
    clock, seen = Clock(), watched_loops(monkeypatch)
    monkeypatch.setattr("kevo.training.clock.time", clock)
    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED), "mobilenet/alpha": 0.25, **FLIPPED}
    genome["mobilenet/cut"] = "conv_pw_5_relu"
    trained = trainer(dataset).train(genome, Effort(2, seconds=seconds, tune_epochs=2), progress=slow_maps(clock))
    # The third is the mean of the weights that it began and ended with.
    assert trained.stages == ["head"] * 2 + ["fine-tune"] * 3
    assert seen == [2 * len(dataset.train), num_rows]
    assert trained.is_cut_short == (num_rows < 2 * len(dataset.train))


def test_a_pass_that_will_not_end_in_time_is_given_up_early(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.tasks.images.features.num_at_once", lambda size: 4)
    clock = Clock()
    monkeypatch.setattr("kevo.training.clock.time", clock)

    def slow(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        clock.now += 10.0

    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
    with pytest.raises(CandidateError, match="too slow: one pass of the backbone"):
        trainer(dataset).train(genome, Effort(3, seconds=100.0), progress=slow)
    assert clock.now == 30.0, "a tenth of the validation pictures tells"


def test_features_that_a_former_search_left_are_trained_on_alike(small: ImageDataset, tmp_path: Path) -> None:
    genome = {
        **pretrained_genome("mobilenet", "conv_pw_3_relu"),
        "mobilenet/alpha": 0.25,
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


def test_fine_tuning_does_not_begin_when_the_time_is_up(small: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
    clock = Clock(train=100.0)
    monkeypatch.setattr("kevo.training.clock.time", clock)
    trained = trainer(small).train(genome, Effort(2, seconds=250.0), progress=clock.progress)
    assert trained.stages == ["head"]


def test_a_refit_that_fine_tunes_ends_with_its_time(small: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_5_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
    clock, last = Clock(), dict[str, float]()
    monkeypatch.setattr("kevo.training.clock.time", clock)

    def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        clock.now += 1.0 * (stage == "fine-tune")
        last[stage] = done

    effort = Effort(1, seconds=5.5, tune_epochs=9, refit={"head": 1, "fine-tune": 9})
    refit = trainer(small).train(genome, effort, progress=progress)
    assert refit.metrics == {} and last["head"] == 1 and 0 < last["fine-tune"] < 9


def test_fine_tuning_pauses_and_its_head_does_not(small: ImageDataset, tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
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
    genome = {**pretrained_genome("mobilenet", "conv_pw_5_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
    teacher = trainer(dataset, objective="loss")
    keras.utils.set_random_seed(0)
    keras.backend.clear_session()
    before = networks.feature_extractor(
        genome, whole=networks.backbone(genome, weights=RANDOM["mobilenet", 0.25])
    ).get_layer("mobilenet")
    trained = teacher.train({**genome, "fine_tune/learning_rate": 1e-2}, Effort(2, patience=99))
    assert trained.metrics in trained.history[2:], "it is judged by what became of it, whatever its head was"
    after = trained.network.get_layer("mobilenet")
    moved = {
        old.name
        for old, new in zip(before.layers, after.layers, strict=True)
        if any(not np.array_equal(a, b) for a, b in zip(old.get_weights(), new.get_weights(), strict=True))
    }
    names = [layer.name for layer in before.layers]
    last_block = set(names[names.index("conv_pw_3_relu") + 1 :])
    assert moved and moved <= last_block
    assert not any(isinstance(after.get_layer(name), keras.layers.BatchNormalization) for name in moved)


def test_fine_tuning_on_maps_is_fine_tuning_on_pictures(small: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_5_relu", **FINE_TUNED), "mobilenet/alpha": 0.25}
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
    assert seen[1:2] == [(8, 8, 32)] and seen[3] == (32, 32, 3) and seen[0] == seen[2]
    for one, other in zip(on_maps.history, on_pictures.history, strict=True):
        assert one == pytest.approx(other, rel=0.02, abs=0.05)
    probabilities = predict(on_maps.network, teacher.cache.pictures("validation", 32))
    assert probabilities == pytest.approx(on_maps.outputs, abs=0.01)


def test_a_head_is_the_same_on_a_backbone_that_was_there_before(small: ImageDataset) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
    teacher = trainer(small)
    first, second = (teacher.train({**genome, "head/dropout": 0.3}, Effort(2)) for _ in range(2))
    assert second.history == first.history
    assert trainer(small).train({**genome, "head/dropout": 0.3}, Effort(2)).history == first.history


def test_augmented_views_of_a_frozen_backbone_are_learned_from_too(small: ImageDataset) -> None:
    genes = {"augment": True, "augment__flip": "horizontal"}
    genes |= {f"augment__{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")}
    plain = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25}
    changed = {**pretrained_genome("mobilenet", "conv_pw_3_relu", **genes), "mobilenet/alpha": 0.25}
    teacher = trainer(small)
    assert teacher.train(plain, Effort(1)).history != teacher.train(changed, Effort(1)).history


def test_a_refit_may_be_the_mean_of_heads_that_share_their_network(small: ImageDataset, tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet", "conv_pw_5_relu"), "mobilenet/alpha": 0.25, **FLIPPED, "mirror": True}
    deep = {**genome, "head/num_dense": 1, "head/units": 8, "augment": False, "mirror": False}
    deep = {name: value for name, value in deep.items() if not name.startswith("augment/")}
    teacher, told = trainer(small), list[str]()
    refit = Effort(6, refit={"head": 3}, members=(MeanMember(deep, 4, {"head": 4}),))
    mean = teacher.train(genome, refit, progress=lambda stage, *rest: told.append(stage))
    first = teacher.train(genome, dataclasses.replace(refit, members=()))
    # What the second head learns from has passed the frozen network.
    second = teacher.train({**deep, **FLIPPED, "mirror": True}, Effort(4, refit={"head": 4}))
    assert list(dict.fromkeys(told)) == ["features", "head", "network 2/2"]
    assert num_networks(mean.network) == 2 and num_networks(first.network) == 1
    size = second.network.get_layer("head").count_params()
    assert mean.num_parameters == mean.network.count_params() == first.num_parameters + size
    assert mean.outputs is not None and first.outputs is not None and second.outputs is not None
    np.testing.assert_allclose(mean.outputs, (first.outputs + second.outputs) / 2, atol=1e-5)
    assert not np.allclose(first.outputs, second.outputs, atol=1e-3)
    mean.deployable().save(tmp_path / "mean.keras")
    loaded = keras.models.load_model(tmp_path / "mean.keras", safe_mode=True)
    np.testing.assert_allclose(predict(loaded, small.validation.pictures), mean.outputs, atol=1e-2)
