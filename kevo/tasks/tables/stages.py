"""The rows of a table as networks see them."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.prepared import stages
from kevo.tasks.tables import networks
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.preparing import prepare, preprocessing
from kevo.training.answers import Answers
from tuners.genome import Genome


class PreparedRows:
    """The rows of a data set as networks see them, prepared once for all genomes that share them.

    Args:
        dataset: The rows.
    """

    def __init__(self, dataset: TableDataset) -> None:
        self._dataset = dataset
        self._layers: dict[str, keras.Model] = {}
        self._features: dict[tuple[str, str], npt.NDArray[np.float32]] = {}

    def layers(self, genome: Genome) -> keras.Model:
        """Returns the preprocessing of a genome; see `preparing.preprocessing`."""
        numbers = str(genome["numbers"])
        if numbers not in self._layers:
            self._layers[numbers] = preprocessing(self._dataset, numbers)
        return self._layers[numbers]

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[np.float32]]:
        """Returns prepared rows for a genome.

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.

        Returns:
            One array for each part of the split, of shape (n, num_features).
        """
        dataset, numbers, found = self._dataset, str(genome["numbers"]), []
        for part in split.split("+"):
            if (numbers, part) not in self._features:
                self._features[numbers, part] = self.prepared(genome, getattr(dataset, part))
            found.append(self._features[numbers, part])
        return found

    def prepared(self, genome: Genome, split: Split) -> npt.NDArray[np.float32]:
        """Returns the prepared rows of any split for a genome, shape (n, num_features), without keeping them."""
        return prepare(self.layers(genome), self._dataset.columns, self._dataset.inputs(split))

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome with random weights."""
        num_features = self.features(genome, "validation")[0].shape[1]
        return networks.network(genome, num_features=num_features, output=self._dataset.output)

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """Returns a network as it is saved: raw columns in, outputs out."""
        return networks.deployable(network, self.layers(genome), self._dataset.columns)

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the answers of a split for a genome."""
        return stages.answers(self._dataset, genome, split)
