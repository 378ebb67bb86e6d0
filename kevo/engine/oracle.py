"""The oracle that breeds a search's candidates, as the search asks for it and as its run folder has it."""

from __future__ import annotations

import bisect
import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import keras_tuner
import numpy as np

from kevo.engine.archive import Archive
from kevo.engine.budget import num_last_epochs
from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.atomic_files import damage, writing
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.task import Task
from tuners.genome import Genome, SearchSpace
from tuners.individual import Individual, Origin
from tuners.oracle import GeneticOracle
from tuners.settings import Settings as EvolutionSettings

_NAME = re.compile(r"[0-9]{1,9}")
"""The name of a trial: its number."""
_MAX_LOST = 100
"""So many candidates for each that is left may be lost; where more seem to be, their names are not to be trusted."""


def oracle(
    archive: Archive,
    settings: Settings,
    task: Task,
    *,
    max_retries: int,
    feasible: Callable[[Genome], bool],
    cost: Callable[[Genome], float],
    note: Callable[[str], object],
) -> GeneticOracle:
    """Returns the oracle of a search, with all that earlier sessions have told it.

    Args:
        archive: The candidates of the search; the oracle's state is in the same folder.
        settings: How the search is to run.
        task: What is searched.
        max_retries: How often a trial whose worker was lost is begun again.
        feasible: Tells whether a candidate may be trained at all.
        cost: Returns the seconds that a candidate is expected to take.
        note: Is told what is damaged: then it is made anew of the candidates' records.

    Raises:
        RunError: its state cannot be written, or these records are not of one search.
    """

    def new() -> GeneticOracle:
        return GeneticOracle(
            objective=[keras_tuner.Objective(one.metric, one.direction) for one in archive.objectives],
            max_trials=settings.max_trials,
            seed=settings.seed,
            hyperparameters=task.hyperparameters,
            tune_new_entries=False,
            allow_new_entries=False,
            max_retries_per_trial=max_retries,
            # A space with a hopeless corner must not end the search: it learns to avoid it.
            max_consecutive_failed_trials=10**9,
            seeds=[*task.seeds, *settings.seeds],
            cheaper=task.cheaper,
            feasible=feasible,
            cost=cost,
            settings=breeding(settings),
        )

    found = new()
    state = archive.folder.path / layout.SEARCH
    with writing(state):
        _open(found, state)
        if not (archive.folder.path / layout.ORACLE).exists() and not archive.folder.trial_lines():
            found.save()
            return found
        try:
            with damage(state):
                found.reload()
                _check(found, archive)
        except RunError as error:
            note(archive.folder.set_aside(layout.SEARCH, str(error)))
            found = new()
            _open(found, state)
            with damage(archive.folder.path / layout.TRIALS):
                found.recall(_recalled(found, archive, SearchSpace.from_hyperparameters(task.hyperparameters)))
    return found


def breeding(settings: Settings) -> EvolutionSettings:
    """Returns how candidates are bred: as the search asks for it, and as its space does."""
    usual = settings.kind.breeding(settings) or EvolutionSettings()
    return dataclasses.replace(
        usual,
        per_second=settings.resolved_max_time is not None,
        population_size=settings.population,
        num_elites=min(usual.num_elites, settings.population - 1),
        rungs=settings.rungs if settings.num_rungs > 1 else (),
        kinds=settings.kind.rung_genes,
        weights=usual.weights if settings.minimize == ("params",) else (),
        inherit=settings.inherit,
    )


def _open(oracle: GeneticOracle, state: Path) -> None:
    oracle.verbose = 0
    oracle.use_folder(state)


def _check(oracle: GeneticOracle, archive: Archive) -> None:
    """Raises an error where a trial continues one that is not there, or has ended without a record."""
    known, ended = {None}, set(oracle.end_order)
    for trial_id, trial in oracle.trials.items():
        source = trial.hyperparameters.values.get("tuner/trial_id")
        # One that has only passed a training on has none of its own.
        if source is None and trial_id in ended and trial_id not in archive.records:
            raise LookupError(f"trial {trial_id} has ended, but no record tells of it")
        if source not in known:
            raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
        known.add(trial_id)


def _recalled(oracle: GeneticOracle, archive: Archive, space: SearchSpace) -> dict[str, Individual]:
    """Returns the individuals of a search by trial, from its trial records, after the oracle's own state was lost.

    Whoever has none gives its place to a random genome: trials are named after their places.
    """
    evolved = [record for record in archive.records.values() if record.is_evolved]
    # As wide as the limit of trials was when they began, which may have been raised since.
    numbers = {record.trial_id: int(record.trial_id) for record in evolved if _NAME.fullmatch(record.trial_id)}
    records = {numbers[record.trial_id]: record for record in evolved if record.trial_id in numbers}
    num = 1 + max(records, default=-1)
    if len(records) < len(evolved) or num > _MAX_LOST * (1 + len(evolved)):
        names = [record.trial_id for record in evolved if records.get(numbers.get(record.trial_id, -1)) is not record]
        raise LookupError(f"the trials {', '.join((names or list(numbers))[:3])} are none of this search")
    rng = np.random.default_rng(oracle.seed)
    found: list[Individual] = []
    for number in range(num):
        record = records.get(number)
        if record is None:
            found.append(Individual(number=number, genome=space.sample(rng), generation=0, origin="random"))
            continue
        origin = cast(Origin, record.origin or "random")
        parents = tuple(numbers[parent] for parent in record.parents if parent in numbers)
        rung = 0
        if origin == "promotion":
            if parents:
                rung = max(1 + found[parents[0]].rung, _rung(record, oracle.settings.rungs))
            else:
                # Nobody knows from where it went on.
                origin = "random"
        found.append(
            Individual(
                number=number,
                genome=record.genome,
                generation=record.generation,
                origin=origin,
                parents=parents,
                rung=rung,
            )
        )
    known = {number: record.trial_id for number, record in records.items()}
    return {known.get(one.number, oracle.trial_id_of(one.number)): one for one in found}


def _rung(record: TrialRecord, rungs: Sequence[int]) -> int:
    """Returns the lowest rung up to which a candidate can have been trained."""
    num_epochs = num_last_epochs(record) if record.stages else 0
    return min(bisect.bisect_left(rungs, num_epochs), len(rungs) - 1)
