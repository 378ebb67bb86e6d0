"""The data set of a series in memory: windows with the values that follow them, divided by time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import describe_splits
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.forecasts.evaluation import num_independent
from kevo.tasks.outputs.forecasts.output import Forecasts
from kevo.tasks.prepared.dataset import WORKER_SPLITS
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.series.clock import Clock
from kevo.tasks.splits import SPLITS

_JSON, _ARRAYS, _VALUES = "series.json", "series.npz", "values"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of a series, and the values that follow.

    Args:
        series: The series that they are of, shape (num_steps, num_columns), the target first.
        firsts: For each window the step of the first value that follows it, shape (n,).
        window: The steps of each.
        horizon: The values that follow.
    """

    series: npt.NDArray[np.float32]
    firsts: npt.NDArray[np.int64]
    window: int
    horizon: int

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def inputs(self) -> npt.NDArray[np.float32]:
        """Raw windows as a saved model takes them, shape (n, window, num_columns)."""
        found: npt.NDArray[np.float32] = self.series[self.firsts[:, None] + np.arange(-self.window, 0)]
        return found

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """The values that follow, shape (n, horizon)."""
        found: npt.NDArray[np.float32] = self.series[self.firsts[:, None] + np.arange(self.horizon), 0]
        return found


@dataclass(frozen=True, slots=True)
class SeriesDataset:
    """A series for training, choosing and measuring.

    Args:
        name: A short name, fit for a file.
        times: The names of the columns of times.
        clock: The steps of the series; position 0 is the first one of `train.series`.
        columns: The names of the columns of windows, that to be forecast first.
        output: What is asked: values after each window.
        train: What models learn from.
        validation: What decides between them.
        test: What is looked at once, at the end.
        unused: The names of the columns that models do not see.
        notes: What was decided, in words.
        max_examples: The rows that reading was limited to; `None` where all are used.
    """

    name: str
    times: tuple[str, ...]
    clock: Clock
    columns: tuple[str, ...]
    output: Forecasts
    train: Windows
    validation: Windows
    test: Windows
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    max_examples: int | None = None

    @property
    def window(self) -> int:
        """The steps of each window."""
        return self.train.window

    @property
    def made_splits(self) -> tuple[str, ...]:
        """Validation and test: a source is one series."""
        return ("validation", "test")

    @property
    def num_folds(self) -> None:
        """None: a fold in the past would be judged by models that know its future."""
        return None

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Always empty: what cannot be read is a missing value."""
        return ()

    @property
    def num_judged(self) -> int:
        """Number of validation windows whose values to forecast do not overlap."""
        return num_independent(len(self.validation), self.output.horizon)

    def num_examples(self, split: str) -> int:
        """Number of windows of a split."""
        return len(getattr(self, split))

    def labels(self, split: str) -> npt.NDArray[np.float32]:
        """The values that follow the windows of a split, shape (n, horizon)."""
        windows: Windows = getattr(self, split)
        return windows.labels

    def class_weights(self) -> None:
        """None: values are no classes."""
        return None

    def fingerprint(self) -> str:
        """Content hash of the series and of all splits."""
        facts = [self.columns, self.clock.to_json(), self.output.to_json(), self.window]
        digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.test.series).data)
        for name in SPLITS:
            digest.update(getattr(self, name).firsts.data)
        return digest.hexdigest()

    def span(self, split: str) -> tuple[str, str]:
        """The first and the last time that is to be forecast in a split."""
        firsts = getattr(self, split).firsts
        return self.clock.text(int(firsts[0])), self.clock.text(int(firsts[-1]) + self.output.horizon - 1)

    def summary(self) -> str:
        """Describes the data set in one line."""
        total, sizes = describe_splits(self)
        past = "" if len(self.columns) == 1 else f" of {len(self.columns)} columns"
        return (
            f"{self.name}: {len(self.test.series):,} steps of {self.clock.words}, {total} windows of {self.window} "
            f"steps{past}, {self.output.summary()} ({sizes})"
        )

    def write(self, folder: Path) -> None:
        """Writes everything but the test split and the notes into a new folder, for worker processes."""
        folder.mkdir(parents=True)
        facts: dict[str, Any] = {
            "name": self.name,
            "times": self.times,
            "clock": self.clock.to_json(),
            "columns": self.columns,
            "window": self.window,
            **self.output.to_json(),
        }
        (folder / _JSON).write_text(json.dumps(facts))
        known = int(self.validation.firsts[-1]) + self.output.horizon
        arrays = {name: getattr(self, name).firsts for name in WORKER_SPLITS}
        np.savez(folder / _ARRAYS, allow_pickle=False, **{_VALUES: self.train.series[:known]}, **arrays)


def read(folder: Path) -> SeriesDataset:
    """Reads a data set of `SeriesDataset.write`'s, with an empty test split."""
    facts = json.loads((folder / _JSON).read_text())
    output = parsing.output(facts)
    if not isinstance(output, Forecasts):
        raise TypeError(f"{folder} holds no series, but {output.summary()}")
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        series = arrays[_VALUES]
        train, validation = (Windows(series, arrays[name], facts["window"], output.horizon) for name in WORKER_SPLITS)
    return SeriesDataset(
        name=facts["name"],
        times=tuple(facts["times"]),
        clock=Clock.from_json(facts["clock"]),
        columns=tuple(facts["columns"]),
        output=output,
        train=train,
        validation=validation,
        test=Windows(series, train.firsts[:0], facts["window"], output.horizon),
    )
