"""Trains each candidate once for each fold, and then on all examples.

What a candidate is worth is measured on what each of its trainings has not learned from, joined over the folds. One
number of epochs is chosen for all folds together, and so long the model learns that is kept, from all examples
(Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical Learning", section 7.10).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.training import Trained, Trainer
from kevo.training.answers import Answers
from kevo.training.effort import Effort, Keep, Progress, named
from kevo.training.history import History, num_best_epochs
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras

WHOLE = "all folds"
"""The name of the last training of a candidate, on all examples, while it is under way."""


def num_trainings(num_folds: int) -> float:
    """Returns how much longer a candidate takes than one training on all folds but one.

    Example:
        >>> num_trainings(5)
        6.25
    """
    return num_folds + num_folds / (num_folds - 1)


@dataclass(slots=True)
class FoldedTraining:
    """A trained candidate: the model that has learned from all examples, and the scores over the folds.

    Args:
        whole: The training on all examples.
        metrics: Those of the best epoch, over the examples of all folds.
        history: The same of every epoch.
        stages: The stage of every epoch.
        outputs: For each example the answer of the fold's training that has not learned from it, in the best epoch.
        is_cut_short: Whether the time of any fold was up before its end.
        share: The part of the last stage's epochs that each fold has trained at least.
    """

    whole: Trained
    metrics: Mapping[str, float]
    history: Sequence[dict[str, float]]
    stages: Sequence[str]
    outputs: Outputs | None
    is_cut_short: bool
    share: float
    is_paused: bool = False
    epoch_outputs: Sequence[Outputs] = field(default_factory=list)
    inherited: float = 0.0

    @property
    def num_parameters(self) -> int:
        """The size of the network."""
        return self.whole.num_parameters

    def deployable(self) -> keras.Model:
        """The model that has learned from all examples."""
        return self.whole.deployable()

    def costs(self, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`; `seconds` is how long all trainings took."""
        return self.whole.costs(names, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Fold:
    """What is left of a fold's training."""

    history: Sequence[dict[str, float]]
    stages: Sequence[str]
    outputs: Sequence[Outputs]
    is_cut_short: bool
    share: float

    def place(self, stage: str, epoch: int) -> int:
        """Where an epoch of a stage stands; the last one before it where the stage ended earlier or never began."""
        places = [place for place, name in enumerate(self.stages) if name == stage]
        return places[min(epoch, len(places) - 1)] if places else len(self.stages) - 1


class FoldedTrainer:
    """Trains the candidates of one search over folds.

    Nothing pauses, and no training is taken up in its middle: what breaks off begins with its first fold again.

    Args:
        trainers: One for each fold, which learns from all others and judges by this one.
        whole: Learns from all examples, and judges by none.
        folds: The fold of each example, shape (n,).
        answers: Those of all examples.
        objective: Which epochs are better.
        fills_its_time: Tells which genomes go on for as long as there is time: each training then gets the same part.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        whole: Trainer,
        folds: npt.NDArray[np.int64],
        *,
        answers: Answers,
        objective: Objective,
        fills_its_time: Callable[[Genome], bool] = lambda genome: False,
    ) -> None:
        self._trainers = trainers
        self._whole = whole
        self._folds = folds
        self._answers = answers
        self._objective = objective
        self._fills_its_time = fills_its_time

    def learn(self, learned: Mapping[str, Any]) -> None:
        """Tells all trainers what earlier trainings have taught."""
        for trainer in (*self._trainers, self._whole):
            trainer.learn(learned)

    def news(self) -> dict[str, Any]:
        """Returns what the first fold's trainer has found: it meets everything first."""
        return self._trainers[0].news()

    def train(
        self,
        genome: Genome,
        effort: Effort,
        *,
        earlier: Any = None,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> FoldedTraining:
        """Trains a genome once for each fold, and then on all examples; see `Trainer.train`.

        Raises:
            CandidateError: one of the trainings cannot be done, or there is no time for all of them.
        """
        ends = None if effort.seconds is None else time.monotonic() + effort.seconds
        num, is_divided = len(self._trainers), self._fills_its_time(genome)
        folds: list[_Fold] = []
        for place, trainer in enumerate(self._trainers):
            seconds = _left(ends, num + 1 - place if is_divided else 1)
            one = trainer.train(
                genome,
                dataclasses.replace(effort, seconds=seconds, keeps_outputs=True),
                progress=named(progress, f"fold {place + 1}/{num}"),
            )
            folds.append(_Fold(one.history, one.stages, one.epoch_outputs, one.is_cut_short, one.share))
        history, outputs = self._joined(folds)
        is_cut_short = any(fold.is_cut_short for fold in folds)
        num_epochs = effort.num_epochs
        refit = num_best_epochs(history.epochs, history.stages, self._objective)
        if is_cut_short and is_divided:
            # The learning rate fell with the time that there was, and does so again.
            stage = history.stages[-1]
            num_epochs = history.num_epochs(stage)
            refit = {stage: num_epochs}
        whole = self._whole.train(
            genome,
            dataclasses.replace(
                effort, num_epochs=num_epochs, seconds=_left(ends, 1), pause_after=None, num_examples=None, refit=refit
            ),
            progress=named(progress, WHOLE),
        )
        return FoldedTraining(
            whole=whole,
            metrics=history.best,
            history=history.epochs,
            stages=history.stages,
            outputs=outputs,
            is_cut_short=is_cut_short,
            share=min(fold.share for fold in folds),
        )

    def _joined(self, folds: Sequence[_Fold]) -> tuple[History, Outputs | None]:
        """Joins the folds epoch by epoch; one that ended earlier stays as it was.

        Returns:
            The metrics of every epoch, and the outputs of the best one.
        """
        history, best = History(self._objective), None
        weights = np.bincount(self._folds) / len(self._folds)
        for stage in dict.fromkeys(stage for fold in folds for stage in fold.stages):
            for epoch in range(max(fold.stages.count(stage) for fold in folds)):
                places = [fold.place(stage, epoch) for fold in folds]
                outputs = self._outputs([fold.outputs[place] for fold, place in zip(folds, places, strict=True)])
                each = [fold.history[place] for fold, place in zip(folds, places, strict=True)]
                names = [name for name in each[0] if all(name in metrics for metrics in each)]
                means = {name: float(np.dot(weights, [metrics[name] for metrics in each])) for name in names}
                if history.add(stage, {**means, **self._answers.measured(outputs, self._objective)}):
                    best = outputs
        return history, best

    def _outputs(self, parts: Sequence[Outputs]) -> Outputs:
        """Returns the outputs of all examples in their order."""
        found = np.zeros((len(self._folds), *parts[0].shape[1:]), np.float32)
        for place, part in enumerate(parts):
            found[self._folds == place] = part
        return found


def _left(ends: float | None, num: int) -> float | None:
    """Returns the seconds that each of so many trainings may take until the end; `None` for no limit."""
    return None if ends is None else max(0.0, ends - time.monotonic()) / num
