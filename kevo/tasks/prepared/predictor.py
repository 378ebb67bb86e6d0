"""A saved model in use, whose `task.json` says what it takes: what tables, texts and series have in common."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs.output import Output
from kevo.tasks.prepared.stages import Answered
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.use import Scored
from kevo.tasks.saved_model import home, load_model, model_file

ALL = "all"
"""Every example of a source."""


class Contract(Protocol):
    """What a saved model takes and answers."""

    @property
    def output(self) -> Output: ...


class OwnDataset(Answered, Protocol):
    """The examples of a search."""

    def fingerprint(self) -> str: ...


_T = TypeVar("_T")
_C = TypeVar("_C", bound=Contract)
_D = TypeVar("_D", bound=OwnDataset)


class PreparedPredictor(ABC, Generic[_C, _D]):
    """A saved model with its contract. `open` finds both.

    Args:
        model: Raw examples in, outputs out.
        takes: What it takes and answers.
        run: The search that it comes from; `None` where there is none.
        name: What to call it in errors.
        note: Is told what is odd about examples. Defaults to nobody.

    Raises:
        ModelError: the model takes something else, or answers something else.
    """

    examples: str
    """What its examples are called."""

    def __init__(
        self,
        model: keras.Model,
        takes: _C,
        *,
        run: Run | None = None,
        name: str = "The model",
        note: Callable[[str], object] | None = None,
    ) -> None:
        self.model = model
        self.contract = takes
        self._run = run
        self._name = name
        self._note = note or (lambda text: None)
        self._check_inputs()
        shapes = [tuple(tensor.shape) for tensor in model.outputs]
        if shapes != [(None, takes.output.size)]:
            raise ModelError(
                f"{name} has outputs of the shape {', '.join(map(str, shapes))}. Expected those of its {layout.TASK}, "
                f"{takes.output.summary()}: (None, {takes.output.size})."
            )

    @classmethod
    def open(cls, path: str | Path, *, note: Callable[[str], object] | None = None) -> Self:
        """Opens a saved model. Nothing in the file is executed.

        Args:
            path: A `.keras` file, or a run folder, whose `best.keras` it then is. Its `task.json` lies beside it.
            note: Is told what is odd about examples. Defaults to nobody.

        Raises:
            ModelError: the model or what it takes cannot be read, or they do not fit.
        """
        path = model_file(Path(path))
        model = load_model(path, expected=f"a model of {cls.examples}")
        run = None
        with contextlib.suppress(KevoError):
            run = Run.open(home(path))
        return cls(model, cls._read_contract(home(path)), run=run, name=str(path), note=note)

    @classmethod
    @abstractmethod
    def _read_contract(cls, folder: Path) -> _C:
        """Reads the contract of the model in a folder."""

    @abstractmethod
    def _check_inputs(self) -> None:
        """Raises a `ModelError` where the model's inputs are others than its contract says."""

    @abstractmethod
    def _load(self, data: Any, search: SearchSettings, **options: Any) -> _D:
        """Reads data as a search of these settings divides them."""

    def _own(self, data: Any, **options: Any) -> _D | None:
        """Returns data as the model's search divided them; `None` where they are others."""
        if self._run is None:
            return None
        try:
            dataset = self._load(data, self._run.search_settings(), **options)
        except KevoError:
            return None
        is_own = dataset.fingerprint() == self._run.settings.get("fingerprint")
        return dataset if is_own and dataset.output == self.contract.output else None

    def _checked(self, outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns outputs, or raises a `ModelError` where they are no answers of the model's kind."""
        self.contract.output.check(outputs, self._name)
        return outputs

    def _scored(
        self,
        outputs: npt.NDArray[np.float32],
        labels: npt.NDArray[Any],
        *,
        data: Any,
        split: str,
        examples: str,
        is_own: bool,
    ) -> Scored:
        """Returns scores in words; arguments as for `Output.scored`."""
        output = self.contract.output
        return output.scored(
            output.score(outputs, labels),
            outputs=outputs,
            targets=labels,
            data=data,
            split=split,
            examples=examples,
            is_familiar=is_own and split != "test",
        )


def each(
    source: Any, read: Callable[[Any], _T], *, skip: Callable[[Skipped], object] | None
) -> Iterator[tuple[str | None, _T]]:
    """Reads a source, or several files one after another.

    Args:
        source: The path of a file, several of them, or data in memory.
        read: Reads one of them.
        skip: Is told about a file that cannot be used. `None` raises its `DataError`.

    Yields:
        The path of each, `None` for data in memory; and what was read.
    """
    are_paths = isinstance(source, list | tuple) and all(isinstance(one, str | Path) for one in source)
    for one in source if are_paths else [source]:
        try:
            found = read(one)
        except DataError as error:
            if skip is None:
                raise
            skip(Skipped(str(one), f"cannot be used: {str(error).rstrip('.')}"))
            continue
        yield (str(one) if isinstance(one, str | Path) else None), found
