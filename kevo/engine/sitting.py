"""One sitting of a search: takes up what earlier ones left, lets candidates be trained, and hands over the best."""

from __future__ import annotations

import dataclasses
import gc
import math
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from kevo import models
from kevo.arraystore import ArrayStore
from kevo.budget import Budget
from kevo.closing import Closing
from kevo.datasets import ImageDataset, handover
from kevo.engine.archive import Archive
from kevo.engine.chief import BODIES, Chief
from kevo.engine.crew import Crew
from kevo.engine.desk import Desk
from kevo.engine.genes import Genes
from kevo.engine.performing import Performer, by_width
from kevo.engine.tasks import Task
from kevo.errors import KevoError, RunError, SearchBrokenError, SearchFailedError, SearchInterruptedError
from kevo.features import FeatureCache, default_folder
from kevo.forecast import Forecast
from kevo.interrupts import Interrupts
from kevo.probing import LinearProbes, probe
from kevo.reporting import Listener
from kevo.results import SearchResult
from kevo.runs import Run, damage, writing
from kevo.settings import NO_CACHE, Settings
from kevo.space import Genome, variant
from kevo.weights import Weights
from tuners.remote import Server

_PROBES = "probes.json"
_NUM_BODIES = 3
"""So many of the best backbones are tried first."""
_WORK = "work"
"""Where in the run folder workers find what they need while they work."""
_HERE = "here"
"""The name of the worker that is this process."""


class Sitting:
    """One sitting of a search.

    Args:
        run: Its folder.
        dataset: The pictures.
        settings: How it is to run.
        usable: The weights of each backbone that can be had.
        listener: Is told what happens.
        started: When it began, by `time.monotonic`.
    """

    def __init__(
        self,
        run: Run,
        dataset: ImageDataset,
        settings: Settings,
        usable: Mapping[str, tuple[Weights, ...]],
        listener: Listener,
        started: float,
    ) -> None:
        self._folder = run
        self._dataset = dataset
        self._settings = settings
        self._listener = listener
        self._usable = usable
        self._archive = Archive(run, settings)
        self._budget = Budget(settings, started=started)
        self._interrupts = Interrupts()

    def run(self, genes: Genes, notes: list[str]) -> SearchResult:
        """Goes on from the run folder's candidates to the result; `notes` are for the listener."""
        with self._folder.locked():
            self._archive.read()
            self._budget.take_up(self._archive.records)
            self._listener.note(self._dataset.summary())
            for skipped in self._dataset.skipped:
                self._listener.note(f"Skipped {skipped.path}: {skipped.reason}")
            for note in notes:
                self._listener.note(note)
            try:
                with writing(self._folder.path):
                    self._folder.write_labels(self._dataset.class_names)
                    self._archive.tidy()
                    if bodies := self._promising_bodies():
                        genes = genes.led_by(bodies, self._settings, self._dataset)
                    return self._finish(interrupted=self._train_all(genes))
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

    def _promising_bodies(self) -> list[Genome]:
        """Returns the genes of the backbones to begin with; where there is but one or none, that needs no probe."""
        # What would have to be downloaded first is not probed.
        weights = [one for one in by_width(self._usable).values() if one.path is None or one.path.exists()]
        if len(weights) < 2:
            return []
        if not (self._folder.path / _PROBES).is_file():
            self._listener.note(f"Probing {len(weights)} backbones on a sample of the pictures.")
            found = probe(
                self._dataset,
                weights,
                image_size=min(self._settings.resolved_space.pretrained_image_sizes),
                seed=self._settings.seed,
                watch=lambda name, done: self._budget.may_probe,
                note=self._listener.note,
            )
            # A search that is taken up again begins with the same.
            self._folder.write_json(_PROBES, [{"genes": one.genes, "score": one.score} for one in found])
        with damage(self._folder.path / _PROBES):
            bodies: list[Genome] = [dict(one["genes"]) for one in self._folder.read_json(_PROBES)[:_NUM_BODIES]]
            if not all(isinstance(value, str | int | float) for body in bodies for value in body.values()):
                raise ValueError(f"its genes are {bodies}")
        return bodies

    def _train_all(self, genes: Genes) -> bool:
        """Trains all candidates, and returns whether a Ctrl-C kept it from that."""
        try:
            with self._interrupts:
                if self._settings.resolved_workers:
                    self._train_in_processes(genes, self._settings.resolved_workers)
                else:
                    self._train_here(genes)
        except KeyboardInterrupt:
            self._listener.note("Interrupted: keeping the best so far.")
            return True
        return False

    def _train_here(self, genes: Genes) -> None:
        """Trains in this process, one candidate after the other."""
        performer = Performer(self._dataset, self._settings, self._usable, self._store())
        chief = self._chief(genes, performer.trainer.cache)

        def progress(stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            self._interrupts.check()
            chief.tell(_HERE, stage, done, total, metrics)

        while isinstance(task := chief.next(_HERE), Task):
            self._interrupts.check()
            outcome, trained = performer.perform(task, earlier=chief.model_for(_HERE), progress=progress)
            if trained is None:
                chief.finish(_HERE, outcome)
                continue
            model = models.deployable(trained.network, mirror=bool(task.genome["mirror"]))
            chief.finish(_HERE, outcome, save=model.save, probabilities=trained.probabilities)

    def _train_in_processes(self, genes: Genes, num_workers: int) -> None:
        """Trains in processes of their own, which may die without harm to the search."""
        folder, dataset, settings = self._folder.path / _WORK, self._dataset, self._settings
        # What a killed search left behind.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            handover.write(dataset, folder / "data")
            store = self._store() or ArrayStore(folder / "features")
            chief = self._chief(genes, FeatureCache(dataset, store=store, seed=settings.seed))
            secret = secrets.token_hex(32)
            given = {
                "data": str(folder / "data"),
                "settings": settings.to_json(),
                "weights": [
                    {**dataclasses.asdict(one), "path": one.path and str(one.path)}
                    for one in by_width(self._usable).values()
                ],
                "cache": str(store.folder),
                "secret": secret,
            }
            shape = len(dataset.validation), dataset.num_classes
            desk = Desk(chief, folder, shape=shape, hello={})
            with Server(chief.oracle, secret=secret, calls=desk.calls) as server:
                Crew(chief, server, num_workers=num_workers, folder=folder, given=given).run(self._interrupts.check)
            if desk.error is not None:
                raise desk.error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _store(self) -> ArrayStore | None:
        """Returns where features are kept for later searches, if they are to be."""
        cache = self._settings.cache
        if cache == NO_CACHE:
            return None
        return ArrayStore(
            default_folder() if cache is None else Path(cache),
            note=lambda text: self._listener.note(f"Features of frozen backbones serve this search only. {text}"),
        )

    def _chief(self, genes: Genes, cache: FeatureCache) -> Chief:
        weights = by_width(self._usable)
        forecast = Forecast(
            self._dataset,
            cache,
            weights=lambda genome: weights[variant(genome)],
            num_epochs=self._settings.epochs,
            num_first_epochs=self._settings.rungs[0],
        )
        return Chief(
            self._archive,
            self._dataset,
            self._settings,
            self._listener,
            budget=self._budget,
            forecast=forecast,
            genes=genes,
            probes=LinearProbes(self._dataset.train.labels, self._errors()),
        )

    def _errors(self) -> dict[str, float]:
        """Returns what linear heads made of frozen networks in earlier sittings."""
        if not (self._folder.path / BODIES).is_file():
            return {}
        with damage(self._folder.path / BODIES):
            errors = {str(key): float(error) for key, error in self._folder.read_json(BODIES).items()}
            if not all(math.isfinite(error) and error >= 0 for error in errors.values()):
                raise ValueError(f"an error is no number from 0 on: {errors}")
        return errors

    def _finish(self, *, interrupted: bool) -> SearchResult:
        """Hands the best over, with everything that a person looks at."""
        self._listener.closed()
        if not (saved := self._archive.saved):
            raise self._nothing_found(interrupted)
        front = self._archive.front(saved)
        closing = Closing(
            self._folder,
            self._dataset,
            self._settings,
            self._listener,
            self._budget,
            objectives=self._archive.objectives,
        )
        return closing.hand_over(
            saved,
            records=list(self._archive.records.values()),
            front=front,
            hypervolume=self._archive.hypervolume(front),
            interrupted=interrupted,
        )

    def _nothing_found(self, interrupted: bool) -> KevoError:
        if interrupted:
            return SearchInterruptedError(
                f"Interrupted before the first candidate had finished. Go on with: kevo resume {self._folder.path}"
            )
        reasons = dict.fromkeys(record.reason for record in self._archive.records.values() if record.reason)
        if not reasons:
            return SearchFailedError("The time was over before the first candidate had finished. Give --max-time more.")
        return SearchFailedError(f"No candidate could be trained. Their reasons: {'; '.join(list(reasons)[:3])}.")
