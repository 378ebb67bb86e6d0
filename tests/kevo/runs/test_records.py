"""What came of a trial, to JSON and back."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from kevo.runs.records import TrialRecord
from tests.support.records import FAILED, RECORD


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        FAILED,
        replace(
            RECORD, continues="0001", parents=("0001", "0002"), inherits="0001", inherited_share=0.5, inherited_epochs=7
        ),
    ],
)
def test_it_comes_back_from_json(record: TrialRecord) -> None:
    assert TrialRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_number_that_was_none_comes_back_as_nan() -> None:
    found = TrialRecord.from_json({**FAILED.to_json(), "metrics": {"loss": None}, "history": [{"loss": None}] * 2})
    assert math.isnan(found.metrics["loss"]) and math.isnan(found.history[1]["loss"])


@pytest.mark.parametrize("fitness", [math.nan, math.inf])
def test_nan_is_no_fitness(fitness: float) -> None:
    with pytest.raises(ValueError, match="finite fitness"):
        replace(RECORD, fitness=fitness)


@pytest.mark.parametrize(
    "changes",
    [
        {"trial_id": "../0007"},
        {"status": "running"},
        {"status": "failed"},
        {"fitness": None},
        {"stages": ["head"]},
        {"seconds": math.inf},
        {"finished_at": math.nan},
    ],
)
def test_what_contradicts_itself_is_no_record(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        replace(RECORD, **changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", -1),
        ("number", 10**7),
        ("generation", 10**9),
        ("num_epochs", 10**9),
        ("seconds", -1.0),
        ("seconds", 1e12),
        ("finished_at", 1e12),
        ("num_parameters", 10**17),
        ("num_parameters", -1),
        ("planned_epochs", 10**9),
        ("tune_epochs", 10**9),
        ("trial_id", "0" * 300),
        ("fitness", 1.5e308),
        ("fitness", -(10**301)),
    ],
)
def test_every_number_has_a_range(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        TrialRecord.from_json({**RECORD.to_json(), name: value})


@pytest.mark.parametrize("values", [{"metrics": {"loss": 1e301}}, {"history": [{"loss": -1e301}] * 2}])
def test_scores_and_losses_have_a_range(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"`loss` must be 1e\+300 at most"):
        TrialRecord.from_json({**RECORD.to_json(), **values})
    # A training may diverge.
    assert TrialRecord.from_json({**RECORD.to_json(), "metrics": {"loss": math.inf}}).metrics["loss"] == math.inf


@pytest.mark.parametrize("name", ["genome", "metrics", "history", "seconds", "finished_at", "planned_epochs"])
def test_what_lacks_a_field_is_no_record(name: str) -> None:
    values = RECORD.to_json()
    del values[name]
    with pytest.raises(ValueError, match=f"'{name}' is missing"):
        TrialRecord.from_json(values)
