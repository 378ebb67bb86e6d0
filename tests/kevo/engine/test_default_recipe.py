"""What the recipe that a search begins with would have scored alone."""

import pytest

from kevo.engine.default_recipe import default_recipe
from kevo.runs.records import TrialRecord
from kevo.tasks.images.kind import KIND
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.searches import record

ACCURACY, LOSS = OBJECTIVES["accuracy"], OBJECTIVES["loss"]
WHOLE = {"is_paused": False}


def seed(accuracy: float, **changes: object) -> TrialRecord:
    return record("0", accuracy, **{**WHOLE, "origin": "seed", **changes})


def other(trial_id: str, accuracy: float, full: float) -> list[TrialRecord]:
    genome = {**record(trial_id, 0.0).genome, "batch_size": 64}
    short = record(trial_id, accuracy, **WHOLE, number=int(trial_id), origin="mutation", genome=genome)
    return [short, record(f"{trial_id}-full", full, **WHOLE, genome=genome, full_length=True)]


def test_it_was_trained_where_it_had_its_final_training() -> None:
    final = record("0-full", 0.75, **WHOLE, full_length=True)
    found = default_recipe([seed(0.7), final, *other("1", 0.6, 0.9)], ACCURACY, KIND)
    assert found is not None and found.trial_id == "0" and not found.is_predicted
    assert (found.metric, found.score) == ("val_accuracy", 0.75)
    assert str(found).startswith("validation accuracy 0.7500 (trained), conv stack")


def test_a_final_training_that_lost_does_not_count_against_it() -> None:
    found = default_recipe([seed(0.7), record("0-full", 0.6, **WHOLE, full_length=True)], ACCURACY, KIND)
    assert found is not None and found.score == 0.7


def test_else_it_is_predicted_from_what_others_gained() -> None:
    records = [seed(0.7), *other("1", 0.6, 0.7), *other("2", 0.6, 0.8), *other("3", 0.6, 0.5)]
    found = default_recipe(records, ACCURACY, KIND)
    assert found is not None and found.is_predicted and found.score == pytest.approx(0.8)
    assert "(predicted from a shorter training)" in str(found)
    certain = default_recipe([seed(0.95), *other("1", 0.6, 0.8)], ACCURACY, KIND)
    assert certain is not None and certain.score == 1.0


def test_a_loss_is_predicted_to_fall() -> None:
    losses = {"0": 1.0, "1": 0.9, "1-full": 0.6}
    records = [
        record(
            one.trial_id,
            0.5,
            **WHOLE,
            origin=one.origin,
            full_length=one.full_length,
            number=one.number,
            genome=one.genome,
            metrics={"val_cross_entropy": losses[one.trial_id], "val_accuracy": 0.5},
        )
        for one in (seed(0.5), *other("1", 0.5, 0.5))
    ]
    found = default_recipe(records, LOSS, KIND)
    assert found is not None and found.score == pytest.approx(0.7) and found.is_predicted


def test_its_last_rung_counts() -> None:
    paused = seed(0.5, is_paused=True)
    promoted = record("4", 0.6, number=4, origin="promotion", continues="0", num_epochs=3, is_paused=True)
    found = default_recipe([paused, promoted], ACCURACY, KIND)
    assert found is not None and found.score == 0.6 and found.is_predicted


def test_without_a_trained_seed_there_is_none() -> None:
    assert default_recipe(other("1", 0.6, 0.9), ACCURACY, KIND) is None
