"""What one stage of a training is: how long it goes on, and what its loop is made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from kevo.training import optimizers
from kevo.training.answers import Answers
from kevo.training.evolution import Evolution, num_passes
from kevo.training.loop import EpochLoop, Loop


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """How long one stage of a training goes on.

    Args:
        name: The stage.
        num_epochs: Its whole length.
        pause_after: The epoch after which it pauses, to be continued perhaps; `None` for no pause.
        patience: So many epochs in a row without gain end it; `None`: it goes on to its end.
        is_kept: Whether copies are kept while it runs.
        fits_its_time: Whether a refit may end when its time is up, with a learning rate that has fallen by then; else
            one that does not end in time has failed.
        share: The part of the candidate's time after which it ends.
        begins_before: Whether the network as it was before is the first of its epochs, so that it stays that where the
            stage makes it worse.
        averages: Whether after its whole length the mean of the first and the last weights is looked at too, as if it
            were one more epoch (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv:2109.01903).
    """

    name: str
    num_epochs: int
    pause_after: int | None
    patience: int | None
    is_kept: bool = True
    fits_its_time: bool = False
    share: float = 1.0
    begins_before: bool = False
    averages: bool = False

    @property
    def last_epoch(self) -> int:
        """The number of epochs after which it ends or pauses."""
        return self.pause_after or self.num_epochs

    def num_trained(self, num_epochs: int) -> int:
        """Returns in how many of its first epochs it trains."""
        return max(0, num_epochs - self.begins_before)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What the loop of a stage is made from, in plain values: any process makes the same loop from it.

    Args:
        genome: The candidate. Of its genes `optimizer`, `learning_rate`, `sgd/learning_rate`, `schedule`,
            `weight_decay`, `batch_size`, `evolution/spread` and `evolution/grow` count here.
        split: What is learned from, by a name of the task's own.
        num_epochs: The length of the stage: the learning rate falls over it.
        num_passes: How often an epoch goes through the examples, where weights are trained by gradients.
        num_done: The epochs before a pause.
        learning_rate: The highest rate where pretrained blocks are trained; `None` elsewhere.
    """

    genome: optimizers.Genes
    split: str
    num_epochs: int
    num_done: int
    learning_rate: float | None
    num_passes: int = 1

    def loop(self, network: keras.Model, inputs: Sequence[npt.NDArray[Any]], answers: Answers, *, seed: int) -> Loop:
        """Returns the loop that trains a network.

        Args:
            network: The network.
            inputs: The examples, once or in several copies, one copy after the other.
            answers: The answers for them, once or in as many copies.
            seed: Seed of the order of the examples.
        """
        batch_size = int(self.genome["batch_size"])
        num_examples = len(answers.targets) // answers.num_copies
        # Pretrained blocks have too many weights to evolve.
        done = self.num_done / self.num_epochs
        evolution = Evolution.of(self.genome, done=done) if self.learning_rate is None else None
        passes = self.num_passes if evolution is None else num_passes(num_examples, batch_size)
        num_steps = math.ceil(passes * num_examples / batch_size)
        num_copies = sum(map(len, inputs)) // num_examples
        horizon = optimizers.Horizon(self.num_epochs * num_steps)
        return Loop(
            network,
            horizon=horizon,
            optimizer=optimizers.optimizer(
                self.genome,
                horizon=horizon,
                num_done=self.num_done * num_steps,
                fine_tune_rate=self.learning_rate,
            ),
            loss=answers.loss,
            score=answers.score,
            inputs=inputs,
            targets=np.concatenate([answers.targets] * (num_copies // answers.num_copies)),
            weights=None if answers.weights is None else np.concatenate([answers.weights] * num_copies),
            batch_size=batch_size,
            num_passes=passes,
            num_copies=num_copies,
            evolution=evolution,
            seed=seed,
        )


class LoopMaker(Protocol):
    """Makes the loops of stages, such as those that several processes run in lock step."""

    def loop(
        self, network: keras.Model, inputs: Sequence[npt.NDArray[Any]], answers: Answers, spec: StageSpec
    ) -> EpochLoop: ...
