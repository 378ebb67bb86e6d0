"""The pictures of a data set as networks see them: crops to learn from, and whole pictures to be judged by."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.masks import crops, networks
from kevo.tasks.masks.crops import Crops
from kevo.tasks.masks.frozen_maps import FrozenMaps
from kevo.tasks.masks.networks import Colors
from kevo.tasks.masks.space import PRETRAINED, fine_tunes
from kevo.tasks.outputs.masks.answers import mask_answers
from kevo.training.answers import Answers
from tuners.genome import Genome

_MOST_KEPT = 2
"""Crops are kept of so many kinds: all of them may be more than the memory."""


class PreparedMasks:
    """The pictures of a data set as networks see them, cut once for all genomes that see them alike.

    Args:
        dataset: The pictures and their masks.
        maps: The maps that frozen backbones make of them; `None` where there are none.
    """

    def __init__(self, dataset: ImageDataset, *, maps: FrozenMaps | None = None) -> None:
        self._dataset = dataset
        self._maps = maps
        self._crops: dict[tuple[str, int, str], Crops] = {}
        self._colors: Colors | None = None

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[Any]]:
        """Returns all copies of a genome's crops; of the validation split whole pictures.

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.
        """
        if split == "validation":
            return [self._dataset.validation.pictures]
        return [self._cut(genome, split).pictures]

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the masks of the same crops."""
        found = self._cut(genome, split)
        return mask_answers(
            found.masks,
            validation_targets=self._dataset.validation.labels,
            num_outputs=self._dataset.output.size,
            loss=str(genome["loss"]),
            num_copies=found.num_copies,
        )

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome with random weights."""
        if self._colors is None:
            self._colors = Colors.of(self._dataset.train.pictures)
        encoder = None
        if genome["family"] == PRETRAINED and self._maps is not None:
            # What is trained is nobody else's.
            encoder = self._maps.new_encoder(genome) if fine_tunes(genome) else self._maps.encoder(genome)
        return networks.network(genome, colors=self._colors, output=self._dataset.output, encoder=encoder)

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """Returns a network as it is saved: pictures of any size in, masks of their size out."""
        return networks.deployable(network, side=self._dataset.image_size)

    def _cut(self, genome: Genome, split: str) -> Crops:
        key = split, int(genome["crop"]), str(genome["augment"])
        if key in self._crops:
            self._crops[key] = self._crops.pop(key)
            return self._crops[key]
        while len(self._crops) >= _MOST_KEPT:
            del self._crops[next(iter(self._crops))]
        parts = [getattr(self._dataset, part) for part in split.split("+")]
        pictures, masks = parts[0].pictures, parts[0].labels
        if len(parts) > 1:
            pictures = picture_arrays.joined([part.pictures for part in parts])
            masks = np.concatenate([part.labels for part in parts])
        self._crops[key] = crops.cut(pictures, masks, crop=key[1], augment=key[2])
        return self._crops[key]
