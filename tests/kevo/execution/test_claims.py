"""Models from other machines are what their workers say."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from kevo.engine.messages import TrialResult
from kevo.execution import claims
from kevo.settings import Settings
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.task import Task


@pytest.fixture(scope="module")
def task() -> Task:
    settings = Settings(space="small")
    return settings.kind.open(settings.kind.load("digits", settings), settings)


def test_a_claim_holds_only_where_size_and_score_do(task: Task, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.save(tmp_path / "model.keras")
    outputs = task.predict(model, "validation")
    accuracy = task.score(outputs, "validation").value("accuracy")
    objective = Settings().objectives[0]

    def refuted(
        claimed: float, num_parameters: int, name: str = "model.keras", outputs: Outputs | None = None
    ) -> str | None:
        result = TrialResult(seconds=1.0, metrics={"val_accuracy": claimed}, num_parameters=num_parameters)
        return claims.refute(result, tmp_path / name, outputs, task=task, objective=objective)

    assert accuracy < 0.5 and refuted(accuracy, 1930) is None
    assert refuted(1.0, 1930) == (f"its worker claimed val_accuracy 1.0000, but its model reaches {accuracy:.4f}")
    assert refuted(accuracy, 1930, outputs=outputs) is None
    assert refuted(1.0, 1930, outputs=outputs) == refuted(1.0, 1930)
    assert refuted(accuracy, 1000) == "its worker claimed 1000 parameters, but its model has 1930"
    (tmp_path / "damaged.keras").write_bytes(b"no model")
    assert str(refuted(accuracy, 1930, "damaged.keras")).startswith("its model cannot be used here: ")
