"""A search that dies at given moments, each time in a process of its own, and is taken up again. Used by test_resume.

Usage: killed_search.py FOLDER STRIDE. Prints a JSON object: `whole`, what a search finds that nobody kills; `killed`, a
list of [moment, what the killed and resumed search finds]. Moments are counted in files written, before and after each.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuners import GeneticTuner, Settings

NUM_TRIALS = 12


class Toy(GeneticTuner):
    """Meets failures, scores that are not finite, retries and genes that appear late."""

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
        hp = trial.hyperparameters
        kind = hp.Choice("kind", ["a", "b"])
        x = hp.Float("x", -4, 4)
        with hp.conditional_scope("kind", ["b"]):
            n = hp.Int("n", 1, 8)
        if int(trial.trial_id) >= 6:
            x += hp.Choice("late", [0.0, 1.0])
        if int(trial.trial_id) % 5 == 3:
            raise RuntimeError("broken")
        return float("nan") if int(trial.trial_id) == 2 else (x - 1) ** 2 + (abs(n - 6) if kind == "b" else 3)


def search(folder: Path) -> list[Any]:
    tuner = Toy(
        max_trials=NUM_TRIALS,
        max_retries_per_trial=1,
        seed=0,
        settings=Settings(population_size=4, num_elites=1),
        directory=str(folder),
    )
    tuner.search(verbose=0)
    oracle = tuner.oracle
    found = []
    for trial_id in oracle.start_order:
        trial, one = oracle.trials[trial_id], oracle.individual_of(trial_id)
        values = trial.hyperparameters.values
        found.append([trial_id, trial.status, trial.score, values, one.generation, one.origin, list(one.parents)])
    return [*found, oracle.end_order, oracle.get_best_trials()[0].trial_id]


def die_at(moment: int) -> None:
    """Ends the process at that moment, with no chance to clean up."""
    counter = itertools.count()
    replace: Callable[..., None] = os.replace

    def deadly(*paths: str) -> None:
        if next(counter) == moment:
            os._exit(9)
        replace(*paths)
        if next(counter) == moment:
            os._exit(9)

    os.replace = deadly  # type: ignore[assignment]


def in_a_child(work: Callable[[], object]) -> int:
    """Returns the exit status of a process that does the work. Forked: TensorFlow is loaded once for all."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    folder, stride = Path(sys.argv[1]), int(sys.argv[2])

    def finds(name: str) -> Any:
        def save() -> None:
            (folder / f"{name}.json").write_text(json.dumps(search(folder / name)))

        if in_a_child(save) != 0:
            return "died"
        return json.loads((folder / f"{name}.json").read_text())

    whole, killed = finds("whole"), []
    for moment in itertools.count(0, stride):
        name = f"killed{moment}"

        def until_killed(name: str = name, moment: int = moment) -> None:
            die_at(moment)
            search(folder / name)

        status = in_a_child(until_killed)
        if status == 0:
            break
        killed.append([moment, status, finds(name)])
    print(json.dumps({"whole": whole, "killed": killed}))


if __name__ == "__main__":
    main()
