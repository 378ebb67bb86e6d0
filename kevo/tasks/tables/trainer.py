"""Trains the networks of genomes on prepared columns."""

from __future__ import annotations

import tensorflow as tf

from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.stages import PreparedRows
from kevo.training.stage import LoopMaker


class TableTrainer(PreparedTrainer):
    """Trains the candidates of one search.

    Args:
        dataset: The rows.
        settings: How the search is to run.
        strategy: As in `PreparedTrainer`.
        leader: As in `PreparedTrainer`.
    """

    def __init__(
        self,
        dataset: TableDataset,
        settings: SearchSettings,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
    ) -> None:
        super().__init__(PreparedRows(dataset), settings, strategy=strategy, leader=leader)
