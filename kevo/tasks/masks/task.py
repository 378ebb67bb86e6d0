"""The task of masks beside a search's scheduler: genes, forecasts, and the scoring of models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.system.array_store import ArrayStore
from kevo.tasks.images.contract import Contract, write_known
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache, lasting_store
from kevo.tasks.images.inference import predict
from kevo.tasks.images.rows import ROWS
from kevo.tasks.images.usable_weights import Usable, by_width, to_json
from kevo.tasks.masks import costs, networks, recipes, references, space
from kevo.tasks.masks.declaration import declare
from kevo.tasks.masks.frozen_maps import FrozenMaps
from kevo.tasks.masks.trainer import MaskTrainer
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared.combining import weighted_mean
from kevo.tasks.prepared.costs import measure
from kevo.tasks.prepared.task import PreparedTask
from kevo.tasks.protocols.task import FirstAnswer, Member, SearchSettings, Work
from tuners.genome import Genome


class MaskTask(PreparedTask):
    """One search's task.

    Args:
        dataset: The pictures, whose answers are the classes of pixels.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        notes: What a user should know of those that cannot.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    fewer_parameters = ", or set a smaller `width` in the space"

    def __init__(
        self, dataset: ImageDataset, settings: SearchSettings, usable: Usable, *, notes: Sequence[str] = ()
    ) -> None:
        self.dataset = dataset
        self.notes = notes
        self._usable = usable
        self._store: ArrayStore | None = None
        self._space = space.of(settings)
        self._side, self._size = dataset.image_size, dataset.output.size
        super().__init__(
            dataset,
            settings,
            kind=ROWS[dataset.output.asks],
            hyperparameters=declare(
                self._space,
                side=self._side,
                num_pictures=len(dataset.train),
                alphas={name: [one.alpha for one in weights] for name, weights in usable.items()},
            ),
            seeds=recipes.seeds(self._space, has_backbone=bool(usable)),
            narrowest=recipes.narrowest(self._space),
            forecast=costs.forecast(
                side=self._side,
                num_train=len(dataset.train),
                num_validation=len(dataset.validation),
                num_outputs=self._size,
            ),
        )

    @property
    def advice(self) -> str:
        """More time or pictures."""
        return (
            "Give the search more time with --max-time, or more pictures with masks. Perhaps the classes cannot be "
            f"seen at {self._side} x {self._side} px."
        )

    @property
    def identity(self) -> dict[str, Any]:
        """The widths of the backbones that are searched."""
        return {"backbones": {name: [one.alpha for one in weights] for name, weights in self._usable.items()}}

    @property
    def first_answer(self) -> FirstAnswer | None:
        """None: a network for masks may be trained for any time, and is judged when its time is up."""
        return None

    def attach(self, run: Run, *, work: Path | None, note: Callable[[str], object]) -> None:
        """Chooses where maps of frozen backbones are kept, too."""
        super().attach(run, work=work, note=note)
        if self._usable:
            self._store = lasting_store(self._settings.cache, note=note)
            if work is not None:
                self._store = self._store or ArrayStore(work / "features")
                # Workers keep what they find in silence.
                self._store.try_out()

    @functools.cached_property
    def cache(self) -> FeatureCache:
        """Maps of frozen backbones that are there already."""
        return FeatureCache(self.dataset, store=self._store, seed=self._settings.seed)

    @functools.cached_property
    def _maps(self) -> FrozenMaps:
        return FrozenMaps(self.dataset, self.cache, by_width(self._usable), seed=self._settings.seed)

    def worker_arguments(self) -> dict[str, Any]:
        """The weights, and where maps are kept."""
        return {"weights": to_json(self._usable), "cache": str(self._store.folder) if self._store else None}

    def worker_files(self) -> list[Path]:
        """The files of pretrained weights."""
        paths = (one.path for one in by_width(self._usable).values())
        return [path for path in paths if path is not None and path.is_file()]

    def references(self) -> list[Reference]:
        """A model of single pixels, and masks that are all background."""
        return references.fit(self.dataset, seed=self._settings.seed)

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> MaskTrainer:
        """A trainer in this process."""
        return MaskTrainer(self.dataset, self._settings, self._usable, cache=self.cache, strategy=strategy)

    def num_parameters(self, genome: Genome) -> int:
        """The parameters of a genome's network."""
        return networks.num_parameters(genome, num_outputs=self._size)

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a training in seconds; it may have any length."""
        one, two = (self._forecast.seconds(genome, num_epochs=num) for num in (1, 2))
        return super().work(genome)._replace(shared=self._pass_seconds(genome), per_epoch=two - one)

    def note_duration(self, genome: Genome, work: Work, seconds: float) -> None:
        """Learns how far the forecast of a training was off, behind its backbone's pass over the pictures."""
        super().note_duration(genome, work, max(seconds - work.shared, 0.1 * seconds))

    def _pass_seconds(self, genome: Genome) -> float:
        """How long it takes until the maps are there that a candidate learns from."""
        if genome["family"] != space.PRETRAINED:
            return 0.0
        num_pixels = self._maps.num_missing(genome) * self._side**2
        return self._forecast.error * num_pixels * costs.pass_seconds_per_pixel(genome)

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """Narrower networks, and at last one that sees pictures at half their size."""
        return recipes.cheaper(genome, self._space, side=self._side)

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to load and to score a finished model."""
        num_pictures = len(self.dataset.validation) + len(self.dataset.test)
        return self._forecast.error * costs.scoring_seconds(
            genome, side=self._side, num_pictures=num_pictures, num_outputs=self._size
        )

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`; FLOPs are of a picture at the size at which all are kept."""
        num_flops = networks.num_flops(genome, side=self._side, num_outputs=self._size)
        return measure(model, names, seconds=seconds, num_flops=num_flops)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Validation pictures, their pixels, and outputs."""
        return len(self.dataset.validation), self._side, self._side, self._size

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's pictures."""
        return predict(model, getattr(self.dataset, split).pictures, watch=watch or (lambda: None))

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models."""
        models, weights = [one.model for one in members], [one.weight for one in members]
        return weighted_mean(models, weights, networks.raw_pixels())

    def write_contract(self, run: Run) -> None:
        """Writes what the model answers, and which pictures it knows."""
        run.write_labels(self.dataset.output.names)
        run.write_json(layout.TASK, Contract.of(self.dataset).to_json())
        with run.replacing(layout.KNOWN) as path:
            write_known(self.dataset, path)
