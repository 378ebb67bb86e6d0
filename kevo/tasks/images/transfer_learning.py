"""Trains candidates on pretrained backbones: a head on frozen features, and then the last blocks with it.

The head is trained before anything below it moves, since a random head would wreck the pretrained features
(Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution",
arXiv:2202.10054).
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images import backbone_networks, backbones, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import PASS_SHARE, Inputs, frozen_part, parts
from kevo.tasks.images.genes import speed_key
from kevo.tasks.images.inference import forward_pass
from kevo.tasks.images.linear_probes import LinearProbes
from kevo.tasks.images.passes import block_edges, sample, sample_size
from kevo.tasks.images.picture_copies import Copy, augmented_copies, test_time_views
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.stages import FINE_TUNE, HEAD, StageRunner, split_to_learn
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import OutOfTimeError
from kevo.training.loop import Forward
from tuners.genome import Genome

_FeaturesOf = Callable[..., npt.NDArray[np.floating]]
"""Returns the features of a split and a copy of its pictures."""
_TELLING_SHARE, _DOUBT = 0.1, 1.25
"""After so large a part of a pass it is known how long the rest takes, give or take such a factor."""
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


class Backbones:
    """Frozen backbones that stay in memory, ready for the next head."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[Any, ...], keras.Model] = OrderedDict()

    def get(self, genome: Genome, weights: Weights) -> keras.Model:
        """Builds a backbone, or returns the one that an earlier candidate built; it is never trained."""
        key = *speed_key(genome), weights
        backbone = self._models.pop(key, None) or networks.backbone(genome, weights=weights)
        self._models[key] = backbone
        while len(self._models) > _MAX_BACKBONES:
            self._models.popitem(last=False)
        return backbone


class TransferLearning:
    """Trains the candidates of one search that stand on pretrained backbones.

    Args:
        dataset: The pictures.
        cache: The features of frozen backbones.
        probes: Learns how good a linear head is on the features that are computed; `None` where nobody needs to know.
        stages: Runs single stages.
        backbones: What frozen backbones there are in memory.
        seed: Seed of initial weights and dropout.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        cache: Inputs,
        probes: LinearProbes | None,
        stages: StageRunner,
        *,
        backbones: Backbones,
        seed: int,
    ) -> None:
        self._dataset = dataset
        self._cache = cache
        self._probes = probes
        self._stages = stages
        self._seed = seed
        self._backbones = backbones

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
        # What is trained is nobody else's.
        backbone = networks.backbone(genome, weights=weights) if fine_tunes else self._backbones.get(genome, weights)
        extractor = networks.feature_extractor(genome, whole=backbone)
        # A head is the same whether its backbone was built just now or before.
        keras.utils.set_random_seed(self._seed + len(fit.history))
        head = networks.head(genome, num_features=extractor.output.shape[-1], output=self._dataset.output)
        network = networks.join(extractor, head)
        candidate = _Candidate(genome, weights, fit, backbone, extractor, head, network)
        fit.begin(network)
        if not len(fit.history):
            self._train_head(candidate)
        if fine_tunes and (fit.effort.refit is None or fit.effort.refit.get(FINE_TUNE)):
            try:
                fit.check("features", 0.0, "the head takes")
                if fit.is_cut_short:
                    raise OutOfTimeError("the features of all pictures take too long")
                self._fine_tune(candidate)
            except OutOfTimeError:
                if fit.effort.refit is not None:
                    raise
                # The head is there.
                fit.is_cut_short = True
        return network

    def _train_head(self, candidate: _Candidate) -> None:
        genome, fit, backbone = candidate.genome, candidate.fit, candidate.backbone
        is_pooled = genome["pretrained/summary"] in networks.POOLINGS
        # All passes of one candidate go through the same model, which is traced once.
        network = functools.cache(
            lambda: forward_pass(networks.all_features(genome, whole=backbone) if is_pooled else candidate.extractor)
        )
        features_of = functools.partial(
            self._features,
            candidate,
            genome,
            network=network,
            columns=networks.feature_columns(genome, whole=backbone) if is_pooled else slice(None),
        )
        validation = self._validation_arrays(candidate, genome, features_of)
        copies, num_rows = self._passed(candidate, genome, network)
        train = self._train_arrays(candidate, features_of, copies, num_rows)
        if self._probes is not None and is_pooled and fit.effort.refit is None and num_rows is None:
            self._probes.learn(
                genome,
                features_of("train", columns=slice(None)),
                whole=backbone,
                watch=lambda: fit.check("probe", 0.0, "the features and a look at them take"),
            )
        rows = self._rows(fit, num_rows)
        self._stages.on_arrays(fit, HEAD, candidate.head, genome, train, validation, rows=rows)

    def _fine_tune(self, candidate: _Candidate) -> None:
        genome, fit, extractor = candidate.genome, candidate.fit, candidate.extractor
        name = str(genome["backbone"])
        row, cut, num_blocks = backbones.get(name), str(genome[f"{name}/cut"]), int(genome["fine_tune/num_blocks"])
        frozen = frozen_part(genome, num_pictures=len(self._dataset.train))
        halves = None
        if frozen is not None:
            halves = backbone_networks.split(extractor, row, whole=candidate.backbone, cut=cut, num_blocks=num_blocks)
        backbone_networks.unfreeze(extractor, row, cut=cut, num_blocks=num_blocks)
        rate = float(genome["fine_tune/learning_rate"])
        if frozen is None or halves is None:
            self._stages.on_pictures(fit, FINE_TUNE, candidate.network, genome, learning_rate=rate)
            return
        # The part that stays frozen sees every picture once, as it does for a head.
        network = functools.cache(lambda: forward_pass(halves.frozen))
        features_of = functools.partial(self._features, candidate, frozen, network=network)
        validation = self._validation_arrays(candidate, frozen, features_of)
        copies, num_rows = self._passed(candidate, frozen, network)
        train = self._train_arrays(candidate, features_of, copies, num_rows)
        rows = self._rows(fit, num_rows)
        tuned = networks.join(halves.trained, candidate.head)
        self._stages.on_arrays(fit, FINE_TUNE, tuned, genome, train, validation, learning_rate=rate, rows=rows)

    def _train_arrays(
        self, candidate: _Candidate, features_of: _FeaturesOf, copies: Sequence[Copy], num_rows: int | None
    ) -> list[npt.NDArray[np.floating]]:
        """Returns the features to learn from: of `copies`, and of `num_rows` training pictures; `None` for all."""
        split, wanted = split_to_learn(candidate.fit.effort), {"train": num_rows}
        return [features_of(part, copy, num_rows=wanted.get(part)) for copy in copies for part in parts(split)]

    def _rows(self, fit: CandidateFit, num_rows: int | None) -> npt.NDArray[np.int64] | None:
        """Returns the positions that a candidate learns from in its split; `None` for all.

        Args:
            fit: Its training.
            num_rows: How many training pictures are in its sample; `None` for all.
        """
        if num_rows is None:
            return None
        num_pictures = len(self._dataset.train)
        num_more = 0 if fit.effort.refit is None else len(self._dataset.validation)
        return np.concatenate([sample(num_pictures, num_rows), num_pictures + np.arange(num_more)])

    def _validation_arrays(
        self, candidate: _Candidate, genome: Genome, features_of: _FeaturesOf
    ) -> list[npt.NDArray[np.floating]]:
        """Returns the features of each view of the validation pictures."""
        views, num_pictures = test_time_views(genome), len(self._dataset.validation)
        missing = [num_pictures - self._cache.num_kept("validation", genome, candidate.weights, view) for view in views]
        # Without the first pictures to learn from they are of no use.
        first_block = block_edges(len(self._dataset.train))[1]
        return [
            features_of("validation", view, num_after=sum(missing[number + 1 :]) + first_block)
            for number, view in enumerate(views)
        ]

    def _passed(
        self, candidate: _Candidate, genome: Genome, network: Callable[[], Forward]
    ) -> tuple[list[Copy], int | None]:
        """Makes the passes of the pictures to learn from, one copy after the other, for as long as there is time.

        Args:
            candidate: The candidate.
            genome: What the pictures pass through.
            network: Builds its forward pass.

        Returns:
            The copies that have passed, the pictures themselves first, and how many training pictures are in the sample
            of each; `None` for all. Where there was no time even for the pictures themselves, the sample is of those
            that have passed.

        Raises:
            OutOfTimeError: not even the first block has passed, or a refit needs more than has.
        """
        fit, copies, passed, seconds = candidate.fit, augmented_copies(genome), list[Copy](), 0.0
        is_refit, num_wanted = fit.effort.refit is not None, self._num_wanted(candidate, genome)
        for copy in copies:
            # What will not end is not begun.
            if passed and fit.clock.is_up_in(seconds, share=PASS_SHARE):
                break
            began = fit.clock.seconds
            share = 1.0 if is_refit and not passed else PASS_SHARE
            try:
                for part in parts(split_to_learn(fit.effort)):
                    num_rows = len(getattr(self._dataset, part))
                    if part == "train" and num_wanted is not None:
                        num_rows = num_wanted
                    options = self._pass_options(candidate, network, copy, share=share)
                    self._cache.extend(part, genome, num_rows=num_rows, **options)
            except OutOfTimeError:
                num_kept = 0 if is_refit else self._cache.num_kept("train", genome, candidate.weights, copy)
                if not passed and not num_kept:
                    raise
                fit.is_cut_short = True
                return (passed, num_wanted) if passed else ([copy], num_kept)
            seconds = fit.clock.seconds - began
            passed.append(copy)
        fit.is_cut_short |= num_wanted is not None or len(passed) < len(copies)
        return passed, num_wanted

    def _num_wanted(self, candidate: _Candidate, genome: Genome) -> int | None:
        """Returns how many training pictures are in the sample that a candidate is to learn from; `None` for all.

        Pictures that have passed already are in it: the sample only grows.
        """
        num_examples, num_pictures = candidate.fit.effort.num_examples, len(self._dataset.train)
        if num_examples is None:
            return None
        kept = [self._cache.num_kept("train", genome, candidate.weights, copy) for copy in augmented_copies(genome)]
        num_rows = sample_size(num_pictures, num_examples, num_ready=min(kept))
        return None if num_rows == num_pictures else num_rows

    def _features(
        self,
        candidate: _Candidate,
        genome: Genome,
        split: str,
        copy: Copy | None = None,
        *,
        network: Callable[[], Forward],
        num_after: int | None = None,
        **options: Any,
    ) -> npt.NDArray[np.floating]:
        """Returns the features that a frozen network makes of a split; see `FeatureCache.features`."""
        options |= self._pass_options(candidate, network, copy, num_after=num_after)
        return self._cache.features(split, genome, **options)

    def _pass_options(
        self,
        candidate: _Candidate,
        network: Callable[[], Forward],
        copy: Copy | None,
        *,
        share: float = 1.0,
        num_after: int | None = None,
    ) -> dict[str, Any]:
        """Returns how a pass is made, and how it reports.

        Args:
            candidate: The candidate.
            network: Builds the forward pass of the frozen network.
            copy: The copy of the pictures; `None` for the pictures themselves.
            share: The share of the candidate's time after which the pass ends.
            num_after: So many pictures must pass after those of this pass, which are the validation pictures: it is
                given up as soon as all these clearly take too long. `None` where each part of it is of use.
        """
        fit, words = candidate.fit, "one pass of the backbone over the pictures takes"
        began: list[tuple[float, float]] = []
        limit, num_pictures = fit.effort.seconds, len(self._dataset.validation)

        def watch(done: float) -> None:
            fit.check("features", done, words, share=share)
            began.append((fit.clock.seconds, done))
            (first_seconds, first), (seconds, _) = began[0], began[-1]
            if num_after is not None and limit is not None and done - first >= _TELLING_SHARE:
                seconds_per_picture = (seconds - first_seconds) / ((done - first) * num_pictures)
                left = ((1 - done) * num_pictures + num_after) * seconds_per_picture
                if seconds + left / _DOUBT > PASS_SHARE * limit:
                    raise fit.clock.too_slow(words)

        options: dict[str, Any] = {
            "network": network,
            "weights": candidate.weights,
            "watch": watch,
            "wait": lambda: fit.check(
                "features", 0.0, "to wait for another worker's pass over the pictures takes", share=share
            ),
        }
        return options if copy is None else {"copy": copy, **options}
