"""Trains one candidate in its stages: a conv stack from scratch, or a head on frozen features and then fine-tuning.

The head is trained before anything below it moves, since a random head would wreck the pretrained features
(Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution",
arXiv:2202.10054).

A training may pause and be taken up again later, as the rungs of successive halving ask for. A head on frozen features
never does: it costs next to nothing beside the features.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import callbacks, optimizers

from kevo import backbones, models
from kevo.arraystore import ArrayStore
from kevo.datasets import ImageDataset
from kevo.errors import KevoError
from kevo.features import NUM_VIEWS, FeatureCache
from kevo.objectives import OBJECTIVES, TIE_BREAKER, Objective
from kevo.space import Genome, image_size
from kevo.weights import Weights


class CandidateError(KevoError, RuntimeError):
    """One candidate cannot be trained; the search goes on without it."""


PATIENCE = 5
"""How many epochs in a row may bring nothing new before a stage of training ends."""
HEAD = "head"
"""The stage in which the head is trained on frozen features."""
_EXECUTIONS_PER_EPOCH = 8
"""How often in an epoch Python gets a word: to move the bar, and to see whether the time is up."""

_Examples = tuple[npt.NDArray[Any], npt.NDArray[np.float32]]


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
    """

    num_epochs: int
    seconds: float | None = None
    patience: int = PATIENCE
    pause_after: int | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A training of the same genome that paused: the model that it saved, and all its epochs."""

    model_path: Path
    history: Sequence[dict[str, float]]
    stages: Sequence[str]


@dataclass(slots=True)
class Trained:
    """A trained candidate.

    `network` maps pixels 0-255 at the genome's size to class probabilities, with the weights of the best epoch.
    `metrics` are that epoch's; `history` holds every epoch of every stage, and `stages` names the stage of each, those
    before a pause included. `seconds` are without them. `is_paused` says that it ended for the sake of a pause only.
    `probabilities` are its predictions for the validation split, (n, num_classes); `None` where there was no time left.
    """

    network: keras.Model
    metrics: dict[str, float]
    num_parameters: int
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    is_paused: bool = False
    probabilities: npt.NDArray[np.float32] | None = None


class Trainer:
    """Trains the candidates of one search.

    Args:
        dataset: The pictures.
        objective: A name of `OBJECTIVES`.
        weights: The weights for each backbone and width multiplier, as (name, alpha).
        seed: Seed of initial weights, shuffling, dropout and augmentation.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        objective: str = "accuracy",
        weights: Mapping[tuple[str, float | None], Weights],
        seed: int = 0,
        store: ArrayStore | None = None,
    ) -> None:
        self.objective = OBJECTIVES[objective]
        self._dataset = dataset
        self._weights = weights
        self._seed = seed
        self._cache = FeatureCache(dataset, store=store, seed=seed)
        self._labels = {
            split: np.eye(dataset.num_classes, dtype=np.float32)[getattr(dataset, split).labels]
            for split in ("train", "validation")
        }
        self._class_weights = dataset.class_weights()

    def train(
        self, genome: Genome, effort: Effort, *, earlier: Earlier | None = None, progress: Progress | None = None
    ) -> Trained:
        """Trains the network of a genome.

        Args:
            genome: The genome.
            effort: How long to train. Epochs count from the very first, seconds from now.
            earlier: What to go on from, with the weights of its best epoch. `None` for a fresh network.
            progress: Is called after every step.

        Returns:
            The trained candidate, with the weights of its best epoch on the validation split.

        Raises:
            CandidateError: the network cannot be trained: its loss is no longer a number, it does not fit into memory,
                or its time was up before there was anything to measure.
        """
        # Keras keeps every graph of every model it ever built until told otherwise.
        keras.backend.clear_session()
        gc.collect()
        fit = _Fit(self.objective, effort, self._class_weights, progress, earlier)
        # After a pause the pictures come in another order than from the start.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        try:
            if genome["family"] == "conv":
                network = self._train_conv(genome, fit)
            else:
                network = self._train_pretrained(genome, fit)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise CandidateError("out of memory: the network or its batch is too large for this machine") from error
        except _OutOfTimeError as error:
            raise CandidateError(f"too slow: {error}") from error
        return Trained(
            network=network,
            metrics=fit.best,
            num_parameters=int(network.count_params()),
            seconds=fit.seconds,
            history=fit.history,
            stages=fit.stages,
            is_paused=fit.is_paused,
            probabilities=fit.probabilities,
        )

    def _train_conv(self, genome: Genome, fit: _Fit) -> keras.Model:
        network = models.conv_network(genome, num_classes=self._dataset.num_classes)
        fit.take_up(network)
        self._train_on_pixels(network, genome, fit, stage="train")
        return network

    def _train_pretrained(self, genome: Genome, fit: _Fit) -> keras.Model:
        name = str(genome["backbone"])
        alpha = genome.get(f"{name}/alpha")
        weights = self._weights[name, None if alpha is None else float(alpha)]
        weights.fetch(watch=lambda: fit.check("download", 0.0, "the download of its weights takes"))
        extractor = models.feature_extractor(genome, weights=weights)
        classifier = models.head(genome, num_features=extractor.output.shape[-1], num_classes=self._dataset.num_classes)
        network = models.join(extractor, classifier)
        if fit.history:
            fit.take_up(network)
        else:
            self._train_head(classifier, extractor, weights, genome, fit)
        if genome["pretrained/tuning"] == "fine_tune" and not fit.time_is_up:
            backbones.unfreeze(
                extractor,
                backbones.get(name),
                cut=str(genome[f"{name}/cut"]),
                num_blocks=int(genome["fine_tune/num_blocks"]),
            )
            self._train_on_pixels(
                network, genome, fit, stage="fine-tune", learning_rate=float(genome["fine_tune/learning_rate"])
            )
        return network

    def _train_head(
        self, classifier: keras.Model, extractor: keras.Model, weights: Weights, genome: Genome, fit: _Fit
    ) -> None:
        def features(split: str, view: int = 0) -> npt.NDArray[np.float32]:
            return self._cache.features(
                split,
                genome,
                extractor=lambda: extractor,
                weights=weights,
                view=view,
                callbacks=[_Deadline(fit)],
                wait=lambda: fit.check("features", 0.0, "to wait for another worker's pass over the pictures takes"),
            )

        views = range(1 + NUM_VIEWS if models.augmentation(genome, seed=0) is not None else 1)
        train = np.concatenate([features("train", view) for view in views])
        labels = np.concatenate([self._labels["train"] for _ in views])
        validation = features("validation"), self._labels["validation"]
        self._fit(fit, HEAD, classifier, genome, (train, labels), validation)

    def _train_on_pixels(
        self, network: keras.Model, genome: Genome, fit: _Fit, *, stage: str, learning_rate: float | None = None
    ) -> None:
        # After a pause the pictures change in other ways than from the start.
        seed = self._seed + fit.stages.count(stage)
        model = models.augmented(network, models.augmentation(genome, seed=seed))
        if model is network:
            # How it was trained, schedules of ours included, would be saved with it.
            model = keras.Sequential([network])
        pixels = [
            (self._cache.pictures(split, image_size(genome)), self._labels[split]) for split in ("train", "validation")
        ]
        self._fit(fit, stage, model, genome, *pixels, learning_rate=learning_rate)

    def _fit(
        self,
        fit: _Fit,
        stage: str,
        model: keras.Model,
        genome: Genome,
        train: _Examples,
        validation: _Examples,
        *,
        learning_rate: float | None = None,
    ) -> None:
        steps, validation_steps = (
            math.ceil(len(examples[0]) / size)
            for examples, size in ((train, int(genome["batch_size"])), (validation, _validation_batch_size(genome)))
        )
        model.compile(
            optimizer=_optimizer(
                genome,
                num_steps=fit.effort.num_epochs * steps,
                num_done=fit.stages.count(stage) * steps,
                fine_tune_rate=learning_rate,
            ),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=float(genome["label_smoothing"])),
            metrics=[
                keras.metrics.CategoricalAccuracy(name="accuracy"),
                keras.metrics.F1Score(average="macro", name="macro_f1"),
                keras.metrics.CategoricalCrossentropy(name="cross_entropy"),
            ],
            # A small network spends more time between its steps than in them.
            steps_per_execution=max(1, min(steps // _EXECUTIONS_PER_EPOCH, validation_steps // 2)),
        )
        fit(stage, model, genome, train, validation)


def _validation_batch_size(genome: Genome) -> int:
    """Validation keeps nothing for gradients: larger batches fit, and are faster."""
    return max(int(genome["batch_size"]), 64)


class _Later(optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rest of a schedule.

    The optimizer's own steps count from 0 again after a pause: its means of the gradients do so too.
    """

    def __init__(self, schedule: optimizers.schedules.LearningRateSchedule, *, num_done: int) -> None:
        super().__init__()
        self._schedule = schedule
        self._num_done = num_done

    def __call__(self, step: Any) -> Any:
        return self._schedule(step + self._num_done)


def _optimizer(
    genome: Genome, *, num_steps: int, num_done: int, fine_tune_rate: float | None
) -> keras.optimizers.Optimizer:
    name = str(genome["optimizer"])
    rate = fine_tune_rate
    schedule: float | optimizers.schedules.LearningRateSchedule
    if rate is not None:
        # Warm-up: the fresh optimizer state would otherwise make the first steps the largest of all.
        warmup = max(1, num_steps // 10)
        schedule = optimizers.schedules.CosineDecay(0.0, num_steps, warmup_target=rate, warmup_steps=warmup)
        # What is tuned was trained by others: a rate that fits Adam's steps is far too small for plain descent.
        name = "adam" if name == "sgd" else name
    else:
        rate = float(genome["sgd/learning_rate" if name == "sgd" else "learning_rate"])
        cosine = genome["schedule"] == "cosine"
        schedule = optimizers.schedules.CosineDecay(rate, num_steps) if cosine else rate
    if num_done and not isinstance(schedule, float):
        schedule = _Later(schedule, num_done=num_done)
    decay = float(genome.get("weight_decay", 0.0))
    if name == "adam":
        return optimizers.Adam(schedule)
    if name == "adamw":
        return optimizers.AdamW(schedule, weight_decay=decay)
    if name == "rmsprop":
        return optimizers.RMSprop(schedule)
    return optimizers.SGD(schedule, momentum=0.9, weight_decay=decay or None)


class _OutOfTimeError(Exception):
    """The candidate's time is up before there is anything to measure."""


class _Fit:
    """One candidate's way through its stages: its clock, its history and its best epoch over all of them."""

    def __init__(
        self,
        objective: Objective,
        effort: Effort,
        class_weights: dict[int, float] | None,
        progress: Progress | None,
        earlier: Earlier | None,
    ) -> None:
        self.objective = objective
        self.effort = effort
        self.progress = progress
        self.history: list[dict[str, float]] = []
        self.stages: list[str] = []
        self.best: dict[str, float] = {}
        self.probabilities: npt.NDArray[np.float32] | None = None
        self._epochs_without_gain = 0
        self._lowest = math.inf
        self._class_weights = class_weights
        self._earlier = earlier
        self._started = time.monotonic()
        if earlier is not None:
            for stage, metrics in zip(earlier.stages, earlier.history, strict=True):
                self.note(stage, metrics)

    def take_up(self, network: keras.Model) -> None:
        """Gives a network the weights of before the pause, if there was one."""
        if self._earlier is not None:
            models.deployable(network).load_weights(self._earlier.model_path)

    def note(self, stage: str, metrics: dict[str, float]) -> bool:
        """Takes an epoch down, and tells whether it is the best so far."""
        if stage not in self.stages:
            self._epochs_without_gain, self._lowest = 0, math.inf
        is_best = not self.best or self.objective.rank(metrics) > self.objective.rank(self.best)
        # Accuracy moves in steps of whole pictures: what still gets surer is still learning.
        has_gained = is_best or metrics[TIE_BREAKER] < self._lowest
        self._epochs_without_gain = 0 if has_gained else self._epochs_without_gain + 1
        self._lowest = min(self._lowest, metrics[TIE_BREAKER])
        self.best = metrics if is_best else self.best
        self.history.append(metrics)
        self.stages.append(stage)
        return is_best

    def num_epochs(self, stage: str) -> int:
        """Returns the epoch in which a stage ends for now."""
        # A head learns from features that are there already: to pause would save next to nothing.
        pause_after = None if stage == HEAD else self.effort.pause_after
        return pause_after or self.effort.num_epochs

    @property
    def stands_still(self) -> bool:
        return self._epochs_without_gain >= self.effort.patience

    @property
    def is_paused(self) -> bool:
        stage = self.stages[-1]
        epoch = self.num_epochs(stage)
        return self.stages.count(stage) == epoch < self.effort.num_epochs and not self.stands_still

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

    def too_slow(self, slow: str) -> _OutOfTimeError:
        return _OutOfTimeError(f"{slow} more than its {self.effort.seconds:.0f} seconds")

    def __call__(
        self,
        stage: str,
        model: keras.Model,
        genome: Genome,
        train: _Examples,
        validation: _Examples,
    ) -> None:
        """Trains `model` for one stage and leaves the best weights of this and all stages before in it."""
        watch = _Watch(self, stage)
        try:
            model.fit(
                *train,
                batch_size=int(genome["batch_size"]),
                initial_epoch=self.stages.count(stage),
                epochs=self.num_epochs(stage),
                validation_data=validation,
                validation_batch_size=_validation_batch_size(genome),
                class_weight=self._class_weights,
                callbacks=[watch],
                verbose=0,
            )
        except _OutOfTimeError:
            # What was measured before counts.
            if not self.history:
                raise
        model.set_weights(watch.best_weights)
        # Here a frozen backbone's features still are at hand, so that its pass is not repeated.
        self.probabilities = None if self.time_is_up else _forward(model, validation[0], _validation_batch_size(genome))


def _forward(model: keras.Model, inputs: npt.NDArray[Any], batch_size: int) -> npt.NDArray[np.float32]:
    """Passes inputs through a model a single time: to trace it, as `predict` does, would take longer than the pass."""
    starts = range(0, len(inputs), batch_size)
    return np.concatenate([np.asarray(model(inputs[start : start + batch_size], training=False)) for start in starts])


class _Watch(callbacks.Callback):  # type: ignore[misc]
    """Keeps the best weights of a stage, and ends it when it goes wrong, stands still or takes too long."""

    def __init__(self, fit: _Fit, stage: str) -> None:
        super().__init__()
        self.best_weights: list[npt.NDArray[Any]] = []
        self._fit = fit
        self._stage = stage
        self._epoch = 0
        self._validation_began = 0.0
        self._validation_seconds = 0.0

    def on_train_begin(self, logs: object = None) -> None:
        self.best_weights = self.model.get_weights()

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        done = self._epoch + (batch + 1) / self.params["steps"]
        self._fit.tell(self._stage, done, self._fit.num_epochs(self._stage), logs or {})
        # An epoch counts by its validation. No pass takes as long as another: room for two.
        if self._fit.will_be_up(seconds=2 * self._validation_seconds):
            self.model.stop_training = True

    def on_test_begin(self, logs: object = None) -> None:
        self._validation_began = self._fit.seconds

    def on_test_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        fit = self._fit
        fit.tell(self._stage, self._epoch + 1.0, fit.num_epochs(self._stage), logs or {})
        # Without a first measurement all training was for nothing: it may take as long again.
        if fit.time_is_up and (fit.history or fit.seconds > 2 * self._validation_began):
            raise fit.too_slow("its first steps and one pass over the validation pictures take")

    def on_test_end(self, logs: object = None) -> None:
        self._validation_seconds = self._fit.seconds - self._validation_began

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        fit, metrics = self._fit, {name: float(value) for name, value in (logs or {}).items()}
        if not all(map(math.isfinite, metrics.values())):
            raise CandidateError(f"the loss is no longer a number in epoch {epoch + 1} of the stage '{self._stage}'")
        if fit.note(self._stage, metrics):
            self.best_weights = self.model.get_weights()
        self.model.stop_training |= fit.stands_still


class _Deadline(callbacks.Callback):  # type: ignore[misc]
    """Ends a backbone's forward pass when its candidate's time is up."""

    def __init__(self, fit: _Fit) -> None:
        super().__init__()
        self._fit = fit

    def on_predict_batch_end(self, batch: int, logs: object = None) -> None:
        self._fit.check(
            "features", (batch + 1) / self.params["steps"], "one pass of the backbone over the pictures takes"
        )


def predict(
    model: keras.Model,
    pictures: npt.NDArray[np.uint8],
    *,
    batch_size: int = 64,
    watch: Callable[[], object] = lambda: None,
) -> npt.NDArray[np.float32]:
    """Returns class probabilities, shape (n, num_classes).

    Args:
        model: A classifier.
        pictures: Pictures 0-255 of one size, shape (n, height, width, 3).
        batch_size: How many go through it at once.
        watch: Is called after every batch; an error that it raises ends the pass.
    """
    watching = callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: watch())
    probabilities = model.predict(pictures, batch_size=batch_size, verbose=0, callbacks=[watching])
    return np.asarray(probabilities, dtype=np.float32)
