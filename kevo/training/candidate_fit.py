"""A candidate's way through the stages of its training: how much it may cost, its epochs, and the best of them.

A training may pause and be taken up again later, as the rungs of successive halving ask for. A head on frozen features
never does: it costs next to nothing beside the features.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import KevoError
from kevo.objective import Objective
from kevo.tasks.images import networks
from kevo.tasks.images.features import TRAIN_AND_VALIDATION
from kevo.tasks.outputs.classes import evaluation
from kevo.training.loop import EpochLoop, Forward

PATIENCE = 5
"""How many epochs in a row may bring nothing new before a stage of training ends."""
HEAD = "head"
"""The stage in which the head is trained on frozen features."""
FINE_TUNE = "fine-tune"
"""The stage in which the last blocks of a backbone are trained with the head."""
_KEEP_SECONDS = 20.0
"""How much of a training may be lost when it breaks off, and not more than an epoch beside."""


class CandidateError(KevoError, RuntimeError):
    """One candidate cannot be trained; the search goes on without it."""


class Progress(Protocol):
    """Is told how far a candidate is: the stage in words, epochs done (with fractions) of all, latest metrics."""

    def __call__(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...


@dataclass(frozen=True, slots=True)
class Effort:
    """How much one candidate may cost.

    `num_epochs` counts for each stage; `seconds` is wall-clock time for the whole candidate, a download of its weights
    included, `None` for no limit. Only the first validation may end later, after as long again as was trained before.
    Training also ends when `patience` epochs in a row bring nothing new. It pauses after `pause_after` epochs, to be
    taken up again perhaps; `None` for no pause. Learning rates fall over `num_epochs` all the same.
    `tune_epochs` counts in place of `num_epochs` for fine-tuning, which then goes on to its end: pretrained blocks lose
    accuracy first, and regain more as the learning rate falls. `None` treats it as any other stage.
    With `refit` a network learns from the validation pictures too, for exactly so many epochs of each stage, and
    nothing is measured; `None` for an ordinary training.
    """

    num_epochs: int
    seconds: float | None = None
    patience: int = PATIENCE
    pause_after: int | None = None
    tune_epochs: int | None = None
    refit: Mapping[str, int] | None = None


Keep = Callable[[keras.Model, Sequence[dict[str, float]], Sequence[str], float], None]
"""Is lent the network of a training under way, with the weights of its best epoch so far, and told the metrics of all
its epochs, their stages, and how many seconds it took."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A training of the same genome that paused or was broken off: the model that it saved, and all its epochs."""

    model_path: Path
    history: Sequence[dict[str, float]]
    stages: Sequence[str]


class OutOfTimeError(Exception):
    """The candidate's time is up before there is anything to measure."""


class CandidateFit:
    """One candidate's way through its stages: its clock, its history and the best epoch of its last stage."""

    def __init__(
        self,
        objective: Objective,
        effort: Effort,
        progress: Progress | None,
        earlier: Earlier | None,
        *,
        keep: Keep | None,
        mirror: bool,
    ) -> None:
        self.objective = objective
        self.effort = effort
        self.progress = progress
        self.history: list[dict[str, float]] = []
        self.stages: list[str] = []
        self.best: dict[str, float] = {}
        self.probabilities: npt.NDArray[np.float32] | None = None
        self.is_cut_short = False
        self._epochs_without_gain = 0
        self._lowest = math.inf
        self._earlier = earlier
        self._mirror = mirror
        self._keep = keep
        self._kept_at = time.monotonic()
        self._whole: keras.Model | None = None
        self.split = "train" if effort.refit is None else TRAIN_AND_VALIDATION
        """What is learned from."""
        self._started = time.monotonic()
        if earlier is not None:
            for stage, metrics in zip(earlier.stages, earlier.history, strict=True):
                self.note(stage, metrics)

    def begin(self, network: keras.Model) -> None:
        """Takes the whole of what is trained, and gives it the weights of before the pause, if there was one."""
        self._whole = network
        if self._earlier is not None:
            networks.deployable(network, mirror=self._mirror).load_weights(self._earlier.model_path)

    def note(self, stage: str, metrics: dict[str, float]) -> bool:
        """Takes an epoch down, and tells whether it is the best of its stage so far."""
        if stage not in self.stages:
            # What fine-tuning makes of a head is not held against the luckiest of that head's own epochs.
            self._epochs_without_gain, self._lowest, self.best = 0, math.inf, {}
        is_best = not self.best or self.objective.rank(metrics) > self.objective.rank(self.best)
        # Accuracy moves in steps of whole pictures: what still gets surer is still learning.
        has_gained = is_best or self.objective.tie(metrics) < self._lowest
        self._epochs_without_gain = 0 if has_gained else self._epochs_without_gain + 1
        self._lowest = min(self._lowest, self.objective.tie(metrics))
        self.best = metrics if is_best else self.best
        self.history.append(metrics)
        self.stages.append(stage)
        return is_best

    def num_epochs(self, stage: str) -> int:
        """Returns the epoch in which a stage ends for now."""
        # A head learns from features that are there already: to pause would save next to nothing.
        pause_after = None if stage == HEAD else self.effort.pause_after
        return pause_after or self.longest(stage)

    def longest(self, stage: str) -> int:
        """Returns the epoch in which a stage ends at last."""
        return self.effort.tune_epochs or self.effort.num_epochs if stage == FINE_TUNE else self.effort.num_epochs

    @property
    def stands_still(self) -> bool:
        goes_to_its_end = self.effort.tune_epochs is not None and self.stages[-1] == FINE_TUNE
        return self._epochs_without_gain >= self.effort.patience and not goes_to_its_end

    @property
    def is_paused(self) -> bool:
        if not self.stages:
            return False
        stage = self.stages[-1]
        epoch = self.num_epochs(stage)
        return self.stages.count(stage) == epoch < self.longest(stage) and not self.stands_still

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def time_is_up(self) -> bool:
        return self.will_be_up(seconds=0.0)

    def will_be_up(self, *, seconds: float) -> bool:
        """Tells whether what takes so many seconds would end too late."""
        return self.effort.seconds is not None and self.seconds + seconds > self.effort.seconds

    def tell(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if self.progress is not None:
            self.progress(stage, done, total, metrics)

    def check(self, stage: str, done: float, slow: str) -> None:
        """Tells how far something is without which nothing can be trained, and ends the candidate if time is up."""
        self.tell(stage, done, 1, {})
        if self.time_is_up:
            raise self.too_slow(slow)

    def too_slow(self, slow: str) -> OutOfTimeError:
        return OutOfTimeError(f"{slow} more than its {self.effort.seconds:.0f} seconds")

    def __call__(
        self,
        stage: str,
        network: keras.Model,
        loop: EpochLoop,
        validation: tuple[Sequence[npt.NDArray[Any]], npt.NDArray[np.integer]],
        *,
        batch_size: int,
    ) -> None:
        """Trains for one stage and leaves its best weights in the network; those of before, if it has no epoch.

        Args:
            stage: Its name.
            network: What is trained, without the changes that its pictures go through while training.
            loop: Trains it.
            validation: Inputs of the network, one array for each view, and labels as indices.
            batch_size: How many of them go through it at once.
        """
        if self.effort.refit is not None:
            self._refit(stage, loop, self.effort.refit.get(stage, 0))
            return
        views, labels = validation
        forward = Forward(network, dtype=np.result_type(*views))
        best_weights = network.get_weights()
        validation_seconds = 0.0
        try:
            for epoch in range(self.stages.count(stage), self.num_epochs(stage)):
                learned: dict[str, float] = {}
                is_last = False
                for done, learned in loop.epoch(epoch):
                    self.tell(stage, epoch + done, self.num_epochs(stage), learned)
                    if not math.isfinite(learned["loss"]):
                        raise CandidateError(
                            f"the loss is no longer a number in epoch {epoch + 1} of the stage '{stage}'"
                        )
                    # An epoch counts by its validation. No pass takes as long as another: room for two.
                    if is_last := self.will_be_up(seconds=2 * validation_seconds):
                        self.is_cut_short = True
                        break
                began = self.seconds
                probabilities = self._predict(forward, views, batch_size, stage, epoch, learned)
                validation_seconds = self.seconds - began
                if self.note(stage, {**learned, **_measured(probabilities, labels)}):
                    best_weights, self.probabilities = network.get_weights(), probabilities
                self._keep_now_and_then(stage, network, best_weights)
                if is_last or self.stands_still:
                    break
        except OutOfTimeError:
            # What was measured before counts.
            if not self.history:
                raise
            self.is_cut_short = True
        network.set_weights(best_weights)
        if self.probabilities is None and not self.time_is_up:
            # The best epoch was before a pause.
            self.probabilities = _mean([np.concatenate(list(forward.batches(one, batch_size))) for one in views])

    def _keep_now_and_then(self, stage: str, network: keras.Model, best_weights: Sequence[npt.NDArray[Any]]) -> None:
        if self._keep is None or self._whole is None or stage == HEAD:
            return
        if time.monotonic() - self._kept_at < _KEEP_SECONDS:
            return
        weights = network.get_weights()
        network.set_weights(best_weights)
        self._keep(self._whole, self.history, self.stages, self.seconds)
        network.set_weights(weights)
        self._kept_at = time.monotonic()

    def _refit(self, stage: str, loop: EpochLoop, num_epochs: int) -> None:
        for epoch in range(num_epochs):
            for done, learned in loop.epoch(epoch):
                self.tell(stage, epoch + done, num_epochs, learned)
                if not math.isfinite(learned["loss"]):
                    raise CandidateError(f"the loss is no longer a number in epoch {epoch + 1} of the stage '{stage}'")
                if self.time_is_up:
                    raise self.too_slow("to train once more on all pictures takes")

    def _predict(
        self,
        forward: Forward,
        views: Sequence[npt.NDArray[Any]],
        batch_size: int,
        stage: str,
        epoch: int,
        learned: Mapping[str, float],
    ) -> npt.NDArray[np.float32]:
        """Passes the validation split through the network, unless the time is up and there is something else."""
        began = self.seconds
        batches: list[list[npt.NDArray[np.float32]]] = [[] for _ in views]
        for number, batch in itertools.chain.from_iterable(
            zip(itertools.repeat(number), forward.batches(view, batch_size)) for number, view in enumerate(views)
        ):
            batches[number].append(batch)
            self.tell(stage, epoch + 1.0, self.num_epochs(stage), learned)
            # Without a first measurement all training was for nothing: it may take as long again.
            if self.time_is_up and (self.history or self.seconds > 2 * began):
                raise self.too_slow("its first steps and one pass over the validation pictures take")
        probabilities = _mean([np.concatenate(one) for one in batches])
        if not np.isfinite(probabilities).all():
            raise CandidateError(f"it predicts what is no number after epoch {epoch + 1} of the stage '{stage}'")
        return probabilities


def _mean(views: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    return views[0] if len(views) == 1 else np.mean(views, axis=0, dtype=np.float32)


def _measured(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> dict[str, float]:
    """Returns every metric by which candidates are compared."""
    return {
        "val_accuracy": evaluation.accuracy(probabilities, labels),
        "val_macro_f1": evaluation.macro_f1(probabilities, labels),
        "val_cross_entropy": evaluation.cross_entropy(probabilities, labels),
    }


def num_best_epochs(
    history: Sequence[Mapping[str, float]], stages: Sequence[str], objective: Objective
) -> dict[str, int]:
    """Returns how many epochs of each stage led to its best weights."""
    best: dict[str, int] = {}
    for place, stage in enumerate(stages):
        if stage not in best or objective.rank(history[place]) > objective.rank(history[best[stage]]):
            best[stage] = place
    return {stage: 1 + place - stages.index(stage) for stage, place in best.items()}
