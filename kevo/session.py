"""One session of a search: reads earlier trials, runs new ones, and hands over the best model."""

from __future__ import annotations

import contextlib
import functools
import gc
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.engine.finalize import BrokenModelError, Finalizer, WrongScoreError
from kevo.engine.messages import TrialResult
from kevo.engine.scheduler import Scheduler
from kevo.errors import (
    KevoError,
    RunError,
    SearchBrokenError,
    SearchFailedError,
    SearchInterruptedError,
    describe_error,
)
from kevo.execution import claims, devices
from kevo.execution.cluster import Cluster
from kevo.execution.devices import Plan
from kevo.execution.first_trial import EarlyTrials
from kevo.execution.job import TrialWork
from kevo.execution.local_workers import local_pool
from kevo.execution.plain_scheduler import PlainScheduler
from kevo.execution.runner import TrialRunner
from kevo.progress import Listener, SearchStarted
from kevo.progress.status_writer import StatusWriter
from kevo.progress.trackers import TrackerGroup
from kevo.report import model_card
from kevo.result import SearchResult
from kevo.runs import checksums, energy, failure, integrity, layout, phases, stop_request
from kevo.runs.atomic_files import writing
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.predictions import read_predictions
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.system import memory
from kevo.system.interrupts import Interrupt, Interrupts, Terminations, redelivering
from kevo.system.text import byte_size, plural
from kevo.tasks.protocols.dataset import Dataset
from kevo.tasks.protocols.scores import Outputs
from kevo.tasks.protocols.task import Task
from tuners.execution.executor import Cause, Executor
from tuners.execution.foreman import BrokenError, Foreman
from tuners.execution.in_process import InProcess

_PROCESS_BYTES = 10**9
"""The memory of a process that has loaded TensorFlow and trains a small network, roughly."""
_PROCESS_ADDRESSES = 4 * 10**9
"""Its address space, of which it uses a part."""


def _seeds(settings: Settings) -> Iterator[str]:
    if settings.seeds:
        yield f"The evolution begins with {plural(len(settings.seeds), 'candidate')} of another search too."


class Session:
    """One session of a search.

    Args:
        run: Its folder.
        task: What is learned.
        settings: How it is to run.
        listener: Is told what happens.
        started: When it began, by `time.monotonic`.
        cluster: Where trials run, which this process is connected to; `None` for this machine.
        strategy: Spreads each candidate over several devices, in this process; `None` for what the settings say.
        decision: What was decided about the task, in words; empty where that went without saying.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        settings: Settings,
        listener: Listener,
        *,
        started: float,
        cluster: Cluster | None = None,
        strategy: tf.distribute.Strategy | None = None,
        decision: str = "",
    ) -> None:
        self._decision = decision
        self._folder = run
        self._task = task
        self._dataset: Dataset = task.dataset
        self._settings = settings
        self._listener: Listener
        self._listener = self._trackers = TrackerGroup([listener])
        self._cluster = cluster
        self._strategy = strategy
        self._archive = Archive(run, settings, num_judged=task.dataset.num_judged)
        self._budget = Budget(settings, started=started)
        self._terminations = Terminations()
        self._interrupts = Interrupts(lambda: stop_request.take(run))
        self._result: SearchResult | None = None

    def run(self) -> SearchResult:
        """Goes on from the run folder's candidates to the result."""
        publisher = StatusWriter(self._folder, self._listener, seconds=lambda: self._budget.seconds)
        devices.share_memory()
        with (
            self._folder.locked() as lock,
            failure.written(self._folder),
            redelivering(),
            self._terminations,
            self._tracked(),
            publisher as self._listener,
        ):
            # Whoever asked an earlier session to stop did not mean this one.
            stop_request.take(self._folder)
            self._listener.phase_began(phases.READING, phases.words(phases.READING))
            self._folder.replace_search_settings(self._settings)
            plan = self._plan()
            notes = [
                *filter(None, (lock, self._surplus(plan.num_workers), _shortage(plan.num_workers))),
                *self._dataset.notes,
                *self._task.notes,
                *_seeds(self._settings),
                *self._archive.read(read_outputs=self._read_outputs),
                *self._mended(),
            ]
            self._budget.take_up(self._archive.records)
            self._open(plan)
            self._listener.note(self._dataset.summary())
            if self._decision:
                self._listener.note(self._decision)
            for skipped in self._dataset.skipped:
                self._listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for reason, num in Counter(skipped.reason for skipped in self._dataset.skipped).items():
                self._listener.skipped(self._settings.kind.examples, reason, num)
            for note in notes:
                self._listener.note(note)
            try:
                with writing(self._folder.path):
                    self._task.write_contract(self._folder)
                    self._archive.tidy()
                    with self._work_folder() as work:
                        shared = None if self._trains_here else work
                        self._task.attach(self._folder, work=shared, note=self._listener.note)
                        self._listener.phase_began(phases.PROBING, phases.words(phases.PROBING))
                        self._task.prepare(may_go_on=self._may_prepare)
                        is_interrupted = self._train_all(plan, work)
                    return self._finish(interrupted=is_interrupted)
            except RunError as error:
                raise SearchBrokenError(
                    f"{error} Nothing that finished is lost. Go on with: {self._resume_command}"
                ) from error
            except MemoryError as error:
                short = _shortage(plan.num_workers) or f"{memory.limit() or 'All memory'} may be used here: allow more."
                raise SearchBrokenError(
                    f"Memory has run out. {short} Nothing that finished is lost. Go on with: {self._resume_command}"
                ) from error
            except KeyboardInterrupt:
                raise SearchInterruptedError(
                    f"Interrupted before the best model was written. Go on with: {self._resume_command}"
                ) from None
            finally:
                # The trainer set all there was apart from what Python looks through for garbage.
                gc.unfreeze()
                stop_request.take(self._folder)

    def _mended(self) -> list[str]:
        """Sets damaged files aside that an earlier session has handed over, and names them: they are made again."""
        return [
            self._folder.set_aside(name, f"{self._folder.path / name} is damaged: {reason}")
            for name, reason in integrity.damaged_files(self._folder).items()
        ]

    def _read_outputs(self, path: Path) -> Outputs | None:
        return read_predictions(path, shape=self._task.output_shape, are_valid=self._task.are_valid)

    @property
    def _resume_command(self) -> str:
        """The command that goes on with this search, on the same machines."""
        options = [] if self._cluster is None else self._cluster.options()
        return " ".join(["kevo", "resume", str(self._folder.path), *options])

    @property
    def _trains_here(self) -> bool:
        """Whether this process trains, and no other."""
        if self._cluster is not None:
            return False
        return self._strategy is not None or self._settings.workers == 0

    def _plan(self) -> Plan:
        if self._cluster is not None:
            return Plan((), is_mirrored=False)
        workers, num_gpus = 1 if self._trains_here else self._settings.workers, devices.num_gpus()
        if workers is not None:
            # A folder from elsewhere may ask for a thousand.
            workers = min(workers, devices.most_workers(num_gpus=num_gpus))
        elif self._settings.kind.are_small and self._settings.resolved_max_time is not None and not num_gpus:
            # Where time ends the search, no two are alike anyway.
            workers = devices.side_by_side()
        return devices.plan(self._settings.strategy, num_workers=workers, num_gpus=num_gpus)

    def _surplus(self, num_workers: int) -> str | None:
        """Says that fewer workers are started than were asked for; `None` where that is not so."""
        if self._trains_here or self._cluster is not None or (self._settings.workers or 0) <= num_workers:
            return None
        return (
            f"{self._settings.workers:,} workers were asked for, and {num_workers:,} are started: "
            f"this machine has {plural(devices.num_cores(), 'core')}."
        )

    def _open(self, plan: Plan) -> None:
        """Tells the listener the state at the start of this session."""
        if self._strategy is not None:
            devices = f"a strategy that was given, {type(self._strategy).__name__}"
        elif self._cluster is not None:
            devices = self._cluster.describe(is_spread=self._settings.strategy == "multiworker")
        else:
            devices = str(plan)
        opening = SearchStarted(
            run_folder=self._folder.path,
            settings=self._settings,
            devices=devices,
            seconds=self._budget.seconds,
            records=tuple(self._archive.records.values()),
            best=self._archive.winner,
            num_judged=self._dataset.num_judged,
        )
        self._listener.search_started(opening)

    def _may_prepare(self) -> bool:
        self._interrupts.check()
        return self._budget.may_probe

    @contextlib.contextmanager
    def _work_folder(self) -> Iterator[Path]:
        """Lends a folder for the files of workers while they train."""
        folder = self._folder.path / layout.WORK
        # What a killed search left behind.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _train_all(self, plan: Plan, work: Path) -> bool:
        """Trains all candidates, and returns whether a Ctrl-C kept it from that."""
        try:
            with self._interrupts:
                self._train(plan, work)
        except Interrupt:
            self._listener.note("Interrupted: keeping the best so far.")
            return True
        except BrokenError as error:
            if error.cause is Cause.DISK:
                raise RunError(f"{str(error).rstrip('.')}. Make room or permit writing there.") from error
            if error.cause is Cause.CLUSTER:
                raise RunError(f"{str(error).rstrip('.')}.") from error
            raise SearchFailedError(
                " ".join(filter(None, [f"{str(error).rstrip('.')}.", _shortage(plan.num_workers)]))
            ) from error
        return False

    def _train(self, plan: Plan, work: Path) -> None:
        self._listener.phase_began(phases.EVOLVING, "gets the workers ready")
        executor = self._executor(plan, work)
        scheduler = Scheduler(self._archive, self._task, self._settings, self._listener, budget=self._budget)
        check = self._interrupts.check
        # On a GPU all of this process would stay for the whole search.
        early = None
        if not self._trains_here and not devices.num_gpus():
            early = EarlyTrials(
                scheduler,
                lambda: TrialRunner(self._task.trainer(), costs=self._settings.minimize),
                check=check,
                left=lambda: self._budget.left,
            )
        plain = PlainScheduler(scheduler, shape=self._task.output_shape, refute=self._refute())
        Foreman(plain, executor, check=check, meanwhile=early).run()

    def _refute(self) -> Callable[[TrialResult, Path, Outputs | None], str | None] | None:
        """Returns what checks results that come from other machines."""
        if self._cluster is None:
            return None
        return functools.partial(claims.refute, task=self._task, objective=self._archive.objective)

    def _refute_score(self) -> Callable[[Mapping[str, float], Outputs], str | None] | None:
        """Returns what checks the final model of a search that other machines have trained for."""
        if self._cluster is None:
            return None
        return functools.partial(claims.refute_score, task=self._task, objective=self._archive.objective)

    def _executor(self, plan: Plan, work: Path) -> Executor:
        """Returns what runs the trials."""
        if self._trains_here:
            strategy = self._strategy or (devices.mirrored() if plan.is_mirrored else None)
            runner = TrialRunner(self._task.trainer(strategy=strategy), costs=self._settings.minimize)
            return InProcess(TrialWork(runner), work)
        self._dataset.write(work / "data")
        arguments = {
            "data": str(work / "data"),
            "settings": self._settings.to_json(),
            "arguments": self._task.worker_arguments(),
            "is_mirrored": plan.is_mirrored,
        }
        if self._cluster is not None:
            return self._cluster.pool(
                {name: arguments[name] for name in ("data", "settings", "arguments")},
                num_workers=self._settings.workers,
                is_spread=self._settings.strategy == "multiworker",
                folder=work,
                shared=[work / "data", *self._task.worker_files()],
                note=self._listener.note,
            )
        return local_pool(arguments, plan=plan, folder=work, note=self._listener.note)

    def _finish(self, *, interrupted: bool) -> SearchResult:
        """Hands the best over, with everything that a person looks at."""
        self._listener.closed()
        self._listener.phase_began(phases.SCORING, phases.words(phases.SCORING))
        self._terminations.ignore()
        closing = Finalizer(
            self._folder,
            self._task,
            self._settings,
            self._listener,
            self._budget,
            objectives=self._archive.objectives,
            refute=self._refute_score(),
        )
        self._result = result = SearchResult.of(self._handed_over(closing, interrupted))
        for remark in self._settings.kind.pages().remarks(result.test):
            self._listener.note(remark)
        self._trackers.on_result(result)
        self._write_card(result)
        return result

    def _handed_over(self, closing: Finalizer, interrupted: bool) -> Outcome:
        """Hands over the best trial with a model that can be loaded; damaged files are set aside."""
        failures: list[BrokenModelError] = []
        while saved := self._usable(closing.unusable):
            front = self._archive.front(saved)
            try:
                return closing.hand_over(
                    saved,
                    records=list(self._archive.records.values()),
                    front=front,
                    hypervolume=self._archive.hypervolume(front),
                    interrupted=interrupted,
                    lost=None if self._archive.winner is saved[0] else self._archive.winner,
                )
            except WrongScoreError as error:
                closing.unusable.add(error.name)
                self._listener.note(f"{error}.")
            except BrokenModelError as error:
                if checksums.flaw(self._folder.path / error.name) is not None:
                    self._listener.note(self._folder.set_aside(error.name, str(error)))
                    continue
                if any(type(one.cause) is type(error.cause) for one in failures):
                    raise RunError(
                        f"{str(error).rstrip('.')}, as {failures[0].name} before it. The checksums of both files are "
                        "right: something else keeps models from being loaded, such as another version of Keras, too "
                        "few file descriptors, or a network drive. No file was moved."
                    ) from error
                failures.append(error)
                closing.unusable.add(error.name)
                self._listener.note(f"{str(error).rstrip('.')}. Its checksums are right, so that it stays there.")
        raise self._nothing_found(interrupted, failures)

    def _usable(self, unusable: Collection[str]) -> list[TrialRecord]:
        """Returns the trials with a model on disk, the best first, without those that cannot be used."""
        return [record for record in self._archive.saved if layout.checkpoint(record.trial_id) not in unusable]

    def _write_card(self, result: SearchResult) -> None:
        """Writes the model card; the result stands also where that fails."""
        self._listener.phase_began(phases.WRITING, phases.words(phases.WRITING))
        try:
            savings = self._task.savings(list(self._archive.records.values()))
            flops = self._task.costs(result.best_model, result.genome, ("flops",), seconds=result.seconds)
            model_card.write(
                self._folder,
                self._dataset,
                result,
                flops=flops["flops"],
                energy=energy.read(self._folder),
                savings=savings,
            )
        except Exception as error:
            self._listener.note(f"No model card: {describe_error(error)}")

    @contextlib.contextmanager
    def _tracked(self) -> Iterator[None]:
        """Tells trackers of the begin, and of the end however it comes."""
        self._trackers.on_search_begin(self._folder, self._task)
        try:
            yield
        finally:
            self._trackers.on_search_end(self._result)

    def _nothing_found(self, interrupted: bool, failures: Sequence[BrokenModelError]) -> KevoError:
        if interrupted:
            return SearchInterruptedError(
                f"Interrupted before the first candidate had finished. Go on with: {self._resume_command}"
            )
        if num_completed := len(self._archive.completed):
            where = (
                [f"{self._folder.path / layout.CHECKPOINTS} has none of them"] if not failures else map(str, failures)
            )
            if (aside := self._folder.path / layout.DAMAGED / layout.CHECKPOINTS).is_dir():
                where = [*where, f"damaged ones are in {aside}"]
            return SearchFailedError(
                f"None of the models of the {num_completed} candidates that finished can be used: {'; '.join(where)}. "
                "What was handed over before stays. Restore the models, or start a new search."
            )
        reasons = dict.fromkeys(record.reason for record in self._archive.records.values() if record.reason)
        if not reasons and (left := self._budget.left) is not None and left <= 0:
            return SearchFailedError("The time was over before the first candidate had finished. Give --max-time more.")
        if not reasons:
            return SearchFailedError(
                f"{self._folder.path / layout.TRIALS} has no record of a candidate, and none is left to be trained. "
                "Restore it, or start a new search."
            )
        return SearchFailedError(f"No candidate could be trained. Their reasons: {'; '.join(list(reasons)[:3])}.")


def _shortage(num_workers: int) -> str | None:
    """Returns a warning where there is little memory for a search's processes; `None` where there is enough."""
    limit = memory.limit()
    if limit is None:
        return None
    if not limit.is_shared:
        if limit.num_bytes >= _PROCESS_ADDRESSES:
            return None
        return (
            f"Only {limit} may be used by each process here, and one that trains asks for about "
            f"{byte_size(_PROCESS_ADDRESSES)}, though it uses a part of that: allow more."
        )
    if limit.num_bytes >= (1 + num_workers) * _PROCESS_BYTES:
        return None
    return (
        f"Only {limit} may be used here, and a search needs about {byte_size(_PROCESS_BYTES)} for itself and as much "
        "for each worker: the system may end it. Allow more, or take fewer workers; --workers 0 needs the least."
    )
