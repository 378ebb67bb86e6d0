"""Runs one trial in a worker; any exception becomes a failed result."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.errors import describe_error, os_reason
from kevo.system import model_files
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.training import Trained, Trainer
from kevo.training.effort import CandidateError, Earlier, Keep, Progress

_ROOM_BYTES = 16 * 1024**2
"""With less room than this, and for so many copies of a model, a disk is taken for full."""
_COPIES = 3


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """The result of a trial, and its model; `trained` is `None` where it failed."""

    outcome: TrialResult
    trained: Trained | None

    @property
    def outputs(self) -> Outputs | None:
        """The model's outputs for the validation split, where they are known."""
        return None if self.trained is None else self.trained.outputs

    @property
    def save(self) -> Callable[[Path], None] | None:
        """Writes the model as it is deployed; `None` where there is none.

        It raises an `OSError` where the disk refuses, and a `CandidateError` where that is the model's own doing.
        """
        return None if self.trained is None else functools.partial(_save, self.trained)

    def written(self, path: Path) -> FinishedTrial:
        """Writes the model, and returns the trial as it is then: it fails where its model cannot be saved.

        Raises:
            OSError: the disk refuses.
        """
        try:
            if self.save is not None:
                self.save(path)
        except CandidateError as error:
            return FinishedTrial(self.outcome.failed(str(error)), None)
        except OSError as error:
            refused = OSError(f"Cannot write {path}: {os_reason(error)}")
            # What the system lacks decides what the search says of it: memory or room.
            refused.errno = error.errno
            raise refused from error
        return self


class TrialRunner:
    """Runs the trials of one search, one after another.

    Args:
        trainer: Trains them.
        costs: What the search minimizes beside its objective: some of `kevo.objective.COSTS`.
    """

    def __init__(self, trainer: Trainer, *, costs: Sequence[str] = ()) -> None:
        self._trainer = trainer
        self._costs = costs

    def run(
        self, spec: TrialSpec, *, earlier: Path | None, progress: Progress | None = None, keep: Keep | None = None
    ) -> FinishedTrial:
        """Trains a candidate.

        Args:
            spec: What to train.
            earlier: The model that it goes on from after a pause, or its parent's; `None` to begin from the start.
            progress: Is told how far it is.
            keep: Is lent the deployable model of a long training now and then.

        Returns:
            The result, a failure included, and the model.
        """
        trained: Trained | None = None
        reason, metrics = None, {}
        self._trainer.learn(spec.learned)
        before = None if earlier is None else Earlier(earlier, spec.history, spec.stages, spec.parent)
        started = time.monotonic()
        try:
            done = self._trainer.train(spec.genome, spec.effort, earlier=before, progress=progress, keep=keep)
            spent = done.costs(self._costs, seconds=time.monotonic() - started)
            trained, metrics = done, {**done.metrics, **spent}
        except CandidateError as error:
            reason = str(error)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = describe_error(error)
        outcome = TrialResult(seconds=time.monotonic() - started, reason=reason, learned=self._trainer.news())
        if trained is not None:
            outcome = dataclasses.replace(
                outcome,
                metrics=metrics,
                history=tuple(trained.history),
                stages=tuple(trained.stages),
                num_parameters=trained.num_parameters,
                is_paused=trained.is_paused,
                is_cut_short=trained.is_cut_short,
                share=trained.share,
                inherited=trained.inherited,
            )
        return FinishedTrial(outcome, trained)


def _save(trained: Trained, path: Path) -> None:
    num_bytes = _ROOM_BYTES
    try:
        model = trained.deployable()
        num_bytes += _COPIES * sum(weights.nbytes for weights in model.get_weights())
        model_files.save(model, path)
    except OSError:
        raise
    except Exception as error:
        # HDF5 has errors of its own for a full disk, on which what it had written may be gone again.
        if shutil.disk_usage(path.parent).free < num_bytes:
            raise OSError(str(error)) from error
        raise CandidateError(f"its model cannot be saved: {describe_error(error)}") from error
