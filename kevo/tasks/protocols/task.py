"""One search's task, beside the scheduler: genes, costs, and the scoring of what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kevo.objective import Objective
from kevo.tasks.protocols.dataset import Dataset
from kevo.tasks.protocols.scores import Calibration, Outputs, Scores
from kevo.tasks.protocols.training import Trainer

if TYPE_CHECKING:
    import keras
    import keras_tuner
    import tensorflow as tf

    from tuners.genome import Genome


class SearchSettings(Protocol):
    """The settings that tasks see; see `kevo.Settings`."""

    @property
    def seed(self) -> int: ...
    @property
    def max_examples(self) -> int | None: ...
    @property
    def folds(self) -> int | None: ...
    @property
    def inherit(self) -> bool: ...
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


class Member(NamedTuple):
    """A model of an ensemble, its weight and its genome."""

    model: keras.Model
    weight: float
    genome: Genome


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

    def obstacle(self, genome: Genome) -> str | None:
        """Why a genome is not worth training, in a few words; `None` if it is."""

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a genome's training; `tune_epochs` is the length of its fine-tuning, if it has one."""

    def repeat_seconds(self, genome: Genome, *, tune_epochs: int | None = None) -> float | None:
        """How long the same training takes once more, where much less than at first; `None` where as long."""

    def sampled_work(self, genome: Genome, num_examples: int | None = None) -> Work:
        """Forecast of a training on a sample of the examples, in seconds; on all where it needs all.

        `num_examples` are in the sample, or as many as are ready for its frozen network where these are more. `None`
        for the shortest training that has a result.
        """

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to load and to score a finished model of a genome."""

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """Genomes like this one that cost less, such as on smaller pictures, the most expensive first."""

    def deeper(self, genome: Genome) -> Sequence[Genome]:
        """Genomes that begin as this one and train more of its network, the most thorough first."""

    def lengthened(self, genome: Genome, num_epochs: float, *, equals: Sequence[Genome] = ()) -> Genome:
        """The genome to train where there is time for so many epochs: this one, or one that suits long trainings.

        `equals` are genomes that short trainings could not tell from it.
        """

    def mean_members(self, genomes: Sequence[Genome]) -> Sequence[int]:
        """Which networks make a better mean with the first genome's than that is alone, at little cost.

        `genomes` are those that scores cannot tell apart, best first. Returns positions in them, best first; one that
        is named several times is trained from other random weights each time. Empty where no mean gains.
        """

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

    def calibrate(self, model: keras.Model, outputs: Outputs) -> tuple[keras.Model, Calibration | None]:
        """Makes the probabilities of a deployed model, or of an ensemble, mean what they say.

        Args:
            model: May be changed in place.
            outputs: Those of a model for the validation split that has not learned from it.

        Returns:
            The model, and what that gained; `None` where it stays as it was.
        """

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """One model whose outputs are the weighted mean of its members'."""

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS` for a deployed model."""

    def savings(self, records: Sequence[Any]) -> Savings | None:
        """The time saved by computing things once, for the model card; `None` where there is nothing to save."""

    def write_contract(self, run: Any) -> None:
        """Writes the inputs and outputs of the saved model into the run folder."""
