"""One candidate over folds: trainings joined epoch by epoch, and one on all examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from kevo.objective import Objective
from kevo.tasks.folded_trainer import FoldedTrainer, num_trainings
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.training.effort import CandidateError, Effort

FOLDS = np.array([0, 1, 0, 1])
TARGETS = np.array([1.0, 2.0, 3.0, 4.0])
RMSE = Objective("val_rmse", "min")


@dataclasses.dataclass
class Done:
    """What a training left."""

    history: list[dict[str, float]]
    stages: list[str]
    epoch_outputs: list[np.ndarray]
    is_cut_short: bool = False
    share: float = 1.0
    num_parameters: int = 7

    def deployable(self) -> str:
        return "the model"


class Prepared:
    """A trainer whose errors are known beforehand: by how much each of its epochs is off, for each of its stages."""

    def __init__(self, targets: np.ndarray, errors: Mapping[str, Sequence[float]], **changes: Any) -> None:
        self._targets, self._errors, self._changes = targets, errors, changes
        self.efforts: list[Effort] = []
        self.known: list[Mapping[str, Any]] = []

    def learn(self, learned: Mapping[str, Any]) -> None:
        self.known.append(learned)

    def news(self) -> dict[str, Any]:
        return {"found": 1}

    def train(self, genome: Any, effort: Effort, *, progress: Any = None, **_: Any) -> Done:
        self.efforts.append(effort)
        if progress is not None:
            progress("train", 1.0, 3, {})
        stages = [stage for stage, errors in self._errors.items() for _ in errors]
        outputs = [(self._targets + error).reshape(-1, 1) for errors in self._errors.values() for error in errors]
        history = [{"loss": float(len(self._targets))} for _ in stages]
        return Done(history, stages, outputs, **self._changes)


def folded(first: Prepared, second: Prepared, whole: Prepared, **options: Any) -> FoldedTrainer:
    answers = Numbers.of("size", TARGETS).answers(TARGETS, validation_targets=TARGETS)
    return FoldedTrainer([first, second], whole, FOLDS, answers=answers, objective=RMSE, **options)


def test_one_number_of_epochs_is_chosen_for_all_folds() -> None:
    # Alone the first would stop after its first epoch, and the second after its third.
    first, second = (
        Prepared(TARGETS[[0, 2]], {"train": [0.5, 0.6, 0.9]}),
        Prepared(TARGETS[[1, 3]], {"train": [2, 1, 0.9]}),
    )
    whole = Prepared(TARGETS, {"train": []})
    told: list[str] = []
    trainer = folded(first, second, whole)
    done = trainer.train({}, Effort(3), progress=lambda stage, *_: told.append(stage))
    assert done.metrics["val_rmse"] == pytest.approx(np.sqrt((0.6**2 + 1) / 2))
    assert done.outputs is not None and done.outputs[:, 0] == pytest.approx(TARGETS + np.array([0.6, 1, 0.6, 1]))
    assert [round(epoch["val_rmse"] ** 2, 4) for epoch in done.history] == [2.125, 0.68, 0.81]
    assert done.stages == ["train"] * 3 and done.metrics["loss"] == 2.0
    assert whole.efforts == [Effort(3, refit={"train": 2})]
    assert [one.keeps_outputs for one in (*first.efforts, *second.efforts)] == [True, True]
    assert told == ["fold 1/2", "fold 2/2", "all folds"]
    assert done.deployable() == "the model" and done.num_parameters == 7 and not done.is_paused


def test_a_fold_that_stopped_early_stays_as_it_was() -> None:
    first = Prepared(TARGETS[[0, 2]], {"head": [2.0, 1.0], "fine-tune": [0.5, 0.1]})
    second = Prepared(TARGETS[[1, 3]], {"head": [1.0]}, is_cut_short=True, share=0.5)
    whole = Prepared(TARGETS, {})
    done = folded(first, second, whole).train({}, Effort(4, tune_epochs=2))
    assert done.stages == ["head", "head", "fine-tune", "fine-tune"]
    # Each stage has its own best epoch, and the last stage's counts.
    assert done.metrics["val_rmse"] == pytest.approx(np.sqrt((0.1**2 + 1) / 2))
    assert whole.efforts == [Effort(4, tune_epochs=2, refit={"head": 2, "fine-tune": 2})]
    assert done.is_cut_short and done.share == 0.5


def test_time_is_divided_where_trainings_fill_it() -> None:
    parts = [
        Prepared(TARGETS[[0, 2]], {"train": [1]}),
        Prepared(TARGETS[[1, 3]], {"train": [1]}),
        Prepared(TARGETS, {}),
    ]
    folded(*parts, fills_its_time=lambda genome: True).train({}, Effort(3, 30.0))
    first, second, whole = (one.efforts[0].seconds for one in parts)
    assert (
        first == pytest.approx(10, abs=1) and second == pytest.approx(15, abs=1) and whole == pytest.approx(30, abs=1)
    )


def test_the_last_training_is_as_long_as_the_folds_had_time_for() -> None:
    short = {"is_cut_short": True}
    parts = [
        Prepared(TARGETS[[0, 2]], {"train": [1, 2]}, **short),
        Prepared(TARGETS[[1, 3]], {"train": [1, 2]}, **short),
    ]
    whole = Prepared(TARGETS, {})
    folded(*parts, whole, fills_its_time=lambda genome: True).train({}, Effort(9, num_examples=3))
    assert whole.efforts == [Effort(2, refit={"train": 2})]


def test_news_go_to_all_and_come_from_the_first() -> None:
    parts = [Prepared(TARGETS[[0, 2]], {}), Prepared(TARGETS[[1, 3]], {}), Prepared(TARGETS, {})]
    trainer = folded(*parts)
    trainer.learn({"errors": 1})
    assert [one.known for one in parts] == [[{"errors": 1}]] * 3
    assert trainer.news() == {"found": 1}


def test_a_fold_that_fails_fails_the_candidate() -> None:
    class Failing(Prepared):
        def train(self, *_: Any, **__: Any) -> Done:
            raise CandidateError("too slow")

    with pytest.raises(CandidateError, match="too slow"):
        folded(Prepared(TARGETS[[0, 2]], {"train": [1]}), Failing(TARGETS[[1, 3]], {}), Prepared(TARGETS, {})).train(
            {}, Effort(1)
        )


def test_two_folds_cost_four_trainings_of_half_the_examples() -> None:
    assert num_trainings(2) == 4
