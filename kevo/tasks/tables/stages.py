"""The stage of a training for tables: prepared rows, and their answers."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.protocols.training import StageData
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.preparing import prepare, preprocessing
from kevo.training.answers import Answers
from kevo.training.effort import Effort
from kevo.training.stage import StageSpec
from tuners.genome import Genome

TRAIN = "train"
"""The only stage of a training."""
_TRAIN_AND_VALIDATION = "train+validation"


def split_to_learn(effort: Effort) -> str:
    """Returns the split that is learned from: a refit learns from the validation rows too."""
    return "train" if effort.refit is None else _TRAIN_AND_VALIDATION


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

    def answers(self, genome: Genome, split: str) -> Answers:
        """Returns the answers of a split for a genome."""
        dataset = self._dataset
        return dataset.output.answers(
            np.concatenate([getattr(dataset, part).labels for part in split.split("+")]),
            validation_targets=dataset.validation.labels,
            class_weights=dataset.class_weights() if genome["balance_classes"] else None,
            label_smoothing=float(genome["label_smoothing"]),
        )


def stage_data(dataset: TableDataset) -> StageData:
    """Returns the stage data of a process that trains along with others; see `TaskKind.stage_data`."""
    rows = PreparedRows(dataset)

    def find(spec: StageSpec) -> tuple[list[npt.NDArray[np.float32]], Answers]:
        return rows.features(spec.genome, spec.split), rows.answers(spec.genome, spec.split)

    return find
