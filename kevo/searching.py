"""`search()` wires everything: data, space, genetic tuner, training, run folder. The Python twin of the command."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import os
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import numpy.typing as npt

import kevo
from kevo import costs, datasets, ensemble, evaluation, models, plots, reporting, space, weights
from kevo.datasets import ImageDataset, Split
from kevo.errors import (
    KevoError,
    RunError,
    SearchBrokenError,
    SearchFailedError,
    SearchInterruptedError,
    SettingsError,
    WeightsError,
)
from kevo.evaluation import Evaluation
from kevo.interrupts import Interrupts
from kevo.objectives import TIE_BREAKER, Objective
from kevo.reporting import Listener, Silent
from kevo.results import Ensemble, EnsembleMember, FrontMember, SearchResult
from kevo.runs import Run, TrialRecord, new_folder, writing
from kevo.settings import Settings
from kevo.training import PATIENCE, CandidateError, Earlier, Effort, Trained, Trainer, predict
from kevo.weights import Weights
from kevo.words import describe
from tuners import GeneticTuner, pareto
from tuners.genome import SearchSpace
from tuners.settings import Settings as EvolutionSettings

_LARGEST_SHARE = 1 / 8
"""The part of `max_time` that one candidate may take: eight in a row at least get their chance."""
_FINAL_SHARE = 0.25
"""The part of `max_time` that is kept for the final training at most."""
_CLOSING_SHARE = 0.05
"""The part of `max_time` that is kept for what follows the last training: scores, plots, the best model's file."""
_CLOSING_SECONDS = 5.0
"""What that takes at least; of a short search a tenth must do."""
_KINDS = ("family", "pretrained/tuning")
"""Candidates that differ in these genes learn at different paces, and do not compete for a higher rung."""
_MAX_PAUSED = 4
"""Of so many paused candidates the models are kept, for each kind and rung; another one would begin from the start."""
_MAX_MEMBERS = 5
"""How many candidates an ensemble may have."""
_MEMBER_COST = 1.5
"""How much longer it takes with a member than with the best model alone: it is loaded twice, and saved once more."""
_TIME_IS_UP = "the time is up"
_LIBRARY = 8
"""Of so many of the best candidates the models are kept, for an ensemble to choose from."""
_SMALLEST_PRETRAINED = 32
"""Pictures smaller than this, in pixels, show a backbone trained on photographs nothing; weights must be asked for."""
_NUM_SAMPLES = 1000
"""Random genomes that are looked at for one that is small enough, before the space's smallest is sought."""


MODEL = "best.keras"
ENSEMBLE = "ensemble.keras"


def search(
    data: Any = None,
    settings: Settings | None = None,
    *,
    out: str | Path | None = None,
    listener: Listener | None = None,
    started: float | None = None,
) -> SearchResult:
    """Evolves the best image classifier for `data` and saves it.

    Args:
        data: Pictures: a path or built-in name as the command takes it, arrays, or `tf.data`; see
            `kevo.datasets.load`. `None` means `digits`.
        settings: How to search. Defaults to `Settings()`.
        out: The run folder, which must not exist yet or be empty. Defaults to a new folder below `kevo-runs`.
        listener: Is told about progress. Defaults to nobody.
        started: From when on `max_time` counts, by `time.monotonic`. Defaults to this call.

    Returns:
        The best model's path, genome and scores.

    Raises:
        KevoError: with what to do about it, before any training; or no candidate could be trained, or the run folder
            cannot be written any more.

    Example:
        >>> result = kevo.search("digits", kevo.Settings(max_trials=5, space="small"))  # doctest: +SKIP
        >>> result.best_model.predict(pictures)  # doctest: +SKIP
    """
    started = time.monotonic() if started is None else started
    settings = settings or Settings()
    settings = dataclasses.replace(
        settings, weights={name: weights.absolute(source) for name, source in settings.weights.items()}
    )
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
            "backbones": {name: [variant.alpha for variant in variants] for name, variants in usable.items()},
        },
    )
    return _Search(run, dataset, settings, usable, listener or Silent(), started).run(hyperparameters, notes)


def resume(
    run_folder: str | Path,
    data: Any = None,
    *,
    listener: Listener | None = None,
    started: float | None = None,
) -> SearchResult:
    """Goes on with a search that was interrupted, from every candidate that had finished.

    Args:
        run_folder: The run folder.
        data: The same pictures again, needed only when they were given as arrays or `tf.data`.
        listener: Is told about progress. Defaults to nobody.
        started: As for `search`.

    Raises:
        RunError: the folder holds no run or a damaged one, or the pictures or weights have changed since.
        KevoError: as `search`.
    """
    started = time.monotonic() if started is None else started
    run = Run.open(Path(run_folder).absolute())
    settings = run.search_settings()
    source = run.settings.get("data") if data is None else data
    if source is None or (data is None and not isinstance(source, str)):
        raise RunError(f"The search in {run.path} read its pictures from Python. Give them again: resume(run, data).")
    dataset = datasets.load(source, seed=settings.seed)
    if dataset.fingerprint() != run.settings.get("pictures"):
        raise RunError(
            f"The pictures in {source} have changed since the search in {run.path} began, so that its scores cannot be "
            "compared with new ones. Put them back, or start a new search."
        )
    usable, notes = _same_weights(run, settings, dataset)
    hyperparameters = _declare(settings, dataset, usable)
    return _Search(run, dataset, settings, usable, listener or Silent(), started).run(hyperparameters, notes)


def _source(data: Any) -> str | None:
    """Says where `data` can be read again; `None` for what lives in memory only."""
    if data is None:
        return datasets.DEFAULT_NAME
    if isinstance(data, str | Path):
        return str(Path(data).resolve()) if os.path.exists(data) else str(data)
    return None


def _new_folder(name: str) -> Path:
    return new_folder(Path("kevo-runs"), f"{name}-{datetime.now():%Y%m%d-%H%M%S}")


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


def _same_weights(
    run: Run, settings: Settings, dataset: ImageDataset
) -> tuple[dict[str, tuple[Weights, ...]], list[str]]:
    """Finds the backbones with which a search began, so that it goes on in the same space."""
    try:
        usable, notes = _usable_weights(settings, dataset)
    except WeightsError as error:
        raise RunError(f"The search in {run.path} cannot go on: {error}") from error
    same: dict[str, tuple[Weights, ...]] = {}
    with _damage(run.path / "settings.json"):
        for name, alphas in run.settings["backbones"].items():
            by_alpha = {variant.alpha: variant for variant in usable.get(name, ())}
            if missing := [alpha for alpha in alphas if alpha not in by_alpha]:
                which = f"{name} (alpha {missing[0]})" if missing[0] else name
                raise RunError(
                    f"The search in {run.path} began with weights of {which} from "
                    f"{settings.weights.get(name, 'imagenet')}, which cannot be had any more. Put them back, or start "
                    f"a new search. {' '.join(notes)}".rstrip()
                )
            same[name] = tuple(by_alpha[alpha] for alpha in alphas)
    return same, notes


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Says which part of a run folder it is that cannot be used."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise RunError(f"{path} is damaged: {reason}. Restore it, or start a new search.") from error


def _declare(
    settings: Settings, dataset: ImageDataset, usable: Mapping[str, tuple[Weights, ...]]
) -> keras_tuner.HyperParameters:
    hyperparameters = space.declare(
        settings.resolved_space,
        image_size=dataset.image_size,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )
    if settings.max_params is not None:
        _, smallest = _small(hyperparameters, enough=settings.max_params, num_classes=dataset.num_classes)
        if smallest > settings.max_params:
            raise SettingsError(
                f"No network of this space has {settings.max_params:,} parameters or fewer: the smallest that was "
                f"found has {smallest:,}. Raise --max-params to that at least, or search a wider space."
            )
    return hyperparameters


def _small(hyperparameters: keras_tuner.HyperParameters, *, enough: int, num_classes: int) -> tuple[space.Genome, int]:
    """Returns a genome of `enough` parameters at most, or else the smallest that is found, and its parameters."""
    genes = SearchSpace.from_hyperparameters(hyperparameters)
    rng = np.random.default_rng(0)
    best: space.Genome = genes.default()
    smallest = costs.num_parameters(genes.default(), num_classes=num_classes)

    def improved(genomes: Iterable[space.Genome]) -> bool:
        nonlocal best, smallest
        before = smallest
        for genome in genomes:
            if smallest <= enough:
                return False
            num = costs.num_parameters(genome, num_classes=num_classes)
            if num < smallest:
                best, smallest = genome, num
        return smallest < before

    improved(genes.sample(rng) for _ in range(_NUM_SAMPLES))
    # From there downhill, one gene at a time.
    while improved(
        genes.default({**best, name: value})
        for name, gene in genes.active_genes(best).items()
        for value in gene.domain() or ()
    ):
        pass
    return best, smallest


class _Search:
    """One sitting of a search: evolves, trains the finalists, writes the result."""

    def __init__(
        self,
        run: Run,
        dataset: ImageDataset,
        settings: Settings,
        usable: Mapping[str, tuple[Weights, ...]],
        listener: Listener,
        started: float,
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
        self.objectives = [self.trainer.objective, *(Objective(name, "min") for name in settings.minimize)]
        self.records: dict[str, TrialRecord] = {}
        self.dataset = dataset
        self._interrupts = Interrupts()
        self._started = started
        self._seconds_before = 0.0

    def run(self, hyperparameters: keras_tuner.HyperParameters, notes: list[str]) -> SearchResult:
        with self.folder.locked():
            for record in self.folder.trials():
                with _damage(self.folder.path / f"trials.jsonl, trial {record.trial_id},"):
                    self._check(record)
                self.records[record.trial_id] = record
            self._seconds_before = max((record.finished_at for record in self.records.values()), default=0.0)
            self.listener.note(self.dataset.summary())
            for skipped in self.dataset.skipped:
                self.listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for note in notes:
                self.listener.note(note)
            tuner = self._tuner(hyperparameters)
            try:
                with writing(self.folder.path):
                    self.folder.write_labels(self.dataset.class_names)
                    self._tidy()
                    interrupted = self._train_all(tuner)
                    return self._finish(interrupted)
            except RunError as error:
                raise SearchBrokenError(
                    f"{error} Nothing that finished is lost. Go on with: kevo resume {self.folder.path}"
                ) from error
            except KeyboardInterrupt:
                raise SearchInterruptedError(
                    f"Interrupted before the best model was written. Go on with: kevo resume {self.folder.path}"
                ) from None

    def _tuner(self, hyperparameters: keras_tuner.HyperParameters) -> keras_tuner.Tuner:
        state = self.folder.path / "search"
        # Keras Tuner reports its reload on stdout.
        reading = _damage(state) if state.exists() else contextlib.nullcontext()
        with contextlib.redirect_stdout(io.StringIO()), writing(state), reading:
            return _CandidateTuner(self, hyperparameters)

    def _train_all(self, tuner: keras_tuner.Tuner) -> bool:
        """Trains all candidates, and returns whether a Ctrl-C kept it from that."""
        try:
            with self._interrupts:
                tuner.search()
                self._train_finalists()
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
        except KeyboardInterrupt:
            self.listener.note("Interrupted: keeping the best so far.")
            return True
        return False

    def _check(self, record: TrialRecord) -> None:
        """Raises an error of any kind where a record is not one of this search; files may come from elsewhere."""
        describe(record.genome)
        if record.fitness is not None:
            names = {TIE_BREAKER, *(one.metric for one in self.objectives)}
            if not all(math.isfinite(record.metrics[name]) for name in names):
                raise ValueError(f"its metrics are {record.metrics}")
            if not record.history:
                raise ValueError("it has no epoch")

    @property
    def seconds(self) -> float:
        """How long the search has taken, over all its sittings."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def completed(self) -> list[TrialRecord]:
        """The candidates that have a fitness, best first; the earlier one where two are equal.

        What was continued counts once, by its last training.
        """
        return self._ranked(self.records.values())

    def _ranked(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        done = [record for record in records if record.fitness is not None]
        continued = {record.continues for record in done}
        done = [record for record in done if record.trial_id not in continued]
        return sorted(done, key=lambda record: self.trainer.objective.rank(record.metrics), reverse=True)

    def _finalists(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Returns the best that the evolution has brought about, whatever became of them at full length."""
        evolved = [record for record in records if not record.full_length]
        return self._ranked(evolved)[: self.settings.num_finalists]

    def front(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the candidates that no other beats in every objective, in their order; none if there is but one."""
        if not self.settings.minimize:
            return []
        points = [
            tuple(record.metrics[one.metric] * (1 if one.direction == "max" else -1) for one in self.objectives)
            for record in records
        ]
        # Of equals the first is enough.
        return [records[index] for index in pareto.front(points) if points.index(points[index]) == index]

    def hypervolume(self, front: Sequence[TrialRecord]) -> float | None:
        """Returns the share of what is thinkable that the front covers; see `SearchResult`."""
        if not front:
            return None
        # A loss of exactly nothing is as good as can be.
        worst = {
            one.metric: max(record.metrics[one.metric] for record in self.completed) or 1.0 for one in self.objectives
        }
        points = [
            [
                record.metrics[one.metric]
                if one.direction == "max"
                else 1 - record.metrics[one.metric] / worst[one.metric]
                for one in self.objectives
            ]
            for record in front
        ]
        return pareto.hypervolume(points, [0.0] * len(self.objectives))

    def is_small_enough(self, genome: space.Genome) -> bool:
        """Tells whether a candidate may be trained at all."""
        limit = self.settings.max_params
        return limit is None or costs.num_parameters(genome, num_classes=self.dataset.num_classes) <= limit

    def seeds(self, hyperparameters: keras_tuner.HyperParameters) -> list[space.Genome]:
        """Returns genomes to begin with; where only few are small enough, chance alone might miss them."""
        seeds = space.seeds(self.settings.resolved_space, image_size=self.dataset.image_size)
        if (limit := self.settings.max_params) is not None:
            seeds.append(_small(hyperparameters, enough=limit, num_classes=self.dataset.num_classes)[0])
        return seeds

    def seconds_left(self) -> float | None:
        """How long candidates may still be trained before the finalists' turn; `None` without a limit."""
        whole = self._training_seconds
        if whole is None:
            return None
        lengthening = self.settings.resolved_final_epochs / self.settings.epochs
        finals = lengthening * sum(map(self._whole_seconds, self._finalists(self.records.values())))
        return whole - min(finals, _FINAL_SHARE * whole) - self.seconds

    @property
    def _training_seconds(self) -> float | None:
        """When the last training must end, in seconds of search; `None` without a limit."""
        whole = self.settings.resolved_max_time
        if whole is None:
            return None
        return whole - max(_CLOSING_SHARE * whole, min(_CLOSING_SECONDS, whole / 10))

    def _seconds_spent(self, record: TrialRecord) -> float:
        """Returns what a candidate has cost, also before its pauses."""
        before = 0.0 if record.continues is None else self._seconds_spent(self.records[record.continues])
        return before + record.seconds

    def _whole_seconds(self, record: TrialRecord) -> float:
        """Returns what a candidate costs or would cost without pauses."""
        share = record.stages.count(record.stages[-1]) / self.settings.epochs if record.is_paused else 1.0
        return self._seconds_spent(record) / share

    def usual_seconds(self) -> float:
        """What a candidate usually costs: with less time than that left, none is started."""
        return statistics.median([0.0, *(record.seconds for record in self.records.values())])

    def effort(self, *, pause_after: int | None = None) -> Effort:
        """How much the next candidate may cost."""
        left, whole = self.seconds_left(), self._training_seconds
        seconds = None if left is None or whole is None else max(1.0, min(left, _LARGEST_SHARE * whole))
        return Effort(self.settings.epochs, seconds, pause_after=pause_after)

    def train(
        self,
        trial_id: str,
        genome: dict[str, Any],
        effort: Effort,
        *,
        generation: int,
        continues: TrialRecord | None = None,
        full_length: bool = False,
    ) -> TrialRecord:
        """Trains one candidate, or one that paused on, and writes down what came of it, a failure included."""
        self._interrupts.check()
        number = len(self.records)
        self.listener.trial_started(number, describe(genome), self.seconds_left())
        started = time.monotonic()
        earlier = self._earlier(continues)
        trained: Trained | None = None
        reason, metrics = None, {}
        try:
            done = self.trainer.train(genome, effort, earlier=earlier, progress=self._progress)
            seconds = time.monotonic() - started + (self._seconds_spent(continues) if continues and earlier else 0.0)
            spent = costs.measure(done.network, self.settings.minimize, seconds=seconds)
            trained, metrics = done, {**done.metrics, **spent}
        except CandidateError as error:
            reason = str(error)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = _in_words(error)
        record = TrialRecord(
            number=number,
            trial_id=trial_id,
            generation=generation,
            genome=genome,
            status="completed" if trained else "failed",
            fitness=trained.metrics[self.trainer.objective.metric] if trained else None,
            metrics=metrics,
            history=trained.history if trained else [],
            stages=trained.stages if trained else [],
            num_epochs=len(trained.history) if trained else 0,
            seconds=time.monotonic() - started,
            num_parameters=trained.num_parameters if trained else None,
            reason=reason,
            finished_at=self.seconds,
            full_length=full_length,
            continues=continues.trial_id if continues and earlier else None,
            is_paused=trained.is_paused if trained else False,
        )
        self._keep(record, trained)
        return record

    def _earlier(self, record: TrialRecord | None) -> Earlier | None:
        """Returns what there is to go on from; without its model a candidate begins again."""
        path = None if record is None else self.folder.path / _checkpoint(record)
        if record is None or path is None or not path.is_file():
            return None
        return Earlier(path, record.history, record.stages)

    def _progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        self._interrupts.check()
        self.listener.progress(stage, done, total, metrics)

    def _keep(self, record: TrialRecord, trained: Trained | None) -> None:
        """Writes a candidate down, and its model if that may be needed."""
        records = {**self.records, record.trial_id: record}
        if trained is not None and record.trial_id in self._needed(records):
            with self.folder.replacing(_checkpoint(record)) as path:
                models.deployable(trained.network).save(path)
        if trained is not None and trained.probabilities is not None:
            with self.folder.replacing(_predictions(record)) as path:
                np.save(path, trained.probabilities.astype(np.float16))
        # A candidate counts as finished only when its model is safe.
        self.folder.append_trial(record)
        self.records = records
        self._tidy()
        self.listener.trial_ended(record, next(iter(self.completed), None))

    def _tidy(self) -> None:
        """Removes the models that are no longer needed."""
        for trial_id in self.records.keys() - self._needed(self.records):
            (self.folder.path / _checkpoint(self.records[trial_id])).unlink(missing_ok=True)

    def _needed(self, records: Mapping[str, TrialRecord]) -> set[str]:
        """Returns the trials whose models may still win, be trained further or join an ensemble."""
        completed = self._ranked(records.values())
        needed = [*completed[: max(self.settings.num_finalists, _LIBRARY)], *self.front(completed)]
        # A finalist that has paused may go on when its turn comes.
        needed += [one for one in self._finalists(records.values()) if _full_length_id(one) not in records]
        if not any(record.full_length for record in completed):
            taken_up = {record.continues for record in records.values()}
            paused: dict[tuple[Any, ...], list[TrialRecord]] = defaultdict(list)
            for record in completed:
                if record.is_paused and record.trial_id not in taken_up:
                    paused[len(record.history), *map(record.genome.get, _KINDS)].append(record)
            needed += [record for rivals in paused.values() for record in rivals[:_MAX_PAUSED]]
        return {record.trial_id for record in needed}

    def _train_finalists(self) -> None:
        """Trains the best candidates at full length; they compete with the models that the search already has."""
        finalists = self._finalists(self.records.values())
        for place, record in enumerate(finalists):
            trial_id = _full_length_id(record)
            if trial_id in self.records:
                continue
            whole = self._training_seconds
            seconds = None if whole is None else (whole - self.seconds) / (len(finalists) - place)
            if seconds is not None and seconds <= 0:
                break
            is_affordable = seconds is None or seconds >= self._whole_seconds(record)
            if not is_affordable and not record.is_paused:
                continue
            # With too little time to begin again, a candidate that paused still has some of its epochs before it.
            num_epochs = self.settings.resolved_final_epochs if is_affordable else self.settings.epochs
            self.train(
                trial_id,
                record.genome,
                Effort(num_epochs, seconds, patience=2 * PATIENCE),
                generation=record.generation,
                continues=None if is_affordable else record,
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
        began = self.seconds
        model = keras.models.load_model(self.folder.path / MODEL, safe_mode=True)
        probabilities = predict(model, self.dataset.validation.pictures)
        validation = self._evaluate(probabilities, self.dataset.validation)
        test = self._evaluate(predict(model, self.dataset.test.pictures), self.dataset.test)
        scoring_seconds = self.seconds - began
        records = list(self.records.values())
        front = self.front(saved)
        result = SearchResult(
            run_folder=self.folder.path,
            model_path=self.folder.path / MODEL,
            genome=winner.genome,
            words=describe(winner.genome),
            num_parameters=model.count_params(),
            validation=validation,
            test=test,
            trials_completed=sum(record.status == "completed" and not record.full_length for record in records),
            trials_failed=sum(record.status == "failed" and not record.full_length for record in records),
            seconds=self.seconds,
            interrupted=interrupted,
            front=tuple(
                FrontMember(
                    trial_id=record.trial_id,
                    genome=record.genome,
                    words=describe(record.genome),
                    metrics=record.metrics,
                    model_path=self.folder.path / _checkpoint(record),
                )
                for record in front
            ),
            hypervolume=self.hypervolume(front),
        )
        self.folder.write_json("result.json", result.to_json())
        plots.save_all(
            self.folder.path,
            records,
            objective=self.trainer.objective,
            winner=winner,
            confusion=result.test.confusion,
            class_names=self.dataset.class_names,
        )
        if front:
            plots.save_front(self.folder.path, records, front=front, objectives=self.objectives)
        # What is found so far is safe: an ensemble may only add to it.
        if not interrupted:
            result = self._with_ensemble(result, saved, probabilities, scoring_seconds)
        if front:
            for line in reporting.front_in_words(result, self.objectives):
                self.listener.note(line)
        return result

    def _evaluate(self, probabilities: npt.NDArray[np.float32], split: Split) -> Evaluation:
        return evaluation.evaluate(probabilities, split.labels, class_names=self.dataset.class_names)

    def _with_ensemble(
        self,
        result: SearchResult,
        saved: Sequence[TrialRecord],
        probabilities: npt.NDArray[np.float32],
        scoring_seconds: float,
    ) -> SearchResult:
        """Adds an ensemble to the result, or says why there is none.

        Args:
            result: What was found, and is written already.
            saved: The candidates whose models are on disk, the winner first.
            probabilities: The winner's for the validation split.
            scoring_seconds: How long it took to load and score the winner.
        """
        (self.folder.path / ENSEMBLE).unlink(missing_ok=True)
        found, reason = None, ""
        try:
            member_seconds = _MEMBER_COST * scoring_seconds
            num_affordable = int(min(self._closing_seconds() / member_seconds, _MAX_MEMBERS))
            found = self._ensemble(self._weighed(saved, probabilities, num_affordable), result.validation)
        except _NoEnsembleError as error:
            reason = str(error)
        except KeyboardInterrupt:
            result, reason = dataclasses.replace(result, interrupted=True), "interrupted"
        except Exception as error:
            # A damaged model, no memory, a full disk: what was found without it stands.
            reason = _in_words(error)
        result = dataclasses.replace(result, ensemble=found, seconds=self.seconds)
        self.folder.write_json("result.json", result.to_json())
        self.listener.note(
            reporting.ensemble_in_words(found, best=result) if found else f"No ensemble: {reason.rstrip('.:')}."
        )
        return result

    def _weighed(
        self, saved: Sequence[TrialRecord], probabilities: npt.NDArray[np.float32], max_members: int
    ) -> list[tuple[TrialRecord, float]]:
        """Returns the candidates that are better together, with their weights, the heaviest first."""
        if max_members < 2:
            raise _NoEnsembleError(_TIME_IS_UP)
        records, predictions = [saved[0]], [probabilities]
        for record in saved[1:]:
            path = self.folder.path / _predictions(record)
            if (kept := ensemble.read_predictions(path, shape=probabilities.shape)) is not None:
                records.append(record)
                predictions.append(kept)
        shares = ensemble.select(
            predictions,
            self.dataset.validation.labels,
            score=evaluation.SCORES[self.trainer.objective.metric],
            seed=self.settings.seed,
            max_members=max_members,
        )
        members = [(record, float(share)) for record, share in zip(records, shares, strict=True) if share]
        return sorted(members, key=lambda member: member[1], reverse=True)

    def _ensemble(self, weighed: Sequence[tuple[TrialRecord, float]], best: Evaluation) -> Ensemble:
        """Writes candidates as one model, loads it again and scores it."""
        if len(weighed) == 1:
            raise _NoEnsembleError("it would gain nothing")
        num_parameters, limit = sum(record.num_parameters or 0 for record, _ in weighed), self.settings.max_params
        if limit is not None and num_parameters > limit:
            raise _NoEnsembleError(f"together its models would have {num_parameters:,} parameters")
        members = []
        for record, weight in weighed:
            path = self.folder.path / _checkpoint(record)
            members.append((keras.models.load_model(path, safe_mode=True), weight))
            self._closing_seconds()
        # It takes its place only when it has proved worth it.
        with self.folder.replacing(ENSEMBLE) as path:
            models.weighted_mean(members).save(path)
            model = keras.models.load_model(path, safe_mode=True)
            validation, test = self.dataset.validation, self.dataset.test
            scores = self._evaluate(predict(model, validation.pictures, watch=self._closing_seconds), validation)
            if self._worth(scores) <= self._worth(best):
                raise _NoEnsembleError("it would gain nothing")
            return Ensemble(
                members=tuple(
                    EnsembleMember(record.trial_id, weight, describe(record.genome)) for record, weight in weighed
                ),
                num_parameters=model.count_params(),
                validation=scores,
                test=self._evaluate(predict(model, test.pictures, watch=self._closing_seconds), test),
                model_path=self.folder.path / ENSEMBLE,
            )

    def _worth(self, scores: Evaluation) -> tuple[float, float]:
        """Returns what orders models by their scores on the validation split; greater is better."""
        return self.trainer.objective.rank(
            {f"val_{name}": getattr(scores, name) for name in ("accuracy", "macro_f1", "cross_entropy")}
        )

    def _closing_seconds(self) -> float:
        """Returns how long an ensemble may still take; raises an error where that is nothing."""
        whole = self.settings.resolved_max_time
        left = math.inf if whole is None else whole - self.seconds
        if left <= 0:
            raise _NoEnsembleError(_TIME_IS_UP)
        return left

    def _nothing_found(self, interrupted: bool) -> KevoError:
        if interrupted:
            return SearchInterruptedError(
                f"Interrupted before the first candidate had finished. Go on with: kevo resume {self.folder.path}"
            )
        reasons = dict.fromkeys(record.reason for record in self.records.values() if record.reason)
        if not reasons:
            return SearchFailedError("The time was over before the first candidate had finished. Give --max-time more.")
        return SearchFailedError(f"No candidate could be trained. Their reasons: {'; '.join(list(reasons)[:3])}.")


def _full_length_id(record: TrialRecord) -> str:
    return f"{record.trial_id}-full"


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no words'])[0]}"


def _checkpoint(record: TrialRecord) -> str:
    return f"checkpoints/{record.trial_id}.keras"


def _predictions(record: TrialRecord) -> str:
    return f"predictions/{record.trial_id}.npy"


class _NoEnsembleError(Exception):
    """Why there is no ensemble."""


class _CandidateTuner(GeneticTuner):
    """Keras Tuner's side of a search: every trial is one candidate of ours."""

    def __init__(self, search: _Search, hyperparameters: keras_tuner.HyperParameters) -> None:
        settings = search.settings
        super().__init__(
            objective=[keras_tuner.Objective(one.metric, one.direction) for one in search.objectives],
            max_trials=settings.max_trials,
            seed=settings.seed,
            hyperparameters=hyperparameters,
            tune_new_entries=False,
            allow_new_entries=False,
            # A space with a hopeless corner must not end the search: it learns to avoid it.
            max_consecutive_failed_trials=10**9,
            seeds=search.seeds(hyperparameters),
            feasible=search.is_small_enough,
            settings=EvolutionSettings(
                per_second=settings.resolved_max_time is not None,
                population_size=settings.population,
                num_elites=min(2, settings.population - 1),
                rungs=settings.rungs if settings.num_rungs > 1 else (),
                kinds=_KINDS,
            ),
            directory=str(search.folder.path),
            project_name="search",
        )
        self._search = search
        self.oracle.verbose = 0
        known = {None}
        for trial_id, trial in self.oracle.trials.items():
            if (source := trial.hyperparameters.values.get("tuner/trial_id")) not in known:
                raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
            known.add(trial_id)

    def pre_create_trial(self) -> None:
        super().pre_create_trial()
        left = self._search.seconds_left()
        if left is not None and left <= self._search.usual_seconds():
            self.oracle.stop()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        values = trial.hyperparameters.values
        # A search that was killed may have written a candidate down without telling its oracle.
        record = self._search.records.get(trial.trial_id)
        paused = self._last_record(values.get("tuner/trial_id"))
        if record is None and paused is not None and not paused.is_paused:
            # What needs no further training is as fit in every rung.
            record = paused
        if record is None:
            try:
                record = self._search.train(
                    trial.trial_id,
                    {name: value for name, value in values.items() if not name.startswith("tuner/")},
                    self._search.effort(pause_after=values.get("tuner/epochs")),
                    generation=self.oracle.generation_of(trial.trial_id),
                    continues=paused,
                )
            except Exception as error:
                # What fails the candidate alone is in its record. Of all else Keras Tuner would think that it does too.
                raise keras_tuner.errors.FatalError(str(error)) from error
        if record.fitness is None:
            raise keras_tuner.errors.FailedTrialError(record.reason)
        return record.metrics

    def _last_record(self, trial_id: str | None) -> TrialRecord | None:
        """Returns the last training of a candidate up to a trial; trials without one have only passed it on."""
        while trial_id is not None and trial_id not in self._search.records:
            trial_id = self.oracle.trials[trial_id].hyperparameters.values.get("tuner/trial_id")
        return None if trial_id is None else self._search.records[trial_id]
