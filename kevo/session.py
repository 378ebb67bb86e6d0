"""One session of a search: takes up what earlier ones left, lets candidates be trained, and hands over the best."""

from __future__ import annotations

import contextlib
import gc
import math
import secrets
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kevo.engine.archive import Archive
from kevo.engine.budget import Budget
from kevo.engine.finalize import BrokenModelError, Finalizer
from kevo.engine.messages import TrialSpec
from kevo.engine.scheduler import Scheduler
from kevo.errors import (
    KevoError,
    RunError,
    SearchBrokenError,
    SearchFailedError,
    SearchInterruptedError,
    describe_error,
)
from kevo.execution import devices
from kevo.execution.devices import Plan
from kevo.execution.endpoint import Endpoint, seen_from_elsewhere
from kevo.execution.local_pool import LocalPool
from kevo.execution.remote_worker import terms
from kevo.execution.runner import TrialRunner
from kevo.execution.scheduler_service import SchedulerService
from kevo.progress import Listener, SearchStarted
from kevo.progress.trackers import TrackerGroup, energy
from kevo.report import model_card
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.atomic_files import damage, writing
from kevo.runs.folder import Run
from kevo.runs.status import StatusWriter
from kevo.settings import NO_CACHE, Settings
from kevo.system.array_store import ArrayStore
from kevo.system.interrupts import Interrupt, Interrupts, redelivering
from kevo.tasks.images import cache_savings, costs, usable_weights
from kevo.tasks.images.cost_model import Forecast
from kevo.tasks.images.datasets import ImageDataset, handover
from kevo.tasks.images.features import FeatureCache, default_folder
from kevo.tasks.images.initial_population import Genes
from kevo.tasks.images.linear_probes import LinearProbes, probe
from kevo.tasks.images.space import Genome, variant
from kevo.tasks.images.usable_weights import Usable, by_width
from tuners.remote import SECRET_VARIABLE, Server

_NUM_BODIES = 3
"""So many of the best backbones are tried first."""
_HERE = "here"
"""The name of the worker that is this process."""


class Session:
    """One session of a search.

    Args:
        run: Its folder.
        dataset: The pictures.
        settings: How it is to run.
        usable: The weights of each backbone that can be had.
        listener: Is told what happens.
        started: When it began, by `time.monotonic`.
        endpoint: Where workers from elsewhere may join; `None` for nowhere.
        strategy: Spreads each candidate over several devices, in this process; `None` for what the settings say.
    """

    def __init__(
        self,
        run: Run,
        dataset: ImageDataset,
        settings: Settings,
        usable: Usable,
        listener: Listener,
        started: float,
        endpoint: Endpoint | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self._folder = run
        self._dataset = dataset
        self._settings = settings
        self._listener: Listener
        self._listener = self._trackers = TrackerGroup([listener])
        self._usable = usable
        self._endpoint = endpoint
        self._strategy = strategy
        self._archive = Archive(run, settings, num_judged=len(dataset.validation))
        self._budget = Budget(settings, started=started)
        self._interrupts = Interrupts(run)
        self._forecast: Forecast | None = None
        self._result: SearchResult | None = None

    def run(self, genes: Genes, notes: list[str]) -> SearchResult:
        """Goes on from the run folder's candidates to the result; `notes` are for the listener."""
        publisher = StatusWriter(self._folder, self._listener, seconds=lambda: self._budget.seconds)
        devices.share_memory()
        with self._folder.locked(), redelivering(), self._tracked(), publisher as self._listener:
            # Whoever asked an earlier session to stop did not mean this one.
            self._interrupts.clear()
            notes = [*notes, *self._archive.read()]
            self._budget.take_up(self._archive.records)
            plan = self._plan()
            self._open(plan)
            self._listener.note(self._dataset.summary())
            for skipped in self._dataset.skipped:
                self._listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for reason, num in Counter(skipped.reason for skipped in self._dataset.skipped).items():
                self._listener.skipped("pictures", reason, num)
            for note in notes:
                self._listener.note(note)
            try:
                with writing(self._folder.path):
                    self._folder.write_labels(self._dataset.class_names)
                    self._archive.tidy()
                    if bodies := self._promising_bodies():
                        genes = genes.led_by(bodies, self._settings, self._dataset)
                    return self._finish(interrupted=self._train_all(genes, plan))
            except RunError as error:
                raise SearchBrokenError(
                    f"{error} Nothing that finished is lost. Go on with: kevo resume {self._folder.path}"
                ) from error
            except KeyboardInterrupt:
                raise SearchInterruptedError(
                    f"Interrupted before the best model was written. Go on with: kevo resume {self._folder.path}"
                ) from None
            finally:
                # The trainer set all there was apart from what Python looks through for garbage.
                gc.unfreeze()
                self._interrupts.clear()

    @property
    def _trains_here(self) -> bool:
        """Whether this process trains, and no other."""
        return self._strategy is not None or (self._settings.workers == 0 and self._endpoint is None)

    def _plan(self) -> Plan:
        workers = 1 if self._trains_here else self._settings.workers
        return devices.plan(self._settings.strategy, num_workers=workers, num_gpus=devices.num_gpus())

    def _open(self, plan: Plan) -> None:
        """Tells the listener what this session begins with."""
        if self._strategy is not None:
            devices = f"a strategy that was given, {type(self._strategy).__name__}"
        else:
            devices = str(plan) if plan.num_workers else "workers from elsewhere"
        opening = SearchStarted(
            run_folder=self._folder.path,
            settings=self._settings,
            devices=devices,
            seconds=self._budget.seconds,
            records=tuple(self._archive.records.values()),
            best=self._archive.winner,
            num_judged=len(self._dataset.validation),
        )
        self._listener.search_started(opening)

    def _promising_bodies(self) -> list[Genome]:
        """Returns the genes of the backbones to begin with; where there is but one or none, that needs no probe."""
        # What would have to be downloaded first is not probed.
        weights = [one for one in by_width(self._usable).values() if one.path is None or one.path.exists()]
        if len(weights) < 2:
            return []
        if (known := self._known_bodies()) is not None:
            return known
        self._listener.note(f"Probing {len(weights)} backbones on a sample of the pictures.")
        found = probe(
            self._dataset,
            weights,
            image_size=min(self._settings.resolved_space.pretrained_image_sizes),
            seed=self._settings.seed,
            watch=self._may_probe,
            note=self._listener.note,
        )
        # A search that is taken up again begins with the same.
        self._folder.write_json(layout.BACKBONE_RANKING, [{"genes": one.genes, "score": one.score} for one in found])
        return [one.genes for one in found[:_NUM_BODIES]]

    def _known_bodies(self) -> list[Genome] | None:
        """Returns what an earlier session has found of backbones; `None` where there is nothing that can be used."""
        with self._mending(layout.BACKBONE_RANKING):
            bodies: list[Genome] = [
                dict(one["genes"]) for one in self._folder.read_json(layout.BACKBONE_RANKING)[:_NUM_BODIES]
            ]
            if not all(isinstance(value, str | int | float) for body in bodies for value in body.values()):
                raise ValueError(f"its genes are {bodies}")
            return bodies
        return None

    @contextlib.contextmanager
    def _mending(self, name: str) -> Iterator[None]:
        """Sets a file aside that is damaged; what it holds can be found again."""
        path = self._folder.path / name
        try:
            with damage(path):
                yield
        except RunError as error:
            if path.is_file():
                self._listener.note(self._folder.set_aside(name, str(error)))

    def _may_probe(self, name: str, done: float) -> bool:
        self._interrupts.check()
        return self._budget.may_probe

    def _train_all(self, genes: Genes, plan: Plan) -> bool:
        """Trains all candidates, and returns whether a Ctrl-C kept it from that."""
        try:
            with self._interrupts:
                if self._trains_here:
                    self._train_here(genes, self._strategy or (devices.mirrored() if plan.is_mirrored else None))
                else:
                    self._train_in_processes(genes, plan)
        except Interrupt:
            self._listener.note("Interrupted: keeping the best so far.")
            return True
        return False

    def _train_here(self, genes: Genes, strategy: tf.distribute.Strategy | None) -> None:
        """Trains in this process, one candidate after the other."""
        runner = TrialRunner(self._dataset, self._settings, self._usable, self._store(), strategy=strategy)
        scheduler = self._scheduler(genes, runner.trainer.cache)

        def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            self._interrupts.check()
            scheduler.tell(_HERE, stage, done, total, metrics)

        def keep(
            model: keras.Model, history: Sequence[dict[str, float]], stages: Sequence[str], seconds: float
        ) -> None:
            scheduler.keep(_HERE, save=model.save, history=history, stages=stages, seconds=seconds)

        while isinstance(task := scheduler.next(_HERE), TrialSpec):
            self._interrupts.check()
            done = runner.perform(task, earlier=scheduler.model_for(_HERE), progress=progress, keep=keep)
            scheduler.finish(_HERE, done.outcome, save=done.save, probabilities=done.probabilities)

    def _train_in_processes(self, genes: Genes, plan: Plan) -> None:
        """Trains in processes of their own, which may die without harm to the search."""
        folder, dataset, settings = self._folder.path / layout.WORK, self._dataset, self._settings
        # What a killed search left behind.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            if plan.num_workers:
                handover.write(dataset, folder / "data")
            store = self._store() or ArrayStore(folder / "features")
            if self._usable:
                # Workers keep what they find in silence.
                store.try_out()
            scheduler = self._scheduler(genes, FeatureCache(dataset, store=store, seed=settings.seed))
            endpoint = self._endpoint or Endpoint("127.0.0.1:0", secrets.token_hex(32))
            given = {
                "data": str(folder / "data"),
                "settings": settings.to_json(),
                "weights": usable_weights.to_json(self._usable),
                "cache": str(store.folder),
                "is_mirrored": plan.is_mirrored,
                "is_spread": plan.is_spread,
                "pictures": dataset.fingerprint() if plan.is_spread else None,
                "secret": endpoint.secret,
            }
            shape = len(dataset.validation), dataset.num_classes
            hello = terms(dataset, settings, self._usable) if self._endpoint else {}
            service = SchedulerService(scheduler, folder, shape=shape, hello=hello)
            note = self._listener.note
            with Server(
                scheduler.oracle, address=endpoint.address, secret=endpoint.secret, calls=service.calls
            ) as server:
                if self._endpoint:
                    note(self._invitation(server.address))
                pool = LocalPool(service, server, plan=plan, folder=folder, given=given, note=note)
                pool.run(self._interrupts.check)
            if service.error is not None:
                raise service.error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _invitation(self, address: str) -> str:
        """Says how workers from elsewhere join."""
        words = ["kevo", "worker", seen_from_elsewhere(address), "--data", str(self._folder.settings["data"] or "DATA")]
        for one in by_width(self._usable).values():
            words += ["--weights", f"{one.backbone}={one.path}"] if one.source == "file" else []
        shown = f", and the secret of this search, as {SECRET_VARIABLE} or with --secret-file"
        has_secret = self._endpoint is not None and self._endpoint.secret
        return f"Workers join with: {shlex.join(words)}{shown if has_secret else ''}"

    def _store(self) -> ArrayStore | None:
        """Returns where features are kept for later searches, if they are to be."""
        cache = self._settings.cache
        if cache == NO_CACHE:
            return None
        return ArrayStore(
            default_folder() if cache is None else Path(cache),
            note=lambda text: self._listener.note(f"Features of frozen backbones serve this search only. {text}"),
        )

    def _scheduler(self, genes: Genes, cache: FeatureCache) -> Scheduler:
        weights = by_width(self._usable)
        self._forecast = Forecast(
            self._dataset,
            cache,
            weights=lambda genome: weights[variant(genome)],
            num_epochs=self._settings.epochs,
            num_first_epochs=self._settings.rungs[0],
        )
        return Scheduler(
            self._archive,
            self._dataset,
            self._settings,
            self._listener,
            budget=self._budget,
            forecast=self._forecast,
            genes=genes,
            probes=LinearProbes(self._dataset.train.labels, self._errors()),
        )

    def _errors(self) -> dict[str, float]:
        """Returns what linear heads made of frozen networks in earlier sessions."""
        with self._mending(layout.PROBE_ERRORS):
            errors = {str(key): float(error) for key, error in self._folder.read_json(layout.PROBE_ERRORS).items()}
            if not all(math.isfinite(error) and error >= 0 for error in errors.values()):
                raise ValueError(f"an error is no number from 0 on: {errors}")
            return errors
        return {}

    def _finish(self, *, interrupted: bool) -> SearchResult:
        """Hands the best over, with everything that a person looks at."""
        self._listener.closed()
        closing = Finalizer(
            self._folder,
            self._dataset,
            self._settings,
            self._listener,
            self._budget,
            objectives=self._archive.objectives,
        )
        self._result = result = self._handed_over(closing, interrupted)
        self._trackers.found(result)
        self._write_card(result)
        return result

    def _handed_over(self, closing: Finalizer, interrupted: bool) -> SearchResult:
        """Hands over the best of those whose models can be loaded: a file may be damaged, or a stranger's."""
        while saved := self._archive.saved:
            front = self._archive.front(saved)
            try:
                return closing.hand_over(
                    saved,
                    records=list(self._archive.records.values()),
                    front=front,
                    hypervolume=self._archive.hypervolume(front),
                    interrupted=interrupted,
                )
            except BrokenModelError as error:
                self._listener.note(self._folder.set_aside(error.name, str(error)))
        raise self._nothing_found(interrupted)

    def _write_card(self, result: SearchResult) -> None:
        """Writes what the best model is and what the search cost; the result stands also where that fails."""
        try:
            estimate = self._naive()
            flops = costs.measure(
                result.best_model, ("flops",), seconds=result.seconds, mirror=bool(result.genome["mirror"])
            )
            model_card.write(
                self._folder,
                self._dataset,
                result,
                flops=flops["flops"],
                energy=energy.read(self._folder),
                naive=estimate,
            )
        except Exception as error:
            self._listener.note(f"No model card: {describe_error(error)}")

    def _naive(self) -> cache_savings.Naive | None:
        """Estimates what the search would have cost without the cache of features, and writes that down."""
        if self._forecast is None:
            return cache_savings.read(self._folder)
        # What earlier sessions measured is not measured again where nothing new is trained.
        if (earlier := cache_savings.read(self._folder)) is not None:
            measured = set(self._forecast.speeds)
            self._forecast.learn_speeds(speed for speed in earlier.speeds if speed[:-1] not in measured)
        speeds: list[cache_savings.Speed] = [(*key, seconds) for key, seconds in self._forecast.speeds.items()]
        if not speeds:
            return None
        estimate = cache_savings.estimate(
            list(self._archive.records.values()),
            self._dataset,
            pass_seconds=self._forecast.pass_seconds,
            speeds=speeds,
        )
        cache_savings.write(self._folder, estimate)
        return estimate

    @contextlib.contextmanager
    def _tracked(self) -> Iterator[None]:
        """Tells trackers of the begin, and of the end however it comes."""
        self._trackers.begun(self._folder, self._dataset)
        try:
            yield
        finally:
            self._trackers.ended(self._result)

    def _nothing_found(self, interrupted: bool) -> KevoError:
        if interrupted:
            return SearchInterruptedError(
                f"Interrupted before the first candidate had finished. Go on with: kevo resume {self._folder.path}"
            )
        if num_completed := len(self._archive.completed):
            return SearchFailedError(
                f"None of the models of the {num_completed} candidates that finished can be loaded. They are in "
                f"{self._folder.path / layout.DAMAGED}: restore them, or start a new search."
            )
        reasons = dict.fromkeys(record.reason for record in self._archive.records.values() if record.reason)
        if not reasons:
            return SearchFailedError("The time was over before the first candidate had finished. Give --max-time more.")
        return SearchFailedError(f"No candidate could be trained. Their reasons: {'; '.join(list(reasons)[:3])}.")
