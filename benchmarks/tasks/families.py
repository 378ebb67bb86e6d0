"""The families of networks for masks beside each other, each searched alone for the same time, and both together."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process, machine

WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
_NUM_TRAIN, _NUM_VALIDATION, _NUM_TEST, _SIDE = 16, 8, 64, 128
TITLES: Mapping[str, str] = {
    "chase_db1": "CHASE_DB1, 28 retinas",
    "shapes": f"made shapes, {_NUM_TRAIN} pictures to learn from",
}
"""Each data set by its name."""
VARIANTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "scratch": ("from scratch", ("unet",)),
    "backbone": ("on MobileNetV2 0.35", ("pretrained_unet",)),
    "both": ("both", ("unet", "pretrained_unet")),
    "small": ("from scratch, with few parameters", ("unet",)),
}
"""The searches by name: each with its title in the report, and the families of networks it may use. `small` also
minimizes the number of parameters."""
_ABOUT = f"""\
## Masks: U-Nets from scratch, on a pretrained backbone, and small ones

Searches of the same data for the same minutes, with one family of networks, with both, or with `--minimize params`, as
far as they were measured. The backbone has ImageNet weights and stays frozen. The made shapes are disks, squares and
triangles of any color on noise, {_SIDE} px, of which triangles are the class: {_NUM_TRAIN} pictures to learn from,
{_NUM_VALIDATION} to choose by, {_NUM_TEST} to test. Measured by `python -m benchmarks.tasks --families`. Other work ran
beside searches of up to three minutes, so that they trained few candidates. The front was found before its networks
shared the time of the last trainings: the largest had all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The result of one search.

    Args:
        name: A name of `TITLES`.
        variant: A name of `VARIANTS`.
        minutes: The time that it had.
        seed: Seed of the splits and the search.
        dice: Test Dice of the best model.
        num_parameters: Its size.
        num_candidates: How many candidates were trained.
        front: Size and test Dice of each model that no other beats in Dice and size, where both count.
        machine: Describes the machine.
    """

    name: str
    variant: str
    minutes: float
    seed: int
    dice: float
    num_parameters: int
    num_candidates: int
    front: Sequence[Sequence[float]]
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Family:
        """Returns the result from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyJob:
    """A search that is still to be made; the fields are those of `Family`."""

    name: str
    variant: str
    minutes: float
    seed: int
    data: Path


def measure(job: FamilyJob) -> Family:
    """Searches in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        values = in_its_own_process(_searched, job, Path(folder), time.monotonic())
    return Family(
        name=job.name,
        variant=job.variant,
        minutes=job.minutes,
        seed=job.seed,
        machine=machine("tensorflow", "keras"),
        **values,
    )


def _searched(job: FamilyJob, folder: Path, began: float) -> dict[str, Any]:
    import kevo
    from kevo.tasks.masks.space import PRETRAINED, Space

    _, families = VARIANTS[job.variant]
    data: Any = job.data / job.name if job.name == "chase_db1" else shapes_of(job.seed)
    settings = kevo.Settings(
        task="segmentation",
        space=Space(families=families),
        weights={"mobilenet_v2": str(job.data / WEIGHTS)} if PRETRAINED in families else {},
        minimize=("params",) if job.variant == "small" else (),
        max_time=60 * job.minutes,
        seed=job.seed,
    )
    result = kevo.search(data, settings, out=folder / "run", started=began)
    return {
        "dice": float(result.test.value("dice")),
        "num_parameters": result.num_parameters,
        "num_candidates": result.trials_completed,
        "front": [_size_and_dice(member.model_path, data, seed=job.seed) for member in result.front],
    }


def _size_and_dice(path: Path, data: Any, *, seed: int) -> list[float]:
    from kevo.system import model_files
    from kevo.tasks.images.inference import predict
    from kevo.tasks.masks.loading import load

    model, dataset = model_files.load(path), load(data, seed=seed)
    outputs = predict(model, dataset.test.pictures)
    return [float(model.count_params()), float(dataset.output.score(outputs, dataset.test.labels).value("dice"))]


def shapes_of(seed: int) -> dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Returns the splits of made pictures of a seed."""
    sizes = {"train": _NUM_TRAIN, "validation": _NUM_VALIDATION, "test": _NUM_TEST}
    return {name: shapes(num, seed=(seed, place)) for place, (name, num) in enumerate(sizes.items())}


def shapes(num: int, *, side: int = _SIDE, seed: Sequence[int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Makes pictures of disks, squares and triangles of any color on noise.

    Args:
        num: How many.
        side: Their side, in pixels.
        seed: The same seed makes the same pictures.

    Returns:
        Pictures, shape (num, side, side, 3), and masks, shape (num, side, side), 1 where a triangle is.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    pictures, masks = np.empty((num, side, side, 3), np.uint8), np.zeros((num, side, side), np.uint8)
    for picture, mask in zip(pictures, masks, strict=True):
        picture[:] = np.clip(rng.integers(40, 216, 3) + rng.normal(0, 25, (side, side, 3)), 0, 255)
        for kind in ("triangle", *rng.choice(["disk", "square", "triangle"], size=4)):
            radius = rng.integers(side // 10, side // 5)
            row, column = rng.integers(radius, side - radius, 2)
            up, across = (rows - row) / radius, (columns - column) / radius
            is_in = {
                "disk": up**2 + across**2 <= 1,
                "square": np.maximum(np.abs(up), np.abs(across)) <= 0.9,
                "triangle": (up <= 0.8) & (2 * np.abs(across) <= up + 1),
            }[str(kind)]
            color = rng.integers(0, 256, 3) + rng.normal(0, 25, (int(is_in.sum()), 3))
            picture[is_in] = np.clip(color, 0, 255)
            mask[is_in] = kind == "triangle"
    return pictures, masks


def report(rows: Sequence[Family]) -> str:
    """Returns a section of the report; nothing where nothing was measured."""
    lines = []
    for row in rows:
        front = "; ".join(f"{num:,.0f}: {dice:.3f}" for num, dice in sorted(map(tuple, row.front)))
        sizes = (f"{row.num_parameters:,}", f"{row.num_candidates}", f"{row.dice:.3f}", front or "-")
        lines.append((TITLES[row.name], f"{row.minutes:g}", f"{row.seed}", VARIANTS[row.variant][0], *sizes))
    head = ("data", "minutes", "seed", "networks", "parameters", "candidates", "test Dice", "front: parameters, Dice")
    return f"{_ABOUT}\n\n{table(head, lines)}" if lines else ""
