"""The task of a series beside a search's scheduler: genes, forecasts of seconds, and the scoring of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared.combining import weighted_mean
from kevo.tasks.prepared.task import PreparedTask
from kevo.tasks.protocols.task import Member, SearchSettings
from kevo.tasks.series import costs, networks, references, space
from kevo.tasks.series.contract import ROW, Contract
from kevo.tasks.series.dataset import SeriesDataset
from kevo.tasks.series.trainer import SeriesTrainer
from tuners.genome import Genome

_AT_ONCE = 4096
_WEIGHTS_PER_VALUE, _ALWAYS_ALLOWED = 2, 1000
"""A network has so many weights at most for each value that it learns; small ones always fit."""


class SeriesTask(PreparedTask):
    """One search's task.

    Args:
        dataset: The windows.
        settings: How the search is to run.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    fewer_parameters = ", or ask for a smaller --window or --horizon"
    has_quick_references = True

    def __init__(self, dataset: SeriesDataset, settings: SearchSettings) -> None:
        self.dataset = dataset
        train = dataset.train
        learned = train.series[: int(train.firsts[-1]) + train.horizon, 0]
        facts = space.Facts(
            window=dataset.window,
            season=dataset.output.season,
            is_positive=bool(learned.min() > 0),
            num_windows=len(train),
        )
        fitted = space.fitted(space.from_json(settings.space), facts)
        super().__init__(
            dataset,
            settings,
            kind=ROW,
            hyperparameters=space.declare(fitted, facts),
            seeds=space.seeds(fitted),
            narrowest=space.narrowest(fitted, facts),
            forecast=costs.forecast(num_train=len(train), window=dataset.window, num_parameters=self.num_parameters),
        )

    @property
    def advice(self) -> str:
        """A longer series, or fewer steps ahead."""
        return (
            "Give the search a longer series, or ask for a smaller --horizon. Perhaps its past says little about what "
            "comes next."
        )

    def references(self) -> list[Reference]:
        """A linear autoregression, the last value and the seasonal last value."""
        return references.fit(self.dataset)

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> SeriesTrainer:
        """A trainer in this process."""
        return SeriesTrainer(self.dataset, self._settings, strategy=strategy)

    def num_parameters(self, genome: Genome) -> int:
        """The parameters of a genome's network."""
        output = self.dataset.output
        return networks.num_parameters(
            genome,
            window=self.dataset.window,
            season=output.season,
            num_columns=len(self.dataset.columns),
            horizon=output.horizon,
        )

    def obstacle(self, genome: Genome) -> str | None:
        """Too many parameters, or more than a short series can teach."""
        most = max(_ALWAYS_ALLOWED, _WEIGHTS_PER_VALUE * len(self.dataset.train) * self.dataset.output.horizon)
        own = "more weights than so few windows can teach" if self.num_parameters(genome) > most else None
        return super().obstacle(genome) or own

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to load and score a finished model."""
        return costs.LOADING_SECONDS

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's windows."""
        return forward(model, getattr(self.dataset, split).inputs, watch=watch or (lambda: None))

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""
        models, weights = [one.model for one in members], [one.weight for one in members]
        windows = networks.raw_windows(self.dataset.window, len(self.dataset.columns))
        return weighted_mean(models, weights, windows)

    def write_contract(self, run: Run) -> None:
        """Writes what windows the model takes, and the names of its outputs in their order."""
        run.write_labels(self.dataset.output.names)
        run.write_json(layout.TASK, Contract.of(self.dataset).to_json())


def forward(
    model: keras.Model, windows: npt.NDArray[np.float32], *, watch: Callable[[], object] = lambda: None
) -> npt.NDArray[np.float32]:
    """Passes raw windows through a model in inference mode, and returns the next values, shape (n, horizon).

    Args:
        model: A model of windows.
        windows: Shape (n, window, num_columns).
        watch: Is called after every chunk; an error that it raises ends the pass.
    """
    outputs = []
    for start in range(0, max(1, len(windows)), _AT_ONCE):
        outputs.append(np.asarray(model(windows[start : start + _AT_ONCE], training=False), np.float32))
        watch()
    return np.concatenate(outputs)
