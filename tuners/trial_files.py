"""What the files of a search's trials say, and the state of the oracle that is assembled from them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuners.individual import Individual

# What of an individual its trial does not say.
_RECORDED = tuple(field.name for field in fields(Individual) if field.name not in ("genome", "status"))


def record(individual: Individual, *, num_runs: int) -> dict[str, Any]:
    """Returns what the file of a trial says beside the trial itself, as JSON values.

    Args:
        individual: What the trial trains.
        num_runs: How often it was run in vain.
    """
    return {**{name: getattr(individual, name) for name in _RECORDED}, "num_runs": num_runs}


def individual(trial: Trial, record: Mapping[str, Any]) -> Individual:
    """Returns the individual that a trial trains, from what `record` returned."""
    is_finished = trial.status == TrialStatus.COMPLETED
    # JSON has no tuples.
    recorded: dict[str, Any] = {
        name: tuple(record[name]) if isinstance(record[name], list) else record[name] for name in _RECORDED
    }
    return Individual(
        genome=trial.hyperparameters.values,
        status="finished" if is_finished else "failed" if trial.status == TrialStatus.FAILED else "pending",
        **recorded,
    )


def read(folder: Path) -> tuple[list[Trial], dict[str, dict[str, Any]]]:
    """Reads the trials of a search.

    Args:
        folder: The folder of the search.

    Returns:
        The trials, ordered by number, and by their names what `record` returned for them, with "end": which one they
        were to end, from 0, or `None`. A power cut can have taken unfinished ones at the end.

    Raises:
        RuntimeError: A file is damaged, or of another kind of search.
    """
    trials, records = [], {}
    for file in folder.glob("trial_*/trial.json"):
        with named(file):
            text = file.read_text(encoding="utf-8")
            # What a power cut leaves of a trial that was only created. It will be proposed again.
            if not text.strip("\0"):
                continue
            content = json.loads(text)
            trial, recorded = Trial.from_state(content), content["individual"]
            individual(trial, recorded)
            if file.parent.name != f"trial_{trial.trial_id}":
                raise ValueError(f"it is trial {trial.trial_id}'s, in the folder of another one")
        trials.append(trial)
        records[trial.trial_id] = {**recorded, "end": content["end"]}
    return _without_losses(trials, records), records


@contextmanager
def named(path: Path) -> Iterator[Path]:
    """Says which file it is that cannot be used."""
    try:
        yield path
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise RuntimeError(
            f"{path} is damaged, or not one of GeneticOracle: {reason}. Restore it, choose another `project_name`, or "
            "start anew with `overwrite=True`."
        ) from error


def assembled(
    trials: Sequence[Trial], records: Mapping[str, Mapping[str, Any]], *, space: object, seed: int, start: str | None
) -> dict[str, Any]:
    """Returns the state of a search in which nothing runs.

    Args:
        trials: All of them, ordered by number.
        records: What else their files say.
        space: The configuration of the hyperparameters.
        seed: The search's.
        start: When the search began, in ISO format.
    """
    ids = [trial.trial_id for trial in trials]
    ended = [trial_id for trial_id in ids if records[trial_id]["end"] is not None]
    return {
        "ongoing_trials": {},
        "hyperparameters": space,
        "start_order": ids,
        "end_order": sorted(ended, key=lambda trial_id: int(records[trial_id]["end"])),
        "run_times": {trial_id: records[trial_id]["num_runs"] for trial_id in ids},
        # Keras Tuner takes the last one first.
        "retry_queue": [trial_id for trial_id in reversed(ids) if records[trial_id]["end"] is None],
        "seed": seed,
        "seed_state": seed,
        "tried_so_far": [],
        "id_to_hash": {},
        "display": {"search_start": start, "trial_start": {}, "trial_number": {}},
        "individuals": {trial_id: records[trial_id] for trial_id in ids},
    }


def _without_losses(trials: Sequence[Trial], records: Mapping[str, Mapping[str, Any]]) -> list[Trial]:
    """Returns trials ordered by number. A power cut can have taken unfinished ones at the end."""
    ordered = sorted(trials, key=lambda trial: int(records[trial.trial_id]["number"]))
    numbers = [int(records[trial.trial_id]["number"]) for trial in ordered]
    first_gap = next((place for place, number in enumerate(numbers) if place != number), len(numbers))
    if any(records[trial.trial_id]["end"] is not None for trial in ordered[first_gap:]):
        # More is missing than that; `set_state` says so.
        return ordered
    return ordered[:first_gap]
