"""The training of one candidate, stage by stage, within its time.

A training may pause and be taken up again later, as the rungs of successive halving ask for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.objective import Objective
from kevo.training.answers import Answers
from kevo.training.checkpoints import Checkpoints
from kevo.training.clock import Clock
from kevo.training.early_stopping import EarlyStopping
from kevo.training.effort import CandidateError, Earlier, Effort, Keep, OutOfTimeError, Progress
from kevo.training.history import History
from kevo.training.loop import EpochLoop, Forward
from kevo.training.stage import StagePlan

NO_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)
"""The errors that mean too little memory."""
_Weights = list[npt.NDArray[np.floating]]
Views = Sequence[npt.NDArray[Any]]
"""The validation examples as a network takes them, in one array for each view; its outputs are the mean over views."""


class CandidateFit:
    """Trains one candidate stage by stage, and keeps the weights of its last stage's best epoch.

    Args:
        objective: Which epochs are better.
        effort: How much the candidate may cost. Its time begins now.
        plans: The stages that a training may have, each of another name.
        deployable: Returns a network as the model that is saved; both share their weights.
        earlier: The training that this one continues; `None` for a fresh network.
        progress: Is told how far the candidate is.
        keep: Is lent the model now and then; see `Checkpoints`.
    """

    def __init__(
        self,
        objective: Objective,
        effort: Effort,
        *,
        plans: Sequence[StagePlan],
        deployable: Callable[[keras.Model], keras.Model],
        earlier: Earlier | None = None,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.effort = effort
        self.plans = {plan.name: plan for plan in plans}
        self.history = History(objective)
        self.outputs: npt.NDArray[np.float32] | None = None
        """The best epoch's outputs for the validation examples, or those after a refit; `None` as long as there are
        none."""
        self.epoch_outputs: list[npt.NDArray[np.float32]] = []
        """Those of every epoch, where they are kept."""
        self.is_cut_short = False
        """Whether the time was up before the training's end."""
        self.share = 1.0
        """The part of the last stage's epochs that is trained."""
        self.clock = Clock(effort.seconds)
        self._objective = objective
        self._stopping = EarlyStopping(objective)
        self._checkpoints = Checkpoints(keep, deployable)
        self._deployable = deployable
        self._earlier = earlier
        self._progress = progress
        self._whole: keras.Model | None = None
        self._total = 0
        """The epochs of the stage under way, as far as they fit into its time."""
        if earlier is not None:
            for stage, metrics in zip(earlier.stages, earlier.history, strict=True):
                self.record_epoch(stage, metrics)

    def begin(self, network: keras.Model) -> None:
        """Takes the whole network of the candidate, and loads the weights of the training that this one continues."""
        self._whole = network
        if self._earlier is not None:
            self._deployable(network).load_weights(self._earlier.model_path)

    def record_epoch(self, stage: str, metrics: dict[str, float]) -> bool:
        """Adds an epoch to the history, and returns whether it is the best of its stage so far."""
        if self.history.num_epochs(stage) == 0:
            self._stopping = EarlyStopping(self._objective)
        is_best = self.history.add(stage, metrics)
        self._stopping.record(metrics, is_best=is_best)
        return is_best

    @property
    def is_paused(self) -> bool:
        """Whether the last stage ended for the sake of a pause only."""
        if not len(self.history):
            return False
        plan = self.plans[self.history.stages[-1]]
        is_at_pause = plan.num_trained(self.history.num_epochs(plan.name)) == plan.last_epoch < plan.num_epochs
        return is_at_pause and not self._stopping.is_due(plan.patience)

    def tell(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Tells how far the candidate is; see `Progress`."""
        if self._progress is not None:
            self._progress(stage, done, total, metrics)

    def check(self, stage: str, done: float, what: str, *, share: float = 1.0) -> None:
        """Tells how far a preparation is, and ends the candidate if its time is up.

        Args:
            stage: The preparation's name.
            done: The share of it that is done, up to 1.
            what: What takes so long; see `Clock.too_slow`.
            share: The share of the candidate's time that may be gone by then.

        Raises:
            OutOfTimeError: the time is up.
        """
        self.tell(stage, done, 1, {})
        self.clock.check(what, share=share)

    def run_stage(
        self, stage: str, network: keras.Model, loop: EpochLoop, views: Views, answers: Answers, *, batch_size: int
    ) -> None:
        """Trains for one stage and leaves the weights of its best epoch in the network.

        Where the stage has no epoch of its own, the weights stay what they were.

        Args:
            stage: The name of one of the plans.
            network: The part of the candidate that is trained, without random changes of its inputs.
            loop: Trains it.
            views: The validation examples.
            answers: The answers for them.
            batch_size: How many of them pass the network at once.

        Raises:
            CandidateError: the loss or an output is no longer a number.
            OutOfTimeError: the time was up before there was anything to measure, or before the end of a refit.
        """
        plan = self.plans[stage]
        forward = Forward(network, dtype=np.result_type(*views))
        if self.effort.refit is not None:
            self._refit(plan, network, loop, self.effort.refit.get(stage, 0))
            if len(views[0]):
                # Whoever judges the refit need not make these passes again, which may begin with pictures.
                self.outputs = _outputs(
                    forward, views, batch_size, lambda: self.tell(plan.name, self._total, max(1, self._total), {})
                )
            return
        first_weights = best_weights = network.get_weights()
        is_new = self.history.num_epochs(stage) == 0
        if plan.begins_before and is_new and self.history.best and self.outputs is not None:
            self.record_epoch(stage, self.history.best)
            if self.effort.keeps_outputs:
                self.epoch_outputs.append(self.outputs)
        validation_seconds = 0.0
        num_before = plan.num_trained(self.history.num_epochs(stage))
        pace = _Pace(self.clock, first_epoch=num_before)
        try:
            for epoch in range(num_before, plan.last_epoch):
                learned, is_last = self._train(plan, loop, epoch, pace, reserve=2 * validation_seconds)
                began = self.clock.seconds
                outputs = self._validate(plan, forward, views, batch_size, epoch, learned)
                validation_seconds = self.clock.seconds - began
                metrics = {**learned, **answers.measured(outputs, self._objective)}
                self.tell(stage, epoch + 1.0, max(self._total, epoch + 1), metrics)
                if self.record_epoch(stage, metrics):
                    best_weights, self.outputs = network.get_weights(), outputs
                if self.effort.keeps_outputs:
                    self.epoch_outputs.append(outputs)
                if plan.is_kept and self._whole is not None:
                    self._checkpoints.keep(self._whole, network, best_weights, self.history, self.clock.seconds)
                if is_last or self._stopping.is_due(plan.patience):
                    break
            if plan.averages and is_new and self.history.num_epochs(stage) == plan.num_epochs:
                network.set_weights(_middle(first_weights, network.get_weights()))
                outputs = self._validate(plan, forward, views, batch_size, plan.num_epochs - 1, learned)
                if self.record_epoch(stage, {**learned, **answers.measured(outputs, self._objective)}):
                    best_weights, self.outputs = network.get_weights(), outputs
                if self.effort.keeps_outputs:
                    self.epoch_outputs.append(outputs)
        except OutOfTimeError:
            # What was measured before counts.
            if not len(self.history):
                raise
            self.is_cut_short = True
        network.set_weights(best_weights)
        if self.outputs is None and not self.clock.is_up:
            # The best epoch was before a pause.
            self.outputs = _outputs(forward, views, batch_size)

    def _train(
        self, plan: StagePlan, loop: EpochLoop, epoch: int, pace: _Pace, *, reserve: float
    ) -> tuple[dict[str, float], bool]:
        """Trains for one epoch, or for what part of it there is time for.

        Args:
            plan: The stage.
            loop: Trains the network.
            epoch: Which epoch it is, from 0.
            pace: How fast the stage is.
            reserve: The seconds that must be left for the validation. No pass takes as long as another: room for two.

        Returns:
            The training's own metrics, and whether the epoch ended because time ran out.
        """
        learned: dict[str, float] = {}
        reserve += self._kept(plan)
        for done, learned in loop.epoch(epoch):
            last = pace.last_epoch(epoch + done, reserve=reserve)
            self._total = plan.last_epoch if last is None else min(plan.last_epoch, math.ceil(last))
            self.tell(plan.name, epoch + done, self._total, learned)
            _check_loss(learned, plan.name, epoch)
            self.share = (epoch + done) / plan.num_epochs
            if self.clock.is_up_in(reserve):
                self.is_cut_short = True
                return learned, True
            if last is not None:
                loop.end_after(last)
        return learned, False

    def _validate(
        self,
        plan: StagePlan,
        forward: Forward,
        views: Views,
        batch_size: int,
        epoch: int,
        learned: Mapping[str, float],
    ) -> npt.NDArray[np.float32]:
        """Returns the outputs for the validation examples, unless time is up and there is an epoch that counts."""
        began = self.clock.seconds

        def watch() -> None:
            self.tell(plan.name, epoch + 1.0, max(self._total, epoch + 1), learned)
            # Without a first measurement all training was for nothing: it may take as long again.
            if self.clock.is_up and (len(self.history) or self.clock.seconds > 2 * began):
                raise self.clock.too_slow("its first steps and one pass over the validation examples take")

        outputs = _outputs(forward, views, batch_size, watch)
        if not np.isfinite(outputs).all():
            raise CandidateError(f"it predicts what is no number after epoch {epoch + 1} of the stage '{plan.name}'")
        return outputs

    def _refit(self, plan: StagePlan, network: keras.Model, loop: EpochLoop, num_epochs: int) -> None:
        num_epochs = plan.num_trained(num_epochs)
        # The epoch behind the last is the mean.
        averages, first_weights = plan.averages and num_epochs > plan.num_epochs, network.get_weights()
        self._train_again(plan, loop, plan.num_epochs if averages else num_epochs)
        if averages:
            network.set_weights(_middle(first_weights, network.get_weights()))

    def _kept(self, plan: StagePlan) -> float:
        """Returns how many seconds of the candidate's time are the next stage's."""
        return (1 - plan.share) * (self.effort.seconds or 0.0)

    def _train_again(self, plan: StagePlan, loop: EpochLoop, num_epochs: int) -> None:
        kept = self._kept(plan)
        pace = _Pace(self.clock, first_epoch=0)
        self._total = num_epochs
        for epoch in range(num_epochs):
            for done, learned in loop.epoch(epoch):
                last = pace.last_epoch(epoch + done, reserve=kept) if plan.fits_its_time else None
                self._total = num_epochs if last is None else min(num_epochs, math.ceil(last))
                self.tell(plan.name, epoch + done, self._total, learned)
                _check_loss(learned, plan.name, epoch)
                if not plan.fits_its_time:
                    self.clock.check("to train once more on all examples takes")
                elif last is not None:
                    loop.end_after(last)
                    if self.clock.is_up_in(kept):
                        return


class _Pace:
    """How fast a stage is, by which its learning rate falls to its end when the time is up.

    Args:
        clock: The candidate's time.
        first_epoch: The epochs of the stage that were before.
    """

    def __init__(self, clock: Clock, *, first_epoch: int) -> None:
        self._clock = clock
        self._first_epoch = first_epoch
        self._began = clock.seconds

    def last_epoch(self, done: float, *, reserve: float) -> float | None:
        """Returns after how many epochs the time will be up; `None` where there is no limit.

        Args:
            done: The epochs so far, with the share of the one under way.
            reserve: The seconds that are left for the last validation.
        """
        if (left := self._clock.left) is None:
            return None
        seconds_per_epoch = (self._clock.seconds - self._began) / (done - self._first_epoch)
        return done + max(0.0, left - reserve) / max(seconds_per_epoch, 1e-9)


def _check_loss(learned: Mapping[str, float], stage: str, epoch: int) -> None:
    if not math.isfinite(learned["loss"]):
        raise CandidateError(f"the loss is no longer a number in epoch {epoch + 1} of the stage '{stage}'")


def _middle(first: _Weights, last: _Weights) -> _Weights:
    """Returns the mean of two sets of a network's weights."""
    return [(one + other) / 2 for one, other in zip(first, last, strict=True)]


def _outputs(
    forward: Forward, views: Views, batch_size: int, watch: Callable[[], object] = lambda: None
) -> npt.NDArray[np.float32]:
    """Returns the outputs for the validation examples, the mean over views; `watch` is called after every batch."""
    seen: list[npt.NDArray[np.float32]] = []
    for view in views:
        batches = []
        for batch in forward.batches(view, batch_size):
            batches.append(batch)
            watch()
        seen.append(np.concatenate(batches))
    return seen[0] if len(seen) == 1 else np.mean(seen, axis=0, dtype=np.float32)
