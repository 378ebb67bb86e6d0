"""A task of pictures beside a search's scheduler: genes, forecasts, and the scoring of models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo import scorers
from kevo.errors import RunError
from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.system.array_store import ArrayStore
from kevo.system.text import metric_name
from kevo.tasks.folded_trainer import FoldedTrainer, num_trainings
from kevo.tasks.folds import rows_of
from kevo.tasks.images import cache_savings, costs, networks, recipes, references, space
from kevo.tasks.images.contract import Contract, write_known
from kevo.tasks.images.cost_model import Forecast
from kevo.tasks.images.datasets import ImageDataset, Split
from kevo.tasks.images.features import FeatureCache, Inputs, lasting_store
from kevo.tasks.images.first_answer import first_answer
from kevo.tasks.images.fold_features import FoldFeatures
from kevo.tasks.images.genes import shared_extractor, variant
from kevo.tasks.images.inference import predict
from kevo.tasks.images.initial_population import declare, is_small_enough
from kevo.tasks.images.linear_probes import LinearProbes, probe
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.rows import ROWS
from kevo.tasks.images.task_trainer import ImageTrainer, for_dataset
from kevo.tasks.images.usable_weights import Usable, by_width, to_json
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.scores import Calibration, Outputs, Scores
from kevo.tasks.protocols.task import FirstAnswer, Member, SearchSettings, Work
from kevo.tasks.registry import kind_of
from kevo.training.evolution import EVOLUTION, too_many
from tuners.genome import Genome

_T = TypeVar("_T")
_NUM_LEADING = 3
"""So many of the best backbones are tried first."""
_NUM_MORE_HEADS = 5
"""So many heads are averaged with the winner's; the mean of more is no better."""


class ImageTask:
    """One search's task.

    Args:
        dataset: The pictures.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        notes: What a user should know of those that cannot.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """

    def __init__(
        self, dataset: ImageDataset, settings: SearchSettings, usable: Usable, *, notes: Sequence[str] = ()
    ) -> None:
        self._kind: AnyKind = kind_of(ROWS[dataset.output.asks])
        self.dataset = dataset
        self.notes = notes
        self._settings = settings
        scorers.check(
            settings.objectives[0],
            self._kind.objectives,
            size=dataset.output.size,
            targets=dataset.validation.labels,
        )
        self._usable = usable
        self._genes = declare(settings, dataset, usable)
        self._run: Run | None = None
        self._note: Callable[[str], object] = lambda text: None
        self._store: ArrayStore | None = None
        self._probes = LinearProbes(dataset.output, dataset.train.labels)

    @property
    def advice(self) -> str:
        """Pretrained weights where none could be had, and else more time or pictures."""
        if not self._usable and "pretrained" in space.of(self._settings).families:
            return (
                "No pretrained network was searched, since none of their weights could be had or the pictures are "
                "small. Give a file of weights, --weights mobilenet_v2=FILE, or search where there is internet, "
                "--weights mobilenet_v2=imagenet."
            )
        return "Give the search more time with --max-time, or more pictures."

    @property
    def identity(self) -> dict[str, Any]:
        """The widths of the backbones that are searched."""
        return {"backbones": {name: [one.alpha for one in weights] for name, weights in self._usable.items()}}

    @property
    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """The genes and their conditions."""
        return self._genes.hyperparameters

    @property
    def seeds(self) -> Sequence[Genome]:
        """The genomes that the search begins with."""
        return self._genes.seeds

    @property
    def first_answer(self) -> FirstAnswer | None:
        """A linear model; `None` where it would have too many parameters."""
        answer = first_answer(self.dataset)
        is_small = is_small_enough(answer.genome, self._settings, num_classes=self.dataset.num_classes)
        return answer if is_small else None

    def attach(self, run: Run, *, work: Path | None, note: Callable[[str], object]) -> None:
        """Reads the files of earlier sessions, and chooses where features are kept."""
        self._run, self._note = run, note
        self._store = lasting_store(self._settings.cache, note=self._tell)
        if work is not None:
            self._store = self._store or ArrayStore(work / "features")
            if self._usable:
                # Workers keep what they find in silence.
                self._store.try_out()
        self._probes = LinearProbes(self.dataset.output, self.dataset.train.labels, self._known_errors())

    @functools.cached_property
    def cache(self) -> FeatureCache:
        """Pictures and features that are there already."""
        return FeatureCache(self.dataset, store=self._store, seed=self._settings.seed)

    @functools.cached_property
    def forecast(self) -> Forecast:
        """How long candidates take."""
        weights = by_width(self._usable)
        dataset, num = self.dataset, 1.0
        inputs: Inputs = self.cache
        if dataset.folds is not None:
            (train, validation), *others = rows_of(dataset.folds)
            inputs = FoldFeatures(self.cache, len(dataset.train), train=train, validation=validation)
            dataset, num = dataset.part(train, validation), num_trainings(1 + len(others))
        return Forecast(
            dataset,
            inputs,
            num_trainings=num,
            weights=lambda genome: weights[variant(genome)],
            num_epochs=self._settings.epochs,
            num_first_epochs=self._settings.rungs[0],
        )

    def prepare(self, *, may_go_on: Callable[[], bool]) -> None:
        """Ranks the backbones on a sample of the pictures, where there are several, and begins with the best.

        For numbers and labels a linear model is trained before, to stand beside the winner.
        """
        # What would have to be downloaded first is not probed.
        weights = [one for one in by_width(self._usable).values() if one.path is None or one.path.exists()]
        if self._run is not None and not isinstance(self.dataset.output, Classes) and may_go_on():
            self._refer([one for one in weights if one.path is not None])
        if len(weights) < 2 or self._run is None:
            return
        leading = self._known_ranking()
        if leading is None:
            self._note(f"Probing {len(weights)} backbones on a sample of the pictures.")
            found = probe(
                self.dataset,
                weights,
                image_size=min(space.of(self._settings).pretrained_image_sizes),
                seed=self._settings.seed,
                watch=lambda name, done: may_go_on(),
                note=self._tell,
            )
            # A search that is taken up again begins with the same.
            self._run.write_json(layout.BACKBONE_RANKING, [{"genes": one.genes, "score": one.score} for one in found])
            leading = [one.genes for one in found[:_NUM_LEADING]]
        if leading:
            self._genes = self._genes.led_by(leading, self._settings, self.dataset)

    def trainer(self, *, strategy: tf.distribute.Strategy | None = None) -> ImageTrainer | FoldedTrainer:
        """A trainer in this process, which fills the cache that forecasts look at."""
        return for_dataset(self.dataset, self._settings, self._usable, cache=self.cache, strategy=strategy)

    def worker_arguments(self) -> dict[str, Any]:
        """The weights, and where features are kept."""
        return {"weights": to_json(self._usable), "cache": str(self._store.folder) if self._store else None}

    def worker_files(self) -> list[Path]:
        """The files of pretrained weights."""
        paths = (one.path for one in by_width(self._usable).values())
        return [path for path in paths if path is not None and path.is_file()]

    def obstacle(self, genome: Genome) -> str | None:
        """Too many parameters, or weights to evolve, or frozen features that others are clearly better than."""
        if not is_small_enough(genome, self._settings, num_classes=self.dataset.num_classes):
            return "too many parameters"
        if genome.get("optimizer") == EVOLUTION:
            is_frozen = genome.get("pretrained/tuning") == "frozen"
            count = costs.num_head_parameters if is_frozen else costs.num_parameters
            if (reason := too_many(count(genome, num_classes=self.dataset.num_classes))) is not None:
                return reason
        if self._probes.is_behind(genome):
            return "others' frozen features are better"
        return None

    def work(self, genome: Genome, *, tune_epochs: int | None = None) -> Work:
        """Forecast of a training in seconds."""
        return self.forecast.work(genome, tune_epochs=tune_epochs)

    def repeat_seconds(self, genome: Genome, *, tune_epochs: int | None = None) -> float | None:
        """A head on features that are there already costs next to nothing, and fine-tuning on maps only its epochs."""
        if genome["family"] != "pretrained":
            return None
        # What has not passed for a head need not pass for the same head once more.
        is_head = genome["pretrained/tuning"] == "frozen"
        return (self.sampled_work(genome) if is_head else self.work(genome, tune_epochs=tune_epochs)).seconds

    def sampled_work(self, genome: Genome, num_examples: int | None = None) -> Work:
        """Forecast of a training on the pictures that pass its frozen backbone first."""
        return self.forecast.sampled_work(genome, num_examples)

    def scoring_seconds(self, genome: Genome) -> float:
        """How long it takes to load and to score a finished model."""
        return self.forecast.scoring_seconds(genome)

    def cheaper(self, genome: Genome) -> Sequence[Genome]:
        """The same network on smaller pictures."""
        return recipes.on_smaller_pictures(genome, self.hyperparameters)

    def deeper(self, genome: Genome) -> Sequence[Genome]:
        """The same head on a backbone with its last blocks fine-tuned, the most blocks first."""
        return recipes.fine_tuned(genome, space.of(self._settings))

    def lengthened(self, genome: Genome, num_epochs: float, *, equals: Sequence[Genome] = ()) -> Genome:
        """The same network, on pictures that are changed more where it sees each of them often.

        A number may be a place in the picture: then only the evolution finds out which changes do no harm.
        """
        if isinstance(self.dataset.output, Numbers):
            return genome
        return recipes.lengthened(genome, space.of(self._settings), num_epochs=num_epochs, equals=equals)

    def mean_members(self, genomes: Sequence[Genome]) -> Sequence[int]:
        """Other heads on the same frozen network, which pictures pass once for all of them.

        Heads that learn from softer labels are left out: they would make the mean less sure than it should be.
        """
        first, *others = genomes
        if (key := shared_extractor(first)) is None:
            return ()
        most = float(first["label_smoothing"])
        fitting = [
            place
            for place, one in enumerate(others, start=1)
            if shared_extractor(one) == key and float(one["label_smoothing"]) <= most
        ]
        return fitting[:_NUM_MORE_HEADS]

    def note_duration(self, genome: Genome, work: Work, seconds: float) -> None:
        """Learns how far a forecast was off."""
        self.forecast.learn(genome, work, seconds)

    @property
    def learned(self) -> dict[str, Any]:
        """The errors of linear heads on frozen networks so far."""
        return {"errors": dict(self._probes.errors)}

    def check_learned(self, values: Mapping[str, Any]) -> None:
        """Raises a `ValueError` where these are no errors of linear heads and no speeds of backbones."""
        _parsed(values)

    def learn(self, values: Mapping[str, Any]) -> None:
        """Takes down errors of linear heads, for later sessions too, and the speeds of backbones."""
        errors, speeds = _parsed(values)
        if news := {key: error for key, error in errors.items() if error > 0}:
            self._probes.errors |= news
            if self._run is not None:
                self._run.write_json(layout.PROBE_ERRORS, self._probes.errors)
        self.forecast.learn_speeds(speeds)

    @property
    def output_shape(self) -> tuple[int, int]:
        """Validation pictures and outputs."""
        return len(self.dataset.validation), self.dataset.num_classes

    def are_valid(self, outputs: Outputs) -> bool:
        """Whether they are answers of the kind that is asked."""
        return self.dataset.output.are_valid(outputs)

    def predict(
        self, model: keras.Model, split: str, *, watch: Callable[[], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """Outputs for a split's pictures."""
        pictures = self._split(split).pictures
        return predict(model, pictures) if watch is None else predict(model, pictures, watch=watch)

    def score(self, outputs: npt.NDArray[np.floating], split: str) -> Scores:
        """Scores of the kind of answer."""
        return self.dataset.output.score(outputs, self._split(split).labels, objective=self._settings.objectives[0])

    def loss(self, outputs: npt.NDArray[np.floating], split: str) -> float:
        """Cross-entropy, or the mean squared error."""
        return self.dataset.output.loss(outputs, self._split(split).labels)

    def calibrate(
        self, model: keras.Model, outputs: npt.NDArray[np.floating]
    ) -> tuple[keras.Model, Calibration | None]:
        """Class probabilities, by a temperature."""
        return self.dataset.output.calibrate(model, outputs, self.dataset.validation.labels)

    def combine(self, members: Sequence[Member]) -> keras.Model:
        """The weighted mean of several models; heads on the same frozen features share their pass."""
        return networks.weighted_mean(
            [
                networks.Member(
                    one.model, one.weight, shared_extractor(one.genome), bool(one.genome["mirror"]), self.dataset.crop
                )
                for one in members
            ]
        )

    def costs(self, model: keras.Model, genome: Genome, names: Iterable[str], *, seconds: float) -> dict[str, float]:
        """Some of `kevo.objective.COSTS`."""
        return costs.measure(model, names, seconds=seconds, mirror=bool(genome["mirror"]))

    def savings(self, records: Sequence[TrialRecord]) -> cache_savings.CacheSavings | None:
        """Estimate of the time that the cache of features has saved; written down for later sessions."""
        if self._run is None:
            return None
        # What earlier sessions measured is not measured again where nothing new is trained.
        if (earlier := cache_savings.read(self._run)) is not None:
            measured = set(self.forecast.speeds)
            self.forecast.learn_speeds(speed for speed in earlier.speeds if speed[:-1] not in measured)
        speeds: list[cache_savings.Speed] = [(*key, seconds) for key, seconds in self.forecast.speeds.items()]
        if not speeds:
            return earlier
        estimate = cache_savings.estimate(records, self.dataset, pass_seconds=self.forecast.pass_seconds, speeds=speeds)
        cache_savings.write(self._run, estimate)
        return estimate

    def write_contract(self, run: Run) -> None:
        """Writes the names of the outputs, how pictures are read, and which pictures the models have seen."""
        run.write_labels(self.dataset.output.names)
        run.write_json(layout.TASK, Contract.of(self.dataset).to_json())
        with run.replacing(layout.KNOWN) as path:
            write_known(self.dataset, path)

    def _refer(self, weights: Sequence[Weights]) -> None:
        """Trains the reference, unless an earlier session has, and says how good it is on the validation pictures."""
        if self._run is None:
            return
        found = self._known(layout.BASELINE, lambda values: reference.from_json(values, self._kind.parse_scores))
        if not found:
            size = min(space.of(self._settings).pretrained_image_sizes)
            found = [references.fit(self.dataset, weights, image_size=size, seed=self._settings.seed)]
            self._run.write_json(layout.BASELINE, reference.to_json(found))
        metric = reference.metric(self._settings.objectives[0], self._kind.objectives)
        for one in found:
            score = one.validation.value(metric.removeprefix("val_"))
            self._note(f"{one.name} has {metric_name(metric)} {score:.3f} on the same validation pictures.")

    def _tell(self, text: str) -> None:
        self._note(text)

    def _split(self, name: str) -> Split:
        split: Split = getattr(self.dataset, name)
        return split

    def _known_ranking(self) -> list[Genome] | None:
        """Returns the ranking of an earlier session; `None` where there is none that can be used."""

        def parse(values: Any) -> list[Genome]:
            leading: list[Genome] = [dict(one["genes"]) for one in values[:_NUM_LEADING]]
            if not all(isinstance(value, str | int | float) for genes in leading for value in genes.values()):
                raise ValueError(f"its genes are {leading}")
            return leading

        return self._known(layout.BACKBONE_RANKING, parse)

    def _known_errors(self) -> dict[str, float]:
        """Returns the errors of linear heads in earlier sessions."""

        def parse(values: Any) -> dict[str, float]:
            errors = {str(key): float(error) for key, error in values.items()}
            if not all(math.isfinite(error) and error >= 0 for error in errors.values()):
                raise ValueError(f"an error is no number from 0 on: {errors}")
            return errors

        return self._known(layout.PROBE_ERRORS, parse) or {}

    def _known(self, name: str, parse: Callable[[Any], _T]) -> _T | None:
        """Reads a file of the run folder; one that is damaged is set aside, since it can be found again."""
        if self._run is None:
            return None
        path = self._run.path / name
        try:
            with damage(path):
                return parse(self._run.read_json(name))
        except RunError as error:
            if path.is_file():
                self._note(self._run.set_aside(name, str(error)))
        return None


def _parsed(values: Mapping[str, Any]) -> tuple[dict[str, float], list[tuple[str, float | None, int, float]]]:
    """Reads `ImageTrainer.news`, which may come from another machine."""
    try:
        errors = {str(key): float(error) for key, error in values["errors"].items()}
        speeds = [
            (str(name), None if alpha is None else float(alpha), int(size), float(seconds))
            for name, alpha, size, seconds in values["speeds"]
        ]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(str(error)) from error
    numbers = [*errors.values(), *(seconds for *_, seconds in speeds)]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"a number is none from 0 on: {numbers}")
    return errors, speeds
