"""Makes the folder of a server with many searches, of which one has very many candidates. Nothing is trained."""

from __future__ import annotations

import dataclasses
import json
import random
import secrets
from pathlib import Path
from typing import Any

from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.service.jobs import FINISHED, Job, now
from kevo.service.root import Root
from kevo.service.tokens import OWNER
from kevo.settings import Settings
from tests.support.samples import CONV_GENOME

NUM_EPOCHS = 10


def score_of(number: int, rng: random.Random) -> float:
    """Returns the validation accuracy of a candidate: it rises with their number, and scatters."""
    return min(0.999, 0.5 + 0.4 * (1 - 0.999**number) + 0.1 * rng.random())


def records(num: int) -> list[TrialRecord]:
    """Returns the records of a search; every tenth candidate has failed."""
    rng, found = random.Random(0), []
    for number in range(num):
        score = score_of(number, rng)
        metrics = {"val_accuracy": score, "val_cross_entropy": 1 - score, "accuracy": score, "loss": 1 - score}
        has_failed = number % 10 == 9
        found.append(
            TrialRecord(
                number=number,
                trial_id=f"{number:05d}",
                generation=number // 20,
                genome={**CONV_GENOME, "learning_rate": 0.001 * rng.uniform(3, 10)},
                status="failed" if has_failed else "completed",
                fitness=None if has_failed else score,
                metrics={} if has_failed else metrics,
                history=[] if has_failed else [metrics] * NUM_EPOCHS,
                stages=[] if has_failed else ["train"] * NUM_EPOCHS,
                num_epochs=NUM_EPOCHS,
                seconds=5.0,
                num_parameters=None if has_failed else 1000 + number % 977,
                reason="it took more memory than there is" if has_failed else None,
                finished_at=5.0 * (number + 1),
                origin="crossover" if number > 20 else "random",
            )
        )
    return found


def make(folder: Path, *, num_searches: int, num_candidates: int) -> str:
    """Makes the folder of a server, and returns the name of the search with the many candidates.

    Args:
        folder: Where; it must not be there yet.
        num_searches: How many searches have ended.
        num_candidates: How many candidates the newest of them has; the others have three.
    """
    many, few = records(num_candidates), records(3)
    with Root(folder) as root:
        for number in range(num_searches):
            job = _job(number)
            place = root.search(job.id)
            place.mkdir(mode=0o700)
            job.write(place)
            settings = dataclasses.replace(Settings(), max_trials=num_candidates)
            run = Run.create(place / "run", {"search": settings.to_json(), "data": "digits", "num_validation": 300})
            lines = (json.dumps(one.to_json()) for one in (many if number == num_searches - 1 else few))
            (run.path / layout.TRIALS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            (run.path / layout.RESULT).write_text(json.dumps(_result(run, num_candidates)), encoding="utf-8")
            (run.path / layout.MODEL).write_bytes(b"a model")
    return job.id


def _result(run: Run, num_candidates: int) -> dict[str, Any]:
    names = [str(digit) for digit in range(10)]
    scores = {
        "num_examples": 300,
        "accuracy": 0.9,
        "macro_f1": 0.9,
        "cross_entropy": 0.4,
        "precision": dict.fromkeys(names, 0.9),
        "recall": dict.fromkeys(names, 0.9),
        "support": dict.fromkeys(names, 30),
        "confusion": [
            [27 if row == column else 3 * (column == (row + 1) % 10) for column in range(10)] for row in range(10)
        ],
    }
    return {
        "run_folder": str(run.path),
        "model_path": str(run.path / layout.MODEL),
        "trial_id": "00000",
        "genome": dict(CONV_GENOME),
        "words": "conv stack",
        "num_parameters": 1234,
        "validation": scores,
        "test": scores,
        "trials_completed": num_candidates - num_candidates // 10,
        "trials_failed": num_candidates // 10,
        "seconds": 5.0 * num_candidates,
        "interrupted": False,
        "is_refit": False,
        "front": [],
        "hypervolume": None,
        "ensemble": None,
    }


def _job(number: int) -> Job:
    began = now() - 10_000 + number
    return Job(
        id=secrets.token_hex(8),
        name=f"search {number}",
        owner=OWNER,
        data="digits",
        data_name="digits",
        position=began,
        created=began,
        started=began,
        ended=began + 1,
        state=FINISHED,
    )
