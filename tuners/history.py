"""What became of the trials of an oracle, as rows, and which of them are best."""

from collections.abc import Sequence
from typing import Any

from keras_tuner.engine.trial import TrialStatus

from tuners.importance import importance
from tuners.oracle import GeneticOracle

_OF_THE_TUNER = "tuner/"
"""Names of values that say how to train, and are no genes, begin so."""


def rows(oracle: GeneticOracle) -> list[dict[str, Any]]:
    """Returns a row for each trial, in the order of their birth.

    Its columns are `trial`, `status` (`completed`, `failed` or `running`), `score`, the values of all objectives by
    their names, `generation`, `origin`, `parents`, `seconds`, `reason` of a failed one, and the genes. What is not
    known is `None`.

    Args:
        oracle: The oracle.
    """
    found = []
    for trial_id, trial in sorted(oracle.trials.items(), key=lambda pair: oracle.individual_of(pair[0]).number):
        one = oracle.individual_of(trial_id)
        has_ended = one.status != "pending"
        found.append(
            {
                "trial": trial_id,
                "status": {"finished": "completed", "failed": "failed"}.get(one.status, "running"),
                "score": trial.score if has_ended else None,
                **dict(zip(names(oracle), values(oracle, trial), strict=True)),
                "generation": one.generation,
                "origin": one.origin,
                "parents": ", ".join(oracle.parents_of(trial_id)),
                "seconds": one.seconds,
                "reason": reason(trial),
                **genes(trial),
            }
        )
    return found


def names(oracle: GeneticOracle) -> list[str]:
    """Returns the names of the objectives."""
    return [str(one.name) for one in oracle.objectives]


def values(oracle: GeneticOracle, trial: Any) -> list[float | None]:
    """Returns the values of the objectives of a trial, `None` where it has none."""
    if trial.status != TrialStatus.COMPLETED:
        return [None] * len(oracle.objectives)
    return [float(value) for value in oracle.values_of(trial)]


def genes(trial: Any) -> dict[str, Any]:
    """Returns the genes of a trial, without what says how long to train."""
    found: dict[str, Any] = trial.hyperparameters.values
    return {name: value for name, value in found.items() if not name.startswith(_OF_THE_TUNER)}


def reason(trial: Any) -> str | None:
    """Returns why a trial failed, in one line; `None` if it did not."""
    if trial.status != TrialStatus.FAILED:
        return None
    return next(iter((trial.message or "").splitlines()), "") or "unknown"


def shares(oracle: GeneticOracle) -> dict[str, float]:
    """Returns how much each gene mattered; see `tuners.importance`. Trials of the lowest rung are compared."""
    first = [one for one in oracle.individuals if one.fitness is not None and one.rung == 0]
    return importance([one.genome for one in first], [float(one.fitness or 0.0) for one in first])


def table(found: Sequence[dict[str, Any]]) -> Any:
    """Returns rows as a `pandas.DataFrame` if pandas is installed, and otherwise as they are."""
    try:
        import pandas
    except ImportError:
        return list(found)
    return pandas.DataFrame(found)


def summary(oracle: GeneticOracle) -> str:
    """Says in one sentence how far a search is, and what its best trial reached."""
    trials = oracle.trials.values()
    num_failed = sum(trial.status == TrialStatus.FAILED for trial in trials)
    best = oracle.get_best_trials(1)
    num_ended = len(oracle.end_order)
    limit = "" if oracle.max_trials is None else f" of at most {oracle.max_trials:,}"
    parts = [f"{num_ended:,}{limit} trials have ended"]
    if num_failed:
        parts.append(f"{num_failed:,} of them failed")
    parts += [f"the best is {one.trial_id} with {names(oracle)[0]} {one.score:.4g}" for one in best]
    return ", ".join(parts)
