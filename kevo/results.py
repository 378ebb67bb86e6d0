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
class SearchResult:
    """What a search found.

    `validation` and `test` are the scores of the saved model, after it was loaded again. `seconds` counts all sittings
    of a resumed search. `interrupted` says that the search was stopped by hand, and can be resumed.
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

    @property
    def best_model(self) -> keras.Model:
        """The best model, loaded from its file: raw pixels 0-255 in, class probabilities out."""
        return keras.models.load_model(self.model_path, safe_mode=True)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        values = dataclasses.asdict(self)
        return {**values, "run_folder": str(self.run_folder), "model_path": str(self.model_path)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SearchResult:
        """Reads what `to_json` wrote."""
        splits = {split: Evaluation(**values[split]) for split in ("validation", "test")}
        paths = {name: Path(values[name]) for name in ("run_folder", "model_path")}
        return cls(**{**values, **splits, **paths})
