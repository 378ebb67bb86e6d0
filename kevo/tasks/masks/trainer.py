"""Trains the U-Nets of genomes on crops."""

from __future__ import annotations

import tensorflow as tf

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.inference import num_at_once
from kevo.tasks.masks import networks
from kevo.tasks.masks.stages import PreparedMasks
from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.task import SearchSettings
from kevo.training.stage import LoopMaker
from tuners.genome import Genome


class MaskTrainer(PreparedTrainer):
    """Trains the candidates of one search.

    Args:
        dataset: The pictures and their masks.
        settings: How the search is to run.
        strategy: As in `PreparedTrainer`.
        leader: As in `PreparedTrainer`.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        settings: SearchSettings,
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
    ) -> None:
        super().__init__(
            PreparedMasks(dataset),
            settings,
            strategy=strategy,
            leader=leader,
            num_at_once=num_at_once(dataset.image_size),
            fits_its_time=True,
        )
        self._side, self._size = dataset.image_size, dataset.output.size

    def num_flops(self, genome: Genome) -> float:
        """Returns the FLOPs of a picture at the size at which all are kept."""
        return networks.num_flops(genome, side=self._side, num_outputs=self._size)
