"""A task whose examples are prepared once, beside a search's scheduler: genes, forecasts, and the scoring of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

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
from kevo.tasks.folded_trainer import FoldedTrainer, num_trainings
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared import costs
from kevo.tasks.prepared.costs import Forecast
from kevo.tasks.prepared.stages import Answered
from kevo.tasks.prepared.trainer import PreparedTrainer
from kevo.tasks.protocols.dataset import Dataset
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.scores import Calibration, Outputs, Scores
from kevo.tasks.protocols.task import FirstAnswer, Member, Savings, SearchSettings, Work
from kevo.tasks.registry import kind_of
from kevo.training import evolution
from tuners.genome import Genome, SearchSpace

_NUM_FIRST_EXAMPLES = 2048
"""The first model learns from so many examples at most."""


class AnsweredDataset(Dataset, Answered, Protocol):
    """A data set, with its answers."""


class PreparedTask(ABC):
    """One search's task.

    Args:
        dataset: The examples.
        settings: How the search is to run.
        kind: The name of the task.
        hyperparameters: The genes.
        seeds: The genomes that the search begins with.
        narrowest: Genomes with few parameters, as genes that differ from the defaults: one of them is the smallest.
        forecast: Tells how long single trainings take.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    notes: Sequence[str] = ()

    def __init__(
        self,
        dataset: AnsweredDataset,
        settings: SearchSettings,
        *,
        kind: str,
        hyperparameters: keras_tuner.HyperParameters,
        seeds: Sequence[Genome],
        narrowest: Sequence[Genome],
        forecast: Forecast,
    ) -> None:
        self._kind: AnyKind = kind_of(kind)
        self._answered = dataset
        self._settings = settings
        self._objective = settings.objectives[0]
        scorers.check(
            self._objective, self._kind.objectives, size=dataset.output.size, targets=dataset.labels("validation")
        )
        self._run: Run | None = None
        self._note: Callable[[str], object] = lambda text: None
        self._forecast = forecast
        self._num_trainings = 1.0 if dataset.num_folds is None else num_trainings(dataset.num_folds)
        self.hyperparameters = hyperparameters
        self._genes = SearchSpace.from_hyperparameters(hyperparameters)
        self.seeds: Sequence[Genome] = [*seeds, *self._smallest(narrowest)]

    fewer_parameters = ""
    """What else makes networks smaller, as the end of a sentence."""
    has_quick_references = False
    """Whether references take so little time that even a search of seconds has it."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to do where the best model is no better than a guess."""

    @property
    def identity(self) -> dict[str, Any]:
        """Nothing beside the data."""
        return {}

    @property
    def first_answer(self) -> FirstAnswer | None:
        """The quickest of the genomes that the search begins with, in large batches, on a sample."""
        genomes = map(self._genes.default, self.seeds)
        allowed = [genome for genome in genomes if self.obstacle(genome) is None]
        if not allowed:
            return None
        quickest = min(allowed, key=lambda genome: self.work(genome).seconds)
        return FirstAnswer([quickest, *self.cheaper(quickest)][-1], _NUM_FIRST_EXAMPLES)

    def attach(self, run: Run, *, work: Path | None, note: Callable[[str], object]) -> None:
        """Remembers the run folder, in which an earlier session may have left references."""
        self._run, self._note = run, note

    def prepare(self, *, may_go_on: Callable[[], bool]) -> None:
        """Trains the references, unless an earlier session has, and says how good they are."""
        if self._run is None or not (self.has_quick_references or may_go_on()):
            return
        found = self._known_references()
        if found is None:
            found = self.references()
            self._run.write_json(layout.BASELINE, reference.to_json(found))
        metric = reference.metric(self._objective, self._kind.objectives)
        for one in found:
            score = one.validation.value(metric.removeprefix("val_"))
            self._note(
                f"{one.name} has {metric_name(metric)} {score:.3f} on the same validation {self._kind.examples}."
            )

    @abstractmethod
    def references(self) -> list[Reference]:
        """Trains cheap models of another kind on the same splits."""

    @abstractmethod
    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> PreparedTrainer | FoldedTrainer:
        """A trainer in this process."""

    @abstractmethod
    def num_parameters(self, genome: Genome) -> int:
        """The parameters of a genome's network."""

    def num_evolved(self, genome: Genome) -> int:
        """The weights that evolve where a genome's network is not trained by gradients: all."""
        return self.num_parameters(genome)

    def worker_arguments(self) -> dict[str, Any]:
        """Nothing beside the data and the settings."""
        return {}

    def worker_files(self) -> list[Path]:
        """None."""
        return []

    def obstacle(self, genome: Genome) -> str | None:
        """Too many parameters, or too many weights to evolve."""
        limit = self._settings.max_params
        if limit is not None and self.num_parameters(genome) > limit:
            return "too many parameters"
        return evolution.too_many(self.num_evolved(genome)) if genome.get("optimizer") == evolution.EVOLUTION else None

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a training in seconds."""
        seconds = self._num_trainings * self._forecast.seconds(genome, num_epochs=self._settings.rungs[0])
        return Work(0.0, seconds, self._forecast.error)

    def repeat_seconds(self, genome: Genome, *, tune_epochs: int | None = None) -> float | None:
        """As long as at first."""
        return None

    def sampled_work(self, genome: Genome, num_examples: int | None = None) -> Work:
        """Forecast of the whole training: there is no shorter one."""
        return self.work(genome)

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """The same network with larger batches: it takes fewer steps, each of which costs little more."""
        sizes = (gene.domain() for gene in self._genes.genes if gene.name == "batch_size")
        larger = sorted(size for size in next(sizes, None) or () if int(size) > int(genome["batch_size"]))
        return [{**genome, "batch_size": size} for size in larger]

    @abstractmethod
    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to score a finished model, and an ensemble."""

    def deeper(self, genome: Genome) -> Sequence[Genome]:
        """None: every network is trained as a whole."""
        return ()

    def lengthened(self, genome: Genome, num_epochs: float, *, equals: Sequence[Genome] = ()) -> Genome:
        """The same: early stopping ends what has learned all there is."""
        return genome

    def mean_members(self, genomes: Sequence[Genome]) -> Sequence[int]:
        """None, unless a task says otherwise: what a mean gains was not measured on texts, series and masks."""
        return ()

    def note_duration(self, genome: Genome, work: Work, seconds: float) -> None:
        """Learns how far a forecast was off."""
        self._forecast.learn(genome, num_epochs=self._settings.rungs[0], seconds=seconds / self._num_trainings)

    @property
    def learned(self) -> dict[str, Any]:
        """Nothing: candidates teach each other nothing."""
        return {}

    def check_learned(self, values: Mapping[str, Any]) -> None:
        """Raises a `ValueError` where a worker says that it learned something."""
        if values:
            raise ValueError(f"a candidate for {self._kind.examples} teaches nothing, not {sorted(values)}")

    def learn(self, values: Mapping[str, Any]) -> None:  # noqa: B027  # It takes nothing in, whatever the task.
        """Takes nothing in."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Validation examples and outputs."""
        return len(self._answered.labels("validation")), self._answered.output.size

    def are_valid(self, outputs: Outputs) -> bool:
        """Whether they are answers of the kind that is asked."""
        return self._answered.output.are_valid(outputs)

    @abstractmethod
    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's examples."""

    def score(self, outputs: npt.NDArray[np.floating], split: str) -> Scores:
        """Scores of the kind of answer."""
        return self._answered.output.score(
            outputs, self._answered.labels(split), objective=self._settings.objectives[0]
        )

    def loss(self, outputs: npt.NDArray[np.floating], split: str) -> float:
        """Cross-entropy, or the mean squared error."""
        return self._answered.output.loss(outputs, self._answered.labels(split))

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating]
    ) -> tuple[keras.Model, Calibration | None]:
        """Class probabilities, by a temperature."""
        return self._answered.output.calibrate(model, outputs, self._answered.labels("validation"))

    @abstractmethod
    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`."""
        return costs.measure(model, names, seconds=seconds)

    def savings(self, records: Sequence[Any]) -> Savings | None:
        """None: there is nothing that candidates share."""
        return None

    @abstractmethod
    def write_contract(self, run: Run) -> None:
        """Writes what the model takes, and the names of its outputs in their order."""

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

    def _smallest(self, narrowest: Sequence[Genome]) -> list[Genome]:
        """Returns the smallest network of the space where its size is limited: chance alone might miss it."""
        limit, genes = self._settings.max_params, self._genes
        are_evolved = all(gene.domain() == (evolution.EVOLUTION,) for gene in genes.genes if gene.name == "optimizer")
        if limit is None and not are_evolved:
            return []
        smallest = min(map(genes.default, narrowest), key=self.num_parameters)
        if are_evolved and (fewest := self.num_evolved(smallest)) > evolution.MOST_WEIGHTS:
            raise SettingsError(
                f"At most {evolution.MOST_WEIGHTS:,} weights can be evolved. The smallest network of this space has "
                f"{fewest:,} for these {self._kind.examples}. Choose another space, whose networks are trained by "
                "gradients."
            )
        if limit is None:
            return [smallest]
        if (fewest := self.num_parameters(smallest)) > limit:
            raise SettingsError(
                f"No network of this space has {limit:,} parameters or fewer for these {self._kind.examples}: the "
                f"smallest has {fewest:,}. Raise --max-params to that at least{self.fewer_parameters}."
            )
        return [smallest]
