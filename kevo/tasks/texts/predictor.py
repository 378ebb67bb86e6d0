"""A saved model in use: predicts texts with or without answers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, ModelError, SettingsError
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs.located import Located
from kevo.tasks.prepared.predictor import ALL, PreparedPredictor
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.sampling import Sampling
from kevo.tasks.splits import SPLITS
from kevo.tasks.tables.reading import Limits, is_table_file, read_table
from kevo.tasks.text_files import TEXT_SUFFIX, is_zip
from kevo.tasks.texts import contract, reading
from kevo.tasks.texts.contract import Contract
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.loading import load
from kevo.tasks.texts.options import TEXT
from kevo.tasks.texts.tokens import forward
from kevo.tasks.texts.zipped import unpacked


class TextPredictor(PreparedPredictor[Contract, TextDataset]):
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

    examples = "texts"

    @classmethod
    def _read_contract(cls, folder: Path) -> Contract:
        return contract.read(folder)

    def _check_inputs(self) -> None:
        inputs = [(tuple(one.shape), one.dtype) for one in self.model.inputs]
        if inputs != [((None,), "string")]:
            found = ", ".join(f"{dtype} of shape {shape}" for shape, dtype in inputs) or "nothing"
            raise ModelError(
                f"{self._name} takes {found}. Expected texts, of shape (None,). Take a model of a search of texts."
            )

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
                split = "test" if "test" in found.splits else ALL
            if split != ALL and (split not in found.splits or len(found.splits) == 1):
                raise DataError(f"{found.name} has no {split} split. Score all its texts with {ALL!r}.")
            parts = list(found.splits.values()) if split == ALL else [found.splits[split]]
            texts = [text for part in parts for text in part.texts]
            if not texts:
                raise DataError(f"{found.name} has no texts. Expected some, with their answers.")
            labels = self.contract.output.parse([answer for part in parts for answer in part.answers])
        name = Path(data).stem if isinstance(data, str | Path) else "texts"
        return self._scored(
            self.outputs(texts), labels, data=name, split=split, examples="texts", is_own=own is not None
        )

    def outputs(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the outputs for texts, shape (n, any).

        Raises:
            ModelError: what the model says is no answer of its kind.
        """
        return self._checked(forward(self.model, list(texts)))

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

    def _load(self, data: Any, search: SearchSettings, **options: Any) -> TextDataset:
        return load(
            data,
            text=search.options.get(TEXT.name),
            target=self.contract.target,
            groups=search.options.get(GROUPS.name),
            asks=self.contract.output.asks,
            seed=search.seed,
            sampling=Sampling(search.max_examples, seed=search.seed),
            num_folds=search.folds,
            **options,
        )


def _is_file(source: Any) -> bool:
    """Tells whether a source is a path, and no text."""
    is_absolute = isinstance(source, str) and "\0" not in source and os.path.isabs(source)
    return isinstance(source, Path) or (is_absolute and os.path.isfile(source))
