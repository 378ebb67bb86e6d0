"""A table's task beside a search's scheduler: genes, forecasts, and the scoring of models."""

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
from kevo.tasks.prepared.task import PreparedTask
from kevo.tasks.protocols.task import Member, SearchSettings
from kevo.tasks.tables import contract, costs, encoding, networks, references, space
from kevo.tasks.tables.contract import ROWS, Contract
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import Encoding, Features
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.trainer import TableTrainer, for_dataset
from tuners.genome import Genome

_NUM_MORE = 3
"""So many networks are averaged with the first; the mean of twice as many is hardly better."""


class TableTask(PreparedTask):
    """One search's task.

    Args:
        dataset: The rows.
        settings: How the search is to run.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    fewer_parameters = ", or leave out columns with many categories"

    def __init__(self, dataset: TableDataset, settings: SearchSettings) -> None:
        self.dataset = dataset
        self._space = space.fitting(space.from_json(settings.space), dataset)
        if not isinstance(dataset.output, Classes):
            self._space = space.without_classes(self._space)
        self._features: dict[Encoding, Features] = {}
        super().__init__(
            dataset,
            settings,
            kind=ROWS[dataset.output.asks],
            hyperparameters=space.declare(
                self._space, num_rows=len(dataset.train), are_balanced=dataset.class_weights() is None
            ),
            seeds=space.seeds(self._space),
            narrowest=space.narrowest(self._space),
            forecast=costs.forecast(
                num_train=len(dataset.train),
                features=self.features,
                num_outputs=dataset.output.size,
                repeats_few=dataset.repeats_few,
            ),
        )

    @property
    def advice(self) -> str:
        """More time or rows, or other columns."""
        return (
            "Give the search more time with --max-time, or more rows. Perhaps these columns say little about "
            "what is to be predicted."
        )

    def references(self) -> list[Reference]:
        """Boosted trees and a linear model."""
        return references.fit(self.dataset, seed=self._settings.seed)

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> TableTrainer | FoldedTrainer:
        """A trainer in this process."""
        return for_dataset(self.dataset, self._settings, strategy=strategy)

    def num_parameters(self, genome: Genome) -> int:
        """The parameters of a genome's network."""
        return costs.num_parameters(genome, features=self.features(genome), num_outputs=self.dataset.output.size)

    def features(self, genome: Genome) -> Features:
        """The prepared inputs of a genome's network."""
        how = Encoding.of(genome)
        if how not in self._features:
            self._features[how] = encoding.plan(self.dataset, how).features
        return self._features[how]

    def mean_members(self, genomes: Sequence[Genome]) -> Sequence[int]:
        """Three more of the first where a number is predicted; none for classes, where a mean gained nothing.

        Nor for linear models, which come out the same whatever weights they begin with.
        """
        gains = genomes[0]["num_layers"] and not isinstance(self.dataset.output, Classes)
        return (0,) * _NUM_MORE if gains else ()

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to score a finished model, and an ensemble."""
        return costs.scoring_seconds(num_columns=len(self.dataset.columns))

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's rows."""
        return forward(model, self.dataset.inputs(getattr(self.dataset, split)), watch=watch or (lambda: None))

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""
        models, weights = [one.model for one in members], [one.weight for one in members]
        return networks.weighted_mean(models, weights, self.dataset.columns)

    def write_contract(self, run: Run) -> None:
        """Writes which columns the model takes, and the names of its outputs in their order."""
        run.write_labels(self.dataset.output.names)
        contract.write(Contract.of(self.dataset), run.path)
