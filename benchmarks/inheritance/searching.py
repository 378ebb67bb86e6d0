"""One measurement: the same search with and without inheritance, side by side, each on a core of its own.

What a search costs is counted in seconds of the processor, so that other work on the machine changes little.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.processes import in_its_own_process, machine

if TYPE_CHECKING:
    from kevo.runs.records import TrialRecord
    from kevo.tasks.images.datasets import ImageDataset

WAYS: Mapping[str, str] = {"scratch": "every candidate from scratch", "inherit": "children inherit"}
"""How candidates begin."""
SECONDS: Mapping[str, int] = {"cifar10_subset": 600, "digits": 60}
"""The data sets, and how many seconds of one core their evolution takes."""
NUM_PICTURES = 1000
"""So many pictures of CIFAR-10 are learned from."""
EPOCHS, FINAL_EPOCHS = 10, 20
"""Of a candidate from scratch, and of the final training of the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchMeasurement:
    """A search with and one without inheritance; mappings are by the names in `WAYS`.

    Args:
        data: The data set.
        seed: Seed of the evolution and of the trainings.
        candidates: How many candidates ended in time.
        inherited: How many of them began with their parent's weights.
        lineages: The epochs that the best candidate's weights have learned for, its ancestors' included.
        best: The best candidate's validation accuracy.
        finals: Its validation accuracy after a final training from scratch.
        tests: The test accuracy of that.
        gone_on: Its validation accuracy after a final training that begins with its own weights.
        machine: Describes the machine.
    """

    data: str
    seed: int
    candidates: dict[str, int]
    inherited: dict[str, int]
    lineages: dict[str, int]
    best: dict[str, float]
    finals: dict[str, float]
    tests: dict[str, float]
    gone_on: dict[str, float]
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SearchMeasurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchJob:
    """A measurement that is still to be made; the fields are those of `SearchMeasurement`."""

    data: str
    seed: int
    folder: Path


def measure_searches(job: SearchJob) -> SearchMeasurement:
    """Runs both searches at the same time, each on a core of its own; from seed to seed they change places."""
    with ThreadPoolExecutor(len(WAYS)) as threads:
        running = [
            threads.submit(in_its_own_process, _searched, job, way, (number + job.seed) % len(WAYS))
            for number, way in enumerate(WAYS)
        ]
        found = dict(zip(WAYS, (one.result() for one in running), strict=True))
    values: dict[str, Any] = {
        name: {way: one[name] for way, one in found.items()} for name in next(iter(found.values()))
    }
    return SearchMeasurement(data=job.data, seed=job.seed, machine=machine("tensorflow", "keras"), **values)


def _searched(job: SearchJob, way: str, core: int) -> dict[str, float]:
    """Searches, trains the best candidate at full length, and returns the fields of a measurement."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})

    import kevo
    from kevo.progress.events import NullListener
    from kevo.runs import layout
    from kevo.tasks.images import datasets

    class Watch(NullListener):
        """Ends the evolution when its time is up, as a first Ctrl-C does."""

        def __init__(self) -> None:
            self.records: list[TrialRecord] = []
            self._began = 0.0

        def search_started(self, opening: object) -> None:
            self._began = time.process_time()

        def trial_ended(self, record: TrialRecord, best: object) -> None:
            if time.process_time() - self._began < SECONDS[job.data] or not self.records:
                self.records.append(record)
            else:
                signal.raise_signal(signal.SIGINT)

    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        data = _data(job, Path(folder))
        run = Path(folder, "run")
        settings = kevo.Settings(
            max_trials=1000,
            epochs=EPOCHS,
            population=4,
            space=dataclasses.replace(kevo.PRESETS["small"], families=("conv",)),
            workers=0,
            seed=job.seed,
            inherit=way == "inherit",
        )
        kevo.search(data, settings, out=run, listener=watch)
        best = max((one for one in watch.records if one.fitness is not None), key=lambda one: one.fitness or 0.0)
        dataset = datasets.load(data, seed=job.seed)
        scratch, test = _final(dataset, best, seed=job.seed)
        gone_on, _ = _final(dataset, best, seed=job.seed, model=run / layout.checkpoint(best.trial_id))
    return {
        "candidates": len(watch.records),
        "inherited": sum(one.inherits is not None for one in watch.records),
        "lineages": best.lineage_epochs,
        "best": float(best.fitness or 0.0),
        "finals": scratch,
        "tests": test,
        "gone_on": gone_on,
    }


def _data(job: SearchJob, folder: Path) -> str:
    """Returns the data set's name, or the path of a part of it."""
    import numpy as np

    from kevo.tasks.images import datasets

    if job.data == "digits":
        return job.data
    whole = datasets.load(str(job.folder / f"{job.data}.zip"), seed=0)
    path = folder / f"{job.data}.npz"
    rows = np.random.default_rng(0).permutation(len(whole.train))[:NUM_PICTURES]
    arrays: dict[str, Any] = {"x_train": whole.train.pictures[rows], "y_train": whole.train.labels[rows]}
    for short, split in (("val", whole.validation), ("test", whole.test)):
        arrays |= {f"x_{short}": split.pictures, f"y_{short}": split.labels}
    np.savez(path, **arrays)
    return str(path)


def _final(dataset: ImageDataset, best: TrialRecord, *, seed: int, model: Path | None = None) -> tuple[float, float]:
    """Trains a candidate at full length, and returns its validation and its test accuracy.

    Args:
        dataset: The pictures.
        best: The candidate.
        seed: Seed of the training.
        model: Its own model, to begin with its weights and a third of its learning rate; `None` for new weights.
    """
    import numpy as np

    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Earlier, Effort

    effort = Effort(FINAL_EPOCHS, patience=FINAL_EPOCHS, rate=1.0 if model is None else 1 / 3)
    earlier = None if model is None else Earlier(model, (), (), best.genome)
    done = Trainer(dataset, weights={}, seed=seed).train(best.genome, effort, earlier=earlier)
    outputs = done.deployable().predict(dataset.test.pictures, batch_size=250, verbose=0)
    return done.metrics["val_accuracy"], float(np.mean(outputs.argmax(axis=1) == dataset.test.labels))
