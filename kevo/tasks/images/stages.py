"""The stages of a classifier's training: their lengths, their inputs and answers, and their runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images import networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import TRAIN_AND_VALIDATION, FeatureCache, Inputs, parts
from kevo.tasks.images.genes import image_size
from kevo.tasks.images.inference import num_at_once
from kevo.tasks.images.passes import sample
from kevo.tasks.images.picture_copies import test_time_views
from kevo.tasks.protocols.training import StageData
from kevo.training.answers import Answers
from kevo.training.candidate_fit import CandidateFit
from kevo.training.effort import Effort
from kevo.training.loop import EpochLoop
from kevo.training.stage import LoopMaker, StagePlan, StageSpec
from tuners.genome import Genome

TRAIN = "train"
"""The stage in which a conv stack is trained from scratch."""
HEAD = "head"
"""The stage in which the head is trained on frozen features."""
FINE_TUNE = "fine-tune"
"""The stage in which the last blocks of a backbone are trained with the head."""
_VECTORS_AT_ONCE = 256
"""So many pictures' features pass a head at once."""


def plans(effort: Effort, genome: Genome) -> tuple[StagePlan, ...]:
    """Returns how long each stage goes on.

    Args:
        effort: How much the candidate may cost.
        genome: The candidate.
    """
    tuning = effort.tune_epochs
    # While the rate is high nothing is gained for a long time: what one cycle is worth shows at its end.
    patience = None if genome["schedule"] == "one_cycle" else effort.patience
    return (
        StagePlan(
            name=TRAIN,
            num_epochs=effort.num_epochs,
            pause_after=effort.pause_after,
            patience=patience,
            fits_its_time=True,
        ),
        # A head costs next to nothing beside the features that are there already: it neither pauses nor is it kept.
        StagePlan(name=HEAD, num_epochs=effort.num_epochs, pause_after=None, patience=effort.patience, is_kept=False),
        StagePlan(
            name=FINE_TUNE,
            num_epochs=tuning or effort.num_epochs,
            pause_after=effort.pause_after,
            patience=effort.patience if tuning is None else None,
            fits_its_time=True,
            averages=tuning is not None,
        ),
    )


def split_to_learn(effort: Effort) -> str:
    """Returns the name of the split that is learned from; see `features.parts`."""
    return "train" if effort.refit is None else TRAIN_AND_VALIDATION


def answers(dataset: ImageDataset, genome: Genome, *, split: str, rows: npt.NDArray[np.int64] | None = None) -> Answers:
    """Returns the answers of a split for a candidate.

    Args:
        dataset: The pictures.
        genome: The candidate.
        split: What it learns from; see `split_to_learn`.
        rows: The positions of those pictures of it that it learns from; `None` for all.
    """
    labels = np.concatenate([getattr(dataset, part).labels for part in parts(split)])
    return dataset.output.answers(
        labels if rows is None else labels[rows],
        validation_targets=dataset.validation.labels,
        class_weights=dataset.class_weights(),
        label_smoothing=float(genome["label_smoothing"]),
    )


def stage_data(dataset: ImageDataset, *, seed: int) -> StageData:
    """Returns the stage data of a process that trains along with others; see `TaskKind.stage_data`."""
    cache = FeatureCache(dataset, seed=seed)

    def find(spec: StageSpec) -> tuple[list[npt.NDArray[Any]], Answers]:
        size = image_size(spec.genome)
        pictures = [cache.pictures(part, size) for part in parts(spec.split)]
        return pictures, answers(dataset, spec.genome, split=spec.split)

    return find


class StageRunner:
    """Runs single stages of the candidates of one search.

    Args:
        dataset: The pictures.
        cache: Pictures at a network's size.
        seed: Seed of shuffling and augmentation.
        leader: Spreads what learns from pictures over several processes; `None` for this one only.
    """

    def __init__(self, dataset: ImageDataset, cache: Inputs, *, seed: int, leader: LoopMaker | None) -> None:
        self._dataset = dataset
        self._cache = cache
        self._seed = seed
        self._leader = leader

    def on_pictures(
        self,
        fit: CandidateFit,
        stage: str,
        network: keras.Model,
        genome: Genome,
        *,
        learning_rate: float | None = None,
    ) -> None:
        """Trains a network on pictures, which are augmented anew in every epoch.

        Args:
            fit: The candidate's training.
            stage: The stage's name.
            network: A model from pixels 0-255 at the genome's size to class probabilities.
            genome: The candidate.
            learning_rate: The highest rate of fine-tuning; `None` elsewhere.
        """
        size = image_size(genome)
        num_pictures, num_rows = len(self._dataset.train), fit.effort.num_examples
        rows = None if num_rows is None or num_rows >= num_pictures else sample(num_pictures, num_rows)
        train = [self._cache.pictures(part, size, rows=rows) for part in parts(split_to_learn(fit.effort))]
        validation = [self._cache.pictures("validation", size, copy=view) for view in test_time_views(genome)]
        # After a pause the pictures change in other ways than from the start.
        changes = networks.augmentation(genome, seed=self._seed + fit.history.num_epochs(stage))
        student = networks.augmented(network, changes)
        # What takes seconds is not spread over processes, which have no sample.
        leader = self._leader if rows is None else None
        options: dict[str, Any] = {"student": student, "learning_rate": learning_rate, "leader": leader, "rows": rows}
        self.on_arrays(fit, stage, network, genome, train, validation, **options)

    def on_arrays(
        self,
        fit: CandidateFit,
        stage: str,
        network: keras.Model,
        genome: Genome,
        train: Sequence[npt.NDArray[Any]],
        validation: Sequence[npt.NDArray[Any]],
        *,
        student: keras.Model | None = None,
        learning_rate: float | None = None,
        leader: LoopMaker | None = None,
        rows: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Trains a network on arrays, such as the features of a frozen one.

        Args:
            fit: The candidate's training.
            stage: The stage's name.
            network: A model from these arrays to class probabilities.
            genome: The candidate.
            train: All copies of the examples to learn from, one copy after the other.
            validation: Each view of the validation examples.
            student: What is trained in its place: a model with the same weights, behind random changes.
            learning_rate: The highest rate of fine-tuning; `None` elsewhere.
            leader: Spreads the stage over several processes; `None` for this one only.
            rows: The positions of the examples to learn from in their split; `None` for all.
        """
        spec = StageSpec(
            genome=genome,
            split=split_to_learn(fit.effort),
            num_epochs=fit.plans[stage].num_epochs,
            num_done=fit.history.num_epochs(stage),
            learning_rate=learning_rate,
        )
        to_answer = answers(self._dataset, genome, split=spec.split, rows=rows)
        student = student or network
        loop: EpochLoop
        if leader is None:
            loop = spec.loop(student, train, to_answer, seed=self._seed)
        else:
            loop = leader.loop(student, train, to_answer, spec)
        is_flat = validation[0].ndim == 2
        batch_size = _VECTORS_AT_ONCE if is_flat else num_at_once(image_size(genome))
        fit.run_stage(stage, network, loop, validation, to_answer, batch_size=batch_size)
