"""The trainer of image classification in a worker: trains genomes, and reports facts that it learned on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kevo.system.array_store import ArrayStore
from kevo.tasks.folded_trainer import FoldedTrainer
from kevo.tasks.folds import rows_of
from kevo.tasks.images import space, usable_weights
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache, Inputs
from kevo.tasks.images.fold_features import FoldFeatures
from kevo.tasks.images.initial_population import is_small_enough
from kevo.tasks.images.trainer import Trained, Trainer
from kevo.tasks.images.usable_weights import Usable
from kevo.tasks.protocols.task import SearchSettings
from kevo.training.effort import Earlier, Effort, Keep, Progress
from tuners.genome import Genome


class ImageTrainer:
    """Trains the candidates of one search.

    Args:
        dataset: The pictures.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
        cache: Features that are shared with somebody else in this process. `None` for a cache of its own.
        strategy: As for `Trainer`.
        leader: As for `Trainer`.
        fellow: The trainer of another fold; see `Trainer`.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        settings: SearchSettings,
        usable: Usable,
        *,
        store: ArrayStore | None = None,
        cache: Inputs | None = None,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
        fellow: ImageTrainer | None = None,
    ) -> None:
        self._settings = settings
        self._num_classes = dataset.num_classes
        self._trainer: Trainer = Trainer(
            dataset,
            objective=settings.objective if settings.objective in dataset.output.objectives else None,
            weights=usable_weights.by_width(usable),
            seed=settings.seed,
            store=store,
            cache=cache,
            is_wanted=self._is_compared,
            strategy=strategy,
            leader=leader,
            fellow=None if fellow is None else fellow._trainer,
        )
        self._known: dict[str, float] = {}

    def learn(self, learned: Mapping[str, Any]) -> None:
        """Takes in the errors of linear heads so far."""
        self._known = dict(learned["errors"])
        self._trainer.probes.errors |= self._known

    def news(self) -> dict[str, Any]:
        """Returns the errors of new linear heads, and the speeds of passes."""
        errors = self._trainer.probes.errors
        speeds = self._trainer.cache.seconds_per_picture
        return {
            "errors": {key: error for key, error in errors.items() if key not in self._known},
            "speeds": [[*key, seconds] for key, seconds in speeds.items()],
        }

    def train(
        self,
        genome: Genome,
        effort: Effort,
        *,
        earlier: Earlier | None = None,
        progress: Progress | None = None,
        keep: Keep | None = None,
    ) -> Trained:
        """Trains a genome; see `Trainer.train`."""
        return self._trainer.train(genome, effort, earlier=earlier, progress=progress, keep=keep)

    def _is_compared(self, genome: Genome) -> bool:
        """Tells whether a genome's frozen features are to be compared with others."""
        # Where something is to be kept small, worse features may be worth their price.
        is_in_space = genome["pretrained/summary"] in space.of(self._settings).pretrained_summaries
        is_compared = is_in_space and not self._settings.minimize
        return is_compared and is_small_enough(genome, self._settings, num_classes=self._num_classes)


def for_dataset(
    dataset: ImageDataset,
    settings: SearchSettings,
    usable: Usable,
    *,
    cache: FeatureCache,
    strategy: tf.distribute.Strategy | None = None,
    leader: Any = None,
) -> ImageTrainer | FoldedTrainer:
    """Returns the trainer of a data set, or of its folds; arguments as for `ImageTrainer`."""
    if dataset.folds is None:
        return ImageTrainer(dataset, settings, usable, cache=cache, strategy=strategy, leader=leader)
    trainers: list[ImageTrainer] = []
    nothing, everything = np.arange(0), np.arange(len(dataset.train))
    for train, validation in (*rows_of(dataset.folds), (everything, nothing)):
        trainers.append(
            ImageTrainer(
                dataset.part(train, validation),
                settings,
                usable,
                cache=FoldFeatures(cache, len(dataset.train), train=train, validation=validation),
                strategy=strategy,
                fellow=trainers[0] if trainers else None,
            )
        )
    return FoldedTrainer(
        trainers[:-1],
        trainers[-1],
        dataset.folds,
        objective=settings.objectives[0],
        answers=dataset.output.answers(dataset.train.labels, validation_targets=dataset.validation.labels),
        fills_its_time=lambda genome: genome["family"] == "conv",
    )


def from_arguments(
    dataset: ImageDataset,
    settings: SearchSettings,
    arguments: Mapping[str, Any],
    *,
    strategy: tf.distribute.Strategy | None = None,
    leader: Any = None,
) -> ImageTrainer | FoldedTrainer:
    """Returns the trainer of a worker process, from `ImageTask.worker_arguments`."""
    cache = FeatureCache(dataset, store=ArrayStore(Path(arguments["cache"])), seed=settings.seed)
    usable = usable_weights.from_json(arguments["weights"])
    return for_dataset(dataset, settings, usable, cache=cache, strategy=strategy, leader=leader)
