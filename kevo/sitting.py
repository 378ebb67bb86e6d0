"""One sitting of a search: evolves and trains candidates, writes them down, and hands over the best.

The one room that knows both `tuners` and the rest of kevo.
"""

from __future__ import annotations

import contextlib
import gc
import io
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner
import numpy as np

from kevo import costs, models, space
from kevo.arraystore import ArrayStore
from kevo.budget import Budget, num_last_epochs, seconds_spent
from kevo.closing import Closing
from kevo.datasets import ImageDataset
from kevo.errors import (
    KevoError,
    RunError,
    SearchBrokenError,
    SearchFailedError,
    SearchInterruptedError,
    SettingsError,
    in_words,
)
from kevo.features import default_folder, shared_body
from kevo.forecast import Forecast, Work
from kevo.interrupts import Interrupts
from kevo.objectives import TIE_BREAKER, Objective
from kevo.probing import probe
from kevo.reporting import Listener
from kevo.results import SearchResult
from kevo.runs import Run, TrialRecord, checkpoint, damage, predictions, writing
from kevo.settings import NO_CACHE, Settings
from kevo.training import PATIENCE, CandidateError, Earlier, Effort, Trained, Trainer
from kevo.weights import Weights
from kevo.words import describe
from tuners import GeneticTuner, pareto
from tuners.genome import SearchSpace
from tuners.settings import Settings as EvolutionSettings

_KINDS = ("family", "pretrained/tuning")
"""Candidates that differ in these genes learn at different paces, and do not compete for a higher rung."""
_MAX_PAUSED = 4
"""Of so many paused candidates the models are kept, for each kind and rung; another one would begin from the start."""
_PROBES = "probes.json"
_BODIES = "bodies.json"
_NUM_BODIES = 3
"""So many of the best backbones are tried first."""
_LIBRARY = 8
"""Of so many candidates the models are kept, for an ensemble to choose from."""
_MAX_ALIKE = 3
"""So many of these may see pictures with the same frozen network: what errs alike gains little together."""
_NUM_SAMPLES = 1000
"""Random genomes that are looked at for one that is small enough, before the space's smallest is sought."""


class Genes(NamedTuple):
    """What a search varies, and the genomes that it begins with."""

    hyperparameters: keras_tuner.HyperParameters
    seeds: list[space.Genome]

    def led_by(self, bodies: Sequence[space.Genome], settings: Settings, dataset: ImageDataset) -> Genes:
        """Returns the same, but begun with other backbones than the default, the most promising first."""
        first = space.seeds(settings.resolved_space, image_size=dataset.image_size)
        others = space.seeds(settings.resolved_space, image_size=dataset.image_size, bodies=bodies)
        return self._replace(seeds=[*others, *self.seeds[len(first) :]])


def declare(settings: Settings, dataset: ImageDataset, usable: Mapping[str, tuple[Weights, ...]]) -> Genes:
    """Declares what a search of these pictures varies.

    Args:
        settings: How the search is to run.
        dataset: The pictures.
        usable: The weights of each backbone that can be had.

    Raises:
        SettingsError: no network of the space is as small as `max_params`.
    """
    hyperparameters = space.declare(
        settings.resolved_space,
        image_size=dataset.image_size,
        num_pictures=len(dataset.train),
        alphas={name: [variant.alpha for variant in variants] for name, variants in usable.items()},
    )
    has_backbone = any(usable.get(name) for name in settings.resolved_space.backbones)
    seeds = space.seeds(settings.resolved_space, image_size=dataset.image_size, bodies=[{}] if has_backbone else [])
    if settings.max_params is not None:
        small, smallest = _small(hyperparameters, enough=settings.max_params, num_classes=dataset.num_classes)
        if smallest > settings.max_params:
            raise SettingsError(
                f"No network of this space has {settings.max_params:,} parameters or fewer: the smallest that was "
                f"found has {smallest:,}. Raise --max-params to that at least, or search a wider space."
            )
        # Where only few are small enough, chance alone might miss them.
        seeds.append(small)
    return Genes(hyperparameters, seeds)


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


def _store(cache: str | None, listener: Listener) -> ArrayStore | None:
    """Returns where features are kept for later searches, if they are to be."""
    if cache == NO_CACHE:
        return None
    return ArrayStore(
        default_folder() if cache is None else Path(cache),
        note=lambda text: listener.note(f"Features of frozen backbones serve this search only. {text}"),
    )


class Sitting:
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
            store=_store(settings.cache, listener),
            is_wanted=self._is_wanted,
        )
        self.forecast = Forecast(
            dataset,
            self.trainer.cache,
            weights=self.trainer.weights,
            num_epochs=settings.epochs,
            num_first_epochs=settings.rungs[0],
        )
        self.objectives = [self.trainer.objective, *(Objective(name, "min") for name in settings.minimize)]
        self.records: dict[str, TrialRecord] = {}
        self.dataset = dataset
        self._interrupts = Interrupts()
        self.budget = Budget(settings, started=started)
        self._left: float | None = None
        self._num_probed = 0

    def run(self, genes: Genes, notes: list[str]) -> SearchResult:
        """Goes on from the run folder's candidates to the result; `notes` are for the listener."""
        with self.folder.locked():
            self._take_up()
            self.listener.note(self.dataset.summary())
            for skipped in self.dataset.skipped:
                self.listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for note in notes:
                self.listener.note(note)
            try:
                with writing(self.folder.path):
                    self.folder.write_labels(self.dataset.class_names)
                    self._tidy()
                    if bodies := self._promising_bodies():
                        genes = genes.led_by(bodies, self.settings, self.dataset)
                    tuner = self._tuner(genes)
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
            finally:
                # The trainer set all there was apart from what Python looks through for garbage.
                gc.unfreeze()

    def _take_up(self) -> None:
        """Reads what earlier sittings found."""
        for record in self.folder.trials():
            with damage(self.folder.path / f"trials.jsonl, trial {record.trial_id},"):
                self._check(record)
            self.records[record.trial_id] = record
        self.budget.take_up(self.records)
        self._expect_closing()
        if (self.folder.path / _BODIES).is_file():
            with damage(self.folder.path / _BODIES):
                errors = {str(key): float(error) for key, error in self.folder.read_json(_BODIES).items()}
                if not all(math.isfinite(error) and error >= 0 for error in errors.values()):
                    raise ValueError(f"an error is no number from 0 on: {errors}")
                self.trainer.probes.errors = errors

    def _promising_bodies(self) -> list[space.Genome]:
        """Returns the genes of the backbones to begin with; where there is but one or none, that needs no probe."""
        # What would have to be downloaded first is not probed.
        weights = [one for one in self.trainer.weights_of.values() if one.path is None or one.path.exists()]
        if len(weights) < 2:
            return []
        if not (self.folder.path / _PROBES).is_file():
            self.listener.note(f"Probing {len(weights)} backbones on a sample of the pictures.")
            found = probe(
                self.dataset,
                weights,
                image_size=min(self.settings.resolved_space.pretrained_image_sizes),
                seed=self.settings.seed,
                watch=self._may_probe,
                note=self.listener.note,
            )
            # A search that is taken up again begins with the same.
            self.folder.write_json(_PROBES, [{"genes": one.genes, "score": one.score} for one in found])
        with damage(self.folder.path / _PROBES):
            bodies: list[space.Genome] = [dict(one["genes"]) for one in self.folder.read_json(_PROBES)[:_NUM_BODIES]]
            if not all(isinstance(value, str | int | float) for body in bodies for value in body.values()):
                raise ValueError(f"its genes are {bodies}")
        return bodies

    def _may_probe(self, name: str, done: float) -> bool:
        self.listener.progress(f"probe {name}", done, 1, {})
        return self.budget.may_probe

    def _tuner(self, genes: Genes) -> keras_tuner.Tuner:
        state = self.folder.path / "search"
        # Keras Tuner reports its reload on stdout.
        reading = damage(state) if state.exists() else contextlib.nullcontext()
        with contextlib.redirect_stdout(io.StringIO()), writing(state), reading:
            return _CandidateTuner(self, genes)

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

    def is_feasible(self, genome: space.Genome) -> bool:
        """Tells whether a candidate may be trained at all: it is small enough, and there is time for it."""
        if not self._is_small_enough(genome) or self.trainer.probes.is_behind(genome):
            return False
        # Of the very first nothing is known but a guess; if it was wrong, training is cut short.
        is_first = not any(record.fitness is not None for record in self.records.values())
        return is_first or self._left is None or self.budget.allows(self.forecast.work(genome), self._left)

    def _is_small_enough(self, genome: space.Genome) -> bool:
        limit = self.settings.max_params
        return limit is None or costs.num_parameters(genome, num_classes=self.dataset.num_classes) <= limit

    def _is_wanted(self, genome: space.Genome) -> bool:
        """Tells whether a genome's frozen features are to be compared with others."""
        # Where something is to be kept small, worse features may be worth their price.
        is_in_space = genome["pretrained/summary"] in self.settings.resolved_space.pretrained_summaries
        return is_in_space and not self.settings.minimize and self._is_small_enough(genome)

    def has_time_for_another(self) -> bool:
        """Tells whether another candidate is worth beginning, and takes down how much time there is for it."""
        self._left = self.seconds_left()
        return self.budget.suffices(self._left, self.records)

    def expected_seconds(self, genome: space.Genome) -> float:
        """Says how long a candidate is going to take."""
        return self.forecast.work(genome).seconds

    def seconds_left(self) -> float | None:
        """How long candidates may still be trained before the finalists' turn; `None` without a limit."""
        return self.budget.left_for_evolution(
            sum(self._final_seconds(record) for record in self._finalists(self.records.values()))
        )

    def effort(self, *, pause_after: int | None = None) -> Effort:
        """How much the next candidate may cost."""
        seconds = self.budget.for_a_candidate(self.seconds_left())
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
        work: Work | None = None
        try:
            work = self.forecast.work(genome)
            done = self.trainer.train(genome, effort, earlier=earlier, progress=self._progress)
            seconds = time.monotonic() - started
            if continues and earlier:
                seconds += seconds_spent(continues, self.records)
            elif not full_length and (not done.is_cut_short or seconds > work.seconds):
                self.forecast.learn(genome, work, seconds)
            spent = costs.measure(done.network, self.settings.minimize, seconds=seconds, mirror=bool(genome["mirror"]))
            trained, metrics = done, {**done.metrics, **spent}
        except CandidateError as error:
            reason = str(error)
            if work is not None and (elapsed := time.monotonic() - started) > work.seconds:
                self.forecast.learn(genome, work, elapsed)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = in_words(error)
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
            finished_at=self.budget.seconds,
            full_length=full_length,
            continues=continues.trial_id if continues and earlier else None,
            is_paused=trained.is_paused if trained else False,
        )
        self._keep(record, trained)
        return record

    def _earlier(self, record: TrialRecord | None) -> Earlier | None:
        """Returns what there is to go on from; without its model a candidate begins again."""
        path = None if record is None else self.folder.path / checkpoint(record)
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
            with self.folder.replacing(checkpoint(record)) as path:
                models.deployable(trained.network, mirror=bool(record.genome["mirror"])).save(path)
            if trained.probabilities is not None:
                with self.folder.replacing(predictions(record)) as path:
                    np.save(path, trained.probabilities.astype(np.float16))
        if len(self.trainer.probes.errors) > self._num_probed:
            self._num_probed = len(self.trainer.probes.errors)
            self.folder.write_json(_BODIES, self.trainer.probes.errors)
        # A candidate counts as finished only when its model is safe.
        self.folder.append_trial(record)
        self.records = records
        self._tidy()
        self._expect_closing()
        self.listener.trial_ended(record, next(iter(self.completed), None))

    def _expect_closing(self) -> None:
        if completed := self.completed:
            self.budget.closing_seconds = self.forecast.closing_seconds(completed[0].genome)

    def _tidy(self) -> None:
        """Removes the models that are no longer needed."""
        for trial_id in self.records.keys() - self._needed(self.records):
            for name in (checkpoint(self.records[trial_id]), predictions(self.records[trial_id])):
                (self.folder.path / name).unlink(missing_ok=True)

    def _needed(self, records: Mapping[str, TrialRecord]) -> set[str]:
        """Returns the trials whose models may still win, be trained further or join an ensemble."""
        completed = self._ranked(records.values())
        needed = [*completed[: self.settings.num_finalists], *self.front(completed), *_library(completed)]
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
        """Trains the best candidates at full length; they compete with the models that the search already has.

        Where time is limited the best comes first, for as many epochs as there is time for. What a head can learn from
        a frozen backbone it has mostly learned: its final training goes on to fine-tune the backbone.
        """
        for record in self._finalists(self.records.values()):
            trial_id = _full_length_id(record)
            if trial_id in self.records:
                continue
            left = self.budget.left
            if left is not None and left <= 0:
                break
            if (tuned := self._tuned(record, left)) is not None:
                self.train(
                    trial_id,
                    dict(tuned),
                    Effort(self.settings.epochs, left),
                    generation=record.generation,
                    full_length=True,
                )
                continue
            num_epochs = self.budget.num_final_epochs(record, self.records)
            so_far = self.settings.epochs - 1 if record.is_paused else num_last_epochs(record)
            begins_anew = left is None or num_epochs > so_far
            if not begins_anew and not record.is_paused:
                continue
            # With too little time to begin again, a candidate that paused still has some of its epochs before it.
            self.train(
                trial_id,
                record.genome,
                Effort(num_epochs if begins_anew else self.settings.epochs, left, patience=2 * PATIENCE),
                generation=record.generation,
                continues=None if begins_anew else record,
                full_length=True,
            )

    def _final_seconds(self, record: TrialRecord) -> float:
        if (tuned := self._tuned(record, self.budget.final_seconds)) is not None:
            return self.forecast.work(tuned).seconds
        return self.budget.full_length_seconds(record, self.records)

    def _tuned(self, record: TrialRecord, left: float | None) -> space.Genome | None:
        """Returns a finalist with its backbone fine-tuned, if that is a part of the space and there is time for it."""
        tuned = space.fine_tuned(record.genome, self.settings.resolved_space)
        if tuned is None or not self.budget.may_tune(self.forecast.work(tuned), left):
            return None
        return tuned

    def _finish(self, interrupted: bool) -> SearchResult:
        """Hands the best over, with everything that a person looks at."""
        self.listener.closed()
        # An interrupt may have come between a candidate's last epoch and its model's way to disk.
        saved = [record for record in self.completed if (self.folder.path / checkpoint(record)).is_file()]
        if not saved:
            raise self._nothing_found(interrupted)
        front = self.front(saved)
        closing = Closing(
            self.folder,
            self.dataset,
            self.settings,
            self.listener,
            self.budget,
            objectives=self.objectives,
        )
        return closing.hand_over(
            saved,
            records=list(self.records.values()),
            front=front,
            hypervolume=self.hypervolume(front),
            interrupted=interrupted,
        )

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


def _library(completed: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Returns what an ensemble is chosen from: the best, but of each frozen network a few only."""
    chosen: list[TrialRecord] = []
    alike: dict[Any, int] = defaultdict(int)
    for record in completed:
        body = shared_body(record.genome) or record.trial_id
        alike[body] += 1
        if alike[body] <= _MAX_ALIKE:
            chosen.append(record)
    return chosen[:_LIBRARY]


class _CandidateTuner(GeneticTuner):
    """Keras Tuner's side of a search: every trial is one candidate of ours."""

    def __init__(self, sitting: Sitting, genes: Genes) -> None:
        settings = sitting.settings
        super().__init__(
            objective=[keras_tuner.Objective(one.metric, one.direction) for one in sitting.objectives],
            max_trials=settings.max_trials,
            seed=settings.seed,
            hyperparameters=genes.hyperparameters,
            tune_new_entries=False,
            allow_new_entries=False,
            # A space with a hopeless corner must not end the search: it learns to avoid it.
            max_consecutive_failed_trials=10**9,
            seeds=genes.seeds,
            feasible=sitting.is_feasible,
            cost=sitting.expected_seconds,
            settings=EvolutionSettings(
                per_second=settings.resolved_max_time is not None,
                population_size=settings.population,
                num_elites=min(2, settings.population - 1),
                rungs=settings.rungs if settings.num_rungs > 1 else (),
                kinds=_KINDS,
            ),
            directory=str(sitting.folder.path),
            project_name="search",
        )
        self._sitting = sitting
        self.oracle.verbose = 0
        known = {None}
        for trial_id, trial in self.oracle.trials.items():
            if (source := trial.hyperparameters.values.get("tuner/trial_id")) not in known:
                raise LookupError(f"trial {trial_id} continues trial {source}, which is not there before it")
            known.add(trial_id)

    def pre_create_trial(self) -> None:
        super().pre_create_trial()
        if not self._sitting.has_time_for_another():
            self.oracle.stop()

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        values = trial.hyperparameters.values
        # A search that was killed may have written a candidate down without telling its oracle.
        record = self._sitting.records.get(trial.trial_id)
        paused = self._last_record(values.get("tuner/trial_id"))
        if record is None and paused is not None and not paused.is_paused:
            # What needs no further training is as fit in every rung.
            record = paused
        if record is None:
            try:
                record = self._sitting.train(
                    trial.trial_id,
                    {name: value for name, value in values.items() if not name.startswith("tuner/")},
                    self._sitting.effort(pause_after=values.get("tuner/epochs")),
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
        while trial_id is not None and trial_id not in self._sitting.records:
            trial_id = self.oracle.trials[trial_id].hyperparameters.values.get("tuner/trial_id")
        return None if trial_id is None else self._sitting.records[trial_id]
