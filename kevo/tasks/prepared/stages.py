"""The one stage of a training on prepared examples, and what it learns from."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.training import StageData
from kevo.training.answers import Answers
from kevo.training.effort import Effort
from kevo.training.stage import StageSpec
from tuners.genome import Genome

TRAIN = "train"
"""The only stage of a training."""
_TRAIN_AND_VALIDATION = "train+validation"


class Examples(Protocol):
    """The examples of a data set as networks see them, prepared once for all genomes that share them."""

    def features(self, genome: Genome, split: str) -> list[npt.NDArray[Any]]:
        """Prepared examples for a genome: one array for each part of the split, of shape (n, ...).

        Args:
            genome: The genome.
            split: `train`, `validation`, or what `split_to_learn` returned.
        """

    def answers(self, genome: Genome, split: str) -> Answers:
        """The answers of a split for a genome."""

    def network(self, genome: Genome) -> keras.Model:
        """The network of a genome with random weights: prepared examples in, outputs out."""

    def deployable(self, genome: Genome, network: keras.Model) -> keras.Model:
        """A network as it is saved: raw examples in, outputs out. Both share their weights."""


class Answered(Protocol):
    """A data set with the answers of its splits."""

    @property
    def output(self) -> Output: ...
    def labels(self, split: str) -> npt.NDArray[Any]: ...
    def class_weights(self) -> dict[int, float] | None: ...


def split_to_learn(effort: Effort) -> str:
    """Returns the split that is learned from: a refit learns from the validation examples too."""
    return "train" if effort.refit is None else _TRAIN_AND_VALIDATION


def answers(dataset: Answered, genome: Genome, split: str) -> Answers:
    """Returns the answers of a split for a genome, of which `balance_classes` and `label_smoothing` count."""
    return dataset.output.answers(
        np.concatenate([dataset.labels(part) for part in split.split("+")]),
        validation_targets=dataset.labels("validation"),
        class_weights=dataset.class_weights() if genome["balance_classes"] else None,
        label_smoothing=float(genome["label_smoothing"]),
    )


def stage_data(examples: Examples) -> StageData:
    """Returns the stage data of a process that trains along with others; see `TaskKind.stage_data`."""

    def find(spec: StageSpec) -> tuple[list[npt.NDArray[Any]], Answers]:
        return examples.features(spec.genome, spec.split), examples.answers(spec.genome, spec.split)

    return find
