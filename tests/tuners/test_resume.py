import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from tuners import GeneticOracle, Settings

SCRIPT = Path(__file__).with_name("killed_search.py")
ROOT = SCRIPT.parent.parent.parent


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("searches")
    # A trial writes three files, two more where it is run again, at two moments each. 5 is prime to that, so that
    # all moments have their turn.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), "5"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.long
def test_the_search_meets_everything(searches: dict[str, Any]) -> None:
    *trials, end_order, best = searches["whole"]
    assert [trial[1] == "FAILED" for trial in trials] == [number in (2, 3, 8) for number in range(12)]
    assert max(trial[4] for trial in trials) == 2
    assert any("late" in trial[3] for trial in trials)
    origins = {trial[5] for trial in trials}
    assert origins >= {"seed", "random"} and origins & {"crossover", "mutation"}
    assert len(end_order) == 12
    assert dict((trial[0], trial[2]) for trial in trials)[best] == min(t[2] for t in trials if t[2] is not None)


@pytest.mark.long
def test_killed_and_resumed_searches_find_the_same(searches: dict[str, Any]) -> None:
    assert len(searches["killed"]) > 10
    for moment, status, found in searches["killed"]:
        assert status == 9
        assert found == searches["whole"], f"killed at moment {moment}"


@pytest.mark.parametrize(
    ("num", "settings"), [(300, Settings(surrogate=False)), (60, Settings())], ids=["plain", "surrogate"]
)
def test_a_long_search_goes_on_as_if_never_stopped(tmp_path: Path, num: int, settings: Settings) -> None:
    def make() -> GeneticOracle:
        hp = keras_tuner.HyperParameters()
        hp.Choice("kind", ["a", "b", "c"])
        hp.Float("x", -4, 4)
        hp.Float("y", -4, 4)
        objective = keras_tuner.Objective("score", "min")
        oracle = GeneticOracle(objective, max_trials=None, seed=3, hyperparameters=hp, settings=settings)
        oracle.verbose = 0
        oracle._set_project_dir(str(tmp_path), "project")
        return oracle

    def run(oracle: GeneticOracle, num: int) -> None:
        for _ in range(num):
            trial = oracle.create_trial("t")
            values = trial.hyperparameters.values
            trial.status = "FAILED" if values["kind"] == "c" and values["x"] > 2 else "COMPLETED"
            oracle.update_trial(trial.trial_id, {"score": values["x"] ** 2 + (values["y"] - 1) ** 2})
            oracle.end_trial(trial)

    whole = make()
    run(whole, num)
    # What a search leaves that dies in a trial.
    whole.create_trial("t")
    resumed = make()
    resumed.reload()
    found = []
    for oracle in (whole, resumed):
        run(oracle, 4)
        individuals = [oracle.individual_of(trial_id) for trial_id in oracle.start_order]
        found.append([(one.genome, one.generation, one.origin, one.parents, one.fitness) for one in individuals])
    assert len(found[0]) == num + 4
    assert found[0] == found[1]
    assert resumed.end_order == whole.end_order
