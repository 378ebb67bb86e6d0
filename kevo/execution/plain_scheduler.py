"""The scheduler as executors reach it: trials and results as JSON values, models as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.engine.scheduler import Scheduler
from kevo.errors import KevoError, describe_error
from kevo.execution.job import MODEL, OUTPUTS
from kevo.runs.predictions import read_predictions
from kevo.tasks.protocols.scores import Outputs
from tuners.execution.executor import Json


class PlainScheduler:
    """A scheduler for `tuners.execution.foreman`.

    Args:
        scheduler: Decides.
        shape: The shape of a model's outputs for the validation split.
        refute: Is told a result, its model and what that answers for the validation split, where the trial would be
            the best so far, and returns why the result is wrong. `None` where results are believed: those of this
            machine's own processes.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        shape: tuple[int, ...],
        refute: Callable[[TrialResult, Path, Outputs | None], str | None] | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._refute = refute
        self._shape = shape
        self.model_for = scheduler.running.model_for
        self.hear = scheduler.running.hear
        self.silence = scheduler.running.silence
        self.tell = scheduler.tell
        self.lose = scheduler.lose
        self.stop = scheduler.stop

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do."""
        return self._scheduler.is_over

    def next(self, worker: str) -> Json | None:
        """Returns the trial that a worker is to run; `None` where there is none at present."""
        spec = self._scheduler.next(worker)
        return spec.to_json() if isinstance(spec, TrialSpec) else None

    def keep(self, worker: str, folder: Path, values: Json) -> None:
        """Keeps a checkpoint of a worker's trial."""
        self._scheduler.keep(
            worker,
            save=(folder / MODEL).replace,
            history=values["history"],
            stages=values["stages"],
            seconds=values["seconds"],
        )

    def wants(self, worker: str, result: Json) -> bool:
        """Tells whether the model of a trial with this result is wanted."""
        try:
            return self._scheduler.wants(worker, TrialResult.from_json(result))
        except ValueError:
            # `finish` says what is wrong with it.
            return False

    def finish(self, worker: str, result: Json, folder: Path | None) -> None:
        """Takes the result of a worker's trial; one that cannot be used counts as lost."""
        save: Callable[[Path], object] | None = None
        outputs: Outputs | None = None
        if folder is not None:
            save = (folder / MODEL).replace if (folder / MODEL).is_file() else None
            outputs = read_predictions(folder / OUTPUTS, shape=self._shape, are_valid=self._scheduler.are_valid)
        try:
            parsed = TrialResult.from_json(result)
            if self._refute is not None:
                self._scheduler.check(parsed)
                if save is not None and folder is not None and self._scheduler.leads(worker, parsed):
                    reason = self._refute(parsed, folder / MODEL, outputs)
                    if reason is not None:
                        parsed, save, outputs = parsed.failed(reason), None, None
            self._scheduler.finish(worker, parsed, save=save, outputs=outputs)
        except KevoError:
            raise
        except (LookupError, TypeError, ValueError) as error:
            self._scheduler.lose(worker, f"its result cannot be used: {describe_error(error)}")
