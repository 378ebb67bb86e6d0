"""What one stage of a training is made from."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest

from kevo.training.answers import Answers
from kevo.training.stage import StagePlan, StageSpec

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(10, 3)).astype(np.float32)
GENOME = {"optimizer": "adam", "learning_rate": 0.01, "schedule": "cosine", "batch_size": 4}
SPEC = StageSpec(genome=GENOME, split="train", num_epochs=5, num_done=0, learning_rate=None)
NUMBERS = Answers(
    targets=INPUTS.sum(axis=1, keepdims=True),
    loss=keras.losses.MeanSquaredError(),
    validation_targets=INPUTS.sum(axis=1, keepdims=True),
    measure=lambda outputs, targets: {"val_mse": float(((outputs - targets) ** 2).mean())},
)


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def trained(spec: StageSpec, *inputs: np.ndarray, answers: Answers = NUMBERS, seed: int = 0) -> tuple[Any, list[Any]]:
    model = network()
    loop = spec.loop(model, inputs, answers, seed=seed)
    losses = [metrics["loss"] for epoch in range(2) for _, metrics in loop.epoch(epoch)]
    return model.get_weights(), losses


def test_it_ends_where_it_pauses() -> None:
    plan = StagePlan(name="train", num_epochs=9, pause_after=3, patience=5)
    assert plan.last_epoch == 3 and dataclasses.replace(plan, pause_after=None).last_epoch == 9


def test_the_same_values_make_the_same_training() -> None:
    first, again, other = (trained(SPEC, INPUTS, seed=seed) for seed in (0, 0, 1))
    assert first[1] == again[1] != other[1]
    assert first[1][-1] < first[1][0]


def test_a_plain_mapping_makes_the_same_spec() -> None:
    assert StageSpec(**dataclasses.asdict(SPEC)) == SPEC


def test_answers_are_repeated_for_every_copy() -> None:
    """With three copies of the same examples it does not matter which one chance picks."""
    weights = np.linspace(0.5, 1.5, 10).astype(np.float32)
    answers = dataclasses.replace(NUMBERS, weights=weights)
    once, thrice = (trained(SPEC, *[INPUTS] * num, answers=answers) for num in (1, 3))
    assert thrice[1] == pytest.approx(once[1], rel=1e-5)
    for one, other in zip(once[0], thrice[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_rate_falls_over_the_epochs_before_a_pause_too() -> None:
    """Late in the stage the same steps move the weights less."""
    start = network().get_weights()
    moves = []
    for num_done in (0, 3):
        ended, _ = trained(dataclasses.replace(SPEC, num_done=num_done), INPUTS)
        moves.append(sum(float(np.abs(one - other).sum()) for one, other in zip(ended, start, strict=True)))
    assert moves[1] < 0.5 * moves[0]
