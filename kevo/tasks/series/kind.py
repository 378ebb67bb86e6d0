"""Series as a row of the table of tasks; loads neither TensorFlow nor Keras."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kevo.errors import ExportError, SettingsError
from kevo.runs import layout
from kevo.tasks.options import TARGET
from kevo.tasks.outputs import asked
from kevo.tasks.pages import Pages
from kevo.tasks.prepared.kind import PreparedKind
from kevo.tasks.protocols.export import InputSpec
from kevo.tasks.protocols.kind import NetworkKind, TaskKind, TaskOption
from kevo.tasks.protocols.task import SearchSettings
from kevo.tasks.protocols.training import StageData
from kevo.tasks.series import space as spaces
from kevo.tasks.series.options import HORIZON, SEASON, TIME, WINDOW, arguments
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kevo.tasks.series.dataset import SeriesDataset
    from kevo.tasks.series.predictor import SeriesPredictor
    from kevo.tasks.series.task import SeriesTask
    from kevo.tasks.series.trainer import SeriesTrainer

_KINDS = {
    "linear": NetworkKind("l", "linear model"),
    "mlp": NetworkKind("d", "dense network"),
    "tcn": NetworkKind("c", "causal convolutions"),
    "lstm": NetworkKind("r", "LSTM"),
}


class SeriesKind(PreparedKind):
    """Windows of a series in, its next values out."""

    inputs = "series"
    title = "forecasting of a series"
    example = "window"
    examples = "windows"
    are_small = True
    options: tuple[TaskOption, ...] = (TARGET, HORIZON, WINDOW, TIME, SEASON)
    network_kinds: tuple[NetworkKind, ...] = tuple(_KINDS.values())
    rung_genes: tuple[str, ...] = ("family",)

    def __init__(self) -> None:
        super().__init__(asked.FORECASTS, name=asked.FORECASTS.word, spaces=spaces)
        # Windows are few, and the luckiest of many networks would win over the linear model that they begin with.
        self.objectives = self.objectives.preferring(spaces.is_linear)

    def recognizes(self, data: Any) -> bool:
        """Returns `False`: a table with dates may be meant row by row, and only `--task series` says otherwise."""
        return False

    def suggested(self, data: Any, options: Mapping[str, str]) -> tuple[str, str]:
        """A series, which goes without saying."""
        return self.asks, ""

    def check(self, settings: SearchSettings) -> None:
        """Raises a `KevoError` for an unknown preset, weights of backbones, folds, or options that are no numbers."""
        super().check(settings)
        if settings.folds is not None:
            raise SettingsError(
                "A series is not learned over folds: a model would know the future of what it is judged by. Leave "
                "--folds out."
            )
        arguments(settings)

    def source(self, data: Any) -> str | None:
        """Returns the path of a CSV file; `None` for data in memory."""
        return str(Path(data).resolve()) if isinstance(data, str | os.PathLike) else None

    def load(self, data: Any, settings: SearchSettings, *, seconds: float | None = None) -> SeriesDataset:
        """Reads a series, which takes little time; see `kevo.tasks.series.loading.load`."""
        from kevo.tasks.series.loading import load

        return load(data, **arguments(settings))

    def read(self, folder: Path) -> SeriesDataset:
        """Reads what `SeriesDataset.write` wrote."""
        from kevo.tasks.series import dataset

        return dataset.read(folder)

    def open(
        self, dataset: SeriesDataset, settings: SearchSettings, *, identity: Mapping[str, Any] | None = None
    ) -> SeriesTask:
        """Declares the genes."""
        from kevo.tasks.series.task import SeriesTask

        return SeriesTask(dataset, settings)

    def trainer(
        self,
        dataset: SeriesDataset,
        settings: SearchSettings,
        arguments: Mapping[str, Any],
        *,
        strategy: tf.distribute.Strategy | None = None,
        leader: Any = None,
    ) -> SeriesTrainer:
        """Returns the trainer of a worker process."""
        from kevo.tasks.series.trainer import SeriesTrainer

        return SeriesTrainer(dataset, settings, strategy=strategy, leader=leader)

    def stage_data(self, dataset: SeriesDataset, *, seed: int) -> StageData:
        """Returns windows and what follows them; nothing of them is left to chance."""
        from kevo.tasks.prepared import stages
        from kevo.tasks.series.stages import PreparedWindows

        return stages.stage_data(PreparedWindows(dataset))

    def network_kind(self, genome: Genome) -> NetworkKind:
        """Returns the family of a network."""
        return _KINDS[str(genome.get("family", "linear"))]

    def network_name(self, genome: Genome) -> str:
        """Returns its kind in words."""
        return self.network_kind(genome).words

    def input_specs(self, model: keras.Model) -> Sequence[InputSpec]:
        """Raw windows."""
        return [InputSpec("", np.float32, (-1, *model.inputs[0].shape[1:]))]

    def pages(self) -> Pages:
        """The pages of series."""
        from kevo.tasks.series.pages import PAGES

        return PAGES

    def predictor(
        self, path: str | Path, *, labels: str | Path | None = None, note: Callable[[str], object] | None = None
    ) -> SeriesPredictor:
        """Opens a saved model of series."""
        from kevo.tasks.series.predictor import SeriesPredictor

        if labels is not None:
            raise SettingsError(
                f"The {layout.TASK} beside {path} says what it answers. Received other names: {labels}. Leave them out."
            )
        return SeriesPredictor.open(path, note=note)

    def exportable(self, path: Path, *, run: Any = None, data: str | None = None) -> NoReturn:
        """Raises an `ExportError`: no other format was compared with Keras on series yet."""
        raise ExportError(
            f"{path} takes windows of a series, and is written in no other format yet. Load it with Keras, which needs "
            "no kevo for that: keras.models.load_model(...)."
        )


KIND: TaskKind[SeriesDataset] = SeriesKind()
