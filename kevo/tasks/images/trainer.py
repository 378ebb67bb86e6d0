"""Trains one candidate in its stages: a conv stack from scratch, or a head on frozen features and then fine-tuning."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.system import memory
from kevo.system.array_store import ArrayStore
from kevo.tasks.images import costs, morphing, networks, stages
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache, Inputs
from kevo.tasks.images.genes import variant, with_inputs_of
from kevo.tasks.images.linear_probes import LinearProbes
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.transfer_learning import Backbones, TransferLearning
from kevo.training.candidate_fit import NO_MEMORY, CandidateFit
from kevo.training.effort import CandidateError, Earlier, Effort, Keep, OutOfTimeError, Progress
from kevo.training.mean_training import train_members
from kevo.training.optimizers import at_rate
from kevo.training.stage import LoopMaker
from tuners.genome import Genome


@dataclass(slots=True)
class Trained:
    """A trained candidate.

    Args:
        network: A model from pixels 0-255 at the genome's size to class probabilities, with the weights of the best
            epoch.
        metrics: Those of the best epoch; empty after a refit.
        num_parameters: The size of the network.
        seconds: How long the training took, without what was before a pause.
        history: The metrics of every epoch of every stage, those before a pause included.
        stages: The stage of every epoch.
        is_paused: Whether the training ended for the sake of a pause only.
        is_cut_short: Whether its time was up before its end.
        share: The part of the last stage's epochs that was trained.
        outputs: The class probabilities of the validation pictures, shape (n, num_classes); `None` where there was no
            time left.
        epoch_outputs: The same after every epoch, where the effort asks for them.
        mirror: Whether predictions are the mean over a picture and its mirror image.
        inherited: The share of the weights that came from a parent.
    """

    network: keras.Model
    metrics: dict[str, float]
    num_parameters: int
    seconds: float
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    is_paused: bool = False
    is_cut_short: bool = False
    share: float = 1.0
    outputs: npt.NDArray[np.float32] | None = None
    epoch_outputs: list[npt.NDArray[np.float32]] = field(default_factory=list)
    mirror: bool = False
    crop: bool = False
    inherited: float = 0.0

    def deployable(self) -> keras.Model:
        """Returns the model as it is saved: from pictures of any size to class probabilities."""
        return networks.deployable(self.network, mirror=self.mirror, crop=self.crop)

    def costs(self, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Returns some of `kevo.objective.COSTS`.

        Args:
            names: Which of them.
            seconds: How long the training took.
        """
        return costs.measure(self.network, names, seconds=seconds, mirror=self.mirror)


class Trainer:
    """Trains the candidates of one search.

    Args:
        dataset: The pictures.
        objective: A name of the objectives of what is asked; `None` for the first.
        weights: The weights for each backbone and width multiplier, as (name, alpha).
        seed: Seed of initial weights, shuffling, dropout and augmentation.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
        cache: Features that are shared with somebody else in this process; `store` then counts for nothing.
        is_wanted: Tells which genomes linear heads are to be compared on.
        fellow: The trainer of another fold, whose linear heads and frozen backbones this one shares. `None` for none.
        strategy: Spreads each candidate over several devices; see `Loop`. `None` for the default device.
        leader: Spreads what learns from pictures over several processes; `None` for this one only.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        objective: str | None = None,
        weights: Mapping[tuple[str, float | None], Weights],
        seed: int = 0,
        store: ArrayStore | None = None,
        cache: Inputs | None = None,
        is_wanted: Callable[[Genome], bool] = lambda genome: True,
        fellow: Trainer | None = None,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
    ) -> None:
        self._strategy = strategy
        objectives = dataset.output.objectives
        self._objective = objectives[next(iter(objectives)) if objective is None else objective]
        self._output = dataset.output
        self._crop = dataset.crop
        self._weights = weights
        self._seed = seed
        self.cache = FeatureCache(dataset, store=store, seed=seed) if cache is None else cache
        self._stages = stages.StageRunner(dataset, self.cache, seed=seed, leader=leader)
        if fellow is None:
            self.probes = LinearProbes(dataset.output, dataset.train.labels, is_wanted=is_wanted)
            self._backbones = Backbones()
        else:
            self.probes, self._backbones = fellow.probes, fellow._backbones
        self._transfer = TransferLearning(
            dataset,
            self.cache,
            # One fold's look at the features is enough.
            self.probes if fellow is None else None,
            self._stages,
            backbones=self._backbones,
            seed=seed,
        )
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
            earlier: What to go on from, with the weights of its best epoch, or the parent whose weights a conv stack
                begins with. `None` for a fresh network.
            progress: Is called eight times in every epoch, and for every batch of a pass.
            keep: Is lent the deployable model after an epoch, about three times a minute, so that a training that
                breaks off can be taken up again. A head on frozen features is trained sooner than that.

        Returns:
            The trained candidate, with the weights of its best epoch on the validation split, or of the last epoch of a
            refit, which has no metrics.

        Raises:
            CandidateError: the network cannot be trained: its loss is no longer a number, it does not fit into memory
                even with half the batch, or its time was up before there was anything to measure.
        """

        def train(genome: Genome, effort: Effort, progress: Progress | None, number: int) -> Trained:
            if number:
                # What the first learns from has passed the frozen network already.
                return self._train(with_inputs_of(genome, first), effort, None, progress, None)
            return self._train(genome, effort, earlier, progress, keep)

        first = genome
        return _mean(train_members(train, genome, effort, progress))

    def _train(
        self,
        genome: Genome,
        effort: Effort,
        earlier: Earlier | None,
        progress: Progress | None,
        keep: Keep | None,
    ) -> Trained:
        """Trains one network; see `train`."""
        began = time.monotonic()
        genome = at_rate(genome, effort.rate)
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
                f"out of memory, also with half the batch: the network is too large for {_machine()}"
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
        memory.release()
        mirror = bool(genome["mirror"])
        fit = CandidateFit(
            self._objective,
            effort,
            plans=stages.plans(effort, genome),
            deployable=functools.partial(networks.deployable, mirror=mirror, crop=self._crop),
            earlier=None if earlier is None else earlier.own,
            progress=progress,
            keep=keep,
        )
        inherited = 0.0
        # After a pause the pictures come in another order than from the start.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        try:
            with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
                if genome["family"] == "conv":
                    network, inherited = self._train_conv(genome, fit, earlier)
                else:
                    network = self._transfer.train(genome, self._weights[variant(genome)], fit)
        except OutOfTimeError as error:
            raise CandidateError(f"too slow: {error}") from error
        return Trained(
            network=network,
            metrics=fit.history.best,
            num_parameters=int(network.count_params()),
            seconds=fit.clock.seconds,
            history=fit.history.epochs,
            stages=fit.history.stages,
            is_paused=fit.is_paused,
            is_cut_short=fit.is_cut_short,
            share=fit.share,
            outputs=fit.outputs,
            epoch_outputs=fit.epoch_outputs,
            mirror=mirror,
            crop=self._crop,
            inherited=inherited,
        )

    def _train_conv(self, genome: Genome, fit: CandidateFit, earlier: Earlier | None) -> tuple[keras.Model, float]:
        """Trains a conv stack, and returns it with the share of its weights that came from a parent."""
        network = networks.conv_network(genome, output=self._output)
        inherited = 0.0
        if earlier is not None and earlier.parent is not None:
            inherited = self._inherit(network, genome, earlier.parent, None if earlier.history else earlier.model_path)
        fit.begin(network)
        self._stages.on_pictures(fit, stages.TRAIN, network, genome)
        return network, inherited

    def _inherit(self, network: keras.Model, genome: Genome, parent: Genome, model: Path | None) -> float:
        """Begins with a parent's weights, and returns the share of the network that they are.

        Args:
            network: The child.
            genome: Its genome.
            parent: The parent's.
            model: The parent's model; `None` where only the share is still to be known.
        """
        trained = networks.conv_network(parent, output=self._output)
        if model is not None:
            networks.deployable(trained, mirror=bool(parent["mirror"]), crop=self._crop).load_weights(model)
        return morphing.inherit(parent, trained, genome, network, rng=np.random.default_rng(self._seed))


def _mean(trained: Sequence[Trained]) -> Trained:
    """Returns heads on one frozen network as one candidate, with the metrics of the first."""
    if len(trained) == 1:
        return trained[0]
    network = networks.mean_of_heads([one.network for one in trained])
    outputs = [one.outputs for one in trained if one.outputs is not None]
    return dataclasses.replace(
        trained[0],
        network=network,
        num_parameters=int(network.count_params()),
        seconds=sum(one.seconds for one in trained),
        outputs=np.mean(outputs, axis=0, dtype=np.float32) if len(outputs) == len(trained) else None,
    )


def _halved(genome: Genome) -> Genome:
    """Returns a genome with half the batch, and rates that fall with it (Goyal et al. 2017, arXiv:1706.02677)."""
    return {**at_rate(genome, 0.5), "batch_size": max(1, int(genome["batch_size"]) // 2)}


def _machine() -> str:
    """Returns what memory there is, with what sets its limit, if that is not the machine itself."""
    limit = memory.limit()
    return "this machine" if limit is None or not limit.words else str(limit)
