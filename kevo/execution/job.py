"""The job of every worker: runs the trials of one search, on data that the search's process has written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from kevo.engine.messages import TrialSpec
from kevo.execution.devices import mirrored
from kevo.execution.multiworker.launch import leading
from kevo.execution.multiworker.line import Outgoing
from kevo.execution.multiworker.lockstep import Leader
from kevo.execution.runner import FinishedTrial, TrialRunner
from kevo.runs.predictions import write_predictions
from kevo.settings import Settings
from kevo.system import memory
from tuners.execution.executor import Json, KeepCheckpoint, ReportProgress

MODEL, OUTPUTS = "model.keras", "outputs.npy"
"""The files of a trial: its model, and what that answers for the validation split."""


class TrialOutput:
    """A trial that has ended, for `tuners.execution`."""

    def __init__(self, done: FinishedTrial) -> None:
        self._done = done

    @property
    def result(self) -> Json:
        """The result, as `TrialResult.to_json` writes it."""
        return self._done.outcome.to_json()

    def save(self, folder: Path) -> Json:
        """Writes the model, and its outputs where they are known; returns the result, a failure if it cannot be saved.

        Raises:
            OSError: the disk refuses.
        """
        done = self._done.written(folder / MODEL)
        if done.outputs is not None:
            write_predictions(folder / OUTPUTS, done.outputs)
        return done.outcome.to_json()


class TrialWork:
    """Runs trials in this process, for `tuners.execution`.

    Args:
        runner: Runs them.
        on_close: Is called when the search is over.
    """

    def __init__(self, runner: TrialRunner, *, on_close: Callable[[], object] = lambda: None) -> None:
        self._runner = runner
        self._on_close = on_close

    def perform(
        self, trial: Json, *, earlier: Path | None, progress: ReportProgress, keep: KeepCheckpoint
    ) -> TrialOutput:
        """Runs a trial; any error of its own is its result.

        Raises:
            UnfitError: the processes that train together have parted.
        """

        def keep_model(
            model: keras.Model, history: Sequence[Mapping[str, float]], stages: Sequence[str], seconds: float
        ) -> None:
            values = {"history": list(history), "stages": list(stages), "seconds": seconds}
            keep(lambda folder: model.save(folder / MODEL), values)

        return TrialOutput(
            self._runner.run(TrialSpec.from_json(trial), earlier=earlier, progress=progress, keep=keep_model)
        )

    def close(self) -> None:
        """Releases the memory of the trials."""
        self._on_close()


def build(
    *,
    data: str,
    settings: Mapping[str, Any],
    arguments: Mapping[str, Any],
    is_mirrored: bool,
    is_spread: bool,
    share: int | None,
    folder: str,
    members: Sequence[Outgoing] = (),
    addresses: Sequence[str] = (),
) -> TrialWork:
    """Makes the work of one worker process.

    Args:
        data: The folder that `Dataset.write` filled.
        settings: Those of the search, as `Settings.to_json` writes them.
        arguments: What the trainer needs besides; see `Task.worker_arguments`.
        is_mirrored: Whether each trial is spread over all devices of this process.
        is_spread: Whether each trial is spread over this process and one that it starts.
        share: The bytes of memory that this process may count on; `None` for all of the machine.
        folder: For the files of the process that this one starts.
        members: Processes on a cluster that each trial is spread over, beside this one.
        addresses: Host and port where TensorFlow is to listen in each of them, this one first.

    Raises:
        UnfitError: the processes that are to train together cannot be joined.
    """
    if share is not None:
        memory.confine(share)
    parsed = Settings.from_json(settings)
    dataset = parsed.kind.read(Path(data))
    leader: Leader | None = None
    stack = contextlib.ExitStack()
    if is_spread:
        leader = stack.enter_context(leading(data=data, settings=settings, folder=folder))
    elif members:
        leader = Leader(members, addresses, seed=parsed.seed)
        stack.callback(leader.end)
    strategy = mirrored() if is_mirrored else None
    trainer = parsed.kind.trainer(dataset, parsed, arguments, strategy=strategy, leader=leader)
    return TrialWork(TrialRunner(trainer, costs=parsed.minimize), on_close=stack.close)
