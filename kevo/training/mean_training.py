"""Trains the networks whose mean a refit hands over, one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import TypeVar

from kevo.training.effort import CandidateError, Effort, Progress, named
from kevo.training.optimizers import Genes

_T = TypeVar("_T")
_ROOM = 1.5
"""Another network is begun where there is time for so many like the first: no two take the same."""


def train_members(
    train: Callable[[Genes, Effort, Progress | None, int], _T],
    genome: Genes,
    effort: Effort,
    progress: Progress | None,
) -> list[_T]:
    """Trains a network and those that are to be averaged with it, as far as there is time.

    Args:
        train: Trains one network. It is given its genome, its effort, who is told of it, and its number, from 0.
        genome: The genome of the first.
        effort: How much all may cost.
        progress: Is told of the first by its stage, and of the others by their numbers.

    Returns:
        What `train` returned, the first one first. What it has come to stands, whatever becomes of the others.

    Raises:
        CandidateError: the first cannot be trained.
    """
    began = time.monotonic()
    trained = [train(genome, dataclasses.replace(effort, members=()), progress, 0)]
    seconds = time.monotonic() - began
    for number, member in enumerate(effort.members, start=1):
        left = None if effort.seconds is None else effort.seconds - (time.monotonic() - began)
        if left is not None and left < _ROOM * seconds:
            break
        own = dataclasses.replace(effort, num_epochs=member.num_epochs, refit=member.refit, seconds=left, members=())
        told = named(progress, f"network {number + 1}/{1 + len(effort.members)}")
        with contextlib.suppress(CandidateError):
            trained.append(train(member.genome, own, told, number))
    return trained
