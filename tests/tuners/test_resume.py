import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("killed_search.py")
ROOT = SCRIPT.parent.parent.parent


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("searches")
    # A trial writes seven files, twice as many where it is run again, at two moments each. 9 is prime to that, so that
    # all moments have their turn.
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), "9"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_the_search_meets_everything(searches: dict[str, Any]) -> None:
    *trials, end_order, best = searches["whole"]
    assert [trial[1] == "FAILED" for trial in trials] == [number in (2, 3, 8) for number in range(12)]
    assert max(trial[4] for trial in trials) == 3
    assert any("late" in trial[3] for trial in trials)
    assert {trial[5] for trial in trials} >= {"default", "random", "crossover"}
    assert len(end_order) == 12
    assert dict((trial[0], trial[2]) for trial in trials)[best] == min(t[2] for t in trials if t[2] is not None)


def test_killed_and_resumed_searches_find_the_same(searches: dict[str, Any]) -> None:
    assert len(searches["killed"]) > 15
    for moment, status, found in searches["killed"]:
        assert status == 9
        assert found == searches["whole"], f"killed at moment {moment}"
