"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed.

A network takes raw windows and answers in the unit of the series: scaling, logarithms and differences are inside, and
it is saved as it is trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import keras
import numpy as np
import numpy.typing as npt
from keras import Input, Model, layers, ops

from kevo.tasks.outputs.output import Output
from tuners.genome import Genome

LINEAR = "linear"
"""The name of the linear part of a network."""
_BEYOND = 3.0
"""By so much a logarithm may be beside those of the training part: a network may not answer with infinity."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the columns of a series are brought to one scale.

    Args:
        mean: Mean of each column in the training part, shape (num_columns,); of logarithms where it computes with them.
        deviation: The same for standard deviations.
        lowest: The lowest value of the target.
        highest: The highest value of the target.
        transform: `none`, or `log` for logarithms of the target.
    """

    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]
    lowest: float
    highest: float
    transform: str

    @classmethod
    def of(cls, values: npt.NDArray[np.float32], transform: str) -> Self:
        """Returns the scale of a training part, shape (n, num_columns), the target first."""
        own = values.astype(np.float64)
        lowest, highest = float(own[:, 0].min()), float(own[:, 0].max())
        if transform == "log":
            own[:, 0] = np.log(own[:, 0])
        deviation = own.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return cls(own.mean(axis=0).astype(np.float32), deviation.astype(np.float32), lowest, highest, transform)

    def scaled(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Returns values of the target as networks compute with them."""
        own = values.astype(np.float64)
        if self.transform == "log":
            own = np.log(np.maximum(own, self.floor))
        scaled: npt.NDArray[np.float64] = (own - self.mean[0]) / self.deviation[0]
        return scaled

    @property
    def floor(self) -> float:
        """What is lower has the logarithm of this."""
        return self.lowest * math.exp(-_BEYOND)


class Seen(NamedTuple):
    """What a network makes of windows before its weights come in.

    Args:
        base: What its answers are added to, shape (batch, horizon), in its scale; `None` for nothing.
        steps: The steps that it sees, shape (batch, any, num_columns).
    """

    base: keras.KerasTensor | None
    steps: keras.KerasTensor


def raw_windows(window: int, num_columns: int) -> keras.KerasTensor:
    """Returns the input of a network, shape (batch, window, num_columns)."""
    return Input((window, num_columns), name="windows")


def seen(x: keras.KerasTensor, genome: Genome, *, scale: Scale, season: int, horizon: int) -> Seen:
    """Returns what a genome's network sees of raw windows.

    Args:
        x: Raw windows.
        genome: The genome.
        scale: How columns are brought to one scale.
        season: After how many steps the series repeats.
        horizon: How many values follow.
    """
    window = int(x.shape[1])
    if scale.transform == "log":
        target = ops.log(ops.maximum(ops.take(x, [0], axis=2), scale.floor))
        x = (
            layers.Concatenate()([target, ops.take(x, list(range(1, x.shape[2])), axis=2)])
            if x.shape[2] > 1
            else target
        )
    x = (x - scale.mean) / scale.deviation
    target = layers.Flatten()(ops.take(x, [0], axis=2))
    base = None
    if genome["base"] != "none":
        cycle = season if genome["base"] == "seasonal" else 1
        # The value as many whole seasons before as there are known ones.
        ahead = np.arange(1, horizon + 1)
        base = ops.take(target, (window - 1 + ahead - cycle * -(-ahead // cycle)).tolist(), axis=1)
    match genome["inputs"]:
        case "seasonal":
            x = _later(x, window - season) - ops.take(x, list(range(window - season)), axis=1)
        case "differences":
            x = _later(x, window - 1) - ops.take(x, list(range(window - 1)), axis=1)
        case "relative":
            x = x - _later(x, 1)
    return Seen(base, _later(x, min(int(genome["steps"]), int(x.shape[1]))))


def network(genome: Genome, *, window: int, scale: Scale, season: int, output: Output) -> keras.Model:
    """Builds the network of a genome with random weights.

    Args:
        genome: The genome.
        window: The steps of a window.
        scale: How columns are brought to one scale.
        season: After how many steps the series repeats.
        output: What is asked of each window.

    Returns:
        A model from raw windows, shape (batch, window, num_columns), to values, shape (batch, output.size).
    """
    windows = raw_windows(window, len(scale.mean))
    base, steps = seen(windows, genome, scale=scale, season=season, horizon=output.size)
    parts = [] if base is None else [base]
    if has_linear_part(genome):
        parts.append(layers.Dense(output.size, name=LINEAR)(layers.Flatten()(steps)))
    if genome["family"] != LINEAR:
        strength = float(genome["l2"])
        regularizer = keras.regularizers.L2(strength) if strength else None
        x = _BODIES[str(genome["family"])](steps, genome, regularizer)
        parts.append(output.finish(x, regularizer=regularizer))
    x = layers.Add()(parts) if len(parts) > 1 else parts[0]
    x = layers.Rescaling(float(scale.deviation[0]), offset=float(scale.mean[0]))(x)
    if scale.transform == "log":
        x = ops.exp(ops.clip(x, math.log(scale.floor), math.log(scale.highest) + _BEYOND))
    return Model(windows, x, name="kevo_model")


def has_linear_part(genome: Genome) -> bool:
    """Tells whether a genome's network is a linear model, or has one beside its layers."""
    return genome["family"] == LINEAR or bool(genome["linear_part"])


def num_inputs(genome: Genome, *, window: int, season: int, num_columns: int) -> tuple[int, int]:
    """Returns how many steps a genome's network sees, and how many columns of each."""
    lost = {"seasonal": season, "differences": 1}.get(str(genome["inputs"]), 0)
    return min(int(genome["steps"]), window - lost), num_columns


def num_parameters(genome: Genome, *, window: int, season: int, num_columns: int, horizon: int) -> int:
    """Counts the parameters of a genome's network without building it.

    Args:
        genome: The genome.
        window: The steps of a window.
        season: After how many steps the series repeats.
        num_columns: Number of columns.
        horizon: How many values follow.
    """
    steps, width = num_inputs(genome, window=window, season=season, num_columns=num_columns)
    linear = (steps * width + 1) * horizon
    if genome["family"] == LINEAR:
        return linear
    total = linear if genome["linear_part"] else 0
    match genome["family"]:
        case "mlp":
            width *= steps
            for layer in range(1, int(genome["mlp/num_layers"]) + 1):
                units = int(genome[f"mlp/layer_{layer}/units"])
                total, width = total + units * (width + 1), units
        case "tcn":
            filters = int(genome["tcn/filters"])
            total += filters * (width + 1)
            total += int(genome["tcn/blocks"]) * filters * (int(genome["tcn/kernel"]) * filters + 1)
            width = filters
        case "lstm":
            units = int(genome["lstm/units"])
            total, width = total + 4 * units * (width + units + 1), units
    return total + horizon * (width + 1)


def _mlp(x: keras.KerasTensor, genome: Genome, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
    x = layers.Flatten()(x)
    for layer in range(1, int(genome["mlp/num_layers"]) + 1):
        units = int(genome[f"mlp/layer_{layer}/units"])
        x = layers.Dense(units, activation=str(genome["mlp/activation"]), kernel_regularizer=regularizer)(x)
        x = _dropped(x, genome)
    return x


def _tcn(x: keras.KerasTensor, genome: Genome, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
    """Convolutions that look back only, each twice as far apart as the one before, with links around them."""
    filters = int(genome["tcn/filters"])
    x = layers.Conv1D(filters, 1, kernel_regularizer=regularizer)(x)
    for block in range(int(genome["tcn/blocks"])):
        y = layers.Conv1D(
            filters,
            int(genome["tcn/kernel"]),
            padding="causal",
            dilation_rate=2**block,
            activation=str(genome["tcn/activation"]),
            kernel_regularizer=regularizer,
        )(x)
        x = layers.Add()([x, _dropped(y, genome)])
    return layers.Flatten()(_later(x, 1))


def _lstm(x: keras.KerasTensor, genome: Genome, regularizer: keras.Regularizer | None) -> keras.KerasTensor:
    return _dropped(layers.LSTM(int(genome["lstm/units"]), kernel_regularizer=regularizer)(x), genome)


_BODIES = {"mlp": _mlp, "tcn": _tcn, "lstm": _lstm}


def _dropped(x: keras.KerasTensor, genome: Genome) -> keras.KerasTensor:
    dropout = float(genome["dropout"])
    return layers.Dropout(dropout)(x) if dropout else x


def _later(x: keras.KerasTensor, num: int) -> keras.KerasTensor:
    """The last so many steps."""
    return x if num == x.shape[1] else ops.take(x, list(range(int(x.shape[1]) - num, int(x.shape[1]))), axis=1)
