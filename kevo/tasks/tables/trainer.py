"""Trains the networks of genomes on prepared columns."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kevo.tasks.folded_trainer import FoldedTrainer
from kevo.tasks.folds import rows_of
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
        super().__init__(
            PreparedRows(dataset), settings, strategy=strategy, leader=leader, repeats_few=dataset.repeats_few
        )


def for_dataset(
    dataset: TableDataset,
    settings: SearchSettings,
    *,
    strategy: tf.distribute.Strategy | None = None,
    leader: LoopMaker | None = None,
) -> TableTrainer | FoldedTrainer:
    """Returns the trainer of a data set, or of its folds; arguments as for `TableTrainer`."""
    if dataset.folds is None:
        return TableTrainer(dataset, settings, strategy=strategy, leader=leader)
    parts = [*rows_of(dataset.folds), (np.arange(len(dataset.train)), np.arange(0))]
    *trainers, whole = (TableTrainer(dataset.part(*rows), settings, strategy=strategy) for rows in parts)
    return FoldedTrainer(
        trainers,
        whole,
        dataset.folds,
        answers=dataset.output.answers(dataset.train.labels, validation_targets=dataset.validation.labels),
        objective=settings.objectives[0],
    )
