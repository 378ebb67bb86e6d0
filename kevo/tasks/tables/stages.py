"""The rows of a table as networks see them."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.prepared import stages
from kevo.tasks.tables import networks
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.encoding import Encoding, plan
from kevo.tasks.tables.preparing import prepare, preprocessing
from kevo.training.answers import Answers
from tuners.genome import Genome

_MOST_KEPT = 4
"""Rows are kept prepared for so many encodings."""


class PreparedRows:
    """The rows of a data set as networks see them, prepared once for all genomes that share them.

    Args:
        dataset: The rows.
    """

    def __init__(self, dataset: TableDataset) -> None:
        self._dataset = dataset
        self._layers: dict[Encoding, keras.Model] = {}
        self._features: dict[Encoding, dict[str, npt.NDArray[np.float32]]] = {}

    def layers(self, how: Encoding) -> keras.Model:
        """Returns the preprocessing of an encoding; see `preparing.preprocessing`."""
        if how not in self._layers:
            self._layers[how] = preprocessing(self._dataset, how)
        return self._layers[how]

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[np.float32]]:
        """Returns prepared rows for a genome.

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.

        Returns:
            One array for each part of the split, of shape (n, features.size).
        """
        how = Encoding.of(genome)
        # The encodings that were used last are kept: all of them may be more than the memory.
        found = self._features[how] = self._features.pop(how, {})
        while len(self._features) > _MOST_KEPT:
            del self._features[next(iter(self._features))]
        for part in split.split("+"):
            if part not in found:
                found[part] = self.prepared(how, getattr(self._dataset, part))
        return [found[part] for part in split.split("+")]

    def prepared(self, how: Encoding, split: Split) -> npt.NDArray[np.float32]:
        """Returns the prepared rows of any split, shape (n, features.size), without keeping them."""
        return prepare(self.layers(how), self._dataset.columns, self._dataset.inputs(split))

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome with random weights."""
        features = plan(self._dataset, Encoding.of(genome)).features
        return networks.network(genome, features=features, output=self._dataset.output)

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """Returns a network as it is saved: raw columns in, outputs out."""
        return networks.deployable(network, self.layers(Encoding.of(genome)), self._dataset.columns)

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the answers of a split for a genome."""
        return stages.answers(self._dataset, genome, split)
