"""Trains the U-Nets of genomes: on crops, or on squares of the maps that a frozen backbone has made, and then both."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy.typing as npt
import tensorflow as tf

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache
from kevo.tasks.images.inference import num_at_once
from kevo.tasks.images.picture_copies import PLAIN, Copy
from kevo.tasks.images.usable_weights import Usable, by_width
from kevo.tasks.masks import encoders, networks
from kevo.tasks.masks.encoders import ENCODER
from kevo.tasks.masks.frozen_maps import FrozenMaps
from kevo.tasks.masks.networks import DECODER
from kevo.tasks.masks.space import PRETRAINED, fine_tunes
from kevo.tasks.masks.stages import PreparedMasks
from kevo.tasks.outputs.masks.answers import mask_answers
from kevo.tasks.prepared.stages import TRAIN, split_to_learn
from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.task import SearchSettings
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import Effort
from kevo.training.stage import LoopMaker, StagePlan
from tuners.genome import Genome

FINE_TUNE = "fine-tune"
"""The stage in which the lowest levels of a backbone are trained with all that follows them."""
_FROZEN_SHARE = 0.5
"""The part of a candidate's time in which the way up is trained before that."""


class MaskTrainer(PreparedTrainer):
    """Trains the candidates of one search.

    Args:
        dataset: The pictures and their masks.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        cache: Keeps the maps of frozen backbones.
        strategy: As in `PreparedTrainer`.
        leader: As in `PreparedTrainer`.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        settings: SearchSettings,
        usable: Usable,
        *,
        cache: FeatureCache,
        strategy: tf.distribute.Strategy | None = None,
        leader: LoopMaker | None = None,
    ) -> None:
        self._maps = FrozenMaps(dataset, cache, by_width(usable), seed=settings.seed)
        super().__init__(
            PreparedMasks(dataset, maps=self._maps),
            settings,
            strategy=strategy,
            leader=leader,
            num_at_once=num_at_once(dataset.image_size),
            fits_its_time=True,
        )
        self._dataset = dataset
        self._side, self._size = dataset.image_size, dataset.output.size

    def num_flops(self, genome: Genome) -> float:
        """Returns the FLOPs of a picture at the size at which all are kept."""
        return networks.num_flops(genome, side=self._side, num_outputs=self._size)

    def _prepare(self, fit: CandidateFit, genome: Genome) -> None:
        if genome["family"] == PRETRAINED:
            watch = functools.partial(fit.check, "download", 0.0, "the download of its weights takes")
            self._maps.weights(genome).fetch(watch=watch)
            self._maps.encoder(genome)

    def _run(self, fit: CandidateFit, network: keras.Model, genome: Genome) -> None:
        if fine_tunes(genome):
            if not fit.history.num_epochs(FINE_TUNE) and (fit.effort.refit is None or fit.effort.refit.get(TRAIN)):
                self._decode(fit, network, genome)
            self._fine_tune(fit, network, genome)
        else:
            self._decode(fit, network, genome)

    def _plans(self, genome: Genome, effort: Effort) -> Sequence[StagePlan]:
        (plan,) = super()._plans(genome, effort)
        if not fine_tunes(genome):
            return [plan]
        decoder = dataclasses.replace(plan, pause_after=None, share=_FROZEN_SHARE)
        return [decoder, dataclasses.replace(plan, name=FINE_TUNE, begins_before=True)]

    def _fine_tune(self, fit: CandidateFit, network: keras.Model, genome: Genome) -> None:
        """Trains the lowest levels of a backbone, and what follows them, on crops.

        The way up is trained before: the gradients of a random one would wreck the pretrained weights (Kumar et al.
        2022, arXiv:2202.10054).
        """
        fit.is_cut_short = False
        encoders.unfreeze(network.get_layer(ENCODER), num_levels=int(genome["fine_tune/num_levels"]))
        split = split_to_learn(fit.effort)
        (validation,) = self._examples.features(genome, "validation")
        self._run_stage(
            fit,
            network,
            genome,
            self._examples.features(genome, split),
            self._examples.answers(genome, split),
            validation,
            leader=self._leader,
            stage=FINE_TUNE,
            learning_rate=float(genome["fine_tune/learning_rate"]),
        )

    def _decode(self, fit: CandidateFit, network: keras.Model, genome: Genome) -> None:
        """Trains a network from scratch, or the way up from the maps of a frozen backbone."""
        splits = split_to_learn(fit.effort).split("+")
        num_pictures = sum(len(getattr(self._dataset, split)) for split in splits)
        if genome["family"] != PRETRAINED or not self._maps.copies(genome, num_pictures=num_pictures):
            # The maps of too many pictures are made anew in every step.
            super()._run(fit, network, genome)
            return
        of = functools.partial(self._maps_of, fit, genome)
        # What is missing may take too long: the pictures that every epoch is judged by come first.
        validation = of("validation", PLAIN)
        squares = self._maps.squares(genome, splits, of)
        answers = mask_answers(
            squares.masks,
            validation_targets=self._dataset.validation.labels,
            num_outputs=self._size,
            loss=str(genome["loss"]),
            num_copies=squares.num_copies,
        )
        decoder = self._maps.on_packed(genome, network.get_layer(DECODER))
        self._run_stage(fit, decoder, genome, squares.maps, answers, validation)

    def _maps_of(self, fit: CandidateFit, genome: Genome, split: str, copy: Copy) -> npt.NDArray[Any]:
        words = "one pass of the backbone over the pictures takes"
        watch: Callable[[float], None] = lambda done: fit.check("features", done, words)  # noqa: E731
        wait = functools.partial(fit.check, "features", 0.0, "to wait for another worker's pass takes")
        return self._maps.of(genome, split, copy=copy, watch=watch, wait=wait)
