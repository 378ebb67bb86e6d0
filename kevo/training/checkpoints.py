"""Copies of a training under way, so that one that breaks off need not begin again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy.typing as npt

from kevo.training.effort import Keep
from kevo.training.history import History

_SECONDS_BETWEEN = 20.0
"""How much of a training may be lost when it breaks off, beside the epoch under way."""


class Checkpoints:
    """Lends a training's model to `keep` now and then.

    Args:
        keep: Writes the copy. What it raises as an `Exception` costs that copy only; `None` for no copies.
        deployable: Returns a network as the model that is saved; both share their weights.
    """

    def __init__(self, keep: Keep | None, deployable: Callable[[keras.Model], keras.Model]) -> None:
        self._keep = keep
        self._deployable = deployable
        self._kept_at = time.monotonic()

    def keep(
        self,
        whole: keras.Model,
        trained: keras.Model,
        best_weights: Sequence[npt.NDArray[Any]],
        history: History,
        seconds: float,
    ) -> None:
        """Keeps a copy after an epoch, unless the last one is only seconds old.

        Args:
            whole: The whole network of the candidate.
            trained: The part of it that is trained.
            best_weights: That part's weights in its best epoch.
            history: All epochs so far.
            seconds: How long the training took so far.
        """
        if self._keep is None or time.monotonic() - self._kept_at < _SECONDS_BETWEEN:
            return
        weights = trained.get_weights()
        trained.set_weights(best_weights)
        # A training that breaks off without a copy begins again; it does not fail for want of one.
        with contextlib.suppress(Exception):
            self._keep(self._deployable(whole), history.epochs, history.stages, seconds)
        trained.set_weights(weights)
        self._kept_at = time.monotonic()
