"""Checks what workers on other machines say of their models, before one of them becomes the best of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from kevo.engine.messages import TrialResult
from kevo.errors import describe_error
from kevo.objective import Objective
from kevo.system import model_files
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.task import Task

_TOLERANCE = 0.02
"""How much a score may differ, absolutely or as a part: other machines round in other ways."""


def refute(
    result: TrialResult, model_path: Path, outputs: Outputs | None, *, task: Task, objective: Objective
) -> str | None:
    """Loads a model, and compares its size and the score of its answers for the validation split with a result.

    The model answers anew only where its answers have not come with it: other trials wait meanwhile. Whether it gives
    them is looked at before it is handed over; see `refute_score`.

    Args:
        result: What a worker says of the model.
        model_path: The model.
        outputs: Its answers for the validation split; `None` where they have not come.
        task: Predicts and scores.
        objective: What is compared.

    Returns:
        Why the result is wrong, in words; `None` if it is right.
    """
    try:
        model = model_files.load(model_path)
        outputs = task.predict(model, "validation") if outputs is None else outputs
    except Exception as error:
        return f"its model cannot be used here: {describe_error(error)}"
    # What a saved model puts before its network is not trained, and is not counted.
    least, most = (sum(math.prod(one.shape) for one in these) for these in (model.trainable_weights, model.weights))
    if not least <= (result.num_parameters or 0) <= most:
        return f"its worker claimed {result.num_parameters} parameters, but its model has {most}"
    return refute_score(result.metrics, outputs, task=task, objective=objective)


def refute_score(claimed: Mapping[str, float], outputs: Outputs, *, task: Task, objective: Objective) -> str | None:
    """Compares what a model answers for the validation split with the score that was claimed for it.

    Args:
        claimed: The scores, by the names of their metrics.
        outputs: What the model answers.
        task: Scores.
        objective: What is compared.

    Returns:
        Why the claim is wrong, in words; `None` if it is right.
    """
    found = task.score(outputs, "validation").value(objective.metric.removeprefix("val_"))
    said = claimed[objective.metric]
    if not math.isclose(said, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        return f"its worker claimed {objective.metric} {said:.4f}, but its model reaches {found:.4f}"
    return None
