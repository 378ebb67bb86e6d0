"""The oracle that breeds a search's candidates, as the search asks for it and as its run folder has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import keras_tuner
import numpy as np

from kevo.engine.archive import KINDS, Archive
from kevo.engine.genes import Genes
from kevo.errors import RunError
from kevo.settings import Settings
from kevo.space import Genome
from kevo.storage import damage, writing
from tuners.evolution import Individual, Origin
from tuners.genome import SearchSpace
from tuners.oracle import GeneticOracle
from tuners.settings import Settings as EvolutionSettings

STATE = "search"
"""Where in a run folder the oracle's own state is."""


def oracle(
    archive: Archive,
    settings: Settings,
    genes: Genes,
    *,
    max_retries: int,
    feasible: Callable[[Genome], bool],
    cost: Callable[[Genome], float],
    note: Callable[[str], object],
) -> GeneticOracle:
    """Returns the oracle of a search, with all that earlier sittings have told it.

    Args:
        archive: The candidates of the search; the oracle's state is in the same folder.
        settings: How the search is to run.
        genes: What is searched.
        max_retries: How often a trial whose worker was lost is begun again.
        feasible: Tells whether a candidate may be trained at all.
        cost: Returns the seconds that a candidate is expected to take.
        note: Is told what is damaged: then it is made anew of the candidates' records.

    Raises:
        RunError: its state cannot be written, or these records are not of one search.
    """
    found = _new(archive, settings, genes, max_retries=max_retries, feasible=feasible, cost=cost)
    state = archive.folder.path / STATE
    with writing(state):
        _open(found, state)
        if not (state / "oracle.json").exists() and not archive.folder.trials():
            found.save()
            return found
        try:
            with damage(state):
                found.reload()
                _check(found)
        except RunError as error:
            note(archive.folder.set_aside(STATE, str(error)))
            found = _new(archive, settings, genes, max_retries=max_retries, feasible=feasible, cost=cost)
            _open(found, state)
            with damage(archive.folder.path / "trials.jsonl"):
                found.recall(_recalled(found, archive, SearchSpace.from_hyperparameters(genes.hyperparameters)))
    return found


def _new(
    archive: Archive,
    settings: Settings,
    genes: Genes,
    *,
    max_retries: int,
    feasible: Callable[[Genome], bool],
    cost: Callable[[Genome], float],
) -> GeneticOracle:
    return GeneticOracle(
        objective=[keras_tuner.Objective(one.metric, one.direction) for one in archive.objectives],
        max_trials=settings.max_trials,
        seed=settings.seed,
        hyperparameters=genes.hyperparameters,
        tune_new_entries=False,
        allow_new_entries=False,
        max_retries_per_trial=max_retries,
        # A space with a hopeless corner must not end the search: it learns to avoid it.
        max_consecutive_failed_trials=10**9,
        seeds=genes.seeds,
        feasible=feasible,
        cost=cost,
        settings=EvolutionSettings(
            per_second=settings.resolved_max_time is not None,
            population_size=settings.population,
            num_elites=min(2, settings.population - 1),
            rungs=settings.rungs if settings.num_rungs > 1 else (),
            kinds=KINDS,
        ),
    )


def _open(oracle: GeneticOracle, state: Path) -> None:
    oracle.verbose = 0
    oracle._set_project_dir(str(state.parent), state.name)


def _check(oracle: GeneticOracle) -> None:
    """Raises an error where a trial continues one that is not there."""
    known = {None}
    for trial_id, trial in oracle.trials.items():
        if (source := trial.hyperparameters.values.get("tuner/trial_id")) not in known:
            raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
        known.add(trial_id)


def _recalled(oracle: GeneticOracle, archive: Archive, space: SearchSpace) -> list[Individual]:
    """Returns what the candidates' own records tell of a search whose state is lost.

    Whoever has none gives its place to a random genome: trials are named after their places.
    """
    evolved = {record.trial_id: record for record in archive.records.values() if not record.full_length}
    rng = np.random.default_rng(oracle.seed)
    found: list[Individual] = []
    numbers: dict[str, int] = {}
    while evolved:
        number = len(found)
        record = evolved.pop(oracle.trial_id_of(number), None)
        if record is None:
            if number - len(numbers) > len(archive.records):
                raise LookupError(f"the trials {', '.join(list(evolved)[:3])} are none of this search")
            found.append(Individual(number=number, genome=space.sample(rng), generation=0, origin="random"))
            continue
        numbers[record.trial_id] = number
        is_promoted = record.continues is not None
        parents = (record.continues,) if is_promoted else record.parents
        found.append(
            Individual(
                number=number,
                genome=record.genome,
                generation=record.generation,
                origin="promotion" if is_promoted else cast(Origin, record.origin or "random"),
                parents=tuple(numbers[parent] for parent in parents if parent in numbers),
                rung=1 + found[numbers[record.continues]].rung if record.continues is not None else 0,
            )
        )
    return found
