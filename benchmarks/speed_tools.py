"""The tools side by side: kevo, and Keras Tuner as its users use it, on the same networks.

A Keras Tuner user writes a hypermodel: it builds the network that the genome means, its pictures are brought to the
network's size before `fit`, and `fit` gets an `EarlyStopping`. A candidate that fine-tunes trains its head first, as
Keras's guide to transfer learning does and kevo too. Every new best epoch counts for Keras Tuner as soon as it ends,
for kevo every new best candidate. Nothing is scored on the test split before the search is over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt
from speed import Clock, Measured, Step, Task, Trial, machine, memory

import kevo
from kevo.api import search
from kevo.errors import KevoError
from kevo.progress import NullListener
from kevo.runs import layout
from kevo.runs.records import TrialRecord
from kevo.tasks.images import backbones, datasets, networks, pretrained_weights, trainer
from kevo.tasks.images import space as genes
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.space import Genome
from kevo.tasks.outputs.classes import evaluation
from kevo.training import candidate_fit, optimizers
from tuners.genome import SearchSpace

_PATIENCE = 5
# Keras Tuner's random search counts its seed up with every value, so that neighboring seeds give the same draws.
_SEED_STRIDE = 100_003
# By default its model begins to count after three times as many trials as there are genes, more than there is time for.
_NUM_INITIAL_POINTS = 5
_BATCH_SIZE = 64

_Pictures = npt.NDArray[np.uint8]


def _trial(genome: Genome, *, ended: float, seconds: float, accuracy: float | None, is_closing: bool = False) -> Trial:
    kind, part = "conv", ""
    if genome["family"] == "pretrained":
        name = str(genome["backbone"])
        kind = str(genome["pretrained/tuning"])
        facts = (name, genome.get(f"{name}/alpha"), genome[f"{name}/cut"], genes.image_size(genome))
        part = " ".join(map(str, facts))
    return Trial(kind, part, ended, seconds, accuracy, memory(), is_closing)


def _measured(
    tool: str,
    task: Task,
    *,
    trials: Sequence[Trial],
    steps: Sequence[Step],
    seconds: float,
    peak: float,
    test: float | None = None,
    ensemble: float | None = None,
) -> Measured:
    if test is None and steps:
        test = steps[-1].test
    rest = (tuple(trials), tuple(steps), seconds, test, ensemble, peak, machine())
    return Measured(tool, task.seed, task.setting, task.seconds, *rest)


def _declared(
    task: Task, dataset: ImageDataset
) -> tuple[keras_tuner.HyperParameters, dict[Any, pretrained_weights.Weights]]:
    """Returns what is searched, and the weights by backbone and width."""
    usable = pretrained_weights.resolve(task.weights).available
    hyperparameters = genes.declare(
        # What `fit` validates is the network that it trains, which sees one side of a picture.
        dataclasses.replace(task.space, mirror=(False,)),
        image_size=dataset.image_size,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )
    return hyperparameters, {(name, one.alpha): one for name, variants in usable.items() for one in variants}


def given_genomes(task: Task, hyperparameters: keras_tuner.HyperParameters) -> list[dict[str, Any]]:
    """Returns the random candidates that every tool is to train."""
    rng = np.random.default_rng(task.seed)
    space = SearchSpace.from_hyperparameters(hyperparameters)
    return [dict(space.sample(rng)) for _ in range(task.num_trials or 0)]


class _Listener(NullListener):
    """Writes down when kevo's candidates end, and puts the best of them aside before they are tidied away."""

    def __init__(self, clock: Clock, run: Path, aside: Path) -> None:
        self.trials: list[Trial] = []
        self.bests: list[tuple[float, float, Path]] = []
        self._clock, self._run, self._aside = clock, run, aside
        self._began = 0.0
        self._best: str | None = None

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self._began = self._clock.seconds

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        ended = self._clock.seconds
        accuracy = record.metrics.get("val_accuracy") if record.fitness is not None else None
        seconds, is_closing = ended - self._began, record.full_length
        self.trials.append(
            _trial(record.genome, ended=ended, seconds=seconds, accuracy=accuracy, is_closing=is_closing)
        )
        if (
            best is not None
            and best.trial_id != self._best
            and (path := self._run / layout.checkpoint(best.trial_id)).is_file()
        ):
            self._best = best.trial_id
            kept = self._aside / f"{len(self.bests)}.keras"
            shutil.copyfile(path, kept)
            self.bests.append((ended, best.metrics["val_accuracy"], kept))


def run_kevo(task: Task) -> Measured:
    """Lets kevo search, with a cache that is empty at first."""
    if task.is_given:
        return _train_given(task)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "aside").mkdir()
        clock = Clock()
        listener = _Listener(clock, folder / "run", folder / "aside")
        settings = kevo.Settings(
            max_time=task.seconds,
            max_trials=task.num_trials,
            epochs=task.epochs,
            final_epochs=task.epochs if task.num_trials else None,
            num_finalists=task.num_finalists,
            space=task.space,
            weights=task.weights,
            cache=str(folder / "cache"),
            # As Keras Tuner does, so that memory compares.
            workers=0,
            seed=task.seed,
        )
        result = search(task.data, settings, out=folder / "run", listener=listener, started=clock.started)
        seconds, peak = clock.seconds, memory(peak=True)
        dataset = datasets.load(task.data, seed=task.seed)
        steps = [Step(ended, accuracy, _score(path, dataset)) for ended, accuracy, path in listener.bests]
        steps.append(Step(seconds, result.validation.accuracy, result.test.accuracy))
        return _measured(
            "kevo",
            task,
            trials=listener.trials,
            steps=steps,
            seconds=seconds,
            peak=peak,
            test=result.test.accuracy,
            ensemble=result.ensemble.test.accuracy if result.ensemble else None,
        )


def _score(path: Path, dataset: ImageDataset) -> float:
    """Returns the test accuracy of a model that takes pictures as they come."""
    probabilities = trainer.predict(keras.models.load_model(path, safe_mode=True), dataset.test.pictures)
    return evaluation.accuracy(probabilities, dataset.test.labels)


def _train_given(task: Task) -> Measured:
    """Trains what is given with kevo's trainer, and saves each as a search would."""
    trials, bests = list[Trial](), list[tuple[float, float, Path]]()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        dataset = datasets.load(task.data, seed=task.seed)
        hyperparameters, by_width = _declared(task, dataset)
        genomes = given_genomes(task, hyperparameters)
        teacher = trainer.Trainer(dataset, weights=by_width, seed=task.seed)
        for number, genome in enumerate(genomes):
            began, accuracy = clock.seconds, None
            try:
                trained = teacher.train(genome, candidate_fit.Effort(task.epochs, patience=10**6))
                path = Path(folder) / f"{number}.keras"
                networks.deployable(trained.network).save(path)
                accuracy = trained.metrics["val_accuracy"]
            except KevoError:
                pass
            ended = clock.seconds
            trials.append(_trial(genome, ended=ended, seconds=ended - began, accuracy=accuracy))
            if accuracy is not None and accuracy > max((best for _, best, _ in bests), default=-math.inf):
                bests.append((ended, accuracy, path))
        seconds, peak = clock.seconds, memory(peak=True)
        steps = [Step(ended, accuracy, _score(path, dataset)) for ended, accuracy, path in bests]
    return _measured("kevo", task, trials=trials, steps=steps, seconds=seconds, peak=peak)


class _TimeIsUpError(keras_tuner.errors.FatalError):  # type: ignore[misc]
    """Ends a search of Keras Tuner, which knows no limit of time."""


class _Notes:
    """What is noted of a search of Keras Tuner while it runs."""

    def __init__(self, clock: Clock, folder: Path, limit: float | None) -> None:
        self.clock = clock
        self.trials: list[Trial] = []
        self.bests: list[tuple[float, float, Genome, Path]] = []
        self._folder = folder
        self._limit = limit

    def check(self) -> None:
        """Ends the search when its time is up."""
        if self._limit is not None and self.clock.seconds > self._limit:
            raise _TimeIsUpError("The time is up.")

    def epoch_ended(self, model: keras.Model, genome: Genome, accuracy: float) -> None:
        """Puts the weights aside if they are the best so far."""
        if accuracy > max((best[1] for best in self.bests), default=-math.inf):
            path = self._folder / f"{len(self.bests)}.weights.h5"
            self.bests.append((self.clock.seconds, accuracy, genome, path))
            # The tuner itself has saved them too, as its users need them.
            with self.clock.stopped():
                model.save_weights(path)


class _Watching(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, notes: _Notes, genome: Genome) -> None:
        super().__init__()
        self._notes, self._genome = notes, genome

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._notes.check()

    def on_test_batch_end(self, batch: int, logs: object = None) -> None:
        self._notes.check()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and "val_accuracy" in logs:
            self._notes.epoch_ended(self.model, self._genome, logs["val_accuracy"])


class Classifier(keras_tuner.HyperModel):  # type: ignore[misc]
    """A hypermodel of the networks that genomes mean.

    Args:
        task: What to do.
        dataset: The pictures.
        hyperparameters: The space.
        by_width: The weights for each backbone and width multiplier.
        notes: Is told of every epoch.
    """

    def __init__(
        self,
        task: Task,
        dataset: ImageDataset,
        *,
        hyperparameters: keras_tuner.HyperParameters,
        by_width: dict[Any, pretrained_weights.Weights],
        notes: _Notes,
    ) -> None:
        super().__init__()
        self._task = task
        self._num_classes = dataset.num_classes
        self._num_pictures = len(dataset.train)
        self._space = SearchSpace.from_hyperparameters(hyperparameters)
        self._by_width = by_width
        self._notes = notes

    def genome(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns the values that count, with defaults for those that a tuner leaves out because they are fixed."""
        return {**self._space.default(hp.values), **self._space.active(hp.values)}

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds and compiles the network of a trial."""
        genome = self.genome(hp)
        model = self.network(genome)
        self._compile(model, genome, rate=None)
        return model

    def network(self, genome: Genome) -> keras.Model:
        """Builds a network from pictures of its size, whose backbone is frozen."""
        if genome["family"] == "conv":
            inner = networks.conv_network(genome, num_classes=self._num_classes)
        else:
            name = str(genome["backbone"])
            alpha = genome.get(f"{name}/alpha")
            source = self._by_width[name, None if alpha is None else float(alpha)]
            extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=source))
            num_features = extractor.output.shape[-1]
            inner = networks.join(
                extractor, networks.head(genome, num_features=num_features, num_classes=self._num_classes)
            )
        return networks.augmented(inner, networks.augmentation(genome, seed=self._task.seed))

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trains the network of a trial, in two stages where it fine-tunes."""
        genome = self.genome(hp)
        size = genes.image_size(genome)
        pictures, labels = args
        validation = kwargs.pop("validation_data")
        callbacks = kwargs.pop("callbacks")
        arrays = resized(pictures, size), labels
        # Keras Tuner copies the callbacks that it is given, and with them all that they hold.
        kwargs |= {"validation_data": (resized(validation[0], size), validation[1])}
        kwargs |= {"batch_size": int(genome["batch_size"])}
        watching = [*callbacks, _Watching(self._notes, genome)]
        history = model.fit(*arrays, callbacks=watching, **kwargs).history
        best = max(history["val_accuracy"])
        if genome.get("pretrained/tuning") == "fine_tune":
            self._unfreeze(model, genome)
            history = model.fit(*arrays, callbacks=watching, **kwargs).history
            best = max(best, *history["val_accuracy"])
        return {"val_accuracy": best}

    def _unfreeze(self, model: keras.Model, genome: Genome) -> None:
        name = str(genome["backbone"])
        num_blocks = int(genome["fine_tune/num_blocks"])
        backbones.unfreeze(model, backbones.get(name), cut=str(genome[f"{name}/cut"]), num_blocks=num_blocks)
        self._compile(model, genome, rate=float(genome["fine_tune/learning_rate"]))

    def _compile(self, model: keras.Model, genome: Genome, *, rate: float | None) -> None:
        num_steps = self._task.epochs * math.ceil(self._num_pictures / int(genome["batch_size"]))
        ours = optimizers.optimizer(genome, num_steps=num_steps, num_done=0, fine_tune_rate=rate)
        # The same optimizer as Keras has it.
        theirs = getattr(keras.optimizers, type(ours).__name__)
        model.compile(
            optimizer=theirs.from_config(ours.get_config()),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=float(genome["label_smoothing"])),
            metrics=["accuracy"],
        )


def resized(pictures: _Pictures, size: int) -> _Pictures:
    """Brings pictures to the size of a network, as kevo does."""
    if pictures.shape[1] == size:
        return pictures
    out = np.empty((len(pictures), size, size, 3), np.uint8)
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = networks.resize(pictures[start : start + _BATCH_SIZE].astype(np.float32), (size, size))
        out[start : start + _BATCH_SIZE] = np.clip(np.rint(np.asarray(batch)), 0, 255)
    return out


class _Given(keras_tuner.Oracle):  # type: ignore[misc]
    """Proposes what it was given."""

    def __init__(self, genomes: Sequence[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(max_trials=len(genomes), **kwargs)
        self._waiting = list(genomes)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": "RUNNING", "values": self._waiting.pop(0)}


def _tuner(tool: str, classifier: Classifier, task: Task, *, hyperparameters: Any, folder: Path) -> keras_tuner.Tuner:
    """Returns a tuner of Keras Tuner that notes when its trials end."""
    notes = classifier._notes
    common = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "hyperparameters": hyperparameters,
        "seed": 1 + task.seed * _SEED_STRIDE,
        # A hopeless corner of the space shall not end the search.
        "max_consecutive_failed_trials": 10**9,
    }
    where = {"directory": str(folder), "project_name": "search"}
    base: type[keras_tuner.Tuner]
    if task.is_given:
        base, common = keras_tuner.Tuner, {"oracle": _Given(given_genomes(task, hyperparameters), **common)}
    else:
        common["max_trials"] = task.num_trials or 10**6
        base = keras_tuner.RandomSearch if tool == "random" else keras_tuner.BayesianOptimization
        if tool == "bayesian":
            common["num_initial_points"] = _NUM_INITIAL_POINTS

    class Noting(base):  # type: ignore[misc]
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            notes.check()
            began, accuracy, is_cut = notes.clock.seconds, None, False
            try:
                histories = super().run_trial(trial, *args, **kwargs)
                accuracy = float(histories[0]["val_accuracy"])
                return histories
            except _TimeIsUpError:
                is_cut = True
                raise
            finally:
                if not is_cut:
                    ended, genome = notes.clock.seconds, classifier.genome(trial.hyperparameters)
                    notes.trials.append(_trial(genome, ended=ended, seconds=ended - began, accuracy=accuracy))

    return Noting(hypermodel=classifier, **common, **where)


def run_keras_tuner(tool: str, task: Task) -> Measured:
    """Lets a tuner of Keras Tuner search, by its name."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Clock()
        keras.utils.set_random_seed(task.seed)
        notes = _Notes(clock, folder, task.seconds)
        dataset = datasets.load(task.data, seed=task.seed)
        hyperparameters, by_width = _declared(task, dataset)
        classifier = Classifier(task, dataset, hyperparameters=hyperparameters, by_width=by_width, notes=notes)
        tuner = _tuner(tool, classifier, task, hyperparameters=hyperparameters, folder=folder)
        one_hot = np.eye(dataset.num_classes, dtype=np.float32)
        stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=_PATIENCE)
        with contextlib.suppress(_TimeIsUpError):
            tuner.search(
                dataset.train.pictures,
                one_hot[dataset.train.labels],
                validation_data=(dataset.validation.pictures, one_hot[dataset.validation.labels]),
                epochs=task.epochs,
                callbacks=[] if task.is_given else [stopping],
                verbose=0,
            )
        seconds, peak = clock.seconds, memory(peak=True)
        steps = []
        for ended, accuracy, genome, path in notes.bests:
            keras.backend.clear_session()
            model = classifier.network(genome)
            model.load_weights(path)
            pictures = resized(dataset.test.pictures, genes.image_size(genome))
            probabilities = model.predict(pictures, batch_size=_BATCH_SIZE, verbose=0)
            steps.append(Step(ended, accuracy, evaluation.accuracy(probabilities, dataset.test.labels)))
    return _measured(tool, task, trials=notes.trials, steps=steps, seconds=seconds, peak=peak)


TOOLS: dict[str, Callable[[Task], Measured]] = {
    "kevo": run_kevo,
    "random": lambda task: run_keras_tuner("random", task),
    "bayesian": lambda task: run_keras_tuner("bayesian", task),
}
