"""Trains the networks of genomes on windows."""

from __future__ import annotations

import keras
import tensorflow as tf

from kevo.tasks.prepared.stages import TRAIN, split_to_learn
from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.stages import PreparedWindows
from kevo.training.candidate_fit import CandidateFit
from kevo.training.stage import LoopMaker
from tuners.genome import Genome


class SeriesTrainer(PreparedTrainer):
    """Trains the candidates of one search.

    Args:
        dataset: The windows.
        settings: How the search is to run.
        strategy: As in `PreparedTrainer`.
        leader: As in `PreparedTrainer`.
    """

    def __init__(
        self,
        dataset: SeriesDataset,
        settings: SearchSettings,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
    ) -> None:
        self._windows = PreparedWindows(dataset)
        super().__init__(self._windows, settings, strategy=strategy, leader=leader)

    def _run(self, fit: CandidateFit, network: keras.Model, genome: Genome) -> None:
        split = split_to_learn(fit.effort)
        if split != TRAIN and not len(fit.history):
            # What is newest says most of what comes next.
            self._windows.start(network, genome, split)
        super()._run(fit, network, genome)
