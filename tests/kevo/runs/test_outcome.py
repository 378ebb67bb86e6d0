"""What a search ended with, to JSON and back, and in words."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kevo.objective import Objective
from kevo.runs.outcome import (
    Ensemble,
    EnsembleMember,
    FrontMember,
    Outcome,
    describe_ensemble,
    describe_front,
    finite,
)
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support.samples import CONV_GENOME

SCORES = Evaluation(
    num_examples=10,
    accuracy=0.9,
    macro_f1=0.9,
    cross_entropy=0.3,
    precision={"cat": 1.0, "dog": 0.8},
    recall={"cat": 0.8, "dog": 1.0},
    support={"cat": 5, "dog": 5},
    confusion=[[4, 1], [0, 5]],
)


def found(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "run_folder": Path("run"),
        "model_path": Path("run/best.keras"),
        "genome": dict(CONV_GENOME),
        "words": "conv stack",
        "num_parameters": 1234567,
        "validation": SCORES,
        "test": SCORES,
        "trials_completed": 7,
        "trials_failed": 1,
        "seconds": 75.0,
        "interrupted": False,
    }
    return Outcome(**{**values, **changes})


MEMBER = FrontMember("0-full", dict(CONV_GENOME), "conv stack", {"val_accuracy": 0.9}, Path("run/checkpoints/0.keras"))
TOGETHER = Ensemble((EnsembleMember("0", 1.0, "conv stack"),), 99, SCORES, SCORES, Path("run/ensemble.keras"))
WHOLE = found(is_refit=True, front=(MEMBER,), hypervolume=0.5, ensemble=TOGETHER)


@pytest.mark.parametrize("outcome", [found(), WHOLE])
def test_it_comes_back_from_json(outcome: Outcome) -> None:
    values = json.loads(json.dumps(outcome.to_json()))
    assert Outcome.from_json(values) == outcome
    assert values["model_path"] == "run/best.keras" and values["test"]["accuracy"] == 0.9


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("words"),
        lambda values: values.update(surprise=1),
        lambda values: values.update(seconds=float("nan")),
        lambda values: values.update(seconds=None),
        lambda values: values.update(num_parameters="many"),
        lambda values: values.update(genome=7),
        lambda values: values.update(front=5),
        lambda values: values.update(hypervolume=float("inf")),
        lambda values: values["front"][0].update(surprise=1),
        lambda values: values["front"][0].pop("metrics"),
        lambda values: values["ensemble"].update(surprise=1),
        lambda values: values["ensemble"]["members"][0].update(weight=float("nan")),
        lambda values: values["ensemble"]["test"].update(accuracy=2.0),
        lambda values: values["test"].update(accuracy="high"),
        lambda values: values["validation"].update(confusion=[[5, 0], [0, 4]]),
    ],
)
def test_what_is_no_outcome_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    values = copy.deepcopy(WHOLE.to_json())
    change(values)
    with pytest.raises((AttributeError, LookupError, TypeError, ValueError)):
        Outcome.from_json(values)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), None, "x", []])
def test_only_numbers_are_numbers(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        finite(value)
    assert finite("1.5") == 1.5


def test_files_are_those_of_the_run_folder_wherever_it_is() -> None:
    strange = dataclasses.replace(
        WHOLE,
        run_folder=Path("elsewhere"),
        model_path=Path("/etc/passwd"),
        front=(dataclasses.replace(MEMBER, model_path=Path("../../0.keras")),),
        ensemble=dataclasses.replace(TOGETHER, model_path=Path("/etc/shadow")),
    )
    assert strange.moved(Path("run")) == WHOLE


def test_a_front_is_described_model_by_model() -> None:
    def member(trial_id: str, **metrics: float) -> FrontMember:
        return FrontMember(trial_id, {}, "", metrics, Path("run", "checkpoints", f"{trial_id}.keras"))

    names = ("params", "seconds", "flops", "bytes")
    scores = evaluation.evaluate(np.eye(2), np.arange(2), class_names=["cat", "dog"])
    outcome = Outcome(
        run_folder=Path("run"),
        model_path=Path("run", "best.keras"),
        genome={},
        words="",
        num_parameters=20_010,
        validation=scores,
        test=scores,
        trials_completed=8,
        trials_failed=0,
        seconds=100.0,
        interrupted=False,
        front=(
            member("7", val_accuracy=0.98, params=20_010.0, seconds=75.0, flops=2.5e6, bytes=120_000.0),
            member("0-full", val_accuracy=0.9, params=618.0, seconds=4.0, flops=900.0, bytes=50_000.0),
        ),
        hypervolume=0.91234,
    )
    assert list(describe_front(outcome, [OBJECTIVES["accuracy"], *(Objective(name, "min") for name in names)])) == [
        "Front: 2 models that no other beats in everything, hypervolume 0.9123",
        "  checkpoints/7.keras  accuracy 0.9800, 20k parameters, 1 min 15 s, 2.5M FLOPs per prediction, "
        "120k bytes of the saved model",
        "  checkpoints/0-full.keras  accuracy 0.9000, 618 parameters, 4.0 s, 900 FLOPs per prediction, "
        "50k bytes of the saved model",
    ]


def test_an_ensemble_is_described_beside_the_best_single_model() -> None:
    better = dataclasses.replace(SCORES, accuracy=0.95, cross_entropy=0.25)
    members = (EnsembleMember("0", 0.5, "one"), EnsembleMember("1", 0.5, "another"))
    ensemble = Ensemble(members, 2_500_000, better, better, Path("ensemble.keras"))
    assert describe_ensemble(ensemble, best=found()) == (
        "Ensemble: ensemble.keras, 2 models as one, 2.5M parameters, "
        "validation cross entropy 0.2500 (best single 0.3000), validation accuracy 0.9500 (best single 0.9000), "
        "test accuracy 0.9500 (best single 0.9000)"
    )
