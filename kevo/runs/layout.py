"""The names of all files and folders in a run folder, relative to it. No other module spells one.

Beside them stand files that are not whole yet; see `kevo.runs.atomic_files.PARTIAL`.
"""

from __future__ import annotations

SETTINGS = "settings.json"
"""What was asked for: the settings of the search, its data, and the versions that it began with."""
TRIALS = "trials.jsonl"
"""One finished trial in each line."""
BACKBONE_RANKING = "backbone_ranking.json"
"""How well backbones did on a sample of the training data, the best first; only where there were several."""
PROBE_ERRORS = "probe_errors.json"
"""The error of a linear head on the features of each frozen network that was met."""
LABELS = "labels.json"
"""The class names, in the order of the model's outputs."""
TASK = "task.json"
"""The task, and what the model takes and answers, as far as neither the model nor the class names say it."""
KNOWN = "known_examples.npy"
"""Hashes of the examples that the winner was trained or chosen with; only of tasks that tell them apart by content."""

MODEL = "best.keras"
"""The winner; while a search runs, a copy of the model that would win now."""
ENSEMBLE = "ensemble.keras"
"""Several models as one; only where together they are better than the winner."""
CHECKPOINTS = "checkpoints"
"""Folder: models that may still win, be trained further or join an ensemble, and those of the front."""
PREDICTIONS = "predictions"
"""Folder: what these models predict for the validation split, and the winner for the test split."""
TEST_PREDICTIONS = f"{PREDICTIONS}/test.npy"
"""What the winner predicts for the test split."""
RESULT = "result.json"
"""What the search found: the scores of the winner, the front, the ensemble."""
BASELINE = "baseline.json"
"""How good a strong and cheap reference model is; only of tasks that have one."""
EXPLANATION = "explanation.json"
"""What of its inputs the winner needs most; only of tasks that measure that."""

MODEL_CARD = "model_card.md"
"""What the winner is, how good it was on which data, and what it cannot know."""
REPORT = "report.html"
"""The search as a page; only if it was asked for."""
PLOTS = "plots"
"""Folder: figures of the search."""
EXPORTS = "exports"
"""Folder: the model in other formats."""
ENERGY = "energy.json"
"""The electricity that the search took; only if it was measured."""
CACHE_SAVINGS = "cache_savings.json"
"""What the search would have cost without the cache of features."""
MLFLOW = "mlflow.json"
"""Which run of MLflow the search is; only if it is one."""
TENSORBOARD = "tensorboard"
"""Folder: the search for TensorBoard; only if that was asked for."""

SEARCH = "search"
"""Folder: the oracle's own state."""
ORACLE = f"{SEARCH}/oracle.json"
"""The part of that state that says that there is one."""
ORACLE_TRIALS = f"{SEARCH}/trial_*/trial.json"
"""The pattern of the oracle's trials. Each that has ended holds a copy of its record as `note`."""
RECORD_COPIES = f"{SEARCH}/record_*.json"
"""The pattern of the copies of records of trials that are not the oracle's."""
CARD_END = "<!-- The end of the card. -->"
"""The last line of the model card."""
UNFINISHED = "unfinished"
"""Folder: trainings under way, from their best epochs."""
DAMAGED = "damaged"
"""Folder: what could not be read when the search was resumed."""
WORK = "work"
"""Folder: what worker processes need while they work; they name the files in it."""
STATUS = "status.json"
"""What the search is doing; only while it runs."""
NOTES = "notes.jsonl"
"""What the search has told its user, a note in each line."""
FAILURE = "failure.json"
"""Why the last session ended without a model, or could not go on; only where it failed."""
STOP = ".stop"
"""Asks the search to end."""
LOCK = ".lock"
"""Locked by the search that is at work in the folder."""


def checkpoint(trial_id: str) -> str:
    """Returns the name of a trial's model, which is there if it may still be needed."""
    return f"{CHECKPOINTS}/{trial_id}.keras"


def record_copy(trial_id: str) -> str:
    """Returns the name of the copy of the record of a trial that is not the oracle's."""
    return f"{SEARCH}/record_{trial_id}.json"


def refit_model(trial_id: str) -> str:
    """Returns the name of a trial's model that has learned from the validation split too."""
    return f"{CHECKPOINTS}/{trial_id}-refit.keras"


def refit_predictions(trial_id: str) -> str:
    """Returns the name of what that model predicts for the validation split."""
    return f"{PREDICTIONS}/{trial_id}-refit.npy"


def predictions(trial_id: str) -> str:
    """Returns the name of what a trial's model predicts for the validation split."""
    return f"{PREDICTIONS}/{trial_id}.npy"


def plot(name: str) -> str:
    """Returns the name of a figure."""
    return f"{PLOTS}/{name}.png"


def partial_training(trial_id: str) -> str:
    """Returns the name of the facts of a training under way."""
    return f"{UNFINISHED}/{trial_id}.json"


def partial_model(trial_id: str, num_epochs: int) -> str:
    """Returns the name of the model of a training under way, which has been trained for `num_epochs`."""
    return f"{UNFINISHED}/{trial_id}-{num_epochs}.keras"
