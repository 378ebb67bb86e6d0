"""Searches with kevo, in the process that measures. The test split is not scored before the search is over."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import keras

import kevo
from benchmarks.speed.candidates import declared, given_genomes, measurement, trial
from benchmarks.speed.clock import Clock
from benchmarks.speed.measurements import Measurement, SearchSpec, Step, Trial
from benchmarks.support.processes import OwnMemory, memory
from kevo.api import search
from kevo.errors import KevoError
from kevo.progress import NullListener
from kevo.runs import layout
from kevo.runs.records import TrialRecord
from kevo.tasks.images import datasets, inference, networks, trainer
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.outputs.classes import evaluation
from kevo.training.effort import Effort


class _Listener(NullListener):
    """Notes when candidates end, and copies each new best model before the run folder drops it."""

    def __init__(self, clock: Clock, run: Path, copies: Path) -> None:
        self.trials: list[Trial] = []
        self.bests: list[tuple[float, float, Path]] = []
        self._clock, self._run, self._copies = clock, run, copies
        self._began = 0.0
        self._best: str | None = None

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        self._began = self._clock.seconds

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        ended = self._clock.seconds
        accuracy = record.metrics.get("val_accuracy") if record.fitness is not None else None
        seconds, is_closing = ended - self._began, record.full_length
        self.trials.append(trial(record.genome, ended=ended, seconds=seconds, accuracy=accuracy, is_closing=is_closing))
        if best is None or best.trial_id == self._best:
            return
        if (path := self._run / layout.checkpoint(best.trial_id)).is_file():
            self._best = best.trial_id
            copy = self._copies / f"{len(self.bests)}.keras"
            shutil.copyfile(path, copy)
            self.bests.append((ended, best.metrics["val_accuracy"], copy))


def run(spec: SearchSpec) -> Measurement:
    """Searches with a cache that is empty at first."""
    if spec.is_given:
        return _train_given(spec)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copies").mkdir()
        clock, own = Clock(), OwnMemory()
        listener = _Listener(clock, folder / "run", folder / "copies")
        settings = kevo.Settings(
            max_time=spec.seconds,
            max_trials=spec.num_trials,
            epochs=spec.epochs,
            final_epochs=spec.epochs if spec.num_trials else None,
            num_finalists=spec.num_finalists,
            space=spec.space,
            weights=spec.weights,
            cache=str(folder / "cache"),
            # In one process, as Keras Tuner is, so that memory can be compared.
            workers=0,
            seed=spec.seed,
        )
        result = search(spec.data, settings, out=folder / "run", listener=listener, started=clock.started)
        seconds, peak, own_peak = clock.seconds, memory(peak=True), own.peak
        dataset = datasets.load(spec.data, seed=spec.seed)
        steps = [Step(ended, accuracy, _test_accuracy(path, dataset)) for ended, accuracy, path in listener.bests]
        steps.append(Step(seconds, result.validation.accuracy, result.test.accuracy))
        return measurement(
            "kevo",
            spec,
            trials=listener.trials,
            steps=steps,
            seconds=seconds,
            peak=peak,
            own_peak=own_peak,
            test=result.test.accuracy,
            ensemble=result.ensemble.test.accuracy if result.ensemble else None,
        )


def _test_accuracy(path: Path, dataset: ImageDataset) -> float:
    """Returns the test accuracy of a saved model that takes pictures of any size."""
    probabilities = inference.predict(keras.models.load_model(path, safe_mode=True), dataset.test.pictures)
    return evaluation.accuracy(probabilities, dataset.test.labels)


def _train_given(spec: SearchSpec) -> Measurement:
    """Trains the given candidates with kevo's trainer, and saves each as a search does."""
    trials, bests = list[Trial](), list[tuple[float, float, Path]]()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        dataset = datasets.load(spec.data, seed=spec.seed)
        hyperparameters, by_width = declared(spec, dataset)
        genomes = given_genomes(spec, hyperparameters)
        teacher = trainer.Trainer(dataset, weights=by_width, seed=spec.seed)
        for number, genome in enumerate(genomes):
            began, accuracy = clock.seconds, None
            try:
                trained = teacher.train(genome, Effort(spec.epochs, patience=10**6))
                path = Path(folder) / f"{number}.keras"
                networks.deployable(trained.network).save(path)
                accuracy = trained.metrics["val_accuracy"]
            except KevoError:
                pass
            ended = clock.seconds
            trials.append(trial(genome, ended=ended, seconds=ended - began, accuracy=accuracy))
            if accuracy is not None and accuracy > max((best for _, best, _ in bests), default=-math.inf):
                bests.append((ended, accuracy, path))
        seconds, peak = clock.seconds, memory(peak=True)
        steps = [Step(ended, accuracy, _test_accuracy(path, dataset)) for ended, accuracy, path in bests]
    return measurement("kevo", spec, trials=trials, steps=steps, seconds=seconds, peak=peak)
