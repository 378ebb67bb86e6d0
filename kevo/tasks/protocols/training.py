"""A task in a worker: trains one genome after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from kevo.tasks.protocols.scores import Outputs

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt

    from kevo.training.answers import Answers
    from kevo.training.stage import StageSpec
    from tuners.genome import Genome


class Trained(Protocol):
    """A trained candidate, with the weights of its best epoch.

    `metrics` are that epoch's. `history` and `stages` hold every epoch, those before a pause included. `outputs` are
    for the validation split; `None` where there was no time left. `epoch_outputs` are those of every epoch, where the
    effort asks for them. `share` is the part of the last stage's epochs that it has trained, `inherited` that of the
    weights that came from a parent.
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
    @property
    def epoch_outputs(self) -> Sequence[Outputs]: ...
    @property
    def inherited(self) -> float: ...

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


StageData: TypeAlias = "Callable[[StageSpec], tuple[Sequence[npt.NDArray[Any]], Answers]]"
"""Returns what one stage of a training learns from: all copies of its inputs, and what is to be answered."""
