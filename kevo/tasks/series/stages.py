"""The windows of a series as networks see them."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from keras import Model, layers

from kevo.tasks.prepared.stages import TRAIN
from kevo.tasks.series import networks
from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.linear import ridge
from kevo.tasks.series.networks import Scale
from kevo.training.answers import Answers
from tuners.genome import Genome

_AT_ONCE = 4096
_MOST_KEPT = 16
"""Linear parts are kept of so many kinds."""


class PreparedWindows:
    """The windows of a data set as networks see them.

    Args:
        dataset: The windows.
    """

    def __init__(self, dataset: SeriesDataset) -> None:
        self._dataset = dataset
        self._inputs: dict[str, npt.NDArray[np.float32]] = {}
        self._linear: dict[tuple[object, ...], npt.NDArray[np.float32]] = {}

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[np.float32]]:
        """Returns raw windows, which are the same for all genomes.

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.

        Returns:
            One array for each part of the split, of shape (n, window, num_columns).
        """
        for part in split.split("+"):
            if part not in self._inputs:
                self._inputs[part] = getattr(self._dataset, part).inputs
        return [self._inputs[part] for part in split.split("+")]

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the values that follow the windows of a split."""
        return self._dataset.output.answers(
            np.concatenate([self._dataset.labels(part) for part in split.split("+")]),
            validation_targets=self._dataset.labels("validation"),
        )

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome; all but its linear part has random weights."""
        dataset = self._dataset
        network = networks.network(
            genome,
            window=dataset.window,
            scale=self._scale(genome),
            season=dataset.output.season,
            output=dataset.output,
        )
        self.start(network, genome, TRAIN)
        return network

    def start(self, network: keras.Model, genome: Genome, split: str) -> None:
        """Gives the linear part of a network, where it has one, the weights of a ridge regression.

        Args:
            network: The network.
            genome: Its genome.
            split: What is learned from.
        """
        if networks.has_linear_part(genome):
            weights = self._linear_part(genome, split)
            network.get_layer(networks.LINEAR).set_weights([weights[:-1], weights[-1]])

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """Returns the network itself: it takes raw windows."""
        return network

    def _scale(self, genome: Genome) -> Scale:
        train = self._dataset.train
        return Scale.of(train.series[: int(train.firsts[-1]) + train.horizon], str(genome["transform"]))

    def _linear_part(self, genome: Genome, split: str) -> npt.NDArray[np.float32]:
        key = (split, *(genome[name] for name in ("steps", "base", "inputs", "transform", "ridge")))
        if key not in self._linear:
            while len(self._linear) >= _MOST_KEPT:
                del self._linear[next(iter(self._linear))]
            self._linear[key] = self._fit(genome, split)
        return self._linear[key]

    def _fit(self, genome: Genome, split: str) -> npt.NDArray[np.float32]:
        """Fits the linear part to what is left of the base, in the network's scale."""
        dataset, scale = self._dataset, self._scale(genome)
        windows = networks.raw_windows(dataset.window, len(dataset.columns))
        season, horizon = dataset.output.season, dataset.output.horizon
        base, steps = networks.seen(windows, genome, scale=scale, season=season, horizon=horizon)
        model = Model(windows, [layers.Flatten()(steps), *([] if base is None else [base])])
        inputs = np.concatenate(self.features(genome, split))
        chunks = [model(inputs[start : start + _AT_ONCE], training=False) for start in range(0, len(inputs), _AT_ONCE)]
        seen, *bases = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        labels = np.concatenate([dataset.labels(part) for part in split.split("+")])
        left = scale.scaled(labels) - (bases[0] if bases else 0.0)
        return ridge(seen, left, penalty=float(genome["ridge"]))
