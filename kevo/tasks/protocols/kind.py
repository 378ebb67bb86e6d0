"""A row of the table of tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kevo.scorers import Objectives
from kevo.tasks.pages import Drawing, Pages
from kevo.tasks.protocols.dataset import D
from kevo.tasks.protocols.export import Exportable, InputSpec
from kevo.tasks.protocols.scores import Scores
from kevo.tasks.protocols.task import SearchSettings, Task
from kevo.tasks.protocols.training import StageData, Trainer
from kevo.tasks.protocols.use import Predictor

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tuners.genome import Genome
    from tuners.settings import Settings as EvolutionSettings


@dataclass(frozen=True, slots=True)
class TaskOption:
    """A setting that one task has and others have not; the command offers it as `--NAME`.

    Args:
        name: Its key in `Settings.options`.
        metavar: What stands for its value in the command's help.
        help: What it means.
        is_path: Whether it is a path, which is made absolute: a search may go on from another folder.
    """

    name: str
    metavar: str
    help: str
    is_path: bool = False


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
    objectives: Objectives
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
    are_small: bool
    """Whether networks are so small that one core trains a network about as fast as several do."""

    inherits: bool
    """Whether candidates may begin with the weights of others; see `can_inherit`."""

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

    def breeding(self, settings: SearchSettings) -> EvolutionSettings | None:
        """How candidates are bred in a search's space, where that belongs to the space; `None` for the ordinary way.

        Its `weights` are those of the objective and of the parameters, where these are minimized.
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

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> D:
        """Reads a source, and makes the splits that it lacks.

        Args:
            data: The source.
            settings: How the search is to run.
            seconds: How long reading may take. Where all would take longer, and the settings do not say how much to
                read, a part of the source is read, and `Dataset.max_examples` tells how much. `None` for any time.

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

    def can_inherit(self, parent: Genome, child: Genome) -> bool:
        """Whether a candidate may begin with another one's weights, changed so that they fit."""

    def parse_scores(self, values: Mapping[str, Any]) -> Scores:
        """Reads scores of `Scores.to_json`'s, and refuses inconsistent ones.

        Raises:
            LookupError, TypeError, ValueError: these are no scores.
        """


AnyKind = TaskKind[Any]
