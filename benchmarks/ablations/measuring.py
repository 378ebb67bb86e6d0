"""One measurement: two searches with the same seed, one of them changed, each on a core of its own at the same time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import in_its_own_process, machine

STATISTICS, RUNGS = "Keras's moving statistics", "three rungs"
CHANGES = (STATISTICS, RUNGS)


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures to search a network for.

    Args:
        title: What they are.
        path: Their place below the folder with the data, or a name that kevo knows.
        seconds: `--max-time` of each search.
        settings: Other settings, and fields of the space.
        space: Fields of the space of conv stacks that differ from the preset's.
    """

    title: str
    path: str
    seconds: float
    settings: Mapping[str, Any]
    space: Mapping[str, Any]


SETS: Mapping[str, PictureSet] = {
    "digits": PictureSet("scikit-learn's digits, 8 px", "digits", 60.0, {}, {}),
    # At full size and length there is time for one network only, which neither pauses nor is compared with others.
    "cifar10_subset": PictureSet(
        "5,000 pictures of CIFAR-10 at 16 px, 6 epochs a candidate, 12 at the end",
        "cifar10_subset.zip",
        90.0,
        {"epochs": 6, "final_epochs": 12},
        {"conv_image_sizes": (16,)},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The result of one search.

    Args:
        test: Test accuracy.
        loss: Test cross-entropy.
        num_candidates: How many candidates it trained.
    """

    test: float
    loss: float
    num_candidates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Two searches at the same time.

    Args:
        change: One of `CHANGES`: what differs in one of them.
        pictures: A name of `SETS`.
        seed: Seed of both.
        usual: The search as it is.
        changed: The search with the change.
        machine: Describes the machine.
        load: How many processes wanted to run when they began, those of other work.
    """

    change: str
    pictures: str
    seed: int
    usual: Arm
    changed: Arm
    machine: str
    load: float

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**{**values, "usual": Arm(**values["usual"]), "changed": Arm(**values["changed"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`."""

    change: str
    pictures: str
    seed: int
    data: Path


def measure(job: Job) -> Measurement:
    """Runs both searches at the same time. The cores change with the seed, since one may be busier than the other."""
    load = os.getloadavg()[0]
    cores = sorted(os.sched_getaffinity(0))
    with ThreadPoolExecutor(2) as threads:
        arms = [
            threads.submit(in_its_own_process, _searched, job, is_changed, cores[(job.seed + is_changed) % len(cores)])
            for is_changed in (False, True)
        ]
    usual, changed = (arm.result() for arm in arms)
    return Measurement(
        change=job.change,
        pictures=job.pictures,
        seed=job.seed,
        usual=usual,
        changed=changed,
        machine=machine("tensorflow", "keras"),
        load=round(load, 1),
    )


def _searched(job: Job, is_changed: bool, core: int) -> Arm:
    """Searches in this process, on one core."""
    # TensorFlow counts the cores when it is imported.
    os.sched_setaffinity(0, {core})
    import kevo

    one = SETS[job.pictures]
    if is_changed and job.change == STATISTICS:
        _keep_moving_statistics()
    source = str(job.data / one.path) if (job.data / one.path).exists() else one.path
    settings = kevo.Settings(
        max_time=one.seconds,
        workers=0,
        cache="none",
        space=dataclasses.replace(kevo.PRESETS["default"], families=("conv",), **one.space),
        num_rungs=3 if is_changed and job.change == RUNGS else 1,
        seed=job.seed,
        **one.settings,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = kevo.search(source, settings, out=Path(folder) / "run")
        return Arm(
            test=float(found.test.accuracy),
            loss=float(found.test.cross_entropy),
            num_candidates=len(found.trials),
        )


def _keep_moving_statistics() -> None:
    """Leaves batch norm in this process as Keras has it."""
    from kevo.training.batch_norm import UnbiasedStatistics

    @contextlib.contextmanager
    def traced(self: UnbiasedStatistics, num_steps: Any) -> Iterator[None]:
        yield

    UnbiasedStatistics.traced = traced  # type: ignore[method-assign]
