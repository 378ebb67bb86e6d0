"""Runs optuna-dashboard on a study of the same size, which is kept in memory: no storage of Optuna's answers faster."""

from __future__ import annotations

import random
import sys

import optuna
import optuna_dashboard

from benchmarks.serve_pages.making import score_of


def main(num_trials: int, port: int) -> None:
    """Makes the study and serves it; every tenth trial has failed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng, storage = random.Random(0), optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, direction="maximize", study_name="study")
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        "learning_rate": optuna.distributions.FloatDistribution(0.001, 0.1, log=True),
        "filters": optuna.distributions.CategoricalDistribution((8, 16, 32)),
        "num_blocks": optuna.distributions.IntDistribution(1, 5),
    }
    for number in range(num_trials):
        has_failed = number % 10 == 9
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.FAIL if has_failed else optuna.trial.TrialState.COMPLETE,
                value=None if has_failed else score_of(number, rng),
                params={"learning_rate": 0.001 * rng.uniform(3, 10), "filters": 8, "num_blocks": 2},
                distributions=distributions,
            )
        )
    optuna_dashboard.run_server(storage, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
