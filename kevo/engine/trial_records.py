"""What is written down of a trial that has ended."""

from __future__ import annotations

from kevo.engine.archive import Archive, full_length_id
from kevo.engine.budget import seconds_spent
from kevo.engine.messages import TrialResult
from kevo.engine.running import Running
from kevo.runs.records import FIRST, TrialRecord
from tuners.oracle import GeneticOracle


def record_of(
    running: Running, outcome: TrialResult, *, archive: Archive, oracle: GeneticOracle, finished_at: float
) -> TrialRecord:
    """Returns the record of a trial.

    Args:
        running: The trial.
        outcome: What came of it.
        archive: The candidates so far.
        oracle: Knows how candidates came to be.
        finished_at: When it ended, in seconds of the search.
    """
    task, metrics = running.task, dict(outcome.metrics)
    if "seconds" in metrics:
        metrics["seconds"] += task.seconds_before
        if task.continues is not None:
            metrics["seconds"] += seconds_spent(archive.records[task.continues], archive.records)
    origin, parents = _descent(running, archive, oracle)
    return TrialRecord(
        number=task.number,
        trial_id=task.trial_id,
        generation=running.generation,
        genome=dict(task.genome),
        status="failed" if outcome.reason else "completed",
        fitness=None if outcome.reason else metrics[archive.objective.metric],
        metrics=metrics,
        history=list(outcome.history),
        stages=list(outcome.stages),
        num_epochs=len(outcome.history),
        seconds=task.seconds_before + outcome.seconds,
        num_parameters=outcome.num_parameters,
        reason=outcome.reason,
        finished_at=finished_at,
        full_length=running.full_length,
        continues=task.continues,
        is_paused=outcome.is_paused,
        planned_epochs=task.effort.num_epochs,
        tune_epochs=task.effort.tune_epochs,
        origin=origin,
        parents=parents,
        inherits=task.inherits,
        inherited_share=outcome.inherited,
        inherited_epochs=0 if task.inherits is None else archive.records[task.inherits].lineage_epochs,
    )


def last_record(trial_id: str | None, archive: Archive, oracle: GeneticOracle) -> TrialRecord | None:
    """Returns the last training of a candidate up to a trial; trials without one have only passed it on."""
    while trial_id is not None and trial_id not in archive.records:
        trial_id = oracle.trials[trial_id].hyperparameters.values.get("tuner/trial_id")
    return None if trial_id is None else archive.records[trial_id]


def _descent(running: Running, archive: Archive, oracle: GeneticOracle) -> tuple[str, tuple[str, ...]]:
    """Returns how a candidate came to be, and the trials that it comes from."""
    trial_id = running.task.trial_id
    if running.full_length:
        known = archive.records.values()
        return "final", tuple(record.trial_id for record in known if full_length_id(record) == trial_id)
    if running.trial is None:
        return FIRST, ()
    individual = oracle.individual_of(trial_id)
    # What needed no further training was promoted without a record.
    parents = (last_record(parent, archive, oracle) for parent in oracle.parents_of(trial_id))
    return individual.origin, tuple(dict.fromkeys(parent.trial_id for parent in parents if parent is not None))
