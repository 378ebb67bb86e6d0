"""A short series with a trend and a season, shared by the tests of series."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.loading import load

SEASON = 4
GENOME: dict[str, Any] = {
    "family": "linear",
    "steps": 8,
    "base": "seasonal",
    "inputs": "seasonal",
    "transform": "none",
    "ridge": 1.0,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "cosine",
    "batch_size": 16,
}
MLP: dict[str, Any] = {
    **GENOME,
    "family": "mlp",
    "linear_part": True,
    "dropout": 0.0,
    "l2": 0.0,
    "mlp/num_layers": 1,
    "mlp/layer_1/units": 8,
    "mlp/activation": "relu",
}


def values(num: int = 120, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """Returns numbers that rise, repeat after four steps, and depend on the value before, shape (num,)."""
    rng = np.random.default_rng(seed)
    noise = np.zeros(num)
    for step in range(1, num):
        noise[step] = 0.6 * noise[step - 1] + rng.normal()
    rise = np.arange(num) / 4
    return np.round(60 + rise + 10 * np.tile([0.0, 2.0, 1.0, -3.0], -(-num // SEASON))[:num] + noise, 3)


def quarters(num: int) -> list[str]:
    """Returns the first days of quarters from 1990 on."""
    return [f"{1990 + place // 4}-{3 * (place % 4) + 1:02d}-01" for place in range(num)]


def write_csv(path: Path, num: int = 120, *, seed: int = 0) -> Path:
    """Writes a series of quarters, beside a number that follows it and a word."""
    numbers = values(num, seed=seed)
    beside = np.round(np.concatenate([numbers[:1], numbers[:-1]]) / 10, 3)
    lines = ["quarter,sales,visitors,weather"]
    lines += [f"{day},{one},{two},fine" for day, one, two in zip(quarters(num), numbers, beside, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def small_dataset(num: int = 120) -> SeriesDataset:
    """Returns the series alone as a data set, of windows of twelve steps with the next four values."""
    return load(values(num), season=SEASON)
