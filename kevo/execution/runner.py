"""What a worker does: it trains a candidate, whatever that does to it, and says what came of it."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.errors import describe_error, os_reason
from kevo.execution.multiworker.lockstep import Leader
from kevo.settings import Settings
from kevo.system.array_store import ArrayStore
from kevo.tasks.images import costs, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.initial_population import is_small_enough
from kevo.tasks.images.space import Genome
from kevo.tasks.images.trainer import Trained, Trainer
from kevo.tasks.images.usable_weights import Usable, by_width
from kevo.training.effort import CandidateError, Earlier, Keep, Progress

_ROOM_BYTES = 16 * 1024**2
"""With less room than this, and for so many copies of a model, a disk is taken for full."""
_COPIES = 3


@dataclass(frozen=True, slots=True)
class FinishedTrial:
    """What came of a training; `trained` is `None` where it failed."""

    outcome: TrialResult
    trained: Trained | None
    mirror: bool

    @property
    def probabilities(self) -> npt.NDArray[np.float32] | None:
        """What the model predicts for the validation pictures, where that is known."""
        return None if self.trained is None else self.trained.outputs

    @property
    def save(self) -> Callable[[Path], None] | None:
        """Writes the model as it is deployed; `None` where there is none.

        It raises an `OSError` where the disk refuses, and a `CandidateError` where that is the model's own doing.
        """
        return None if self.trained is None else functools.partial(_save, self.trained.network, self.mirror)

    def written(self, path: Path) -> FinishedTrial:
        """Writes the model, and returns what has come of the training now: without one that can be saved it fails.

        Raises:
            OSError: the disk refuses.
        """
        try:
            if self.save is not None:
                self.save(path)
        except CandidateError as error:
            return FinishedTrial(self.outcome.failed(str(error)), None, self.mirror)
        except OSError as error:
            raise OSError(f"Cannot write {path}: {os_reason(error)}") from error
        return self


class TrialRunner:
    """Trains the candidates of one search, one after the other.

    Args:
        dataset: The pictures.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
        strategy: As for `Trainer`.
        leader: As for `Trainer`.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        settings: Settings,
        usable: Usable,
        store: ArrayStore | None,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Leader | None = None,
    ) -> None:
        self._settings = settings
        self._num_classes = dataset.num_classes
        self.trainer = Trainer(
            dataset,
            objective=settings.objective,
            weights=by_width(usable),
            seed=settings.seed,
            store=store,
            is_wanted=self._is_wanted,
            strategy=strategy,
            leader=leader,
        )

    def perform(
        self, task: TrialSpec, *, earlier: Path | None, progress: Progress | None = None, keep: Keep | None = None
    ) -> FinishedTrial:
        """Trains a candidate.

        Args:
            task: What to train.
            earlier: The model that it goes on from after a pause; `None` to begin from the start.
            progress: As for `Trainer.train`.
            keep: Is lent the model of a long training now and then, as it would be saved.

        Returns:
            What came of it, a failure included, and its model.
        """
        trained: Trained | None = None
        reason, metrics = None, {}
        known, mirror = {**task.errors}, bool(task.genome["mirror"])
        probes, speeds = self.trainer.probes, self.trainer.cache.seconds_per_picture
        probes.errors |= known
        before = None if earlier is None else Earlier(earlier, task.history, task.stages)

        started = time.monotonic()
        try:
            done = self.trainer.train(task.genome, task.effort, earlier=before, progress=progress, keep=keep)
            seconds = time.monotonic() - started
            spent = costs.measure(done.network, self._settings.minimize, seconds=seconds, mirror=mirror)
            trained, metrics = done, {**done.metrics, **spent}
        except CandidateError as error:
            reason = str(error)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = describe_error(error)
        outcome = TrialResult(
            seconds=time.monotonic() - started,
            reason=reason,
            errors={key: error for key, error in probes.errors.items() if key not in known},
            speeds=tuple((*key, seconds) for key, seconds in speeds.items()),
        )
        if trained is not None:
            outcome = dataclasses.replace(
                outcome,
                metrics=metrics,
                history=tuple(trained.history),
                stages=tuple(trained.stages),
                num_parameters=trained.num_parameters,
                is_paused=trained.is_paused,
                is_cut_short=trained.is_cut_short,
            )
        return FinishedTrial(outcome, trained, mirror)

    def _is_wanted(self, genome: Genome) -> bool:
        """Tells whether a genome's frozen features are to be compared with others."""
        # Where something is to be kept small, worse features may be worth their price.
        is_in_space = genome["pretrained/summary"] in self._settings.resolved_space.pretrained_summaries
        is_compared = is_in_space and not self._settings.minimize
        return is_compared and is_small_enough(genome, self._settings, num_classes=self._num_classes)


def _save(network: keras.Model, mirror: bool, path: Path) -> None:
    try:
        networks.deployable(network, mirror=mirror).save(path)
    except OSError:
        raise
    except Exception as error:
        # HDF5 has errors of its own for a full disk, on which what it had written may be gone again.
        room = _ROOM_BYTES + _COPIES * sum(weights.nbytes for weights in network.get_weights())
        if shutil.disk_usage(path.parent).free < room:
            raise OSError(str(error)) from error
        raise CandidateError(f"its model cannot be saved: {describe_error(error)}") from error
