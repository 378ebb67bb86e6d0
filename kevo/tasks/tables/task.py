"""A table's task beside a search's scheduler: genes, forecasts, and the scoring of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo import scorers
from kevo.errors import RunError, SettingsError
from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.system.text import metric_name
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.scores import Calibration, Outputs, Scores
from kevo.tasks.protocols.task import Member, SearchSettings, Work
from kevo.tasks.registry import kind_of
from kevo.tasks.tables import contract, costs, networks, references, space
from kevo.tasks.tables.contract import ROWS, Contract
from kevo.tasks.tables.costs import Forecast
from kevo.tasks.tables.dataset import Split, TableDataset
from kevo.tasks.tables.preparing import forward
from kevo.tasks.tables.trainer import TableTrainer
from tuners.genome import Genome, SearchSpace


class TableTask:
    """One search's task.

    Args:
        dataset: The rows.
        settings: How the search is to run.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    notes: Sequence[str] = ()

    def __init__(self, dataset: TableDataset, settings: SearchSettings) -> None:
        self._kind: AnyKind = kind_of(ROWS[dataset.output.asks])
        self.dataset = dataset
        self._settings = settings
        self._objective = settings.objectives[0]
        scorers.check(
            self._objective, self._kind.objectives, size=dataset.output.size, targets=dataset.validation.labels
        )
        self._run: Run | None = None
        self._note: Callable[[str], object] = lambda text: None
        self._space = space.from_json(settings.space)
        if not isinstance(dataset.output, Classes):
            self._space = space.without_classes(self._space)
        self._num_features = sum(column.num_features for column in dataset.columns)
        self._forecast = Forecast(
            num_train=len(dataset.train), num_features=self._num_features, num_outputs=dataset.output.size
        )
        self.hyperparameters: keras_tuner.HyperParameters = space.declare(
            self._space, num_rows=len(dataset.train), are_balanced=dataset.class_weights() is None
        )
        self.seeds: Sequence[Genome] = [*space.seeds(self._space), *self._smallest()]

    @property
    def advice(self) -> str:
        """More time or rows, or other columns."""
        return (
            "Give the search more time with --max-time, or more rows. Perhaps these columns say little about "
            "what is to be predicted."
        )

    @property
    def identity(self) -> dict[str, Any]:
        """Nothing beside the data."""
        return {}

    @property
    def first_answer(self) -> None:
        """None: the first candidate, a small dense network, is trained in seconds."""

    def attach(self, run: Run, *, work: Path | None, note: Callable[[str], object]) -> None:
        """Remembers the run folder, in which an earlier session may have left references."""
        self._run, self._note = run, note

    def prepare(self, *, may_go_on: Callable[[], bool]) -> None:
        """Trains the references, unless an earlier session has, and says how good they are on the validation rows."""
        if self._run is None or not may_go_on():
            return
        found = self._known_references()
        if found is None:
            found = references.fit(self.dataset, seed=self._settings.seed)
            self._run.write_json(layout.BASELINE, reference.to_json(found))
        metric = reference.metric(self._objective, self._kind.objectives)
        for one in found:
            score = one.validation.value(metric.removeprefix("val_"))
            self._note(f"{one.name} has {metric_name(metric)} {score:.3f} on the same validation rows.")

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> TableTrainer:
        """A trainer in this process."""
        return TableTrainer(self.dataset, self._settings, strategy=strategy)

    def worker_arguments(self) -> dict[str, Any]:
        """Nothing beside the data and the settings."""
        return {}

    def worker_files(self) -> list[Path]:
        """None."""
        return []

    def obstacle(self, genome: Genome) -> str | None:
        """Too many parameters."""
        limit = self._settings.max_params
        return "too many parameters" if limit is not None and self._num_parameters(genome) > limit else None

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a training in seconds."""
        seconds = self._forecast.seconds(genome, num_epochs=self._settings.rungs[0])
        return Work(0.0, seconds, self._forecast.error)

    def repeat_seconds(self, genome: Genome) -> float | None:
        """As long as at first."""
        return None

    def sampled_work(self, genome: Genome) -> Work:
        """Forecast of the whole training: there is no shorter one."""
        return self.work(genome)

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """There are none."""
        return []

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to score a finished model, and an ensemble."""
        return costs.scoring_seconds(num_columns=len(self.dataset.columns))

    def deeper(self, genome: Genome) -> Sequence[Genome]:
        """None: every network is trained as a whole."""
        return ()

    def lengthened(self, genome: Genome, num_epochs: float, *, equals: Sequence[Genome] = ()) -> Genome:
        """The same: early stopping ends what has learned all there is."""
        return genome

    def note_duration(self, genome: Genome, work: Work, seconds: float) -> None:
        """Learns how far a forecast was off."""
        self._forecast.learn(genome, num_epochs=self._settings.rungs[0], seconds=seconds)

    @property
    def learned(self) -> dict[str, Any]:
        """Nothing: candidates teach each other nothing."""
        return {}

    def check_learned(self, values: Mapping[str, Any]) -> None:
        """Raises a `ValueError` where a worker says that it learned something."""
        if values:
            raise ValueError(f"a candidate for tables teaches nothing, not {sorted(values)}")

    def learn(self, values: Mapping[str, Any]) -> None:
        """Takes nothing in."""

    @property
    def output_shape(self) -> tuple[int, int]:
        """Validation rows and outputs."""
        return len(self.dataset.validation), self.dataset.output.size

    def are_valid(self, outputs: Outputs) -> bool:
        """Whether they are answers of the kind that is asked."""
        return self.dataset.output.are_valid(outputs)

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's rows."""
        return forward(model, self.dataset.inputs(self._split(split)), watch=watch or (lambda: None))

    def score(self, outputs: npt.NDArray[np.floating], split: str) -> Scores:
        """Scores of the kind of answer."""
        return self.dataset.output.score(outputs, self._split(split).labels, objective=self._settings.objectives[0])

    def loss(self, outputs: npt.NDArray[np.floating], split: str) -> float:
        """Cross-entropy, or the mean squared error."""
        return self.dataset.output.loss(outputs, self._split(split).labels)

    def calibrate(self, model: keras.Model, outputs: npt.NDArray[np.floating]) -> Calibration | None:
        """Class probabilities, by a temperature."""
        return self.dataset.output.calibrate(model, outputs, self.dataset.validation.labels)

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""
        models, weights = [one.model for one in members], [one.weight for one in members]
        return networks.weighted_mean(models, weights, self.dataset.columns)

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`."""
        return costs.measure(model, names, seconds=seconds)

    def savings(self, records: Sequence[Any]) -> None:
        """None: there is nothing that candidates share."""

    def write_contract(self, run: Run) -> None:
        """Writes which columns the model takes, and the names of its outputs in their order."""
        run.write_labels(self.dataset.output.names)
        contract.write(Contract.of(self.dataset), run.path)

    def _known_references(self) -> list[Reference] | None:
        """Reads the references of an earlier session; a damaged file is set aside."""
        if self._run is None or not (path := self._run.path / layout.BASELINE).is_file():
            return None
        try:
            with damage(path):
                return reference.from_json(self._run.read_json(layout.BASELINE), self._kind.parse_scores)
        except RunError as error:
            self._note(self._run.set_aside(layout.BASELINE, str(error)))
            return None

    def _split(self, name: str) -> Split:
        split: Split = getattr(self.dataset, name)
        return split

    def _num_parameters(self, genome: Genome) -> int:
        return costs.num_parameters(genome, num_features=self._num_features, num_outputs=self.dataset.output.size)

    def _smallest(self) -> list[Genome]:
        """Returns the smallest network of the space where parameters are limited: chance alone might miss it."""
        limit = self._settings.max_params
        if limit is None:
            return []
        genes = SearchSpace.from_hyperparameters(self.hyperparameters)
        smallest = min(map(genes.default, space.narrowest(self._space)), key=self._num_parameters)
        if (fewest := self._num_parameters(smallest)) > limit:
            raise SettingsError(
                f"No network of this space has {limit:,} parameters or fewer for this table: the smallest has "
                f"{fewest:,}. Raise --max-params to that at least, or leave out columns with many categories."
            )
        return [smallest]
