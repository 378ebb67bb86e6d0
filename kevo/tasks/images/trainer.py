"""Trains one candidate in its stages: a conv stack from scratch, or a head on frozen features and then fine-tuning.

The head is trained before anything below it moves, since a random head would wreck the pretrained features
(Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution",
arXiv:2202.10054).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import callbacks

from kevo.execution.multiworker.lockstep import Leader
from kevo.system.array_store import ArrayStore
from kevo.tasks.images import backbones, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import (
    Copy,
    FeatureCache,
    augmented_copies,
    frozen_part,
    parts,
    speed_key,
    test_time_views,
)
from kevo.tasks.images.linear_probes import LinearProbes
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.space import Genome, image_size, variant
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.training.candidate_fit import (
    FINE_TUNE,
    HEAD,
    CandidateError,
    CandidateFit,
    Earlier,
    Effort,
    Keep,
    OutOfTimeError,
    Progress,
)
from kevo.training.loop import EpochLoop, Forward, num_at_once
from kevo.training.stage import StageSpec

_RATES = ("learning_rate", "sgd/learning_rate", "fine_tune/learning_rate")
NO_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)
_CHUNK = 4096
"""So many pictures are handed to Keras at once."""
_VECTORS_AT_ONCE = 256
"""So many pictures' features pass a head at once."""
_MAX_BACKBONES = 4
"""So many frozen backbones stay in memory, ready for the next head."""


@dataclass(slots=True)
class Trained:
    """A trained candidate.

    `network` maps pixels 0-255 at the genome's size to class probabilities, with the weights of the best epoch.
    `metrics` are that epoch's; `history` holds every epoch of every stage, and `stages` names the stage of each, those
    before a pause included. `seconds` are without them. `is_paused` says that it ended for the sake of a pause only,
    `is_cut_short` that its time was up.
    `probabilities` are its predictions for the validation split, (n, num_classes); `None` where there was no time left.
    """

    network: keras.Model
    metrics: dict[str, float]
    num_parameters: int
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    is_paused: bool = False
    is_cut_short: bool = False
    probabilities: npt.NDArray[np.float32] | None = None


class Trainer:
    """Trains the candidates of one search.

    Args:
        dataset: The pictures.
        objective: A name of `OBJECTIVES`.
        weights: The weights for each backbone and width multiplier, as (name, alpha).
        seed: Seed of initial weights, shuffling, dropout and augmentation.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
        is_wanted: Tells which genomes linear heads are to be compared on.
        strategy: Spreads each candidate over several devices; see `Loop`. `None` for the default device.
        leader: Spreads what learns from pictures over several processes; `None` for this one only.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        objective: str = "accuracy",
        weights: Mapping[tuple[str, float | None], Weights],
        seed: int = 0,
        store: ArrayStore | None = None,
        is_wanted: Callable[[Genome], bool] = lambda genome: True,
        strategy: tf.distribute.Strategy | None = None,
        leader: Leader | None = None,
    ) -> None:
        self._strategy = strategy
        self._leader = leader
        self.objective = OBJECTIVES[objective]
        self._dataset = dataset
        self.weights_of = weights
        self._seed = seed
        self.cache = FeatureCache(dataset, store=store, seed=seed)
        self._backbones: OrderedDict[tuple[Any, ...], keras.Model] = OrderedDict()
        self.probes = LinearProbes(dataset.train.labels, is_wanted=is_wanted)
        # Keras and TensorFlow stay: to look through all they hold takes longer than a small candidate's epoch. What was
        # left by an earlier search is looked through once more.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def train(
        self,
        genome: Genome,
        effort: Effort,
        *,
        earlier: Earlier | None = None,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Trained:
        """Trains the network of a genome.

        Args:
            genome: The genome.
            effort: How long to train. Epochs count from the very first, seconds from now.
            earlier: What to go on from, with the weights of its best epoch. `None` for a fresh network.
            progress: Is called eight times in every epoch, and for every batch of a pass.
            keep: Is called after an epoch about three times a minute, so that a training that breaks off can be taken
                up again. A head on frozen features is trained sooner than that.

        Returns:
            The trained candidate, with the weights of its best epoch on the validation split, or of the last epoch of a
            refit, which has no metrics.

        Raises:
            CandidateError: the network cannot be trained: its loss is no longer a number, it does not fit into memory
                even with half the batch, or its time was up before there was anything to measure.
        """
        began = time.monotonic()
        try:
            return self._attempt(genome, effort, earlier, progress, keep)
        except NO_MEMORY:
            # What the failed attempt holds is let go of when this block is left.
            pass
        gc.collect()
        left = None if effort.seconds is None else max(0.0, effort.seconds - (time.monotonic() - began))
        try:
            return self._attempt(_halved(genome), dataclasses.replace(effort, seconds=left), earlier, progress, keep)
        except NO_MEMORY as error:
            raise CandidateError(
                "out of memory, also with half the batch: the network is too large for this machine"
            ) from error

    def _attempt(
        self,
        genome: Genome,
        effort: Effort,
        earlier: Earlier | None,
        progress: Progress | None,
        keep: Keep | None,
    ) -> Trained:
        # Keras keeps every graph of every model it ever built until told otherwise.
        keras.backend.clear_session()
        fit = CandidateFit(self.objective, effort, progress, earlier, keep=keep, mirror=bool(genome["mirror"]))
        # After a pause the pictures come in another order than from the start.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        try:
            with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
                train = self._train_conv if genome["family"] == "conv" else self._train_pretrained
                network = train(genome, fit)
        except OutOfTimeError as error:
            raise CandidateError(f"too slow: {error}") from error
        return Trained(
            network=network,
            metrics=fit.best,
            num_parameters=int(network.count_params()),
            seconds=fit.seconds,
            history=fit.history,
            stages=fit.stages,
            is_paused=fit.is_paused,
            is_cut_short=fit.is_cut_short,
            probabilities=fit.probabilities,
        )

    def weights(self, genome: Genome) -> Weights:
        """Returns the weights of a genome's backbone."""
        return self.weights_of[variant(genome)]

    def _train_conv(self, genome: Genome, fit: CandidateFit) -> keras.Model:
        network = networks.conv_network(genome, num_classes=self._dataset.num_classes)
        fit.begin(network)
        self._train_on_pixels(network, genome, fit, stage="train")
        return network

    def _train_pretrained(self, genome: Genome, fit: CandidateFit) -> keras.Model:
        weights = self.weights(genome)
        weights.fetch(watch=lambda: fit.check("download", 0.0, "the download of its weights takes"))
        fine_tunes = genome["pretrained/tuning"] == "fine_tune"
        whole = self._backbone(genome, weights, is_shared=not fine_tunes)
        extractor = networks.feature_extractor(genome, whole=whole)
        # A head is the same whether its backbone was built just now or before.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        classifier = networks.head(
            genome, num_features=extractor.output.shape[-1], num_classes=self._dataset.num_classes
        )
        network = networks.join(extractor, classifier)
        fit.begin(network)
        if not fit.history:
            is_pooled = genome["pretrained/summary"] in networks.POOLINGS
            see = functools.partial(
                self._features,
                genome,
                weights,
                fit,
                # All passes of one candidate go through the same model, which is traced once.
                network=functools.cache(
                    lambda: forward_pass(networks.all_features(genome, whole=whole) if is_pooled else extractor)
                ),
                columns=networks.feature_columns(genome, whole=whole) if is_pooled else slice(None),
            )
            train = [see(part, copy) for copy in augmented_copies(genome) for part in parts(fit.split)]
            validation = [see("validation", view) for view in test_time_views(genome)]
            if is_pooled and fit.split == "train":
                self.probes.learn(
                    genome,
                    see("train", columns=slice(None)),
                    whole=whole,
                    watch=lambda: fit.check("probe", 0.0, "the features and a look at them take"),
                )
            self._fit(fit, HEAD, classifier, genome, train, validation)
        if fine_tunes and (fit.effort.refit is None or fit.effort.refit.get(FINE_TUNE)):
            try:
                fit.check("features", 0.0, "the head takes")
                self._fine_tune(network, extractor, whole, classifier, weights, genome, fit)
            except OutOfTimeError:
                if fit.effort.refit is not None:
                    raise
                # The head is there.
                fit.is_cut_short = True
        return network

    def _backbone(self, genome: Genome, weights: Weights, *, is_shared: bool) -> keras.Model:
        """Builds a backbone, or takes the one that an earlier candidate built; nobody trains a shared one."""
        if not is_shared:
            return networks.backbone(genome, weights=weights)
        key = *speed_key(genome), weights
        whole = self._backbones.pop(key, None) or networks.backbone(genome, weights=weights)
        self._backbones[key] = whole
        while len(self._backbones) > _MAX_BACKBONES:
            self._backbones.popitem(last=False)
        return whole

    def _features(
        self, genome: Genome, weights: Weights, fit: CandidateFit, split: str, copy: Copy | None = None, **options: Any
    ) -> npt.NDArray[np.floating]:
        """Returns what a frozen network sees in a split; see `FeatureCache.features`."""
        return self.cache.features(
            split,
            genome,
            weights=weights,
            watch=lambda done: fit.check("features", done, "one pass of the backbone over the pictures takes"),
            wait=lambda: fit.check("features", 0.0, "to wait for another worker's pass over the pictures takes"),
            **(options if copy is None else {"copy": copy, **options}),
        )

    def _fine_tune(
        self,
        network: keras.Model,
        extractor: keras.Model,
        whole: keras.Model,
        classifier: keras.Model,
        weights: Weights,
        genome: Genome,
        fit: CandidateFit,
    ) -> None:
        name = str(genome["backbone"])
        row, cut, num_blocks = backbones.get(name), str(genome[f"{name}/cut"]), int(genome["fine_tune/num_blocks"])
        frozen = frozen_part(genome, num_pictures=len(self._dataset.train))
        halves = (
            None if frozen is None else backbones.split(extractor, row, whole=whole, cut=cut, num_blocks=num_blocks)
        )
        backbones.unfreeze(extractor, row, cut=cut, num_blocks=num_blocks)
        rate, stage = float(genome["fine_tune/learning_rate"]), FINE_TUNE
        if frozen is None or halves is None:
            self._train_on_pixels(network, genome, fit, stage=stage, learning_rate=rate)
            return
        # What stays frozen sees every picture once, as it does for a head.
        tuned = networks.join(halves.trained, classifier)
        see = functools.partial(
            self._features, frozen, weights, fit, network=functools.cache(lambda: forward_pass(halves.frozen))
        )
        train = [see(part, copy) for copy in augmented_copies(genome) for part in parts(fit.split)]
        validation = [see("validation", view) for view in test_time_views(genome)]
        self._fit(fit, stage, tuned, genome, train, validation, learning_rate=rate)

    def _train_on_pixels(
        self, network: keras.Model, genome: Genome, fit: CandidateFit, *, stage: str, learning_rate: float | None = None
    ) -> None:
        # After a pause the pictures change in other ways than from the start.
        seed = self._seed + fit.stages.count(stage)
        size = image_size(genome)
        train = [self.cache.pictures(part, size) for part in parts(fit.split)]
        validation = [self.cache.pictures("validation", size, copy=view) for view in test_time_views(genome)]
        changes = networks.augmentation(genome, seed=seed)
        options: dict[str, Any] = {"changes": changes, "learning_rate": learning_rate, "is_on_pixels": True}
        self._fit(fit, stage, network, genome, train, validation, **options)

    def _fit(
        self,
        fit: CandidateFit,
        stage: str,
        network: keras.Model,
        genome: Genome,
        train: Sequence[npt.NDArray[Any]],
        validation: Sequence[npt.NDArray[Any]],
        *,
        changes: keras.Sequential | None = None,
        learning_rate: float | None = None,
        is_on_pixels: bool = False,
    ) -> None:
        """Trains a network for one stage, see `StageSpec.loop`; of the validation split it sees views."""
        lesson = StageSpec(
            genome=genome,
            split=fit.split,
            num_epochs=fit.longest(stage),
            num_done=fit.stages.count(stage),
            learning_rate=learning_rate,
        )
        student = networks.augmented(network, changes)
        loop: EpochLoop
        if self._leader is not None and is_on_pixels:
            loop = self._leader.loop(student, train, lesson)
        else:
            loop = lesson.loop(student, train, dataset=self._dataset, seed=self._seed)
        seen = validation, self._dataset.validation.labels
        is_flat = validation[0].ndim == 2
        fit(stage, network, loop, seen, batch_size=_VECTORS_AT_ONCE if is_flat else num_at_once(image_size(genome)))


def _halved(genome: Genome) -> Genome:
    """Returns a genome with half the batch, and rates that fall with it (Goyal et al. 2017, arXiv:1706.02677)."""
    rates = {name: float(genome[name]) / 2 for name in _RATES if name in genome}
    return {**genome, "batch_size": max(1, int(genome["batch_size"]) // 2), **rates}


def forward_pass(network: keras.Model) -> Forward:
    """Returns a network's forward pass for stored pictures."""
    return Forward(network, dtype=np.uint8)


def predict(
    model: keras.Model,
    pictures: npt.NDArray[np.uint8],
    *,
    watch: Callable[[], object] = lambda: None,
) -> npt.NDArray[np.float32]:
    """Returns class probabilities, shape (n, num_classes).

    Args:
        model: A classifier.
        pictures: Pictures 0-255 of one size, shape (n, height, width, 3).
        watch: Is called after every batch; an error that it raises ends the pass.
    """
    watching = callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: watch())
    # Keras copies what it is given, which may be more than memory holds.
    chunks = (pictures[start : start + _CHUNK] for start in range(0, len(pictures), _CHUNK))
    batch_size = num_at_once(pictures.shape[1])
    predicted = [model.predict(one, batch_size=batch_size, verbose=0, callbacks=[watching]) for one in chunks]
    return np.concatenate(predicted, dtype=np.float32)
