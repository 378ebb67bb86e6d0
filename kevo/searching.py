"""`search()` wires everything: data, space, genetic tuner, training, run folder. The Python twin of the command."""

from __future__ import annotations

import contextlib
import io
import shutil
import statistics
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import keras_tuner

import kevo
from kevo import datasets, evaluation, models, plots, space, weights
from kevo.datasets import ImageDataset
from kevo.errors import KevoError, RunError, SearchFailedError, SearchInterruptedError, WeightsError
from kevo.interrupts import Interrupts
from kevo.reporting import Listener, Silent
from kevo.results import SearchResult
from kevo.runs import Run, TrialRecord
from kevo.settings import Settings
from kevo.training import PATIENCE, CandidateError, Effort, Trained, Trainer, predict
from kevo.weights import Weights
from kevo.words import describe
from tuners import GeneticTuner
from tuners.evolution import Settings as EvolutionSettings

_LARGEST_SHARE = 1 / 8
"""The part of `max_time` that one candidate may take: eight in a row at least get their chance."""
_FINAL_SHARE = 0.25
"""The part of `max_time` that is kept for the final training at most."""
_SMALLEST_PRETRAINED = 32
"""Pictures smaller than this, in pixels, show a backbone trained on photographs nothing; weights must be asked for."""


MODEL = "best.keras"


def search(
    data: Any = None,
    settings: Settings | None = None,
    *,
    out: str | Path | None = None,
    listener: Listener | None = None,
) -> SearchResult:
    """Evolves the best image classifier for `data` and saves it.

    Args:
        data: Pictures: a path or built-in name as the command takes it, arrays, or `tf.data`; see
            `kevo.datasets.load`. `None` means `digits`.
        settings: How to search. Defaults to `Settings()`.
        out: The run folder, which must not exist yet or be empty. Defaults to a new folder below `kevo-runs`.
        listener: Is told about progress. Defaults to nobody.

    Returns:
        The best model's path, genome and scores.

    Raises:
        KevoError: with what to do about it, before any training; or no candidate could be trained.

    Example:
        >>> result = kevo.search("digits", kevo.Settings(max_trials=5, space="small"))  # doctest: +SKIP
        >>> result.best_model.predict(pictures)  # doctest: +SKIP
    """
    settings = settings or Settings()
    dataset = datasets.load(data, seed=settings.seed)
    usable, notes = _usable_weights(settings, dataset)
    hyperparameters = _declare(settings, dataset, usable)
    run = Run.create(
        (_new_folder(dataset.name) if out is None else Path(out)).absolute(),
        {
            "kevo": kevo.__version__,
            "data": _source(data),
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "pictures": dataset.fingerprint(),
            "search": settings.to_json(),
        },
    )
    run.write_labels(dataset.class_names)
    return _Search(run, dataset, settings, usable, listener or Silent()).run(hyperparameters, notes)


def resume(
    run_folder: str | Path,
    data: Any = None,
    *,
    listener: Listener | None = None,
) -> SearchResult:
    """Goes on with a search that was interrupted, from every candidate that had finished.

    Args:
        run_folder: The run folder.
        data: The same pictures again, needed only when they were given as arrays or `tf.data`.
        listener: Is told about progress. Defaults to nobody.

    Raises:
        RunError: the folder holds no run, or the pictures have changed since.
        KevoError: as `search`.
    """
    run = Run.open(Path(run_folder).absolute())
    settings = Settings.from_json(run.settings["search"])
    source = run.settings["data"] if data is None else data
    if source is None:
        raise RunError(f"The search in {run.path} read its pictures from Python. Give them again: resume(run, data).")
    dataset = datasets.load(source, seed=settings.seed)
    if dataset.fingerprint() != run.settings["pictures"]:
        raise RunError(
            f"The pictures in {source} have changed since the search in {run.path} began, so that its scores cannot be "
            "compared with new ones. Put them back, or start a new search."
        )
    usable, notes = _usable_weights(settings, dataset)
    hyperparameters = _declare(settings, dataset, usable)
    return _Search(run, dataset, settings, usable, listener or Silent()).run(hyperparameters, notes)


def _source(data: Any) -> str | None:
    """Says where `data` can be read again; `None` for what lives in memory only."""
    if data is None:
        return datasets.DEFAULT_NAME
    if isinstance(data, str | Path):
        return str(Path(data).resolve()) if Path(data).exists() else str(data)
    return None


def _new_folder(name: str) -> Path:
    return Path("kevo-runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def _usable_weights(settings: Settings, dataset: ImageDataset) -> tuple[dict[str, tuple[Weights, ...]], list[str]]:
    """Finds out, before any training, which backbones can be had; says in words which cannot, and why."""
    wanted = settings.resolved_space
    if "pretrained" not in wanted.families:
        return {}, []
    requests = dict(settings.weights)
    if not requests:
        if "conv" in wanted.families and dataset.image_size < _SMALLEST_PRETRAINED:
            return {}, [
                f"Pretrained backbones are left out, since pictures of {dataset.image_size} px show them too little. "
                "To use one all the same, name its weights: --weights NAME=imagenet."
            ]
        requests = dict.fromkeys(wanted.backbones, "imagenet")
    resolved = weights.resolve(requests)
    by_reason: dict[str, list[str]] = {}
    for name, reason in resolved.unavailable.items():
        by_reason.setdefault(reason, []).append(name)
    notes = [f"Left out {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    if not resolved.available and "conv" not in wanted.families:
        raise WeightsError("Nothing is left to search. " + " ".join(notes))
    return dict(resolved.available), notes


def _declare(
    settings: Settings, dataset: ImageDataset, usable: Mapping[str, tuple[Weights, ...]]
) -> keras_tuner.HyperParameters:
    return space.declare(
        settings.resolved_space,
        image_size=dataset.image_size,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )


class _Search:
    """One sitting of a search: evolves, trains the finalists, writes the result."""

    def __init__(
        self,
        run: Run,
        dataset: ImageDataset,
        settings: Settings,
        usable: Mapping[str, tuple[Weights, ...]],
        listener: Listener,
    ) -> None:
        self.folder = run
        self.settings = settings
        self.listener = listener
        self.trainer = Trainer(
            dataset,
            objective=settings.objective,
            weights={(name, variant.alpha): variant for name, variants in usable.items() for variant in variants},
            seed=settings.seed,
        )
        self.records: dict[str, TrialRecord] = {}
        self._dataset = dataset
        self._interrupts = Interrupts()
        self._started = time.monotonic()
        self._seconds_before = 0.0

    def run(self, hyperparameters: keras_tuner.HyperParameters, notes: list[str]) -> SearchResult:
        with self.folder.locked():
            self.records = {record.trial_id: record for record in self.folder.trials()}
            self._seconds_before = max((record.finished_at for record in self.records.values()), default=0.0)
            self.listener.note(self._dataset.summary())
            for skipped in self._dataset.skipped:
                self.listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for note in notes:
                self.listener.note(note)
            interrupted = False
            try:
                with self._interrupts:
                    with contextlib.redirect_stdout(io.StringIO()):  # Keras Tuner reports its reload on stdout.
                        tuner = _CandidateTuner(self, hyperparameters)
                    tuner.search()
                    self._train_finalists()
            except KeyboardInterrupt:
                interrupted = True
                self.listener.note("Interrupted: keeping the best so far.")
            return self._finish(interrupted)

    @property
    def seconds(self) -> float:
        """How long the search has taken, over all its sittings."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def completed(self) -> list[TrialRecord]:
        """The candidates that have a fitness, best first; the earlier one where two are equal."""
        done = [record for record in self.records.values() if record.fitness is not None]
        return sorted(done, key=lambda record: self.trainer.objective.rank(record.metrics), reverse=True)

    def seconds_left(self) -> float | None:
        """How long candidates may still be trained before the finalists' turn; `None` without a limit."""
        whole = self.settings.resolved_max_time
        if whole is None:
            return None
        lengthening = self.settings.resolved_final_epochs / self.settings.epochs
        finals = lengthening * sum(record.seconds for record in self.completed[: self.settings.num_finalists])
        return whole - min(finals, _FINAL_SHARE * whole) - self.seconds

    def usual_seconds(self) -> float:
        """What a candidate usually costs: with less time than that left, none is started."""
        return statistics.median([0.0, *(record.seconds for record in self.records.values())])

    def effort(self) -> Effort:
        """How much the next candidate may cost."""
        left, whole = self.seconds_left(), self.settings.resolved_max_time
        if left is None or whole is None:
            return Effort(self.settings.epochs)
        return Effort(self.settings.epochs, max(1.0, min(left, _LARGEST_SHARE * whole)))

    def train(
        self, trial_id: str, genome: dict[str, Any], effort: Effort, *, generation: int, full_length: bool = False
    ) -> TrialRecord:
        """Trains one candidate and writes down what came of it, a failure included."""
        self._interrupts.check()
        number = len(self.records)
        self.listener.trial_started(number, describe(genome), self.seconds_left())
        started = time.monotonic()
        trained, reason = None, None
        try:
            trained = self.trainer.train(genome, effort, progress=self._progress)
        except CandidateError as error:
            reason = str(error)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = (
                f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no words'}"
            )
        record = TrialRecord(
            number=number,
            trial_id=trial_id,
            generation=generation,
            genome=genome,
            status="completed" if trained else "failed",
            fitness=trained.metrics[self.trainer.objective.metric] if trained else None,
            metrics=trained.metrics if trained else {},
            history=trained.history if trained else [],
            stages=trained.stages if trained else [],
            num_epochs=len(trained.history) if trained else 0,
            seconds=time.monotonic() - started,
            num_parameters=trained.num_parameters if trained else None,
            reason=reason,
            finished_at=self.seconds,
            full_length=full_length,
        )
        self._keep(record, trained)
        return record

    def _progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        self._interrupts.check()
        self.listener.progress(stage, done, total, metrics)

    def _keep(self, record: TrialRecord, trained: Trained | None) -> None:
        """Writes a candidate down, and its model if it is among the best; models that no longer are go."""
        self.records[record.trial_id] = record
        best, rest = self.completed[: self.settings.num_finalists], self.completed[self.settings.num_finalists :]
        if trained is not None and record in best:
            with self.folder.replacing(_checkpoint(record)) as path:
                models.deployable(trained.network).save(path)
        # A candidate counts as finished only when its model is safe.
        self.folder.append_trial(record)
        for other in rest:
            (self.folder.path / _checkpoint(other)).unlink(missing_ok=True)
        self.listener.trial_ended(record, self.completed[0] if self.completed else None)

    def _train_finalists(self) -> None:
        """Trains the best candidates at full length; they compete with the models that the search already has."""
        finalists = [record for record in self.completed if not record.full_length][: self.settings.num_finalists]
        for place, record in enumerate(finalists):
            trial_id = f"{record.trial_id}-full"
            if trial_id in self.records:
                continue
            whole = self.settings.resolved_max_time
            seconds = None if whole is None else (whole - self.seconds) / (len(finalists) - place)
            if seconds is not None and seconds < record.seconds:
                continue
            self.train(
                trial_id,
                record.genome,
                Effort(self.settings.resolved_final_epochs, seconds, patience=2 * PATIENCE),
                generation=record.generation,
                full_length=True,
            )

    def _finish(self, interrupted: bool) -> SearchResult:
        """Writes the winner, loads it again, scores it, and writes everything that a person looks at."""
        self.listener.closed()
        # An interrupt may have come between a candidate's last epoch and its model's way to disk.
        saved = [record for record in self.completed if (self.folder.path / _checkpoint(record)).is_file()]
        if not saved:
            raise self._nothing_found(interrupted)
        winner = saved[0]
        with self.folder.replacing(MODEL) as path:
            shutil.copyfile(self.folder.path / _checkpoint(winner), path)
        model = keras.models.load_model(self.folder.path / MODEL, safe_mode=True)
        scores = {
            name: evaluation.evaluate(
                predict(model, split.pictures), split.labels, class_names=self._dataset.class_names
            )
            for name, split in (("validation", self._dataset.validation), ("test", self._dataset.test))
        }
        records = list(self.records.values())
        result = SearchResult(
            run_folder=self.folder.path,
            model_path=self.folder.path / MODEL,
            genome=winner.genome,
            words=describe(winner.genome),
            num_parameters=model.count_params(),
            validation=scores["validation"],
            test=scores["test"],
            trials_completed=sum(record.status == "completed" and not record.full_length for record in records),
            trials_failed=sum(record.status == "failed" and not record.full_length for record in records),
            seconds=self.seconds,
            interrupted=interrupted,
        )
        self.folder.write_json("result.json", result.to_json())
        plots.save_all(
            self.folder.path,
            records,
            objective=self.trainer.objective,
            winner=winner,
            confusion=result.test.confusion,
            class_names=self._dataset.class_names,
        )
        return result

    def _nothing_found(self, interrupted: bool) -> KevoError:
        if interrupted:
            return SearchInterruptedError(
                f"Interrupted before the first candidate had finished. Go on with: kevo resume {self.folder.path}"
            )
        reasons = dict.fromkeys(record.reason for record in self.records.values() if record.reason)
        if not reasons:
            return SearchFailedError("The time was over before the first candidate had finished. Give --max-time more.")
        return SearchFailedError(f"No candidate could be trained. Their reasons: {'; '.join(list(reasons)[:3])}.")


def _checkpoint(record: TrialRecord) -> str:
    return f"checkpoints/{record.trial_id}.keras"


class _CandidateTuner(GeneticTuner):
    """Keras Tuner's side of a search: every trial is one candidate of ours."""

    def __init__(self, search: _Search, hyperparameters: keras_tuner.HyperParameters) -> None:
        settings = search.settings
        objective = search.trainer.objective
        super().__init__(
            objective=keras_tuner.Objective(objective.metric, objective.direction),
            max_trials=settings.max_trials,
            seed=settings.seed,
            hyperparameters=hyperparameters,
            tune_new_entries=False,
            allow_new_entries=False,
            # A space with a hopeless corner must not end the search: it learns to avoid it.
            max_consecutive_failed_trials=10**9,
            settings=EvolutionSettings(population_size=settings.population, num_elites=min(2, settings.population - 1)),
            directory=str(search.folder.path),
            project_name="search",
        )
        self._search = search
        self.oracle.verbose = 0

    def pre_create_trial(self) -> None:
        super().pre_create_trial()
        left = self._search.seconds_left()
        if left is not None and left <= self._search.usual_seconds():
            self.oracle.stop()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        record = self._search.records.get(trial.trial_id)
        # A search that was killed may have written a candidate down without telling its oracle.
        if record is None:
            record = self._search.train(
                trial.trial_id,
                dict(trial.hyperparameters.values),
                self._search.effort(),
                generation=self.oracle.generation_of(trial.trial_id),
            )
        if record.fitness is None:
            raise keras_tuner.errors.FailedTrialError(record.reason)
        return record.metrics
