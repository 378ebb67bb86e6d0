"""What a search hands over."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from kevo.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class FrontMember:
    """A model that no other beats in every objective; `metrics` are its best epoch's, and its costs."""

    trial_id: str
    genome: dict[str, Any]
    words: str
    metrics: dict[str, float]
    model_path: Path


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """A candidate in an ensemble, and what its probabilities count for; all weights sum to 1."""

    trial_id: str
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Candidates that are better together on the validation split than the best of them alone.

    `validation` and `test` are the scores of the saved model, after it was loaded again.
    """

    members: tuple[EnsembleMember, ...]
    num_parameters: int
    validation: Evaluation
    test: Evaluation
    model_path: Path

    @property
    def model(self) -> keras.Model:
        """The ensemble, loaded from its file: raw pixels 0-255 in, class probabilities out."""
        return keras.models.load_model(self.model_path, safe_mode=True)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    `validation` and `test` are the scores of the saved model, after it was loaded again. `seconds` counts all sittings
    of a resumed search. `interrupted` says that the search was stopped by hand, and can be resumed.

    Where something was minimized beside the objective, `front` holds the models that are worth a choice, the best of
    the objective first. `hypervolume` is how much of what is thinkable they cover, from 0 to 1: accuracy counts from 0
    to 1, costs and losses from those of the worst candidate down to 0.

    `is_refit` says that the model has learned from the validation pictures too, after all was decided: `validation`
    then tells how its like did that had not.

    `ensemble` is `None` where there is none that is better than the best model, or there was no time for one.
    """

    run_folder: Path
    model_path: Path
    genome: dict[str, Any]
    words: str
    num_parameters: int
    validation: Evaluation
    test: Evaluation
    trials_completed: int
    trials_failed: int
    seconds: float
    interrupted: bool
    is_refit: bool = False
    front: tuple[FrontMember, ...] = ()
    hypervolume: float | None = None
    ensemble: Ensemble | None = None

    @property
    def best_model(self) -> keras.Model:
        """The best model, loaded from its file: raw pixels 0-255 in, class probabilities out."""
        return keras.models.load_model(self.model_path, safe_mode=True)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        values = dataclasses.asdict(self)
        front = [{**member, "model_path": str(member["model_path"])} for member in values["front"]]
        paths = {name: str(values[name]) for name in ("run_folder", "model_path")}
        ensemble = self.ensemble and {**values["ensemble"], "model_path": str(self.ensemble.model_path)}
        return {**values, **paths, "front": front, "ensemble": ensemble}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SearchResult:
        """Reads what `to_json` wrote."""
        splits = _splits(values)
        paths = {name: Path(values[name]) for name in ("run_folder", "model_path")}
        front = tuple(FrontMember(**{**member, "model_path": Path(member["model_path"])}) for member in values["front"])
        if (ensemble := values["ensemble"]) is not None:
            members = tuple(EnsembleMember(**member) for member in ensemble["members"])
            path = Path(ensemble["model_path"])
            ensemble = Ensemble(**{**ensemble, **_splits(ensemble), "members": members, "model_path": path})
        return cls(**{**values, **splits, **paths, "front": front, "ensemble": ensemble})


def _splits(values: Mapping[str, Any]) -> dict[str, Evaluation]:
    return {split: Evaluation(**values[split]) for split in ("validation", "test")}
