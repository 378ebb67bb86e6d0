"""A saved model in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.dataset import Skipped


class Prediction(Protocol):
    """A saved model's answer for one example."""

    @property
    def name(self) -> str:
        """The name of the example, such as the path of its file."""

    def line(self, *, top: int = 1) -> str:
        """The answer and the example's name in one line; of several classes the `top` likeliest."""

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """The same as JSON values; `None` for all classes."""

    def write(self, folder: Path, *, taken: set[str]) -> Path:
        """Writes the answer into a folder where it is a file, such as a mask, and returns where.

        Args:
            folder: Where to; it is made where it is missing.
            taken: The names of files so far, to which its own is added.

        Raises:
            SettingsError: the task's answers are no files.
        """

    def drawings(self, picture: bytes | None) -> dict[str, Any]:
        """Returns what of the answer is a picture, such as a mask, as JSON values: a PNG is a text in base64.

        Args:
            picture: The file of the example, to draw the answer over it; `None` for without that.
        """


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

    @property
    def roc(self) -> Drawing | None:
        """A figure of the ROC curves of classes; `None` where there are none."""

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
