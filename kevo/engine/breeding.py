"""The oracle that breeds a search's candidates, as the search asks for it and as its run folder has it."""

from __future__ import annotations

from collections.abc import Callable

import keras_tuner

from kevo.engine.archive import KINDS, Archive
from kevo.engine.genes import Genes
from kevo.runs import damage, writing
from kevo.settings import Settings
from kevo.space import Genome
from tuners.oracle import GeneticOracle
from tuners.settings import Settings as EvolutionSettings


def oracle(
    archive: Archive,
    settings: Settings,
    genes: Genes,
    *,
    max_retries: int,
    feasible: Callable[[Genome], bool],
    cost: Callable[[Genome], float],
) -> GeneticOracle:
    """Returns the oracle of a search, with all that earlier sittings have told it.

    Args:
        archive: The candidates of the search; the oracle's state is in the same folder.
        settings: How the search is to run.
        genes: What is searched.
        max_retries: How often a trial whose worker was lost is begun again.
        feasible: Tells whether a candidate may be trained at all.
        cost: Returns the seconds that a candidate is expected to take.

    Raises:
        RunError: its state cannot be written, or is damaged.
    """
    state = archive.folder.path / "search"
    found = GeneticOracle(
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
    found.verbose = 0
    with writing(state):
        found._set_project_dir(str(state.parent), state.name)
        if not (state / "oracle.json").exists():
            found.save()
            return found
        with damage(state):
            found.reload()
            known = {None}
            for trial_id, trial in found.trials.items():
                if (source := trial.hyperparameters.values.get("tuner/trial_id")) not in known:
                    raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
                known.add(trial_id)
    return found
