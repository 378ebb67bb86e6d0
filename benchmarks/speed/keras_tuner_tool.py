"""Searches with Keras Tuner, as its users run it, over the networks that kevo's genomes mean.

The hypermodel builds the network of a genome; pictures are resized to the network's input before `fit`, which gets an
`EarlyStopping`. A candidate that fine-tunes trains its head first, as Keras's guide to transfer learning does, and kevo
too. An epoch better than all before counts from its end; the test split is not scored before the search is over.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt

from benchmarks.speed.candidates import declared, given_genomes, measurement, trial
from benchmarks.speed.clock import Clock
from benchmarks.speed.measurements import Measurement, SearchSpec, Step, Trial
from benchmarks.support.processes import OwnMemory, memory
from kevo.tasks.images import backbone_networks, backbones, datasets, genes, networks, pretrained_weights
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.outputs.classes import evaluation
from kevo.training import optimizers
from tuners.genome import Genome, SearchSpace

_PATIENCE = 5
# Keras Tuner's random search increments its seed with every value: nearby seeds would give the same draws.
_SEED_STRIDE = 100_003
# The default of three trials per gene would leave no time for the model.
_NUM_INITIAL_POINTS = 5
_BATCH_SIZE = 64

_Pictures = npt.NDArray[np.uint8]


class _TimeIsUpError(keras_tuner.errors.FatalError):  # type: ignore[misc]
    """Ends a search at its time limit, which Keras Tuner has no setting for."""


class _Notes:
    """Trials and best epochs of a running search."""

    def __init__(self, clock: Clock, folder: Path, limit: float | None) -> None:
        self.clock = clock
        self.trials: list[Trial] = []
        self.bests: list[tuple[float, float, Genome, Path]] = []
        self._folder = folder
        self._limit = limit

    def check(self) -> None:
        """Ends the search if its time limit is over."""
        if self._limit is not None and self.clock.seconds > self._limit:
            raise _TimeIsUpError("The time is up.")

    def epoch_ended(self, model: keras.Model, genome: Genome, accuracy: float) -> None:
        """Saves the weights if no epoch before was as good."""
        if accuracy > max((best[1] for best in self.bests), default=-math.inf):
            path = self._folder / f"{len(self.bests)}.weights.h5"
            self.bests.append((self.clock.seconds, accuracy, genome, path))
            # Not counted: the tuner saves them, too.
            with self.clock.paused():
                model.save_weights(path)


class _Watcher(keras.callbacks.Callback):  # type: ignore[misc]
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
    """Hypermodel of the networks that genomes mean.

    Args:
        spec: The search.
        dataset: The pictures.
        hyperparameters: The search space.
        by_width: Weights by backbone and width multiplier.
        notes: Told of every epoch.
    """

    def __init__(
        self,
        spec: SearchSpec,
        dataset: ImageDataset,
        *,
        hyperparameters: keras_tuner.HyperParameters,
        by_width: dict[Any, pretrained_weights.Weights],
        notes: _Notes,
    ) -> None:
        super().__init__()
        self._spec = spec
        self._output = dataset.output
        self._num_pictures = len(dataset.train)
        self._space = SearchSpace.from_hyperparameters(hyperparameters)
        self._by_width = by_width
        self.notes = notes

    def genome(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Returns the active genes, with defaults for fixed ones, which a tuner leaves out."""
        return {**self._space.default(hp.values), **self._space.active(hp.values)}

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled network of a trial."""
        genome = self.genome(hp)
        model = self.network(genome)
        self._compile(model, genome, rate=None)
        return model

    def network(self, genome: Genome) -> keras.Model:
        """Returns the network of a genome, its backbone frozen, for pictures of its input size."""
        if genome["family"] == "conv":
            inner = networks.conv_network(genome, output=self._output)
        else:
            name = str(genome["backbone"])
            alpha = genome.get(f"{name}/alpha")
            source = self._by_width[name, None if alpha is None else float(alpha)]
            extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=source))
            num_features = extractor.output.shape[-1]
            inner = networks.join(extractor, networks.head(genome, num_features=num_features, output=self._output))
        return networks.augmented(inner, networks.augmentation(genome, seed=self._spec.seed))

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trains the network of a trial, in two stages if it fine-tunes."""
        genome = self.genome(hp)
        size = genes.image_size(genome)
        pictures, labels = args
        validation = kwargs.pop("validation_data")
        callbacks = kwargs.pop("callbacks")
        arrays = resized(pictures, size), labels
        # The watcher is added here since Keras Tuner copies the callbacks of `search`, with everything that they hold.
        kwargs |= {"validation_data": (resized(validation[0], size), validation[1])}
        kwargs |= {"batch_size": int(genome["batch_size"])}
        callbacks = [*callbacks, _Watcher(self.notes, genome)]
        history = model.fit(*arrays, callbacks=callbacks, **kwargs).history
        best = max(history["val_accuracy"])
        if genome.get("pretrained/tuning") == "fine_tune":
            self._unfreeze(model, genome)
            history = model.fit(*arrays, callbacks=callbacks, **kwargs).history
            best = max(best, *history["val_accuracy"])
        return {"val_accuracy": best}

    def _unfreeze(self, model: keras.Model, genome: Genome) -> None:
        name = str(genome["backbone"])
        num_blocks = int(genome["fine_tune/num_blocks"])
        backbone_networks.unfreeze(model, backbones.get(name), cut=str(genome[f"{name}/cut"]), num_blocks=num_blocks)
        self._compile(model, genome, rate=float(genome["fine_tune/learning_rate"]))

    def _compile(self, model: keras.Model, genome: Genome, *, rate: float | None) -> None:
        num_steps = self._spec.epochs * math.ceil(self._num_pictures / int(genome["batch_size"]))
        horizon = optimizers.Horizon(num_steps)
        ours = optimizers.optimizer(genome, horizon=horizon, num_done=0, fine_tune_rate=rate)
        # The same optimizer in its Keras implementation.
        theirs = getattr(keras.optimizers, type(ours).__name__)
        model.compile(
            optimizer=theirs.from_config(ours.get_config()),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=float(genome["label_smoothing"])),
            metrics=["accuracy"],
        )


def resized(pictures: _Pictures, size: int) -> _Pictures:
    """Returns pictures resized to `size` x `size`, rounded, by the same operation as in kevo."""
    if pictures.shape[1] == size:
        return pictures
    out = np.empty((len(pictures), size, size, 3), np.uint8)
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = networks.resize(pictures[start : start + _BATCH_SIZE].astype(np.float32), (size, size))
        out[start : start + _BATCH_SIZE] = np.clip(np.rint(np.asarray(batch)), 0, 255)
    return out


class _Given(keras_tuner.Oracle):  # type: ignore[misc]
    """Oracle that proposes given genomes, in their order."""

    def __init__(self, genomes: Sequence[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(max_trials=len(genomes), **kwargs)
        self._waiting = list(genomes)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": "RUNNING", "values": self._waiting.pop(0)}


def _tuner(
    tool: str, classifier: Classifier, spec: SearchSpec, *, hyperparameters: Any, folder: Path
) -> keras_tuner.Tuner:
    """Returns a tuner that notes when its trials end."""
    notes = classifier.notes
    common = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "hyperparameters": hyperparameters,
        "seed": 1 + spec.seed * _SEED_STRIDE,
        # Failures in a row do not end the search.
        "max_consecutive_failed_trials": 10**9,
    }
    where = {"directory": str(folder), "project_name": "search"}
    base: type[keras_tuner.Tuner]
    if spec.is_given:
        base, common = keras_tuner.Tuner, {"oracle": _Given(given_genomes(spec, hyperparameters), **common)}
    else:
        common["max_trials"] = spec.num_trials or 10**6
        base = keras_tuner.RandomSearch if tool == "random" else keras_tuner.BayesianOptimization
        if tool == "bayesian":
            common["num_initial_points"] = _NUM_INITIAL_POINTS

    class NotingTuner(base):  # type: ignore[misc]
        def run_trial(self, running: Any, *args: Any, **kwargs: Any) -> Any:
            notes.check()
            began, accuracy, is_cut = notes.clock.seconds, None, False
            try:
                histories = super().run_trial(running, *args, **kwargs)
                accuracy = float(histories[0]["val_accuracy"])
                return histories
            except _TimeIsUpError:
                is_cut = True
                raise
            finally:
                if not is_cut:
                    ended, genome = notes.clock.seconds, classifier.genome(running.hyperparameters)
                    notes.trials.append(trial(genome, ended=ended, seconds=ended - began, accuracy=accuracy))

    return NotingTuner(hypermodel=classifier, **common, **where)


def run(tool: str, spec: SearchSpec) -> Measurement:
    """Searches with a tuner: `random` or `bayesian`."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock, own = Path(name), Clock(), OwnMemory()
        keras.utils.set_random_seed(spec.seed)
        notes = _Notes(clock, folder, spec.seconds)
        dataset = datasets.load(spec.data, seed=spec.seed)
        hyperparameters, by_width = declared(spec, dataset)
        classifier = Classifier(spec, dataset, hyperparameters=hyperparameters, by_width=by_width, notes=notes)
        tuner = _tuner(tool, classifier, spec, hyperparameters=hyperparameters, folder=folder)
        one_hot = np.eye(dataset.num_classes, dtype=np.float32)
        stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=_PATIENCE)
        with contextlib.suppress(_TimeIsUpError):
            tuner.search(
                dataset.train.pictures,
                one_hot[dataset.train.labels],
                validation_data=(dataset.validation.pictures, one_hot[dataset.validation.labels]),
                epochs=spec.epochs,
                callbacks=[] if spec.is_given else [stopping],
                verbose=0,
            )
        seconds, peak, own_peak = clock.seconds, memory(peak=True), own.peak
        steps = []
        for ended, accuracy, genome, path in notes.bests:
            keras.backend.clear_session()
            model = classifier.network(genome)
            model.load_weights(path)
            pictures = resized(dataset.test.pictures, genes.image_size(genome))
            probabilities = model.predict(pictures, batch_size=_BATCH_SIZE, verbose=0)
            steps.append(Step(ended, accuracy, evaluation.accuracy(probabilities, dataset.test.labels)))
    return measurement(tool, spec, trials=notes.trials, steps=steps, seconds=seconds, peak=peak, own_peak=own_peak)
