"""How long a candidate is going to take, before it is begun.

Work is counted in floating-point operations and in passes through a backbone that are still to be made; how fast this
machine is, it learns from every pass and every candidate that ended.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from kevo.tasks.images import backbones, costs
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import PASS_SHARE, Inputs, frozen_part
from kevo.tasks.images.genes import speed_key
from kevo.tasks.images.networks import POOLINGS
from kevo.tasks.images.passes import sample_size
from kevo.tasks.images.picture_copies import augmented_copies, test_time_views
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.protocols.task import Work
from tuners.genome import Genome

_SECONDS_PER_FLOP = 2e-11
"""How fast a machine is taken to be until it has shown it: two ordinary cores."""
_CONV_ERROR = 0.4
"""What part of that conv stacks are taken to need: their convolutions are dense. Two quiet cores took a quarter."""
_TRAINING_COST = 3
"""A step of training computes gradients too: those of the inputs and those of the weights."""
_BUILDING_SECONDS = 1.0
"""What it takes to build and trace a network."""
_LOADING_SECONDS = 1.5
"""What it takes to write a network and to load it again."""
_STEP_SECONDS = 1e-3
"""What a step takes beside its arithmetic."""
_MEMORY = 9
"""How many candidates of a kind tell how far forecasts are off."""


class Forecast:
    """Tells how long candidates of one search take.

    Args:
        dataset: The pictures.
        cache: Which features are there already.
        weights: Returns the weights of a genome's backbone.
        num_trainings: How many times as long as one training a candidate takes; see `folded_trainer.num_trainings`.
        num_epochs: How long a head trains at most.
        num_first_epochs: How long other stages train at most, before a pause if there is one.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        cache: Inputs,
        *,
        weights: Callable[[Genome], Weights],
        num_trainings: float = 1.0,
        num_epochs: int,
        num_first_epochs: int,
    ) -> None:
        self._num_train, self._num_validation = len(dataset.train), len(dataset.validation)
        self._num_test = len(dataset.test)
        self._num_classes = dataset.num_classes
        self._cache = cache
        self._weights = weights
        self._num_trainings = num_trainings
        self._num_epochs = num_epochs
        self._num_first_epochs = num_first_epochs
        self._errors: dict[str, deque[float]] = {}
        self.speeds: dict[tuple[Any, ...], float] = {}
        """How long a picture's way through each backbone took, in seconds; see `speed_key`."""

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a genome's training, from its first epoch to its last.

        Args:
            genome: The genome.
            tune_epochs: How long it is fine-tuned; `None` for as long as other stages last.
        """
        shared, own = self._work(genome, tune_epochs or self._num_first_epochs)
        own, error = self._num_trainings * own, self._error(genome)
        per_epoch = None
        if genome["family"] == "conv":
            per_epoch = error * self._num_trainings * self._training_seconds(genome, self.pass_seconds(genome), 1)
        return Work(shared, error * own, error, per_epoch)

    def learn_speeds(self, speeds: Iterable[tuple[str, float | None, int, float]]) -> None:
        """Takes down how long a picture's way through backbones took: name, width, size, seconds."""
        for name, alpha, size, seconds in speeds:
            if name in backbones.BACKBONES and seconds > 0:
                self.speeds[name, alpha, size] = seconds

    def sampled_work(self, genome: Genome, num_examples: int | None = None) -> Work:
        """Forecast of a genome's training on a sample of the pictures: those that pass its frozen backbone first.

        A genome that needs all pictures is trained on them, and so is every one over folds.

        Args:
            genome: The genome.
            num_examples: As for `Task.sampled_work`.
        """
        work = self.work(genome)
        needs_all = genome["family"] != "pretrained" or self._num_trainings > 1
        # On a few pictures a network would be judged by its head alone.
        if needs_all or (num_examples is not None and genome["pretrained/tuning"] == "fine_tune"):
            return work
        weights = self._weights(genome)
        kept = [self._cache.num_kept("train", genome, weights, copy) for copy in augmented_copies(genome)]
        num_rows = sample_size(self._num_train, num_examples, num_ready=min(kept))
        shared = self._missing_seconds(genome, num_rows)
        own = work.error * (_BUILDING_SECONDS + self._head_seconds(genome, num_rows))
        return Work(shared, max(own, (1 / PASS_SHARE - 1) * shared), work.error)

    def scoring_seconds(self, genome: Genome) -> float:
        """Returns how long it takes to load and to score a finished network of a genome.

        The validation pictures pass what is not frozen only: their features are there.
        """
        seconds = self._num_test * self.pass_seconds(genome)
        seconds += self._num_validation * self._seconds_above(genome, self._num_train + self._num_validation)
        return _LOADING_SECONDS + len(test_time_views(genome)) * seconds

    def learn(self, genome: Genome, work: Work, seconds: float) -> None:
        """Takes down how long a candidate took.

        Args:
            genome: The genome.
            work: What `work` returned before it was trained.
            seconds: How long it took, with all its passes.
        """
        raw = work.own / work.error
        error = max(seconds - work.shared, 0.1 * seconds) / raw
        self._errors.setdefault(_kind(genome), deque(maxlen=_MEMORY)).append(error)

    def _error(self, genome: Genome) -> float:
        """Returns the factor by which candidates of the kind took longer than forecast."""
        known = self._errors.get(_kind(genome), ())
        if genome["family"] == "conv":
            return float(statistics.median(known or (_CONV_ERROR,)))
        # One that was unlucky does not lock all of its kind out.
        return float(statistics.median((1.0, *known)))

    def _work(self, genome: Genome, tune_epochs: int) -> tuple[float, float]:
        if genome["family"] == "conv":
            seconds = self._training_seconds(genome, self.pass_seconds(genome), self._num_first_epochs)
            return 0.0, _BUILDING_SECONDS + seconds
        own = _BUILDING_SECONDS + self._head_seconds(genome, self._num_train)
        shared = self._missing_seconds(genome, self._num_train)
        if genome["pretrained/tuning"] == "fine_tune":
            # Where there is none, every picture goes all the way in every epoch, changed on its way.
            if (frozen := frozen_part(genome, num_pictures=self._num_train)) is not None:
                shared += self._missing_seconds(frozen, self._num_train)
            above = self._seconds_above(genome, self._num_train)
            own += _BUILDING_SECONDS + self._training_seconds(genome, above, tune_epochs)
        return shared, own

    def _head_seconds(self, genome: Genome, num_rows: int) -> float:
        num_flops = 2 * costs.num_head_parameters(genome, num_classes=self._num_classes)
        seconds = num_rows * _TRAINING_COST * num_flops * _SECONDS_PER_FLOP
        return self._num_epochs * (seconds + num_rows / int(genome["batch_size"]) * _STEP_SECONDS)

    def _missing_seconds(self, genome: Genome, num_rows: int) -> float:
        """Returns the seconds of the passes that are still to be made.

        Args:
            genome: The genome.
            num_rows: How many training pictures are to pass.
        """
        weights = self._weights(genome)
        is_whole = genome["pretrained/summary"] in POOLINGS
        num_pictures = sum(
            max(0, num - self._cache.num_kept(split, genome, weights, copy))
            for split, num, wanted in (
                ("train", num_rows, augmented_copies(genome)),
                ("validation", self._num_validation, test_time_views(genome)),
            )
            for copy in wanted
        )
        return num_pictures * (self._whole_seconds(genome) if is_whole else self.pass_seconds(genome))

    def _training_seconds(self, genome: Genome, seconds_per_picture: float, num_epochs: int) -> float:
        num_pictures = _TRAINING_COST * self._num_train + len(test_time_views(genome)) * self._num_validation
        return num_epochs * num_pictures * seconds_per_picture

    def pass_seconds(self, genome: Genome) -> float:
        """Returns how long one picture's way through a network takes, up to its cut point."""
        if genome["family"] == "conv":
            return costs.pass_cost(genome) * _SECONDS_PER_FLOP
        share = costs.pass_cost(genome) / _whole_cost(*speed_key(genome))
        return float(share * self._whole_seconds(genome))

    def _seconds_above(self, genome: Genome, num_pictures: int) -> float:
        """Returns how long one picture takes through what is not frozen, where it is trained on so many pictures."""
        whole = self.pass_seconds(genome)
        if genome["family"] == "conv":
            return whole
        if genome["pretrained/tuning"] == "frozen":
            return 0.0
        frozen = frozen_part(genome, num_pictures=num_pictures)
        return whole if frozen is None else whole - self.pass_seconds(frozen)

    def _whole_seconds(self, genome: Genome) -> float:
        """Returns how long one picture's way through the whole of a backbone takes."""
        known = self.speeds
        if (key := speed_key(genome)) in known:
            return known[key]
        if not known:
            return _whole_cost(*key) * _SECONDS_PER_FLOP
        # A backbone is as fast as itself at another size, and else as the others.
        same = {size: seconds for (*who, size), seconds in known.items() if tuple(who) == key[:-1]}
        if same:
            near = min(same, key=lambda size: abs(size - key[-1]))
            return float(same[near] * (key[-1] / near) ** 2)
        rate = statistics.median(seconds / _whole_cost(*other) for other, seconds in known.items())
        return _whole_cost(*key) * rate


def _kind(genome: Genome) -> str:
    if genome.get("conv/num_blocks") == 0:
        return "linear"
    return str(genome.get("pretrained/tuning", genome["family"]))


def _whole_cost(name: str, alpha: float | None, size: int) -> float:
    """Returns the cost of a picture's way through a whole backbone."""
    genome: dict[str, str | int | float] = {"family": "pretrained", "backbone": name, "pretrained/image_size": size}
    if alpha is not None:
        genome[f"{name}/alpha"] = alpha
    return costs.pass_cost(genome, cut=backbones.get(name).cut_points[-1])
