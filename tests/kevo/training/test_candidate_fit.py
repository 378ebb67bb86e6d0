"""The training of one candidate, whatever it learns to answer."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kevo.objective import Objective
from kevo.training import clock
from kevo.training.answers import Answers, StepScore
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import CandidateError, Earlier, Effort, OutOfTimeError
from kevo.training.stage import StagePlan, StageSpec

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(60, 4)).astype(np.float32)
VALIDATION = RNG.normal(size=(20, 4)).astype(np.float32)
GENOME = {"optimizer": "adam", "learning_rate": 0.05, "schedule": "constant", "batch_size": 10}
LOSS = Objective("val_mse", "min")


def numbers(inputs: np.ndarray) -> np.ndarray:
    return np.stack([inputs.sum(axis=1), inputs[:, 0] - inputs[:, 1]], axis=1)


def squared(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    return {"val_mse": float(((outputs - targets) ** 2).mean())}


REGRESSION = Answers(
    targets=numbers(INPUTS),
    loss=keras.losses.MeanSquaredError(),
    score=StepScore("mae", lambda true, predicted: tf.reduce_mean(tf.abs(true - predicted), axis=-1)),
    validation_targets=numbers(VALIDATION),
    measure=squared,
)


def network(num_outputs: int = 2, activation: str = "linear") -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(num_outputs, activation=activation)(inputs))


def deployable(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, keras.layers.Identity()(model.output))


def plan(num_epochs: int, **changes: Any) -> StagePlan:
    return StagePlan(**{"name": "train", "num_epochs": num_epochs, "pause_after": None, "patience": 5, **changes})


def fitted(
    model: keras.Model,
    *,
    answers: Answers = REGRESSION,
    objective: Objective = LOSS,
    effort: Effort | None = None,
    stage: StagePlan | None = None,
    views: Sequence[np.ndarray] = (VALIDATION,),
    genome: dict[str, Any] | None = None,
    **options: Any,
) -> CandidateFit:
    stage = stage or plan(6)
    fit = CandidateFit(objective, effort or Effort(6), plans=[stage], deployable=deployable, **options)
    fit.begin(model)
    spec = StageSpec(
        genome=genome or GENOME,
        split="train",
        num_epochs=stage.num_epochs,
        num_done=fit.history.num_epochs("train"),
        learning_rate=None,
    )
    loop = spec.loop(model, [INPUTS], answers, seed=0)
    fit.run_stage("train", model, loop, views, answers, batch_size=8)
    return fit


def test_numbers_are_learned_and_the_best_epoch_is_kept() -> None:
    model = network()
    fit = fitted(model)
    scores = [epoch["val_mse"] for epoch in fit.history.epochs]
    assert len(scores) == 6 and scores[-1] < 0.5 * scores[0] and fit.history.best["val_mse"] == min(scores)
    assert list(fit.history.epochs[0]) == ["loss", "mae", "val_mse"]
    assert fit.outputs is not None and fit.outputs.shape == (20, 2)
    np.testing.assert_allclose(fit.outputs, model.predict(VALIDATION, verbose=0), rtol=1e-5)
    assert squared(fit.outputs, numbers(VALIDATION))["val_mse"] == min(scores)


def test_several_labels_are_learned() -> None:
    """Each example may have any number of labels."""

    def labels(inputs: np.ndarray) -> np.ndarray:
        return (inputs[:, :3] > 0).astype(np.float32)

    answers = Answers(
        targets=labels(INPUTS),
        loss=keras.losses.BinaryCrossentropy(),
        validation_targets=labels(VALIDATION),
        measure=lambda outputs, targets: {"val_hits": float(((outputs > 0.5) == targets).mean())},
    )
    fit = fitted(network(3, "sigmoid"), answers=answers, objective=Objective("val_hits", "max"))
    assert fit.history.best["val_hits"] > 0.8 and list(fit.history.epochs[0]) == ["loss", "val_hits"]


def test_masks_are_learned() -> None:
    """Inputs are pictures, and so are the answers."""
    pictures = RNG.normal(size=(60, 6, 6, 1)).astype(np.float32)
    masks = (pictures > 0).astype(np.float32)
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))
    answers = Answers(
        targets=masks,
        loss=keras.losses.BinaryCrossentropy(),
        validation_targets=masks[:10],
        measure=lambda outputs, targets: {"val_hits": float(((outputs > 0.5) == targets).mean())},
    )
    fit = CandidateFit(Objective("val_hits", "max"), Effort(5), plans=[plan(5)], deployable=deployable)
    fit.begin(model)
    spec = StageSpec(genome=GENOME, split="train", num_epochs=5, num_done=0, learning_rate=None)
    loop = spec.loop(model, [pictures], answers, seed=0)
    fit.run_stage("train", model, loop, [pictures[:10]], answers, batch_size=8)
    assert fit.outputs is not None and fit.outputs.shape == (10, 6, 6, 1) and fit.history.best["val_hits"] > 0.8


def test_outputs_are_the_mean_over_the_views() -> None:
    model = network()
    fit = fitted(model, views=(VALIDATION, -VALIDATION), stage=plan(1))
    expected = np.mean([model.predict(view, verbose=0) for view in (VALIDATION, -VALIDATION)], axis=0)
    np.testing.assert_allclose(fit.outputs, expected, atol=1e-5)


def test_a_stage_ends_after_epochs_without_gain() -> None:
    still = {**GENOME, "learning_rate": 1e-12}
    assert len(fitted(network(), genome=still, stage=plan(30, patience=2)).history) == 3
    assert len(fitted(network(), genome=still, stage=plan(4, patience=None)).history) == 4


def test_a_pause_is_told_from_an_end(tmp_path: Path) -> None:
    model = network()
    first = fitted(model, stage=plan(4, pause_after=2))
    assert first.is_paused and len(first.history) == 2
    deployable(model).save(tmp_path / "paused.keras")
    earlier = Earlier(tmp_path / "paused.keras", first.history.epochs, first.history.stages)
    last = fitted(network(), stage=plan(4), earlier=earlier)
    assert not last.is_paused and last.history.epochs[:2] == first.history.epochs and len(last.history) == 4
    assert last.history.epochs[2]["loss"] < first.history.epochs[0]["loss"], "it goes on with the weights"


def test_the_mean_of_the_first_and_the_last_weights_is_one_more_epoch() -> None:
    model, plain = network(), network()
    first = model.get_weights()
    fitted(plain, stage=plan(1))
    middle = [(one + other) / 2 for one, other in zip(first, plain.get_weights(), strict=True)]
    # Where it is the worse the better, what has learned less wins.
    for objective, num_best, weights in (
        (Objective("val_mse", "max"), 2, middle),
        (LOSS, 1, plain.get_weights()),
    ):
        for effort in (Effort(1), Effort(1, refit={"train": num_best})):
            model.set_weights(first)
            fit = fitted(model, objective=objective, effort=effort, stage=plan(1, averages=True))
            assert len(fit.history) == (2 if effort.refit is None else 0)
            for found, expected in zip(model.get_weights(), weights, strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
            if fit.outputs is not None:
                np.testing.assert_allclose(fit.outputs, model.predict(VALIDATION, verbose=0), rtol=1e-4)


def test_a_stage_may_begin_with_what_was_before() -> None:
    """Where it is the worse the better, what has learned less wins."""
    model, stages = network(), [plan(1), plan(3, name="tune", begins_before=True)]
    for effort in (Effort(3), Effort(3, refit={"tune": 1})):
        fit = CandidateFit(Objective("val_mse", "max"), effort, plans=stages, deployable=deployable)
        fit.begin(model)
        for stage in stages:
            if effort.refit is not None or stage.name == "tune":
                before, outputs = model.get_weights(), fit.outputs
            spec = StageSpec(genome=GENOME, split="train", num_epochs=stage.num_epochs, num_done=0, learning_rate=None)
            loop = spec.loop(model, [INPUTS], REGRESSION, seed=0)
            fit.run_stage(stage.name, model, loop, [VALIDATION], REGRESSION, batch_size=8)
        for found, expected in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)
        if effort.refit is None:
            assert fit.outputs is outputs
            assert fit.history.stages == ["train", "tune", "tune", "tune", "tune"]
            assert fit.history.best == fit.history.epochs[0] == fit.history.epochs[1]
    # The first epoch counts for no pause.
    pausing = plan(3, name="tune", begins_before=True, pause_after=2)
    paused = CandidateFit(LOSS, Effort(3), plans=[stages[0], pausing], deployable=deployable)
    for stage in (stages[0], pausing):
        loop = spec.loop(model, [INPUTS], REGRESSION, seed=0)
        paused.run_stage(stage.name, model, loop, [VALIDATION], REGRESSION, batch_size=8)
    assert paused.is_paused and paused.history.stages == ["train", "tune", "tune", "tune"]
    model.set_weights(before)
    # Where learning helps, it is learned.
    after = CandidateFit(LOSS, Effort(3, refit={"tune": 2}), plans=stages, deployable=deployable)
    loop = spec.loop(model, [INPUTS], REGRESSION, seed=0)
    after.run_stage("tune", model, loop, [VALIDATION], REGRESSION, batch_size=8)
    assert not np.allclose(model.get_weights()[0], before[0])


def test_a_stage_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(1.0)
    monkeypatch.setattr(clock, "time", time)
    stage = plan(50, share=0.4)
    fit = fitted(network(), effort=Effort(50, seconds=100.0), stage=stage, progress=time.progress)
    assert fit.is_cut_short and 30 < time.now <= 41


def test_a_training_that_ends_before_its_length_has_no_mean(tmp_path: Path) -> None:
    worst = Objective("val_mse", "max")
    assert len(fitted(network(), objective=worst, stage=plan(6, averages=True, patience=1)).history) == 2
    model = network()
    first = fitted(model, stage=plan(4, pause_after=2))
    path = tmp_path / "first.keras"
    deployable(model).save(path)
    earlier = Earlier(path, first.history.epochs, first.history.stages)
    # Where it began is no longer known.
    assert len(fitted(network(), stage=plan(4, averages=True), earlier=earlier).history) == 4


def test_a_refit_measures_nothing_and_answers_once() -> None:
    model = network()
    before = model.get_weights()
    fit = fitted(model, effort=Effort(6, refit={"train": 2}), views=(VALIDATION, -VALIDATION))
    assert not len(fit.history) and not fit.is_paused
    assert not np.allclose(model.get_weights()[0], before[0])
    both = [model.predict(view, verbose=0) for view in (VALIDATION, -VALIDATION)]
    np.testing.assert_allclose(fit.outputs, np.mean(both, axis=0), rtol=1e-5)


def test_over_folds_a_refit_has_nothing_to_answer() -> None:
    fit = fitted(network(), effort=Effort(6, refit={"train": 2}), views=(VALIDATION[:0],))
    assert fit.outputs is None


class Diverging:
    """A loop whose loss is no number."""

    def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]:
        yield 1.0, {"loss": float("nan")}

    def end_after(self, num_epochs: float) -> None:
        raise AssertionError("a training that failed has no end")


@pytest.mark.parametrize("refit", [None, {"train": 1}])
def test_a_loss_that_is_no_number_ends_the_candidate(refit: dict[str, int] | None) -> None:
    fit = CandidateFit(LOSS, Effort(3, refit=refit), plans=[plan(3)], deployable=deployable)
    with pytest.raises(CandidateError, match="the loss is no longer a number in epoch 1 of the stage 'train'"):
        fit.run_stage("train", network(), Diverging(), [VALIDATION], REGRESSION, batch_size=8)


def test_outputs_that_are_no_numbers_end_the_candidate() -> None:
    with pytest.raises(CandidateError, match="predicts what is no number after epoch 1"):
        fitted(network(), views=[np.full((3, 4), np.inf, np.float32)])


class Time:
    """Stands still until progress is told, which then takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.now, self._seconds = 0.0, seconds

    def monotonic(self) -> float:
        return self.now

    def progress(self, *_: object) -> None:
        self.now += self._seconds


def test_each_epoch_tells_its_validation() -> None:
    told = list[tuple[float, Mapping[str, float]]]()
    fit = fitted(
        network(),
        effort=Effort(2),
        stage=plan(2),
        progress=lambda _name, done, _total, metrics: told.append((done, metrics)),
    )
    validated = [(done, metrics["val_mse"]) for done, metrics in told if "val_mse" in metrics]
    assert validated == [(1.0, fit.history.epochs[0]["val_mse"]), (2.0, fit.history.epochs[1]["val_mse"])]
    # Steps tell what is learned from.
    assert {"loss", "mae"} == set(told[0][1])


def test_when_time_is_up_what_was_measured_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(1.0)
    monkeypatch.setattr(clock, "time", time)
    fit = fitted(network(), effort=Effort(50, seconds=25.0), stage=plan(50), progress=time.progress)
    assert fit.is_cut_short and not fit.is_paused and 1 <= len(fit.history) < 5
    assert fit.history.best and fit.outputs is not None


@pytest.mark.parametrize("refit", [None, {"train": 50}])
def test_the_learning_rate_has_fallen_when_the_time_is_up(
    monkeypatch: pytest.MonkeyPatch, refit: dict[str, int] | None
) -> None:
    time = Time(1.0)
    monkeypatch.setattr(clock, "time", time)
    spec = StageSpec(
        genome={**GENOME, "schedule": "cosine"}, split="train", num_epochs=50, num_done=0, learning_rate=None
    )
    model, told = network(), list[float]()
    loop = spec.loop(model, [INPUTS], REGRESSION, seed=0)

    class Told:
        def epoch(self, number: int) -> Iterator[tuple[float, dict[str, float]]]:
            yield from loop.epoch(number)

        def end_after(self, num_epochs: float) -> None:
            told.append(num_epochs)
            loop.end_after(num_epochs)

    stage = plan(50, patience=None, fits_its_time=True)
    effort = Effort(50, seconds=100.0, refit=refit)
    shown = list[tuple[float, int]]()

    def progress(name: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        shown.append((done, total))
        # Its scores are told behind each validation.
        if not any(metric.startswith("val_") for metric in metrics):
            time.progress()

    fit = CandidateFit(LOSS, effort, plans=[stage], deployable=deployable, progress=progress)
    fit.begin(model)
    fit.run_stage("train", model, Told(), [VALIDATION], REGRESSION, batch_size=8)
    # Six steps in each epoch, a second for each; then three for a validation, and room for two of them.
    expected = 100 / 6 if refit else (100 - 6) / 9
    assert told[-1] == pytest.approx(expected, abs=1.0)
    assert fit.is_cut_short == (refit is None) and len(fit.history) == (0 if refit else 10 + 1)
    assert fit.share == (1.0 if refit else pytest.approx(expected / 50, abs=0.02))
    # What is shown as its length is what there is time for.
    assert shown[-1][1] == pytest.approx(expected, abs=1.5) and all(done <= total for done, total in shown)


def test_a_preparation_that_takes_too_long_ends_the_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(6.0)
    monkeypatch.setattr(clock, "time", time)
    fit = CandidateFit(LOSS, Effort(3, seconds=10.0), plans=[plan(3)], deployable=deployable, progress=time.progress)
    fit.check("download", 0.5, "the download takes")
    with pytest.raises(OutOfTimeError, match="the download takes more than its 10 seconds"):
        fit.check("download", 1.0, "the download takes")
