"""The pictures and features of one fold, taken from those of all pictures, which are computed once for all folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.images.features import FeatureCache
from kevo.tasks.images.picture_copies import Copy
from kevo.tasks.images.pretrained_weights import Weights
from tuners.genome import Genome

_PLAIN: Copy = ("plain", 0.0)
_ALL = "train"
"""The split that holds the pictures of all folds."""


class FoldFeatures:
    """What `FeatureCache` is for a data set, for a fold of it.

    Args:
        cache: The pictures and features of all folds.
        num_pictures: How many pictures these have.
        train: The positions of those that are learned from.
        validation: The positions of those that are judged by.
    """

    def __init__(
        self,
        cache: FeatureCache,
        num_pictures: int,
        *,
        train: npt.NDArray[np.int64],
        validation: npt.NDArray[np.int64],
    ) -> None:
        self._cache = cache
        self._num_pictures = num_pictures
        self._rows = {"train": train, "validation": validation}

    @property
    def seconds_per_picture(self) -> dict[tuple[Any, ...], float]:
        """The speeds of passes, which all folds share."""
        return self._cache.seconds_per_picture

    def pictures(
        self, split: str, size: int, *, copy: Copy = _PLAIN, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Pictures of the fold; see `FeatureCache.pictures`."""
        found = self._rows[split] if rows is None else self._rows[split][rows]
        return self._cache.pictures(_ALL, size, copy=copy)[found]

    def features(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Any],
        columns: slice = slice(None),
        weights: Weights | None,
        copy: Copy = _PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int | None = None,
    ) -> npt.NDArray[np.floating]:
        """Features of the fold, always of all its pictures; see `FeatureCache.features`."""
        found = self._cache.features(
            _ALL, genome, network=network, columns=columns, weights=weights, copy=copy, watch=watch, wait=wait
        )
        return found[self._rows[split]]

    def extend(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Any],
        weights: Weights | None,
        copy: Copy = _PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int,
    ) -> None:
        """Makes the features of all folds: a sample would not hold the same part of each."""
        self._cache.extend(
            _ALL,
            genome,
            network=network,
            weights=weights,
            copy=copy,
            watch=watch,
            wait=wait,
            num_rows=self._num_pictures,
        )

    def num_kept(self, split: str, genome: Genome, weights: Weights | None, copy: Copy = _PLAIN) -> int:
        """Of how many pictures of the fold the features are here: of all or of none."""
        is_whole = self._cache.num_kept(_ALL, genome, weights, copy) == self._num_pictures
        return len(self._rows[split]) if is_whole else 0
