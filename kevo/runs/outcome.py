"""What a search, or one session of it, ended with: the winner and its scores, the front, the ensemble."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kevo.objective import COSTS, Objective
from kevo.runs import layout
from kevo.system import model_files
from kevo.system.text import count, duration, metric_name, plural
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.scores import Calibration
from kevo.tasks.registry import DEFAULT, TASKS, kind_of

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class FrontMember:
    """A model that no other beats in every objective; `metrics` are its best epoch's, and its costs."""

    trial_id: str
    genome: dict[str, Any]
    words: str
    metrics: dict[str, float]
    model_path: Path

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `Outcome.to_json` wrote."""
        _check_names(cls, values)
        return cls(
            trial_id=str(values["trial_id"]),
            genome=dict(values["genome"]),
            words=str(values["words"]),
            metrics={str(name): math.nan if one is None else float(one) for name, one in values["metrics"].items()},
            model_path=Path(values["model_path"]),
        )


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """A candidate in an ensemble, and the weight of its outputs; all weights sum to 1."""

    trial_id: str
    weight: float
    words: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `Outcome.to_json` wrote."""
        _check_names(cls, values)
        return cls(str(values["trial_id"]), finite(values["weight"]), str(values["words"]))


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Candidates that are better together on the validation split than the best of them alone.

    `validation` and `test` are the scores of the saved model, after it was loaded again. `calibration` says how its
    probabilities were calibrated, as for `Outcome`: `validation` is from before that, and `test` from after.
    """

    members: tuple[EnsembleMember, ...]
    num_parameters: int
    validation: Any
    test: Any
    model_path: Path
    calibration: Calibration | None = None

    @property
    def model(self) -> keras.Model:
        """The ensemble, loaded from its file; it takes and answers what the best model does."""
        return model_files.load(self.model_path)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], kind: AnyKind) -> Self:
        """Reads what `Outcome.to_json` wrote."""
        _check_names(cls, values)
        return cls(
            members=tuple(map(EnsembleMember.from_json, values["members"])),
            num_parameters=int(values["num_parameters"]),
            validation=kind.parse_scores(values["validation"]),
            test=kind.parse_scores(values["test"]),
            model_path=Path(values["model_path"]),
            calibration=_calibration(values),
        )


@dataclass(frozen=True, slots=True)
class DefaultRecipe:
    """The first seed of a search, and what it would have scored on the validation split as the only candidate.

    `metric` is the objective's. `is_predicted` tells that it had no final training: `score` is then its last one's and
    what finalists have gained by theirs. Otherwise it was trained.
    """

    trial_id: str
    words: str
    metric: str
    score: float
    is_predicted: bool

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `Outcome.to_json` wrote."""
        _check_names(cls, values)
        return cls(
            trial_id=str(values["trial_id"]),
            words=str(values["words"]),
            metric=str(values["metric"]),
            score=finite(values["score"]),
            is_predicted=bool(values["is_predicted"]),
        )

    def __str__(self) -> str:
        how = "predicted from a shorter training" if self.is_predicted else "trained"
        return f"{metric_name(self.metric, with_split=True)} {self.score:.4f} ({how}), {self.words}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search ended with.

    Args:
        run_folder: The run folder.
        model_path: The best model's file in it.
        genome: The best model's genes.
        words: The same in words, and of how many networks the model is the mean.
        num_parameters: The best model's size.
        validation: Its scores on the validation split, after it was loaded again: the task's own `Scores`.
        test: Its scores on the test split, of the same type.
        trials_completed: How many trials have a fitness, without final trainings.
        trials_failed: How many failed.
        seconds: How long the search took, over all sessions.
        interrupted: Whether it was stopped by hand, and can be resumed.
        is_refit: Whether the best model has learned from the validation split too, after all was decided: `validation`
            are then the scores of the same model before that.
        num_folds: Over how many folds `validation` was measured, on all examples but those of the test split; the best
            model has then learned from all of these. `None` where there was one validation split.
        front: Where something was minimized beside the objective, the models that no other beats in everything, the
            best of the objective first.
        hypervolume: How much of what is thinkable the front covers, from 0 to 1: accuracy counts from 0 to 1, costs and
            losses from those of the worst candidate down to 0. `None` without a front.
        ensemble: `None` where there is none that is better than the best model, or there was no time for one.
        task: The name of the task, one of `kevo.tasks.registry.TASKS`.
        is_chance: Whether the best model may be no better than the same answer to every example, as far as the test
            split tells.
        advice: What to do about that; empty where it is better.
        trial_id: The trial whose model is the best one; empty where that is unknown.
        calibration: How the best model's probabilities were calibrated, on the validation split; `validation` are its
            scores before that, and `test` after. `None` where they were not.
        default_recipe: What the recipe that the search began with would have scored alone; `None` where it could not be
            trained.
    """

    run_folder: Path
    model_path: Path
    genome: dict[str, Any]
    words: str
    num_parameters: int
    validation: Any
    test: Any
    trials_completed: int
    trials_failed: int
    seconds: float
    interrupted: bool
    is_refit: bool = False
    num_folds: int | None = None
    front: tuple[FrontMember, ...] = ()
    hypervolume: float | None = None
    ensemble: Ensemble | None = None
    task: str = DEFAULT
    is_chance: bool = False
    advice: str = ""
    trial_id: str = ""
    default_recipe: DefaultRecipe | None = None
    calibration: Calibration | None = None

    @property
    def kind(self) -> AnyKind:
        """The task that was searched for."""
        return kind_of(self.task)

    @property
    def warning(self) -> str:
        """That the best model may be no better than a guess, and what to do; empty where it is better."""
        return f"{self.kind.pages().chance_note(self.test)} {self.advice}".strip() if self.is_chance else ""

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        values = dataclasses.asdict(self)
        front = [{**member, "model_path": str(member["model_path"])} for member in values["front"]]
        paths = {name: str(values[name]) for name in ("run_folder", "model_path")}
        ensemble = self.ensemble and {**values["ensemble"], "model_path": str(self.ensemble.model_path)}
        return {**values, **paths, "front": front, "ensemble": ensemble}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError: these are not the values of an outcome.
        """
        _check_names(cls, values)
        task = values.get("task", DEFAULT)
        if task not in TASKS:
            raise ValueError(f"there is no task {task!r}")
        kind = kind_of(task)
        return cls(
            run_folder=Path(values["run_folder"]),
            model_path=Path(values["model_path"]),
            genome=dict(values["genome"]),
            words=str(values["words"]),
            num_parameters=int(values["num_parameters"]),
            validation=kind.parse_scores(values["validation"]),
            test=kind.parse_scores(values["test"]),
            trials_completed=int(values["trials_completed"]),
            trials_failed=int(values["trials_failed"]),
            seconds=finite(values["seconds"]),
            interrupted=bool(values["interrupted"]),
            is_refit=bool(values["is_refit"]),
            num_folds=None if (num_folds := values.get("num_folds")) is None else int(num_folds),
            front=tuple(map(FrontMember.from_json, values["front"])),
            hypervolume=None if values["hypervolume"] is None else finite(values["hypervolume"]),
            ensemble=None if values["ensemble"] is None else Ensemble.from_json(values["ensemble"], kind),
            task=task,
            is_chance=bool(values.get("is_chance", False)),
            advice=str(values.get("advice", "")),
            trial_id=str(values.get("trial_id", "")),
            default_recipe=None
            if (recipe := values.get("default_recipe")) is None
            else DefaultRecipe.from_json(recipe),
            calibration=_calibration(values),
        )

    def moved(self, folder: Path) -> Self:
        """Returns the same outcome with all its files in a folder, which may have been moved or come from elsewhere."""
        ensemble = self.ensemble
        return dataclasses.replace(
            self,
            run_folder=folder,
            model_path=folder / layout.MODEL,
            front=tuple(
                dataclasses.replace(member, model_path=folder / layout.CHECKPOINTS / member.model_path.name)
                for member in self.front
            ),
            ensemble=ensemble and dataclasses.replace(ensemble, model_path=folder / layout.ENSEMBLE),
        )


def describe_front(outcome: Outcome, objectives: Sequence[Objective]) -> Iterator[str]:
    """Yields a headline and one line for each model of a front."""
    models = plural(len(outcome.front), "model")
    yield f"Front: {models} that no other beats in everything, hypervolume {outcome.hypervolume:.4f}"
    for member in outcome.front:
        values = ", ".join(_format_metric(one.metric, member.metrics[one.metric]) for one in objectives)
        yield f"  {member.model_path.relative_to(outcome.run_folder)}  {values}"


def describe_ensemble(ensemble: Ensemble, *, best: Outcome) -> str:
    """Returns in one line what an ensemble is and how much better it is than the best single model."""
    scores = ", ".join(
        f"{split} {name.replace('_', ' ')} {getattr(ensemble, split).value(name):.4f} "
        f"(best single {getattr(best, split).value(name):.4f})"
        for split, name in best.kind.compared_scores
    )
    size = f"{len(ensemble.members)} models as one, {count(ensemble.num_parameters)} parameters"
    return f"Ensemble: {ensemble.model_path.name}, {size}, {scores}"


def finite(value: Any) -> float:
    """Returns a number that was read from a file.

    Raises:
        TypeError, ValueError: it is none, or NaN or infinite.
    """
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number


def _calibration(values: Mapping[str, Any]) -> Calibration | None:
    found = values.get("calibration")
    return None if found is None else Calibration.from_json(found)


def _format_metric(metric: str, value: float) -> str:
    if metric not in COSTS:
        return f"{metric_name(metric)} {value:.4f}"
    return duration(value) if metric == "seconds" else f"{count(round(value))} {COSTS[metric]}"


def _check_names(kind: Any, values: Mapping[str, Any]) -> None:
    if unknown := set(values) - {field.name for field in dataclasses.fields(kind)}:
        raise ValueError(f"it has unknown fields: {', '.join(sorted(map(str, unknown)))}")
