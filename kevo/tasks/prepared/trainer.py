"""Trains the networks of genomes on prepared examples."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.system import memory
from kevo.tasks.prepared import costs
from kevo.tasks.prepared.stages import TRAIN, Examples, split_to_learn
from kevo.tasks.protocols.task import SearchSettings
from kevo.training.answers import Answers
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import CandidateError, Earlier, Effort, OutOfTimeError, Progress
from kevo.training.epochs import num_passes
from kevo.training.loop import EpochLoop
from kevo.training.mean_network import mean_of
from kevo.training.mean_training import train_members
from kevo.training.optimizers import at_rate
from kevo.training.stage import LoopMaker, StagePlan, StageSpec
from tuners.genome import Genome


@dataclass(slots=True)
class TrainedNetwork:
    """A trained candidate.

    Args:
        network: A model from prepared examples to outputs, with the weights of the best epoch.
        deployed: Returns the model as it is saved.
        metrics: Those of the best epoch; empty after a refit.
        history: The metrics of every epoch, those before a pause included.
        stages: The stage of every epoch.
        is_paused: Whether the training ended for the sake of a pause only.
        is_cut_short: Whether its time was up before its end.
        share: The part of the last stage's epochs that was trained.
        outputs: Those for the validation examples, shape (n, any); `None` where there was no time.
        epoch_outputs: The same after every epoch, where the effort asks for them.
        num_flops: See `costs.measure`.
        inherited: The share of the weights that came from a parent: nothing is inherited here.
    """

    network: keras.Model
    deployed: Callable[[], keras.Model]
    metrics: dict[str, float]
    history: list[dict[str, float]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    is_paused: bool = False
    is_cut_short: bool = False
    share: float = 1.0
    outputs: npt.NDArray[np.float32] | None = None
    epoch_outputs: list[npt.NDArray[np.float32]] = field(default_factory=list)
    num_flops: float | None = None
    inherited: float = 0.0

    @property
    def num_parameters(self) -> int:
        """The size of the network."""
        return int(self.network.count_params())

    def deployable(self) -> keras.Model:
        """Returns the model as it is saved: raw examples in, outputs out."""
        return self.deployed()

    def costs(self, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Returns some of `kevo.objective.COSTS`; `seconds` is how long the training took."""
        return costs.measure(self.deployable(), names, seconds=seconds, num_flops=self.num_flops)


class PreparedTrainer:
    """Trains the candidates of one search.

    Args:
        examples: What networks learn from.
        settings: How the search is to run.
        strategy: Spreads each candidate over several devices; see `kevo.training.loop.Loop`. `None` for the default
            device.
        leader: Spreads each candidate over several processes; `None` for this one only.
        num_at_once: So many validation examples pass a network at once.
        fits_its_time: See `StagePlan.fits_its_time`.
        repeats_few: Whether an epoch goes through few examples several times; see `epochs.num_passes`.
    """

    def __init__(
        self,
        examples: Examples,
        settings: SearchSettings,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
        num_at_once: int = 1024,
        fits_its_time: bool = False,
        repeats_few: bool = False,
    ) -> None:
        self._num_at_once = num_at_once
        self._fits_its_time = fits_its_time
        self._repeats_few = repeats_few
        self._examples = examples
        self._objective = settings.objectives[0]
        self._seed = settings.seed
        self._strategy = strategy
        self._leader = leader
        # Keras collects garbage before each candidate; what is there already need not be looked through again.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def learn(self, learned: Mapping[str, Any]) -> None:
        """Takes nothing in: candidates teach each other nothing."""

    def news(self) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def train(
        self,
        genome: Genome,
        effort: Effort,
        *,
        earlier: Earlier | None = None,
        progress: Progress | None = None,
        keep: Callable[..., None] | None = None,
    ) -> TrainedNetwork:
        """Trains the network of a genome.

        Args:
            genome: The genome.
            effort: How long to train. Epochs count from the very first, seconds from now.
            earlier: The training that it continues. `None` for a fresh network.
            progress: Is called eight times in every epoch.
            keep: Is lent the deployable model about three times a minute.

        Returns:
            The trained candidate, with the weights of its best epoch on the validation split, or of the last epoch of a
            refit, which has no metrics.

        Raises:
            CandidateError: the network cannot be trained: its loss is no longer a number, or its time was up before
                there was anything to measure.
        """

        def train(genome: Genome, effort: Effort, progress: Progress | None, number: int) -> TrainedNetwork:
            if number:
                return self._with_seed(self._seed + number)._train(genome, effort, progress=progress)
            return self._train(genome, effort, earlier=earlier, progress=progress, keep=keep)

        if self._leader is not None:
            effort = dataclasses.replace(effort, members=())
        return self._mean(genome, train_members(train, genome, effort, progress))

    def _with_seed(self, seed: int) -> Self:
        """Returns a trainer on the same examples whose random weights are others."""
        other = copy.copy(self)
        other._seed = seed
        return other

    def _mean(self, genome: Genome, trained: Sequence[TrainedNetwork]) -> TrainedNetwork:
        """Returns networks as one; with the metrics of the first."""
        if len(trained) == 1:
            return trained[0]
        network = mean_of([one.network for one in trained])
        outputs = [one.outputs for one in trained if one.outputs is not None]
        return dataclasses.replace(
            trained[0],
            network=network,
            deployed=lambda: self._examples.deployable(genome, network),
            outputs=np.mean(outputs, axis=0, dtype=np.float32) if len(outputs) == len(trained) else None,
        )

    def _train(
        self,
        genome: Genome,
        effort: Effort,
        *,
        earlier: Earlier | None = None,
        progress: Progress | None = None,
        keep: Callable[..., None] | None = None,
    ) -> TrainedNetwork:
        """Trains one network; see `train`."""
        genome = at_rate(genome, effort.rate)
        # Keras keeps every graph of every model it ever built until told otherwise.
        keras.backend.clear_session()
        memory.release()
        fit = CandidateFit(
            self._objective,
            effort,
            plans=self._plans(genome, effort),
            deployable=lambda network: self._examples.deployable(genome, network),
            earlier=earlier,
            progress=progress,
            keep=keep,
        )
        try:
            with contextlib.nullcontext() if self._strategy is None else self._strategy.scope():
                self._prepare(fit, genome)
                # After a pause the examples come in another order than from the start.
                keras.utils.set_random_seed(self._seed + len(fit.history))
                network = self._examples.network(genome)
                fit.begin(network)
                self._run(fit, network, genome)
        except OutOfTimeError as error:
            raise CandidateError(f"too slow: {error}") from error
        return TrainedNetwork(
            network=network,
            deployed=lambda: self._examples.deployable(genome, network),
            metrics=fit.history.best,
            history=fit.history.epochs,
            stages=fit.history.stages,
            is_paused=fit.is_paused,
            is_cut_short=fit.is_cut_short,
            share=fit.share,
            outputs=fit.outputs,
            epoch_outputs=fit.epoch_outputs,
            num_flops=self.num_flops(genome),
        )

    def num_flops(self, genome: Genome) -> float | None:
        """Returns the FLOPs of a genome's network where its layers do not tell; `None` counts them."""
        return None

    def _plans(self, genome: Genome, effort: Effort) -> Sequence[StagePlan]:
        """Returns the stages of a genome's training; here there is one."""
        plan = StagePlan(
            name=TRAIN,
            num_epochs=effort.num_epochs,
            pause_after=effort.pause_after,
            patience=effort.patience,
            fits_its_time=self._fits_its_time,
        )
        return [plan]

    def _prepare(self, fit: CandidateFit, genome: Genome) -> None:
        """Gets what a network is built from; nothing here."""

    def _run(self, fit: CandidateFit, network: keras.Model, genome: Genome) -> None:
        split = split_to_learn(fit.effort)
        (validation,) = self._examples.features(genome, "validation")
        inputs, answers = self._examples.features(genome, split), self._examples.answers(genome, split)
        num, leader = fit.effort.num_examples, self._leader
        if num is not None and num < len(answers.targets):
            rows = np.sort(np.random.default_rng(self._seed).permutation(len(answers.targets))[:num])
            # What takes seconds is not spread over processes, which have no sample.
            inputs, answers, leader = [np.concatenate(inputs)[rows]], answers.of(rows), None
        self._run_stage(fit, network, genome, inputs, answers, validation, leader=leader)

    def _run_stage(
        self,
        fit: CandidateFit,
        network: keras.Model,
        genome: Genome,
        inputs: Sequence[npt.NDArray[Any]],
        answers: Answers,
        validation: npt.NDArray[Any],
        *,
        leader: LoopMaker | None = None,
        stage: str = TRAIN,
        learning_rate: float | None = None,
    ) -> None:
        plan = fit.plans[stage]
        spec = StageSpec(
            genome=genome,
            split=split_to_learn(fit.effort),
            num_epochs=plan.num_epochs,
            num_done=plan.num_trained(fit.history.num_epochs(stage)),
            learning_rate=learning_rate,
            num_passes=num_passes(len(answers.targets)) if self._repeats_few else 1,
        )
        loop: EpochLoop
        if leader is None:
            loop = spec.loop(network, inputs, answers, seed=self._seed)
        else:
            loop = leader.loop(network, inputs, answers, spec)
        fit.run_stage(stage, network, loop, [validation], answers, batch_size=self._num_at_once)
