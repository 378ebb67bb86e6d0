"""A saved model in use: predicts texts with or without answers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs.located import Located
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.sampling import Sampling
from kevo.tasks.saved_model import home, load_model, model_file
from kevo.tasks.tables.reading import Limits, is_table_file, read_table
from kevo.tasks.text_files import TEXT_SUFFIX, is_zip
from kevo.tasks.texts import contract, reading
from kevo.tasks.texts.contract import Contract
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.loading import load
from kevo.tasks.texts.options import TEXT
from kevo.tasks.texts.reading import SPLITS
from kevo.tasks.texts.tokens import forward
from kevo.tasks.texts.zipped import unpacked

_ALL = "all"
"""Every text of a source."""


class TextPredictor:
    """A saved model with its contract. `TextPredictor.open` finds both.

    Args:
        model: Texts in, shape (batch,); outputs out.
        takes: What it takes and answers.
        run: The search that it comes from; `None` where there is none.
        name: What to call it in errors.
        note: Is told what is odd about texts. Defaults to nobody.

    Raises:
        ModelError: the model takes something else, or answers something else.

    Example:
        >>> predictor = TextPredictor.open("kevo-runs/reviews-20260725-101500")  # doctest: +SKIP
        >>> for text in predictor.predict(["a fine film"]):  # doctest: +SKIP
        ...     print(text.line())
    """

    def __init__(
        self,
        model: keras.Model,
        takes: Contract,
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
        inputs = [(tuple(one.shape), one.dtype) for one in model.inputs]
        if inputs != [((None,), "string")]:
            raise ModelError(
                f"{name} takes {', '.join(f'{dtype} of shape {shape}' for shape, dtype in inputs) or 'nothing'}. "
                "Expected texts, of shape (None,). Take a model of a search of texts."
            )
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
            note: Is told what is odd about texts. Defaults to nobody.

        Raises:
            ModelError: the model or what it takes cannot be read, or they do not fit.
        """
        path = model_file(Path(path))
        model = load_model(path, expected="a model of texts")
        run = None
        with contextlib.suppress(KevoError):
            run = Run.open(home(path))
        return cls(model, contract.read(home(path)), run=run, name=str(path), note=note)

    def predict(
        self,
        source: Any,
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: Path | None = None,
    ) -> Iterator[Prediction]:
        """Predicts the answer for each text.

        Args:
            source: A list, an array or a series of texts. Or paths, as `pathlib.Path` or absolute ones of files that
                are there: of `.txt` files, each a text, of folders of these, of tables with a column of texts, and of
                zip archives of such; no target is needed.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: Must be `None`: there is nothing to draw on.

        Yields:
            One prediction for each text, in order.

        Raises:
            DataError: a file cannot be read, or has no texts.
            ModelError: what the model says is no answer of its kind.
            SettingsError: `grad_cam` was given.
        """
        if grad_cam is not None:
            raise SettingsError("Grad-CAM draws on pictures, and this model takes texts. Leave it out.")
        sources = [source] if isinstance(source, str | Path) else source
        if not (isinstance(sources, list | tuple) and sources and all(map(_is_file, sources))):
            texts = reading.texts_of([source] if isinstance(source, str) else source)
            yield from self._answers(texts, [Located(row=row) for row in range(1, len(texts) + 1)])
            return
        for one in sources:
            try:
                texts, places = self._read(Path(one))
            except DataError as error:
                if skip is None:
                    raise
                skip(Skipped(str(one), f"cannot be used: {str(error).rstrip('.')}"))
                continue
            yield from self._answers(texts, places)

    def evaluate(self, data: Any = None, *, split: str | None = None) -> Scored:
        """Scores the model on texts whose answers are known.

        Args:
            data: A source, as `loading.load` takes it.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where these are the texts of the
                model's own search: the scores are those of its result. Also where the source has one. Else all texts.

        Raises:
            DataError: the texts cannot be read, lack answers, or have no such split.
            ModelError: what the model says is no answer of its kind.
        """
        own = self._own(data)
        if own is not None and split in (None, *SPLITS):
            split = split or "test"
            texts, labels = list(own.split(split).texts), own.labels(split)
        else:
            found = reading.read(data, text=self._column(data), target=self.contract.target)
            reading.drop_missing(found)
            if split is None:
                split = "test" if "test" in found.splits else _ALL
            if split != _ALL and (split not in found.splits or len(found.splits) == 1):
                raise DataError(f"{found.name} has no {split} split. Score all its texts with {_ALL!r}.")
            parts = list(found.splits.values()) if split == _ALL else [found.splits[split]]
            texts = [text for part in parts for text in part.texts]
            if not texts:
                raise DataError(f"{found.name} has no texts. Expected some, with their answers.")
            labels = self.contract.output.parse([answer for part in parts for answer in part.answers])
        outputs, output = self.outputs(texts), self.contract.output
        return output.scored(
            output.score(outputs, labels),
            outputs=outputs,
            targets=labels,
            data=Path(data).stem if isinstance(data, str | Path) else "texts",
            split=split,
            examples="texts",
            is_familiar=own is not None and split != "test",
        )

    def outputs(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the outputs for texts, shape (n, any).

        Raises:
            ModelError: what the model says is no answer of its kind.
        """
        found = forward(self.model, list(texts))
        self.contract.output.check(found, self._name)
        return found

    def _answers(self, texts: Sequence[str], places: Sequence[Located]) -> Iterator[Prediction]:
        if texts:
            yield from self.contract.output.predictions(self.outputs(texts), places)

    def _read(self, path: Path) -> tuple[list[str], list[Located]]:
        """Returns the texts of a file, folder or archive, and where each stands."""
        if is_zip(path):
            with unpacked(path, max_bytes=Limits().max_bytes) as inner:
                texts, places = self._read(inner)
            return texts, [
                dataclasses.replace(one, path=str(one.path).replace(str(inner), str(path), 1)) for one in places
            ]
        if is_table_file(path):
            table = read_table(path)
            known = self.contract.text in table.columns
            column, notes = reading.columns_of(table, text=self.contract.text if known else None, name=str(path))
            for note in notes:
                self._note(note)
            texts = [reading.shortened(str(value)) for value in table.columns[column]]
            return texts, [Located(path=str(path), row=row) for row in range(1, len(texts) + 1)]
        if path.is_dir():
            paths = sorted(one for one in path.rglob(f"*{TEXT_SUFFIX}") if one.is_file())
            if not paths:
                raise DataError(f"There are no {TEXT_SUFFIX} files in {path}.")
        elif path.suffix.casefold() in ("", TEXT_SUFFIX):
            paths = [path]
        else:
            raise DataError(f"Cannot read texts from {path}. Expected a .txt, .csv, .tsv, .jsonl or .zip file.")
        return list(map(reading.text_of_file, paths)), [Located(path=str(one)) for one in paths]

    def _column(self, data: Any) -> str | None:
        """Returns the column of a table with the texts, where it is called as that of the search."""
        if not is_table_file(data):
            return None
        return self.contract.text if self.contract.text in read_table(Path(data), most_rows=1).columns else None

    def _own(self, data: Any) -> TextDataset | None:
        """Returns the texts as the model's search divided them; `None` where they are others."""
        if self._run is None:
            return None
        try:
            search = self._run.search_settings()
            dataset = load(
                data,
                text=search.options.get(TEXT.name),
                target=self.contract.target,
                groups=search.options.get(GROUPS.name),
                asks=self.contract.output.asks,
                seed=search.seed,
                sampling=Sampling(search.max_examples, seed=search.seed),
            )
        except KevoError:
            return None
        is_own = dataset.fingerprint() == self._run.settings.get("fingerprint")
        return dataset if is_own and dataset.output == self.contract.output else None


def _is_file(source: Any) -> bool:
    """Tells whether a source is a path, and no text."""
    is_absolute = isinstance(source, str) and "\0" not in source and os.path.isabs(source)
    return isinstance(source, Path) or (is_absolute and os.path.isfile(source))
