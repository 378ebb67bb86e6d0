"""Trains the networks of genomes on numbers of tokens."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kevo.tasks.folded_trainer import FoldedTrainer
from kevo.tasks.folds import rows_of
from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.stages import PreparedTexts
from kevo.training.stage import LoopMaker


class TextTrainer(PreparedTrainer):
    """Trains the candidates of one search.

    Args:
        dataset: The texts.
        settings: How the search is to run.
        strategy: As in `PreparedTrainer`.
        leader: As in `PreparedTrainer`.
        texts: The texts as networks see them, where they are shared; `None` to prepare them anew.
    """

    def __init__(
        self,
        dataset: TextDataset,
        settings: SearchSettings,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
        texts: PreparedTexts | None = None,
    ) -> None:
        super().__init__(texts or PreparedTexts(dataset), settings, strategy=strategy, leader=leader)


def for_dataset(
    dataset: TextDataset,
    settings: SearchSettings,
    *,
    strategy: tf.distribute.Strategy | None = None,
    leader: LoopMaker | None = None,
    texts: PreparedTexts | None = None,
) -> TextTrainer | FoldedTrainer:
    """Returns the trainer of a data set, or of its folds; arguments as for `TextTrainer`."""
    if dataset.folds is None:
        return TextTrainer(dataset, settings, strategy=strategy, leader=leader, texts=texts)
    parts = [*rows_of(dataset.folds), (np.arange(len(dataset.train)), np.arange(0))]
    *trainers, whole = (TextTrainer(dataset.part(*rows), settings, strategy=strategy) for rows in parts)
    return FoldedTrainer(
        trainers,
        whole,
        dataset.folds,
        answers=dataset.output.answers(dataset.train.labels, validation_targets=dataset.validation.labels),
        objective=settings.objectives[0],
    )
