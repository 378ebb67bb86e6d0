"""The protocols of a task, and the table of tasks.

A task is what is given (pictures, a table) together with what is asked (one class of several). Everything outside
`kevo.tasks` knows tasks through these protocols and `kind_of` only:

    TaskKind   a row of the table: light, loads neither TensorFlow nor Keras
    Dataset    what a source holds, divided into train, validation and test
    Task       one search's task, beside the scheduler: genes, costs, and the scoring of what was found
    Trainer    the same task in a worker: trains one genome after another
    Predictor  a saved model in use
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from kevo.errors import SettingsError
from kevo.objective import Objective
from kevo.tasks.pages import Drawing, Pages
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import keras_tuner
    import tensorflow as tf

    from kevo.training.answers import Answers
    from kevo.training.stage import StageSpec

TASKS: Mapping[str, str] = {
    "images": "kevo.tasks.images.kind:KIND",
    "tables": "kevo.tasks.tables.kind:KIND",
    "image-regression": "kevo.tasks.images.kind:REGRESSION",
    "image-multilabel": "kevo.tasks.images.kind:MULTILABEL",
    "table-regression": "kevo.tasks.tables.kind:REGRESSION",
}
"""Where each task's row stands; the first one is taken where nothing tells of another."""
DEFAULT = next(iter(TASKS))
"""The task of run folders that name none."""
AUTO = "auto"
"""Says instead of a task's name that its options or the data decide."""


Outputs = npt.NDArray[np.float32]
"""What a model answers for the examples of a split, shape (n, ...)."""


@dataclass(frozen=True, slots=True)
class TaskOption:
    """A setting that one task has and others have not; the command offers it as `--NAME`.

    Args:
        name: Its key in `Settings.options`.
        metavar: What stands for its value in the command's help.
        help: What it means.
    """

    name: str
    metavar: str
    help: str


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """A kind of network that a task searches.

    Args:
        letter: What stands for it where there is little room.
        words: What it is.
    """

    letter: str
    words: str


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A pretrained network that a search can build on.

    Args:
        name: Its name in genomes and on the command line.
        num_parameters: Parameters without its classifier, at width 1.
        top_1: Percentage of ImageNet's validation pictures that it gets right with its classifier, at width 1.
        is_cached: Whether its weights at width 1 have been downloaded.
        min_size: The smallest input, in pixels.
        widths: Width multipliers; empty where there is but one width.
        cut_points: Layers whose output may serve as features, shallow to deep.
    """

    name: str
    num_parameters: int
    top_1: float
    is_cached: bool
    min_size: int
    widths: tuple[float, ...]
    cut_points: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """About how much is downloaded: four bytes for each parameter."""
        return 4 * self.num_parameters

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        return {**dataclasses.asdict(self), "num_bytes": self.num_bytes}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a source that was stepped over, and why.

    Args:
        path: Where it stands: inside the folder or archive, or as the source wrote it.
        reason: What is wrong with it.
    """

    path: str
    reason: str


class SearchSettings(Protocol):
    """The settings that tasks see; see `kevo.Settings`."""

    @property
    def seed(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def rungs(self) -> tuple[int, ...]: ...
    @property
    def objective(self) -> str: ...
    @property
    def objectives(self) -> tuple[Objective, ...]: ...
    @property
    def minimize(self) -> tuple[str, ...]: ...
    @property
    def max_params(self) -> int | None: ...
    @property
    def space(self) -> Any: ...
    @property
    def weights(self) -> Mapping[str, str]: ...
    @property
    def options(self) -> Mapping[str, str]: ...
    @property
    def cache(self) -> str | None: ...


class Work(NamedTuple):
    """Forecast of a training, in seconds.

    `shared` is the part that other candidates need not repeat, such as a pass of the data through a frozen network.
    `error` is the factor, in `own` already, by which earlier candidates of the kind took longer than forecast.
    `per_epoch` is the part of an epoch, in `own` already, where a training may have any length: its learning rate falls
    with the time that is left to it. `None` for a training that is begun only if all of it fits.
    """

    shared: float
    own: float
    error: float = 1.0
    per_epoch: float | None = None

    @property
    def seconds(self) -> float:
        """Both parts together."""
        return self.shared + self.own


class FirstAnswer(NamedTuple):
    """The plainest model of a task, which is trained in seconds however many examples there are.

    `num_examples` are learned from at most.
    """

    genome: Genome
    num_examples: int


class Scores(Protocol):
    """How good outputs are on one split."""

    @property
    def num_examples(self) -> int:
        """How many examples were scored."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes or labels, in the order of a model's outputs; none where there are none."""

    @property
    def is_chance(self) -> bool:
        """Whether the same answer to every example may be as good, as far as these examples tell."""

    def value(self, metric: str) -> float:
        """The score that an objective calls `metric`, `val_` aside."""

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `TaskKind.parse_scores` makes the same scores."""


class Prediction(Protocol):
    """A saved model's answer for one example."""

    @property
    def name(self) -> str:
        """The name of the example, such as the path of its file."""

    def line(self, *, top: int = 1) -> str:
        """The answer and the example's name in one line; of several classes the `top` likeliest."""

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """The same as JSON values; `None` for all classes."""


class Scored(Protocol):
    """How a saved model did on data."""

    @property
    def is_familiar(self) -> bool:
        """Whether it was trained or chosen with some of these examples: on others it will do worse."""

    @property
    def num_familiar(self) -> int:
        """How many of them it was trained or chosen with; 0 where that is not known of each."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Parts of the source that could not be used."""

    @property
    def drawing(self) -> Drawing:
        """A figure of the scores, such as how many examples of each class were taken for which."""

    def lines(self) -> Iterator[str]:
        """All scores in lines of a terminal."""

    def to_json(self) -> dict[str, Any]:
        """All scores as JSON values."""


class Predictor(Protocol):
    """A saved model in use."""

    def predict(
        self,
        paths: Iterable[str | Path],
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: Path | None = None,
    ) -> Iterator[Prediction]:
        """Predicts the examples in some files, one after another.

        Args:
            paths: The files, as the task takes them.
            skip: Is told about what cannot be used. `None` raises an error there.
            grad_cam: A folder for drawings of what in each example speaks for its answer. `None` draws none.

        Raises:
            KevoError: something cannot be used, and `skip` is `None`; or the task has no such drawings.
        """

    def evaluate(self, data: Any = None, *, split: str | None = None) -> Scored:
        """Scores the model on data whose answers are known.

        Args:
            data: A source, as for `TaskKind.load`.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where there is one, else all.

        Raises:
            KevoError: the data cannot be read, or are not of the model's kind.
        """


Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""From a batch of examples to outputs."""


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Accuracies of an export and of its Keras model.

    Args:
        export: By the export.
        keras: By the Keras model.
        num_examples: Of so many examples.
    """

    export: float
    keras: float
    num_examples: int


class Exportable(Protocol):
    """A saved model that is written in other formats, and examples to compare an export and the model on.

    The shapes of the inputs begin with the batch; `None` stands for any number.
    """

    @property
    def model(self) -> keras.Model: ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the outputs, in their order, for the `labels.json` beside an export; `None` if unknown."""

    @property
    def input_name(self) -> str:
        """The name of the input, in formats that have names."""

    @property
    def output_name(self) -> str:
        """The name of the output, in formats that have names."""

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes of the input."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of inputs that the model takes."""

    @property
    def fixed_shape(self) -> tuple[int, ...] | None:
        """The shape of one example at the network's own size; `None` where the model does not say that size."""

    @property
    def compared_on(self) -> str:
        """Which examples the two are compared on, in words."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on these examples."""

    def portable(self, shape: tuple[int | None, ...]) -> keras.Model:
        """The model in operations that every converter knows, for inputs of this shape."""

    def example(self, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
        """One of these examples, as a batch."""

    def calibration(
        self, shape: tuple[int | None, ...], *, num_examples: int
    ) -> Callable[[], Iterator[npt.NDArray[np.float32]]]:
        """Returns a function that yields training examples to quantize by, each as a batch.

        Raises:
            SettingsError: there are none.
        """

    def difference(self, predict: Predict, reference: Predict, shape: tuple[int | None, ...]) -> float:
        """By how much an output of two models differs at most; infinity where one is no number."""

    def accuracies(self, predict: Predict, reference: Predict, shape: tuple[int | None, ...]) -> Accuracies | None:
        """How well an export and the Keras model do on test examples; `None` where there are none."""


class Dataset(Protocol):
    """Examples, divided for training, choosing and measuring."""

    @property
    def name(self) -> str:
        """A short name, fit for a file."""

    @property
    def made_splits(self) -> tuple[str, ...]:
        """The splits that the source did not give, and that were taken out of its training examples."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Parts of the source that could not be used."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Decisions that were made while reading, in words."""

    def num_examples(self, split: str) -> int:
        """How many examples a split has: `train`, `validation` or `test`."""

    def summary(self) -> str:
        """The data set in one line."""

    def fingerprint(self) -> str:
        """Content hash: equal only for the same examples, answers and splits."""

    def write(self, folder: Path) -> None:
        """Writes the data set where `TaskKind.read` finds it; other processes then share its memory."""


D = TypeVar("D", bound=Dataset)


class Trained(Protocol):
    """A trained candidate, with the weights of its best epoch.

    `metrics` are that epoch's. `history` and `stages` hold every epoch, those before a pause included. `outputs` are
    for the validation split; `None` where there was no time left. `share` is the part of the last stage's epochs that
    it has trained.
    """

    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def history(self) -> Sequence[dict[str, float]]: ...
    @property
    def stages(self) -> Sequence[str]: ...
    @property
    def num_parameters(self) -> int: ...
    @property
    def is_paused(self) -> bool: ...
    @property
    def is_cut_short(self) -> bool: ...
    @property
    def share(self) -> float: ...
    @property
    def outputs(self) -> Outputs | None: ...

    def deployable(self) -> keras.Model:
        """The model as it is saved: raw examples in, answers out."""

    def costs(self, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`; `seconds` is how long the training took."""


class Trainer(Protocol):
    """Trains the genomes of one search, one after another."""

    def learn(self, learned: Mapping[str, Any]) -> None:
        """Takes in `Task.learned` before a training."""

    def news(self) -> dict[str, Any]:
        """Facts found since `learn`, as JSON values for `Task.learn`."""

    def train(
        self,
        genome: Genome,
        effort: Any,
        *,
        earlier: Any = None,
        progress: Any = None,
        keep: Callable[..., None] | None = None,
    ) -> Trained:
        """Trains one genome.

        Args:
            genome: The genome.
            effort: How long to train; see `kevo.training.effort.Effort`.
            earlier: The training that it goes on from; `None` for a fresh network.
            progress: Is told how far it is.
            keep: Is lent the deployable model of a long training now and then.

        Raises:
            CandidateError: this candidate cannot be trained; others can.
        """


StageData = Callable[["StageSpec"], tuple[Sequence[npt.NDArray[Any]], "Answers"]]
"""Returns what one stage of a training learns from: all copies of its inputs, and what is to be answered."""


class Member(NamedTuple):
    """A model of an ensemble, its weight and its genome."""

    model: keras.Model
    weight: float
    genome: Genome


class InputSpec(NamedTuple):
    """One input of a deployed model: its name, empty where it has only one, its type, and its shape, -1 for any."""

    name: str
    dtype: npt.DTypeLike
    shape: tuple[int, ...]


class Savings(Protocol):
    """The time that a search saved by computing things once, for its model card."""

    @property
    def candidate_seconds(self) -> float:
        """The time of all trainings together."""

    @property
    def saved_seconds(self) -> float:
        """How much longer they would have taken, at least."""

    @property
    def factor(self) -> float:
        """How many times as long they would have taken."""

    @property
    def means(self) -> str:
        """The means that saved it, in a few words."""

    @property
    def basis(self) -> str:
        """How the estimate was made, in a sentence."""

    @property
    def nothing(self) -> str:
        """A sentence for a search that saved nothing."""


class Task(Protocol):
    """One search's task, in the process of its scheduler."""

    @property
    def kind(self) -> AnyKind: ...

    @property
    def dataset(self) -> Dataset: ...

    @property
    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The genes and their conditions."""

    @property
    def seeds(self) -> Sequence[Genome]:
        """The genomes that a search begins with, in their order."""

    @property
    def first_answer(self) -> FirstAnswer | None:
        """The model that a search under a time limit begins with; `None` where its first candidate is as quick."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user before the search begins, such as parts that had to be left out."""

    @property
    def advice(self) -> str:
        """What to do where the best model is no better than a guess, in a sentence or two."""

    @property
    def identity(self) -> dict[str, Any]:
        """JSON values that a resumed search must find again, beside the data; see `TaskKind.open`."""

    def attach(self, run: Any, *, work: Path | None, note: Callable[[str], object]) -> None:
        """Reads the files of earlier sessions in a run folder.

        Args:
            run: The run folder, a `kevo.runs.folder.Run`.
            work: A folder that worker processes share while they train; `None` if this process trains.
            note: Is told what a user should know.
        """

    def prepare(self, *, may_go_on: Callable[[], bool]) -> None:
        """Looks at the data before the first candidate, and may reorder `seeds`.

        Args:
            may_go_on: Is asked now and then; `False` ends the look, and what it raises is passed on.
        """

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> Trainer:
        """A trainer in this process, which shares its caches with this task's forecasts."""

    def worker_arguments(self) -> dict[str, Any]:
        """JSON values from which `TaskKind.trainer` makes the trainer of another process."""

    def worker_files(self) -> list[Path]:
        """The files that `worker_arguments` names by their paths, for workers on other machines."""

    def terms(self) -> dict[str, Any]:
        """JSON values that a worker on another machine must find there too."""

    def join_options(self) -> list[str]:
        """The options of `kevo worker` with which such a worker joins."""

    def obstacle(self, genome: Genome) -> str | None:
        """Why a genome is not worth training, in a few words; `None` if it is."""

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a genome's training; `tune_epochs` is the length of its fine-tuning, if it has one."""

    def repeat_seconds(self, genome: Genome) -> float | None:
        """How long the same training takes once more, where much less than at first; `None` where as long."""

    def sampled_work(self, genome: Genome) -> Work:
        """Forecast of the shortest training that has a result, in seconds: on a sample of the examples where it can."""

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to load and to score a finished model of a genome."""

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """Genomes like this one that cost less, such as on smaller pictures, the most expensive first."""

    def deeper(self, genome: Genome) -> Sequence[Genome]:
        """Genomes that begin as this one and train more of its network, the most thorough first."""

    def note_duration(self, genome: Genome, work: Work, seconds: float) -> None:
        """Learns how far a forecast was off."""

    @property
    def learned(self) -> dict[str, Any]:
        """Facts that trainings have taught so far, as JSON values; opaque to all but the task."""

    def check_learned(self, values: Mapping[str, Any]) -> None:
        """Raises a `ValueError` where these are not the values of `Trainer.news`."""

    def learn(self, values: Mapping[str, Any]) -> None:
        """Takes in `Trainer.news`, and keeps it for later sessions."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of a model's outputs for the validation split."""

    def are_valid(self, outputs: Outputs) -> bool:
        """Whether outputs that were read from a file can be some model's: class probabilities sum to 1."""

    def predict(self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None) -> Outputs:
        """A deployed model's outputs for a split; `watch` is called between batches, and may raise."""

    def score(self, outputs: Outputs, split: str) -> Scores:
        """How good outputs are on a split."""

    def loss(self, outputs: Outputs, split: str) -> float:
        """The loss that decides between equally good models; lower is better."""

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """One model whose outputs are the weighted mean of its members'."""

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS` for a deployed model."""

    def savings(self, records: Sequence[Any]) -> Savings | None:
        """The time saved by computing things once, for the model card; `None` where there is nothing to save."""

    def write_contract(self, run: Any) -> None:
        """Writes the inputs and outputs of the saved model into the run folder."""


class TaskKind(Protocol[D]):
    """A row of the table of tasks. Nothing of it loads TensorFlow or Keras until a model is needed."""

    name: str
    """Its key in the table."""
    inputs: str
    """The name of what is given; rows with the same take the same data."""
    asks: str
    """The word in `Settings.task` for what is asked: `classification`."""
    title: str
    """What it does, in two or three words: `image classification`."""
    example: str
    """What one of its examples is called: `picture`."""
    examples: str
    """What several are called: `pictures`."""
    options: tuple[TaskOption, ...]
    objectives: Mapping[str, Objective]
    """What may be improved, by the names of `Settings.objective`."""
    presets: tuple[str, ...]
    """The names of its search spaces."""
    space_name: str
    """The dotted name of the type of its search spaces."""
    compared_scores: tuple[tuple[str, str], ...]
    """The scores that tell an ensemble from a single model: a split and a metric each."""
    curves: Mapping[str, str]
    """What is drawn of a training, epoch by epoch: names of metrics on the training split, and on the validation split.
    """
    rung_genes: tuple[str, ...]
    """Candidates that differ in these genes learn at different paces, and do not compete for a higher rung."""

    def recognizes(self, data: Any) -> bool:
        """Whether a source is clearly what this task is given; asked where no task is named."""

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """Decides what may be asked of a source, where that is not said.

        Args:
            data: A source that it recognizes.
            options: Settings that only the task has, by name.

        Returns:
            A word for what is asked, such as `regression`, and why, in a sentence that says how to have it otherwise;
            empty where that goes without saying.

        Raises:
            DataError: the source cannot be read.
        """

    def space(self, value: str | Mapping[str, Any] | object) -> Any:
        """A search space, by its name, by the JSON values of one, or itself.

        Raises:
            SpaceError: it is none.
        """

    def varied(self, settings: SearchSettings) -> dict[str, tuple[Any, ...]]:
        """The values of each field of a search's space, by name."""

    def check(self, settings: SearchSettings) -> None:
        """Raises an error where a setting of this task's is wrong; see `kevo.Settings`."""

    def absolute(self, weights: Mapping[str, str]) -> dict[str, str]:
        """`Settings.weights` that mean the same from every folder."""

    def foreign(self, settings: SearchSettings) -> Sequence[str]:
        """What settings make use of that is not in the run folder, beside the data and the cache, in words."""

    def source(self, data: Any) -> str | None:
        """The place where data can be read again; `None` for data in memory."""

    def load(self, data: Any, settings: SearchSettings) -> D:
        """Reads a source, and makes the splits that it lacks.

        Raises:
            DataError: the source cannot be read, or is no data of this task.
        """

    def read(self, folder: Path) -> D:
        """Reads what `Dataset.write` wrote."""

    def open(self, dataset: D, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None) -> Task:
        """Prepares a search, before any training.

        Args:
            dataset: What `load` returned.
            settings: How the search is to run.
            identity: `Task.identity` of the search that is resumed; `None` for a new one.

        Raises:
            KevoError: nothing could be searched, or what the search began with cannot be had any more.
        """

    def trainer(
        self,
        dataset: D,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> Trainer:
        """A trainer in a process of its own.

        Args:
            dataset: What `read` or `load` returned.
            settings: How the search is to run.
            arguments: `Task.worker_arguments`.
            strategy: Spreads each candidate over several devices.
            leader: Spreads each candidate over several processes.
        """

    def stage_data(self, dataset: D, *, seed: int) -> StageData:
        """The stage data of a process that trains along with others."""

    def join(
        self,
        data: Any,
        settings: SearchSettings,
        terms: Mapping[str, Any],
        *,
        address: str,
        requests: Mapping[str, str],
        cache: str | None,
        note: Callable[[str], object],
        strategy: tf.distribute.Strategy | None = None,
    ) -> Trainer:
        """The trainer of a worker on another machine.

        Args:
            data: The data there.
            settings: Those of the search.
            terms: `Task.terms`.
            address: Where the search listens.
            requests: Where pretrained weights are there.
            cache: Where computed arrays are kept there, as in `kevo.Settings`.
            note: Is told what a user should know.
            strategy: Spreads each candidate over several devices.

        Raises:
            KevoError: the data or the weights are not those of the search.
        """

    network_kinds: tuple[NetworkKind, ...]
    """The kinds of networks that it searches."""

    def network_kind(self, genome: Genome) -> NetworkKind:
        """One of `network_kinds`."""

    def network_name(self, genome: Genome) -> str:
        """What a genome's network is called where there is room for a word or two, such as `resnet50`."""

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """The inputs of a deployed model."""

    def pages(self) -> Pages:
        """The task's part of pages about a search."""

    def drawings(self, test: Any) -> Sequence[Drawing]:
        """The figures of the scores on the test split."""

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> Predictor:
        """Opens a saved model. Nothing in its file is executed.

        Args:
            path: A `.keras` file, or a run folder, which means its best model.
            labels: A file with the names of the outputs. `None` for those that a search left beside its model.
            note: Is told what a user should know of the data that the model is used on.

        Raises:
            KevoError: it is no model of this task, or this task takes no `labels`.
        """

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> Exportable:
        """Loads a saved model to write it in other formats. Nothing in its file is executed.

        Args:
            path: A `.keras` file.
            run: The search that it comes from, a `kevo.runs.folder.Run`; `None` where there is none.
            data: Where the examples are to compare on. `None` for those of the search.

        Raises:
            ExportError: the models of this task cannot be exported.
            KevoError: it is no model of this task, or the data cannot be read.
        """

    def pretrained(self) -> Iterator[Pretrained]:
        """The pretrained networks that a search can build on."""

    def findings(self) -> Iterator[tuple[str, str]]:
        """Names and states of the task's resources on this machine, for `kevo doctor`."""

    def describe(self, genome: Genome) -> str:
        """A genome in words.

        Raises:
            ValueError, LookupError, TypeError: it is no genome of this task.
        """

    def check_genome(self, genome: Genome) -> None:
        """Raises a `ValueError` where it is no genome of this task."""

    def extractor_key(self, genome: Genome) -> Hashable | None:
        """Key of the frozen network that candidates may share; `None` for a network of its own."""

    def parse_scores(self, values: Mapping[str, Any]) -> Scores:
        """Reads scores of `Scores.to_json`'s, and refuses inconsistent ones.

        Raises:
            LookupError, TypeError, ValueError: these are no scores.
        """


AnyKind = TaskKind[Any]


def kind_of(name: str) -> AnyKind:
    """A task's row.

    Args:
        name: Its key in `TASKS`.

    Raises:
        SettingsError: there is no such task.
    """
    if name not in TASKS:
        raise SettingsError(f"Unknown task {name!r}. Expected one of: {', '.join(TASKS)}.")
    return _loaded(name)


def all_kinds() -> tuple[AnyKind, ...]:
    """All rows, in the order of the table."""
    return tuple(map(_loaded, TASKS))


def input_kinds() -> tuple[AnyKind, ...]:
    """The first row for each kind of data: what it says of resources holds for the others too."""
    return tuple({kind.inputs: kind for kind in reversed(all_kinds())}.values())[::-1]


def asked_words() -> tuple[str, ...]:
    """The words for what may be asked, such as `regression`."""
    return tuple(dict.fromkeys(kind.asks for kind in all_kinds()))


def named_by(options: Iterable[str], *, asks: str | None = None) -> AnyKind:
    """The task that has these options; the first of the table where there are none.

    Args:
        options: Names of options.
        asks: The word for what is asked; `None` for anything.

    Raises:
        SettingsError: no task has all of them.
    """
    wanted = set(options)
    for kind in all_kinds():
        if asks in (None, kind.asks) and wanted <= {option.name for option in kind.options}:
            return kind
    known = [option.name for kind in all_kinds() for option in kind.options]
    what = "task" if asks is None else f"{asks} task"
    raise SettingsError(
        f"No {what} has the options {', '.join(sorted(wanted))}. Expected those of one task among: "
        f"{', '.join(dict.fromkeys(known)) or 'none'}."
    )


def choose(task: str, data: Any, options: Mapping[str, str]) -> tuple[AnyKind, str]:
    """Chooses the task for data.

    Args:
        task: A task's name, the word for what is asked, or `auto`.
        data: The source.
        options: Settings that only one task has, by name.

    Returns:
        The task, and what was decided, in a sentence; empty where that goes without saying.

    Raises:
        DataError: the source has to be read for that, and cannot.
        SettingsError: nothing of the kind can be asked of such data.
    """
    if task in TASKS:
        return kind_of(task), ""
    known = next((kind for kind in all_kinds() if kind.recognizes(data)), None)
    if known is None:
        return named_by(options, asks=None if task == AUTO else task), ""
    asks, note = known.suggested(data, options) if task == AUTO else (task, "")
    alike = [kind for kind in all_kinds() if kind.inputs == known.inputs]
    for kind in alike:
        if kind.asks == asks:
            return kind, note
    raise SettingsError(
        f"The task {asks!r} is not to be had for {known.examples}. Expected one of: "
        f"{', '.join(kind.asks for kind in alike)}."
    )


@functools.cache
def _loaded(name: str) -> AnyKind:
    module, _, row = TASKS[name].partition(":")
    kind: AnyKind = getattr(importlib.import_module(module), row)
    return kind
