"""What a worker does: it trains a candidate, whatever that does to it, and says what came of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

from kevo import costs
from kevo.arraystore import ArrayStore
from kevo.datasets import ImageDataset
from kevo.engine.genes import is_small_enough
from kevo.engine.tasks import Outcome, Task
from kevo.errors import in_words
from kevo.settings import Settings
from kevo.space import Genome
from kevo.training import CandidateError, Earlier, Progress, Trained, Trainer
from kevo.weights import Weights


class Performer:
    """Trains the candidates of one search, one after the other.

    Args:
        dataset: The pictures.
        settings: How the search is to run.
        usable: The weights of each backbone that can be had.
        store: Keeps the features of frozen backbones for other workers and later runs. `None`: in memory only.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        settings: Settings,
        usable: Mapping[str, tuple[Weights, ...]],
        store: ArrayStore | None,
    ) -> None:
        self._settings = settings
        self._num_classes = dataset.num_classes
        self.trainer = Trainer(
            dataset,
            objective=settings.objective,
            weights=by_width(usable),
            seed=settings.seed,
            store=store,
            is_wanted=self._is_wanted,
        )

    def perform(
        self, task: Task, *, earlier: Path | None, progress: Progress | None = None
    ) -> tuple[Outcome, Trained | None]:
        """Trains a candidate.

        Args:
            task: What to train.
            earlier: The model that it goes on from after a pause; `None` to begin from the start.
            progress: As for `Trainer.train`.

        Returns:
            What came of it, a failure included, and the trained candidate.
        """
        trained: Trained | None = None
        reason, metrics = None, {}
        known = {**task.errors}
        probes, speeds = self.trainer.probes, self.trainer.cache.seconds_per_picture
        probes.errors |= known
        before = None if earlier is None else Earlier(earlier, task.history, task.stages)
        started = time.monotonic()
        try:
            done = self.trainer.train(task.genome, task.effort, earlier=before, progress=progress)
            spent = costs.measure(
                done.network,
                self._settings.minimize,
                seconds=time.monotonic() - started,
                mirror=bool(task.genome["mirror"]),
            )
            trained, metrics = done, {**done.metrics, **spent}
        except CandidateError as error:
            reason = str(error)
        except Exception as error:
            # Whatever a candidate does, it fails alone; its reason is kept, and a search of failures only says so.
            reason = in_words(error)
        outcome = Outcome(
            seconds=time.monotonic() - started,
            reason=reason,
            errors={key: error for key, error in probes.errors.items() if key not in known},
            speeds=tuple((*key, seconds) for key, seconds in speeds.items()),
        )
        if trained is None:
            return outcome, None
        return dataclasses.replace(
            outcome,
            metrics=metrics,
            history=tuple(trained.history),
            stages=tuple(trained.stages),
            num_parameters=trained.num_parameters,
            is_paused=trained.is_paused,
            is_cut_short=trained.is_cut_short,
        ), trained

    def _is_wanted(self, genome: Genome) -> bool:
        """Tells whether a genome's frozen features are to be compared with others."""
        # Where something is to be kept small, worse features may be worth their price.
        is_in_space = genome["pretrained/summary"] in self._settings.resolved_space.pretrained_summaries
        is_compared = is_in_space and not self._settings.minimize
        return is_compared and is_small_enough(genome, self._settings, num_classes=self._num_classes)


def by_width(usable: Mapping[str, tuple[Weights, ...]]) -> dict[tuple[str, float | None], Weights]:
    """Returns weights for each backbone and width multiplier."""
    return {(name, variant.alpha): variant for name, variants in usable.items() for variant in variants}
