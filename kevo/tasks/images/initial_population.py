"""The genes of a search, and the genomes that it begins with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import keras_tuner
import numpy as np

from kevo.errors import SettingsError
from kevo.tasks.images import costs, recipes, space
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.genes import declare as declare_genes
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.protocols.task import SearchSettings
from tuners.genome import Genome, SearchSpace

_NUM_SAMPLES = 1000
"""Random genomes that are looked at for one that is small enough, before the space's smallest is sought."""


class Genes(NamedTuple):
    """The genes of a search, and the genomes that it begins with."""

    hyperparameters: keras_tuner.HyperParameters
    seeds: list[Genome]

    def led_by(self, leading: Sequence[Genome], settings: SearchSettings, dataset: ImageDataset) -> Genes:
        """Returns the same, but begun with other backbones than the default, the most promising first."""
        first = recipes.seeds(space.of(settings), image_size=dataset.image_size)
        others = recipes.seeds(space.of(settings), image_size=dataset.image_size, leading=leading)
        return self._replace(seeds=[*others, *self.seeds[len(first) :]])


def declare(settings: SearchSettings, dataset: ImageDataset, usable: Mapping[str, tuple[Weights, ...]]) -> Genes:
    """Declares the genes of a search.

    Args:
        settings: How the search is to run.
        dataset: The pictures.
        usable: The weights of each backbone that can be had.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """
    searched = space.of(settings)
    if isinstance(dataset.output, Numbers):
        # There are no classes to spread a target over.
        searched = dataclasses.replace(searched, label_smoothing=(0.0,))
    hyperparameters = declare_genes(
        searched,
        image_size=dataset.image_size,
        shape=None if len({*dataset.shape}) == 1 else dataset.shape,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )
    has_backbone = any(usable.get(name) for name in space.of(settings).backbones)
    seeds = recipes.seeds(space.of(settings), image_size=dataset.image_size, leading=[{}] if has_backbone else [])
    if len({*dataset.shape}) == 2:
        seeds = [*recipes.of_boards(space.of(settings)), *seeds]
    if settings.max_params is not None:
        small, smallest = _small(hyperparameters, enough=settings.max_params, num_classes=dataset.num_classes)
        if smallest > settings.max_params:
            raise SettingsError(
                f"No network of this space has {settings.max_params:,} parameters or fewer: the smallest that was "
                f"found has {smallest:,}. Raise --max-params to that at least, or search a wider space."
            )
        # Where only few are small enough, chance alone might miss them.
        seeds.append(small)
    return Genes(hyperparameters, seeds)


def is_small_enough(genome: Genome, settings: SearchSettings, *, num_classes: int) -> bool:
    """Tells whether a genome's network has no more parameters than it may have."""
    limit = settings.max_params
    return limit is None or costs.num_parameters(genome, num_classes=num_classes) <= limit


def _small(hyperparameters: keras_tuner.HyperParameters, *, enough: int, num_classes: int) -> tuple[Genome, int]:
    """Returns a genome of `enough` parameters at most, or else the smallest that is found, and its parameters."""
    search_space = SearchSpace.from_hyperparameters(hyperparameters)
    rng = np.random.default_rng(0)
    best: Genome = search_space.default()
    smallest = costs.num_parameters(search_space.default(), num_classes=num_classes)

    def improved(genomes: Iterable[Genome]) -> bool:
        nonlocal best, smallest
        before = smallest
        for genome in genomes:
            if smallest <= enough:
                return False
            num = costs.num_parameters(genome, num_classes=num_classes)
            if num < smallest:
                best, smallest = genome, num
        return smallest < before

    improved(search_space.sample(rng) for _ in range(_NUM_SAMPLES))
    # From there downhill, one gene at a time.
    while improved(
        search_space.default({**best, name: value})
        for name, gene in search_space.active_genes(best).items()
        for value in gene.domain() or ()
    ):
        pass
    return best, smallest
