"""Tabular classification as a row of the table of tasks; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.objective import Objective
from kevo.runs import layout
from kevo.tasks.outputs.classes.objectives import COMPARED_SCORES, OBJECTIVES
from kevo.tasks.pages import Drawing, Pages
from kevo.tasks.tables import space as spaces
from kevo.tasks.tables.space import Space
from kevo.tasks.task import InputSpec, NetworkKind, Pretrained, SearchSettings, StageData, TaskKind, TaskOption
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.tasks.outputs.classes.evaluation import Evaluation
    from kevo.tasks.tables.dataset import TableDataset
    from kevo.tasks.tables.predictor import TablePredictor
    from kevo.tasks.tables.task import TableTask
    from kevo.tasks.tables.trainer import TableTrainer

TARGET = "target"
"""The option that names the column to be predicted."""

_DENSE = NetworkKind("d", "dense network")
_LINEAR = NetworkKind("l", "linear model")


class TabularClassification:
    """Rows of numbers and categories in, one class of several out."""

    name = "tables"
    title = "tabular classification"
    example = "row"
    examples = "rows"
    options: tuple[TaskOption, ...] = (
        TaskOption(TARGET, "COLUMN", "Classify the rows of a CSV file: the column that holds their classes."),
    )
    objectives: Mapping[str, Objective] = OBJECTIVES
    presets = tuple(spaces.PRESETS)
    space_name = "kevo.tasks.tables.space.Space"
    compared_scores: tuple[tuple[str, str], ...] = COMPARED_SCORES
    rung_genes: tuple[str, ...] = ()
    network_kinds: tuple[NetworkKind, ...] = (_DENSE, _LINEAR)

    def recognizes(self, data: Any) -> bool:
        """Returns whether data is a pair of a matrix and a vector; a CSV file may also list pictures."""
        first = next(iter(data.values()), None) if isinstance(data, Mapping) else data
        return isinstance(first, tuple | list) and len(first) == 2 and getattr(first[0], "ndim", None) == 2

    def space(self, value: str | Mapping[str, Any] | object) -> Space:
        """Returns a preset by its name, the space of JSON values, or the space itself."""
        return spaces.from_json(value)

    def varied(self, settings: SearchSettings) -> dict[str, tuple[Any, ...]]:
        """Returns the values of each field of the space."""
        found = spaces.from_json(settings.space)
        return {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, or for weights of backbones, which tables have not."""
        spaces.from_json(settings.space)
        if settings.weights:
            raise SettingsError(
                f"Networks for tables have no backbones. Received `weights` for {', '.join(settings.weights)}. Leave "
                "them out."
            )

    def absolute(self, weights: Mapping[str, str]) -> dict[str, str]:
        """Returns the weights as they are: there are none."""
        return dict(weights)

    def source(self, data: Any) -> str | None:
        """Returns the path of a CSV file; `None` for data in memory."""
        return str(Path(data).resolve()) if isinstance(data, str | os.PathLike) else None

    def load(self, data: Any, settings: SearchSettings) -> TableDataset:
        """Reads a table; see `kevo.tasks.tables.loading.load`."""
        from kevo.tasks.tables.loading import load

        return load(data, target=settings.options.get(TARGET), seed=settings.seed)

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
    ) -> TableTrainer:
        """Returns the trainer of a worker process."""
        from kevo.tasks.tables.trainer import TableTrainer

        return TableTrainer(dataset, settings, strategy=strategy, leader=leader)

    def stage_data(self, dataset: TableDataset, *, seed: int) -> StageData:
        """Returns prepared rows and their classes; nothing of them is left to chance."""
        from kevo.tasks.tables import stages

        return stages.stage_data(dataset)

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
    ) -> TableTrainer:
        """Returns the trainer of a worker on another machine, which has the same table."""
        from kevo.errors import DataError
        from kevo.tasks.tables.trainer import TableTrainer

        dataset = self.load(data, settings)
        if (found := dataset.fingerprint()) != terms["fingerprint"]:
            raise DataError(
                f"The rows in {data} are not those of the search at {address}: their fingerprint is {found}, expected "
                f"{terms['fingerprint']}. Give --data the same file."
            )
        return TableTrainer(dataset, settings, strategy=strategy)

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
        """The pages of a classifier of rows."""
        from kevo.tasks.tables.pages import PAGES

        return PAGES

    def drawings(self, test: Evaluation) -> Sequence[Drawing]:
        """The confusion matrix."""
        from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix

        return [confusion_matrix(test, examples=self.examples)]

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> TablePredictor:
        """Opens a saved classifier of tables."""
        from kevo.tasks.tables.predictor import TablePredictor

        if labels is not None:
            raise SettingsError(
                f"{path} classifies rows of a table, and the {layout.TASK} beside it names the classes. Received other "
                f"names: {labels}. Leave them out."
            )
        return TablePredictor.open(path, note=note)

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> NoReturn:
        """Raises an `ExportError`: other formats know no columns of texts."""
        raise ExportError(
            f"{path} takes the columns of a table, and is written in no other format. Load it with Keras, which needs "
            "no kevo for that: keras.models.load_model(...)."
        )

    def pretrained(self) -> Iterator[Pretrained]:
        """Yields nothing: networks for tables are trained from scratch."""
        yield from ()

    def findings(self) -> Iterator[tuple[str, str]]:
        """Yields nothing: searches leave nothing behind but their run folders."""
        yield from ()

    def describe(self, genome: Genome) -> str:
        """Returns a genome in words."""
        return spaces.describe(genome)

    def check_genome(self, genome: Genome) -> None:
        """Raises an error where it is no genome of tables."""
        spaces.check_genome(genome)

    def extractor_key(self, genome: Genome) -> Hashable | None:
        """Returns `None`: no network has a frozen part."""
        return None

    def parse_scores(self, values: Mapping[str, Any]) -> Evaluation:
        """Reads the scores of a classifier."""
        from kevo.tasks.outputs.classes import evaluation

        return evaluation.parse(values)


KIND: TaskKind[TableDataset] = TabularClassification()
