"""Trains candidates on pretrained backbones: a head on frozen features, and then the last blocks with it.

The head is trained before anything below it moves, since a random head would wreck the pretrained features
(Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution",
arXiv:2202.10054).
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images import backbones, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import (
    Copy,
    FeatureCache,
    augmented_copies,
    frozen_part,
    parts,
    test_time_views,
)
from kevo.tasks.images.inference import forward_pass
from kevo.tasks.images.linear_probes import LinearProbes
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.space import speed_key
from kevo.tasks.images.stages import FINE_TUNE, HEAD, StageRunner, split_to_learn
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import OutOfTimeError
from kevo.training.loop import Forward
from tuners.genome import Genome

_MAX_BACKBONES = 4
"""So many frozen backbones stay in memory, ready for the next head."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One candidate on a pretrained backbone.

    Args:
        genome: The genome.
        weights: The backbone's weights.
        fit: Its training.
        backbone: The whole backbone.
        extractor: The part of it that makes the features.
        head: A model from features to class probabilities.
        network: Extractor and head together.
    """

    genome: Genome
    weights: Weights
    fit: CandidateFit
    backbone: keras.Model
    extractor: keras.Model
    head: keras.Model
    network: keras.Model


class TransferLearning:
    """Trains the candidates of one search that stand on pretrained backbones.

    Args:
        dataset: The pictures.
        cache: The features of frozen backbones.
        probes: Learns how good a linear head is on the features that are computed.
        stages: Runs single stages.
        seed: Seed of initial weights and dropout.
    """

    def __init__(
        self, dataset: ImageDataset, cache: FeatureCache, probes: LinearProbes, stages: StageRunner, *, seed: int
    ) -> None:
        self._dataset = dataset
        self._cache = cache
        self._probes = probes
        self._stages = stages
        self._seed = seed
        self._backbones: OrderedDict[tuple[Any, ...], keras.Model] = OrderedDict()

    def train(self, genome: Genome, weights: Weights, fit: CandidateFit) -> keras.Model:
        """Trains a candidate, and returns its network from pixels 0-255 to class probabilities.

        Args:
            genome: The genome.
            weights: The weights of its backbone.
            fit: Its training.

        Raises:
            CandidateError: it cannot be trained.
            OutOfTimeError: its time is up before there is anything to measure.
        """
        weights.fetch(watch=lambda: fit.check("download", 0.0, "the download of its weights takes"))
        fine_tunes = genome["pretrained/tuning"] == "fine_tune"
        backbone = self._backbone(genome, weights, is_shared=not fine_tunes)
        extractor = networks.feature_extractor(genome, whole=backbone)
        # A head is the same whether its backbone was built just now or before.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        head = networks.head(genome, num_features=extractor.output.shape[-1], num_classes=self._dataset.num_classes)
        network = networks.join(extractor, head)
        candidate = _Candidate(genome, weights, fit, backbone, extractor, head, network)
        fit.begin(network)
        if not len(fit.history):
            self._train_head(candidate)
        if fine_tunes and (fit.effort.refit is None or fit.effort.refit.get(FINE_TUNE)):
            try:
                fit.check("features", 0.0, "the head takes")
                self._fine_tune(candidate)
            except OutOfTimeError:
                if fit.effort.refit is not None:
                    raise
                # The head is there.
                fit.is_cut_short = True
        return network

    def _backbone(self, genome: Genome, weights: Weights, *, is_shared: bool) -> keras.Model:
        """Builds a backbone, or returns the one that an earlier candidate built; a shared one is never trained."""
        if not is_shared:
            return networks.backbone(genome, weights=weights)
        key = *speed_key(genome), weights
        backbone = self._backbones.pop(key, None) or networks.backbone(genome, weights=weights)
        self._backbones[key] = backbone
        while len(self._backbones) > _MAX_BACKBONES:
            self._backbones.popitem(last=False)
        return backbone

    def _train_head(self, candidate: _Candidate) -> None:
        genome, fit, backbone = candidate.genome, candidate.fit, candidate.backbone
        is_pooled = genome["pretrained/summary"] in networks.POOLINGS
        features_of = functools.partial(
            self._features,
            candidate,
            genome,
            # All passes of one candidate go through the same model, which is traced once.
            network=functools.cache(
                lambda: forward_pass(
                    networks.all_features(genome, whole=backbone) if is_pooled else candidate.extractor
                )
            ),
            columns=networks.feature_columns(genome, whole=backbone) if is_pooled else slice(None),
        )
        train, validation = self._arrays(candidate, features_of)
        if is_pooled and fit.effort.refit is None:
            self._probes.learn(
                genome,
                features_of("train", columns=slice(None)),
                whole=backbone,
                watch=lambda: fit.check("probe", 0.0, "the features and a look at them take"),
            )
        self._stages.on_arrays(fit, HEAD, candidate.head, genome, train, validation)

    def _fine_tune(self, candidate: _Candidate) -> None:
        genome, fit, extractor = candidate.genome, candidate.fit, candidate.extractor
        name = str(genome["backbone"])
        row, cut, num_blocks = backbones.get(name), str(genome[f"{name}/cut"]), int(genome["fine_tune/num_blocks"])
        frozen = frozen_part(genome, num_pictures=len(self._dataset.train))
        halves = None
        if frozen is not None:
            halves = backbones.split(extractor, row, whole=candidate.backbone, cut=cut, num_blocks=num_blocks)
        backbones.unfreeze(extractor, row, cut=cut, num_blocks=num_blocks)
        rate = float(genome["fine_tune/learning_rate"])
        if frozen is None or halves is None:
            self._stages.on_pictures(fit, FINE_TUNE, candidate.network, genome, learning_rate=rate)
            return
        # The part that stays frozen sees every picture once, as it does for a head.
        network = functools.cache(lambda: forward_pass(halves.frozen))
        features_of = functools.partial(self._features, candidate, frozen, network=network)
        train, validation = self._arrays(candidate, features_of)
        tuned = networks.join(halves.trained, candidate.head)
        self._stages.on_arrays(fit, FINE_TUNE, tuned, genome, train, validation, learning_rate=rate)

    def _arrays(
        self, candidate: _Candidate, features_of: Callable[[str, Copy], npt.NDArray[np.floating]]
    ) -> tuple[list[npt.NDArray[np.floating]], list[npt.NDArray[np.floating]]]:
        """Returns the features of all copies to learn from, and of each view of the validation pictures."""
        split = split_to_learn(candidate.fit.effort)
        train = [features_of(part, copy) for copy in augmented_copies(candidate.genome) for part in parts(split)]
        return train, [features_of("validation", view) for view in test_time_views(candidate.genome)]

    def _features(
        self,
        candidate: _Candidate,
        genome: Genome,
        split: str,
        copy: Copy | None = None,
        *,
        network: Callable[[], Forward],
        **options: Any,
    ) -> npt.NDArray[np.floating]:
        """Returns the features that a frozen network makes of a split; see `FeatureCache.features`."""
        fit = candidate.fit
        return self._cache.features(
            split,
            genome,
            network=network,
            weights=candidate.weights,
            watch=lambda done: fit.check("features", done, "one pass of the backbone over the pictures takes"),
            wait=lambda: fit.check("features", 0.0, "to wait for another worker's pass over the pictures takes"),
            **(options if copy is None else {"copy": copy, **options}),
        )
