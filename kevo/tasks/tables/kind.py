"""Tables as rows of the table of tasks, one for each thing that may be asked; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.runs import layout
from kevo.tasks.options import GROUPS, TARGET
from kevo.tasks.outputs import asked
from kevo.tasks.outputs.asked import Asked
from kevo.tasks.outputs.numbers.output import REGRESSION as NUMBERS
from kevo.tasks.pages import Pages
from kevo.tasks.prepared.kind import PreparedKind
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, TaskKind, TaskOption
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.training import StageData
from kevo.tasks.tables import space as spaces
from kevo.tasks.tables.contract import ROWS
from kevo.tasks.tables.dates import times_of_rows
from kevo.tasks.tables.free_text import is_of_texts
from kevo.tasks.tables.options import KEEP, kept_columns
from kevo.tasks.tables.reading import is_table, listed, read_table
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.tasks.folded_trainer import FoldedTrainer
    from kevo.tasks.tables.dataset import TableDataset
    from kevo.tasks.tables.predictor import TablePredictor
    from kevo.tasks.tables.task import TableTask
    from kevo.tasks.tables.trainer import TableTrainer

_DENSE = NetworkKind("d", "dense network")
_LINEAR = NetworkKind("l", "linear model")
_LOOKED_AT = 200
"""Rows that tell whether each has a time of its own."""


class Tables(PreparedKind):
    """Rows of numbers and categories in, one class of several or a number out.

    Args:
        asked: What is asked of a row.
    """

    inputs = "tables"
    example = "row"
    examples = "rows"
    are_small = True
    options: tuple[TaskOption, ...] = (TARGET, GROUPS, KEEP)
    network_kinds: tuple[NetworkKind, ...] = (_DENSE, _LINEAR)

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked, name=ROWS[asked.word], spaces=spaces)
        self.title = f"tabular {asked.word}"

    def recognizes(self, data: Any) -> bool:
        """Returns whether data is a pair of a matrix and a vector, or a table without pictures and texts."""
        first = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        if isinstance(first, str | os.PathLike):
            # A list of pictures has been recognized before.
            return is_table(first) and Path(first).is_file() and not is_of_texts(first)
        return isinstance(first, tuple | list) and len(first) == 2 and getattr(first[0], "ndim", None) == 2

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """Suggests regression for numbers that are no few whole ones; see `loading.suggested`."""
        from kevo.tasks.tables.loading import suggested

        asks, note = suggested(data, target=options.get(TARGET.name))
        if (
            asks == NUMBERS
            and is_table(data)
            and (times := times_of_rows(read_table(Path(data), most_rows=_LOOKED_AT).columns))
        ):
            note += f" Each row has a time of its own in {listed(times)}: to forecast what comes next, --task series."
        return asks, note

    def source(self, data: Any) -> str | None:
        """Returns the path of a file; `None` for data in memory."""
        return str(Path(data).resolve()) if isinstance(data, str | os.PathLike) else None

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> TableDataset:
        """Reads a table, which takes little time; see `kevo.tasks.tables.loading.load`."""
        from kevo.tasks.sampling import Sampling
        from kevo.tasks.tables.loading import load

        return load(
            data,
            target=settings.options.get(TARGET.name),
            asks=self.asks,
            keep=kept_columns(settings.options),
            groups=settings.options.get(GROUPS.name),
            seed=settings.seed,
            sampling=Sampling(settings.max_examples, seed=settings.seed),
            num_folds=settings.folds,
        )

    def read(self, folder: Path) -> TableDataset:
        """Reads what `TableDataset.write` wrote."""
        from kevo.tasks.tables import dataset

        return dataset.read(folder)

    def open(
        self, dataset: TableDataset, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None
    ) -> TableTask:
        """Declares the genes."""
        from kevo.tasks.tables.task import TableTask

        return TableTask(dataset, settings)

    def trainer(
        self,
        dataset: TableDataset,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> TableTrainer | FoldedTrainer:
        """Returns the trainer of a worker process."""
        from kevo.tasks.tables import trainer

        return trainer.for_dataset(dataset, settings, strategy=strategy, leader=leader)

    def stage_data(self, dataset: TableDataset, *, seed: int) -> StageData:
        """Returns prepared rows and their classes; nothing of them is left to chance."""
        from kevo.tasks.prepared import stages
        from kevo.tasks.tables.stages import PreparedRows

        return stages.stage_data(PreparedRows(dataset))

    def network_kind(self, genome: Genome) -> NetworkKind:
        """Returns whether a network has hidden layers."""
        return _DENSE if genome.get("num_layers") else _LINEAR

    def network_name(self, genome: Genome) -> str:
        """Returns its kind in words."""
        return self.network_kind(genome).words

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """Returns one input for each column, under the column's name."""
        types = {"string": np.str_, "float32": np.float32}
        return [InputSpec(name, types[tensor.dtype], (-1, 1)) for name, tensor in model.input.items()]

    def pages(self) -> Pages:
        """The pages of rows."""
        from kevo.tasks.tables.pages import PAGES

        return PAGES[self.asks]

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> TablePredictor:
        """Opens a saved model of tables."""
        from kevo.tasks.tables.predictor import TablePredictor

        if labels is not None:
            raise SettingsError(
                f"{path} takes rows of a table, and the {layout.TASK} beside it names what it answers. Received other "
                f"names: {labels}. Leave them out."
            )
        return TablePredictor.open(path, note=note)

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> NoReturn:
        """Raises an `ExportError`: other formats know no columns of texts."""
        raise ExportError(
            f"{path} takes the columns of a table, and is written in no other format. Load it with Keras, which needs "
            "no kevo for that: keras.models.load_model(...)."
        )


KIND: TaskKind[TableDataset] = Tables(asked.CLASSES)
REGRESSION: TaskKind[TableDataset] = Tables(asked.NUMBERS)
