"""Trains U-Nets by hand for as long as one likes, as a yardstick for the small networks that kevo finds for masks.

It may be broken off and taken up again. Its recipe is that of kevo's own trainings where these have a time limit: crops
in any of the eight ways in which a square can lie, cross-entropy and Dice, and a rate that falls to nothing with the
time (Loshchilov and Hutter 2017, arXiv:1608.03983).
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.support.command_line import log
from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process, machine
from benchmarks.tasks.measuring import SETS

CROP, BATCH_SIZE = 96, 2
"""Of two small crops each step is cheap: a large network on few cores learns more from many of them."""
RATE = 1e-3
"""The highest learning rate, of Adam."""
_WARM_UP = 0.02
"""The share of the time in which the rate rises."""
_STEPS = 100
"""So many steps pass between two looks at the validation pictures."""
_KEPT_EVERY = 300.0
"""Seconds between two copies of a training under way."""
WIDTHS: Mapping[str, int] = {"full": 64, "smaller": 16}
"""The networks by name, each with the channels of its first level."""
_STATE, _WEIGHTS, _PROGRESS = "state.keras", "best.weights.h5", "progress.json"
_ABOUT = f"""\
### U-Nets by hand for longer

The same U-Nets, each trained on both cores for as long as there was time, with kevo's own recipe: batches of
{BATCH_SIZE} crops of {CROP} px in any of the eight ways in which a square can lie, and Adam whose rate falls from
{RATE:g} to nothing with the time. Validation pictures were judged every {_STEPS} steps, and the best weights were kept.
The U-Net that had an hour learned beside other work, and its validation Dice no longer rose at last. Searches of 20
minutes stand [below](#masks-u-nets-from-scratch-on-a-pretrained-backbone-and-small-ones). Measured by
`python -m benchmarks.tasks --sets chase_db1 --unets full,smaller`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTraining:
    """A U-Net by hand after its training.

    Args:
        name: A name of `measuring.SETS`.
        network: A name of `WIDTHS`.
        minutes: The time that it had.
        seed: Seed of the splits, the weights and the crops.
        dice: Test Dice of the weights with the best validation Dice.
        num_parameters: Its size.
        num_steps: How many batches it learned from.
        curve: Steps and validation Dice of each look at the validation pictures.
        machine: Describes the machine.
    """

    name: str
    network: str
    minutes: float
    seed: int
    dice: float
    num_parameters: int
    num_steps: int
    curve: Sequence[Sequence[float]]
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LongTraining:
        """Returns the result from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongJob:
    """A training that is still to be made, or to be gone on with; the fields are those of `LongTraining`.

    Args:
        data: The folder with the data.
        work: A folder for the training under way.
    """

    name: str
    network: str
    minutes: float
    seed: int
    data: Path
    work: Path


@dataclass(slots=True)
class _Progress:
    """How far a training is: seconds so far, and the curve of `LongTraining`."""

    seconds: float = 0.0
    curve: list[list[float]] = field(default_factory=list)


def measure(job: LongJob) -> LongTraining:
    """Trains a U-Net, or goes on with it, in a process of its own."""
    return LongTraining(
        name=job.name,
        network=job.network,
        minutes=job.minutes,
        seed=job.seed,
        machine=machine("tensorflow", "keras"),
        **in_its_own_process(_trained, job),
    )


def _trained(job: LongJob) -> dict[str, Any]:
    import numpy as np

    from kevo.tasks.masks.loading import load

    dataset = load(job.data / SETS[job.name].path, seed=job.seed)
    folder = job.work / f"{job.name}-{job.network}-{job.minutes:g}-{job.seed}"
    width, seconds = WIDTHS[job.network], 60 * job.minutes
    model, curve = train(dataset, width=width, seconds=seconds, seed=job.seed, folder=folder)
    outputs = np.asarray(model.predict(dataset.test.pictures, batch_size=1, verbose=0))
    return {
        "dice": float(dataset.output.score(outputs, dataset.test.labels).value("dice")),
        "num_parameters": model.count_params(),
        "num_steps": int(curve[-1][0]),
        "curve": curve,
    }


def train(
    dataset: Any, *, width: int, seconds: float, seed: int, folder: Path, num_steps: int = _STEPS
) -> tuple[Any, list[list[float]]]:
    """Trains a U-Net, or goes on where it was broken off.

    Args:
        dataset: As for `unets.train`.
        width: As for `unets.train`.
        seconds: How long it may learn, in all.
        seed: Seed of weights and crops.
        folder: Keeps the training under way.
        num_steps: So many steps pass between two looks at the validation pictures.

    Returns:
        The model with its best weights, and the curve of `LongTraining`.
    """
    import keras

    from benchmarks.tasks import unets

    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    own = {"cross_entropy_and_dice": unets.cross_entropy_and_dice, "dice": unets.dice}
    if (folder / _PROGRESS).exists():
        model = keras.models.load_model(folder / _STATE, custom_objects=own)
        progress = _Progress(**json.loads((folder / _PROGRESS).read_text()))
    else:
        model, progress = unets.unet(width), _Progress()
        model.compile("adam", unets.cross_entropy_and_dice, metrics=[unets.dice])
    crop = min(CROP, dataset.image_size)
    done = int(model.optimizer.iterations)
    batches = unets.batches(
        dataset.train.pictures, dataset.train.labels, crop=crop, batch_size=BATCH_SIZE, turns=True, seed=seed + done
    )
    best = max((dice for _, dice in progress.curve), default=-1.0)
    began, kept = time.monotonic() - progress.seconds, time.monotonic()
    while progress.seconds < seconds:
        for _ in range(num_steps):
            model.optimizer.learning_rate = rate(min(1.0, (time.monotonic() - began) / seconds))
            model.train_on_batch(*next(batches))
            if time.monotonic() - began >= seconds:
                break
        _, dice = model.evaluate(dataset.validation.pictures, dataset.validation.labels, batch_size=1, verbose=0)
        progress.seconds = time.monotonic() - began
        progress.curve.append([int(model.optimizer.iterations), float(dice)])
        log(f"{progress.seconds:.0f} s, {progress.curve[-1][0]} steps: validation Dice {dice:.4f}")
        if dice > best:
            best = dice
            model.save_weights(folder / _WEIGHTS)
        if time.monotonic() - kept > _KEPT_EVERY:
            model.save(folder / _STATE)
            (folder / _PROGRESS).write_text(json.dumps(dataclasses.asdict(progress)))
            kept = time.monotonic()
    model.load_weights(folder / _WEIGHTS)
    return model, progress.curve


def rate(share: float) -> float:
    """Returns the learning rate after a share of the time, from 0 to 1: it rises for a short while, and falls to 0."""
    if share < _WARM_UP:
        return RATE * max(share / _WARM_UP, 0.1)
    return RATE * (1 + math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP))) / 2


def report(rows: Sequence[LongTraining]) -> str:
    """Returns a section of the report; nothing where nothing was measured."""
    lines = []
    for row in rows:
        steps, best = max(row.curve, key=lambda one: one[1])
        cells = (f"{row.minutes:g}", f"{row.seed}", row.network, f"{row.num_parameters:,}", f"{row.num_steps}")
        lines.append((SETS[row.name].title, *cells, f"{best:.3f} after {steps:.0f}", f"{row.dice:.3f}"))
    head = ("data", "minutes", "seed", "U-Net", "parameters", "steps", "best validation Dice", "test Dice")
    return f"{_ABOUT}\n\n{table(head, lines)}" if lines else ""
