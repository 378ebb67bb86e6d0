"""The task of texts beside a search's scheduler: genes, forecasts, and the scoring of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.runs.folder import Run
from kevo.tasks.folded_trainer import FoldedTrainer
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared.combining import weighted_mean
from kevo.tasks.prepared.task import PreparedTask
from kevo.tasks.protocols.task import Member, SearchSettings
from kevo.tasks.texts import contract, costs, initial_population, networks, references, space
from kevo.tasks.texts.contract import ROWS, Contract
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.scripts import have_spaces
from kevo.tasks.texts.stages import PreparedTexts
from kevo.tasks.texts.tokens import forward
from kevo.tasks.texts.trainer import TextTrainer, for_dataset
from tuners.genome import Genome


class TextTask(PreparedTask):
    """One search's task.

    Args:
        dataset: The texts.
        settings: How the search is to run.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    fewer_parameters = ", or set a smaller `vocabulary` in the space"

    def __init__(self, dataset: TextDataset, settings: SearchSettings) -> None:
        self.dataset = dataset
        self._texts = PreparedTexts(dataset)
        genes = space.from_json(settings.space)
        if not isinstance(dataset.output, Classes):
            genes = space.without_classes(genes)
        self._vector_size = 0 if dataset.vectors is None else dataset.vectors.size
        if dataset.vectors is None:
            genes = space.without_vectors(genes)
        if len(genes.tokens) > 1 and not have_spaces(dataset.train.texts):
            genes = space.characters_first(genes)
        super().__init__(
            dataset,
            settings,
            kind=ROWS[dataset.output.asks],
            hyperparameters=space.declare(
                genes, num_texts=len(dataset.train), are_balanced=dataset.class_weights() is None
            ),
            seeds=initial_population.seeds(genes),
            narrowest=initial_population.narrowest(genes),
            forecast=costs.forecast(
                num_train=len(dataset.train),
                size=self._texts.size,
                num_outputs=dataset.output.size,
                vector_size=self._vector_size,
                evolved=self.num_evolved,
            ),
        )

    @property
    def advice(self) -> str:
        """More time or texts."""
        return (
            "Give the search more time with --max-time, or more texts. Perhaps these texts say little about what is "
            "to be predicted."
        )

    def references(self) -> list[Reference]:
        """A linear model on TF-IDF."""
        return references.fit(self.dataset, seed=self._settings.seed)

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> TextTrainer | FoldedTrainer:
        """A trainer in this process."""
        return for_dataset(self.dataset, self._settings, strategy=strategy, texts=self._texts)

    def num_parameters(self, genome: Genome) -> int:
        """The parameters of a genome's network."""
        num_tokens, _ = self._texts.size(genome)
        return networks.num_parameters(
            genome, num_tokens=num_tokens, num_outputs=self.dataset.output.size, vector_size=self._vector_size
        )

    def num_evolved(self, genome: Genome) -> int:
        """All but those of single tokens."""
        num_tokens, _ = self._texts.size(genome)
        return self.num_parameters(genome) - networks.num_in_vectors(
            genome, num_tokens=num_tokens, num_outputs=self.dataset.output.size, vector_size=self._vector_size
        )

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to score a finished model, and an ensemble."""
        return costs.SCORING_SECONDS

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's texts."""
        return forward(model, self.dataset.split(split).texts, watch=watch or (lambda: None))

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""
        models, weights = [one.model for one in members], [one.weight for one in members]
        return weighted_mean(models, weights, networks.raw_texts())

    def write_contract(self, run: Run) -> None:
        """Writes what the model answers, and the names of its outputs in their order."""
        run.write_labels(self.dataset.output.names)
        contract.write(Contract.of(self.dataset), run.path)
