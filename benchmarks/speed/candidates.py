"""Candidates as all tools see them: the space, random candidates of it, and what is measured of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras_tuner
import numpy as np

from benchmarks.speed.measurements import Measurement, SearchSpec, Step, Trial
from benchmarks.support.processes import machine, memory
from kevo.tasks.images import genes, pretrained_weights
from kevo.tasks.images.datasets import ImageDataset
from tuners.genome import Genome, SearchSpace


def declared(
    spec: SearchSpec, dataset: ImageDataset
) -> tuple[keras_tuner.HyperParameters, dict[Any, pretrained_weights.Weights]]:
    """Returns the search space, and the weights by backbone and width multiplier."""
    usable = pretrained_weights.resolve(spec.weights).available
    hyperparameters = genes.declare(
        # Keras's `fit` validates the network that it trains, which sees no mirrored pictures.
        dataclasses.replace(spec.space, mirror=(False,)),
        image_size=dataset.image_size,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )
    return hyperparameters, {(name, one.alpha): one for name, variants in usable.items() for one in variants}


def given_genomes(spec: SearchSpec, hyperparameters: keras_tuner.HyperParameters) -> list[dict[str, Any]]:
    """Returns `spec.num_trials` random candidates, the same for every tool."""
    rng = np.random.default_rng(spec.seed)
    space = SearchSpace.from_hyperparameters(hyperparameters)
    return [dict(space.sample(rng)) for _ in range(spec.num_trials or 0)]


def trial(genome: Genome, *, ended: float, seconds: float, accuracy: float | None, is_closing: bool = False) -> Trial:
    """Returns what is measured of a candidate that has just ended; arguments are those of `Trial`."""
    kind, part = "conv", ""
    if genome["family"] == "pretrained":
        name = str(genome["backbone"])
        kind = str(genome["pretrained/tuning"])
        values = (name, genome.get(f"{name}/alpha"), genome[f"{name}/cut"], genes.image_size(genome))
        part = " ".join(map(str, values))
    return Trial(kind, part, ended, seconds, accuracy, memory(), is_closing)


def measurement(
    tool: str,
    spec: SearchSpec,
    *,
    trials: Sequence[Trial],
    steps: Sequence[Step],
    seconds: float,
    peak: float,
    own_peak: float | None = None,
    test: float | None = None,
    ensemble: float | None = None,
) -> Measurement:
    """Returns the measurement of a search; `test` is that of the last step by default."""
    if test is None and steps:
        test = steps[-1].test
    rest = (tuple(trials), tuple(steps), seconds, test, ensemble, peak, machine(), own_peak)
    return Measurement(tool, spec.seed, spec.setting, spec.seconds, *rest)
