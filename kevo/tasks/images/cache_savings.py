"""Estimates the cost of a search without the cache of features: passes that every epoch would have repeated.

An estimate from below. How long a picture's way through a backbone takes was measured; the first epoch's passes of
every training count as made, and nothing else is taken to be slower.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import frozen_part
from kevo.tasks.images.picture_copies import test_time_views
from kevo.tasks.images.stages import FINE_TUNE, HEAD
from tuners.genome import Genome

Speed = tuple[str, float | None, int, float]
"""A backbone, its width, the pictures' size, and how many seconds a picture's way through all of it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSavings:
    """The same candidates without the cache of features.

    Args:
        candidate_seconds: What all trainings took together.
        saved_seconds: How much longer they would have taken, at least.
        passes: How many pictures would have gone through frozen networks once more.
        speeds: What it was reckoned from.
    """

    candidate_seconds: float
    saved_seconds: float
    passes: int
    speeds: tuple[Speed, ...] = ()

    @property
    def means(self) -> str:
        """The means that saved time, in a few words."""
        return "the cache of features"

    @property
    def basis(self) -> str:
        """How the estimate was made."""
        return (
            f"This is an estimate from below: {self.passes:,} times more a picture would have gone through a frozen "
            "network, in every epoch but the first of each training, at the speed that was measured in this search; "
            "nothing else is taken to be slower."
        )

    @property
    def nothing(self) -> str:
        """The sentence for a search that saved nothing."""
        return (
            "Features of frozen backbones are computed once for all candidates. This search had none that trained on "
            "them for more than an epoch, so that this saved nothing."
        )

    @property
    def factor(self) -> float:
        """How many times as long the trainings would have taken."""
        return 1 + self.saved_seconds / self.candidate_seconds if self.candidate_seconds else 1.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `dataclasses.asdict` made.

        Raises:
            LookupError, TypeError, ValueError: these are not the values of an estimate.
        """
        seconds = {name: float(values[name]) for name in ("candidate_seconds", "saved_seconds")}
        speeds = tuple(
            (str(name), None if alpha is None else float(alpha), int(size), float(speed))
            for name, alpha, size, speed in values["speeds"]
        )
        if not all(math.isfinite(one) and one >= 0 for one in (*seconds.values(), *(speed[-1] for speed in speeds))):
            raise ValueError(f"a time is none from 0 on: {values}")
        return cls(**seconds, passes=int(values["passes"]), speeds=speeds)


def read(run: Run) -> CacheSavings | None:
    """Returns the estimate of an earlier session; `None` if there is none.

    Raises:
        RunError: the file is damaged.
    """
    if not (run.path / layout.CACHE_SAVINGS).exists():
        return None
    with damage(run.path / layout.CACHE_SAVINGS):
        return CacheSavings.from_json(run.read_json(layout.CACHE_SAVINGS))


def estimate(
    records: Sequence[TrialRecord],
    dataset: ImageDataset,
    *,
    pass_seconds: Callable[[Genome], float],
    speeds: Iterable[Speed],
) -> CacheSavings:
    """Estimates the training time of candidates without the cache of features.

    Args:
        records: All trainings of a search.
        dataset: Its pictures.
        pass_seconds: Returns how long a picture's way through a genome's network takes, up to its cut point.
        speeds: What that was measured from.
    """
    continued = {record.continues for record in records}
    passes, seconds = 0, 0.0
    for record in records:
        # The history of what was continued is a part of what continues it.
        if record.trial_id in continued or record.genome["family"] == "conv":
            continue
        num_pictures = len(dataset.train) + len(test_time_views(record.genome)) * len(dataset.validation)
        for stage, frozen in (
            (HEAD, record.genome),
            (FINE_TUNE, _below(record, len(dataset.train))),
        ):
            again = max(0, record.stages.count(stage) - 1) * num_pictures
            if frozen is not None and again:
                passes += again
                seconds += again * pass_seconds(frozen)
    return CacheSavings(
        candidate_seconds=sum(record.seconds for record in records),
        saved_seconds=seconds,
        passes=passes,
        speeds=tuple(speeds),
    )


def write(run: Run, savings: CacheSavings) -> None:
    """Writes an estimate down."""
    run.write_json(layout.CACHE_SAVINGS, dataclasses.asdict(savings))


def _below(record: TrialRecord, num_pictures: int) -> Genome | None:
    """Returns the genome of the part that stays frozen while a candidate is fine-tuned."""
    if record.genome["pretrained/tuning"] != "fine_tune":
        return None
    return frozen_part(record.genome, num_pictures=num_pictures)
