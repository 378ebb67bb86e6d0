"""One measurement: the test accuracy of a tool on a set of pictures, within a time, with a seed."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.by_hand import pictures
from benchmarks.support import project
from benchmarks.support.processes import in_its_own_process, machine

TOOLS = ("kevo", "by hand")
_CLOSING_SECONDS = 3.0
"""Seconds that the training by hand leaves for scoring."""


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures to learn.

    Args:
        title: What they are.
        path: Their place below the folder with the data, or a name that kevo knows; `None` where they are made here.
        flips: Whether a picture means the same in a mirror.
        is_transferred: Whether a pretrained network is used.
    """

    title: str
    path: str | None
    flips: bool = True
    is_transferred: bool = False


SETS: Mapping[str, PictureSet] = {
    "digits": PictureSet("scikit-learn's digits, 8 px", "digits", flips=False),
    "cifar10_subset": PictureSet("5,000 pictures of CIFAR-10, 32 px", "cifar10_subset.zip"),
    "made": PictureSet("50,000 made pictures, 32 px", None),
    "cats_vs_dogs": PictureSet("2,000 photographs, MobileNetV2", "cats_vs_dogs", is_transferred=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of one measurement.

    Args:
        tool: One of `TOOLS`.
        pictures: A name of `SETS`.
        minutes: The time that it had.
        seed: Seed of kevo's search, or of the training by hand.
        test: Test accuracy.
        seconds: How long it took.
        machine: Describes the machine.
        ensemble: Test accuracy of the ensemble that kevo hands over beside its best model; `None` where there is none.
    """

    tool: str
    pictures: str
    minutes: float
    seed: int
    test: float
    seconds: float
    machine: str
    ensemble: float | None = None

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`."""

    tool: str
    pictures: str
    minutes: float
    seed: int
    data: Path


def measure(job: Job) -> Measurement:
    """Lets a tool learn a set of pictures in a process of its own."""
    source = _source(job)
    began = time.monotonic()
    test, ensemble = (_by_kevo if job.tool == "kevo" else _by_hand)(job, source)
    return Measurement(
        tool=job.tool,
        pictures=job.pictures,
        minutes=job.minutes,
        seed=job.seed,
        test=test,
        seconds=time.monotonic() - began,
        machine=machine("tensorflow", "keras"),
        ensemble=ensemble,
    )


def _source(job: Job) -> str:
    if (path := SETS[job.pictures].path) is None:
        made = project.BUILD / "made_pictures.npz"
        if not made.exists():
            pictures.write(made, num_train=50_000, num_test=10_000)
        return str(made)
    return str(job.data / path) if (job.data / path).exists() else path


def _by_kevo(job: Job, source: str) -> tuple[float, float | None]:
    with tempfile.TemporaryDirectory() as name:
        return in_its_own_process(_searched, job, source, Path(name), time.monotonic())


def _searched(job: Job, source: str, folder: Path, began: float) -> tuple[float, float | None]:
    """Searches in this process and its workers; see `_trained_by_hand`."""
    import kevo

    is_transferred = SETS[job.pictures].is_transferred
    settings = kevo.Settings(
        max_time=60 * job.minutes,
        space=dataclasses.replace(kevo.PRESETS["default"], families=("pretrained",) if is_transferred else ("conv",)),
        weights={"mobilenet_v2": str(job.data / project.MOBILENET_V2_WEIGHTS)} if is_transferred else {},
        cache=str(folder / "cache"),
        seed=job.seed,
    )
    found = kevo.search(source, settings, out=folder / "run", started=began)
    ensemble = found.ensemble
    return float(found.test.accuracy), None if ensemble is None else float(ensemble.test.accuracy)


def _by_hand(job: Job, source: str) -> tuple[float, None]:
    return in_its_own_process(_trained_by_hand, job, source, time.monotonic()), None


def _trained_by_hand(job: Job, source: str, began: float) -> float:
    """Reads, trains and scores, in this process.

    Args:
        job: What to measure.
        source: The pictures.
        began: When the tool was started, by `time.monotonic`.
    """
    import keras
    import numpy as np

    from benchmarks.by_hand import networks
    from kevo.tasks.images import datasets

    def left() -> float:
        return 60 * job.minutes - (time.monotonic() - began) - _CLOSING_SECONDS

    one = SETS[job.pictures]
    keras.utils.set_random_seed(job.seed)
    dataset = datasets.load(source, seed=job.seed)
    splits = (dataset.train, dataset.validation)
    train = networks.transferred if one.is_transferred else networks.from_scratch
    model = train(
        np.concatenate([split.pictures for split in splits]),
        np.concatenate([split.labels for split in splits]),
        num_classes=dataset.num_classes,
        flips=one.flips,
        left=left,
        data=job.data,
    )
    predicted = model.predict(dataset.test.pictures, batch_size=256, verbose=0)
    return float(np.mean(predicted.argmax(axis=1) == dataset.test.labels))
