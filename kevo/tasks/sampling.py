"""Which examples of a source are read where all would be too many: a random part of each class."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

_LEAST = 10
"""So many of each class are read at least, where there are as many."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much of a source is read.

    Args:
        most: So many examples at most, apart from the least that each class needs; `None` for all.
        seconds: How long reading them may take; `None` for any time. Does not count where `most` is given.
        seed: The same seed takes the same examples of the same source.
    """

    most: int | None = None
    seconds: float | None = None
    seed: int = 0


EVERYTHING = Sampling()


def sample(strata: Sequence[Hashable], most: int, *, seed: int) -> list[int]:
    """Takes the same part of every stratum, at random, but 10 examples of each at least.

    Args:
        strata: For each example what it is drawn among, such as its split and class.
        most: How many to take of all.
        seed: The same seed takes the same of the same strata.

    Returns:
        The positions of those taken, in ascending order.

    Example:
        >>> taken = sample(["a"] * 80 + ["b"] * 20, 50, seed=0)
        >>> len(taken), sum(position < 80 for position in taken)
        (50, 40)
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for position, stratum in enumerate(strata):
        members[stratum].append(position)
    rng = np.random.default_rng(seed)
    part = min(1.0, most / max(1, len(strata)))
    taken: list[int] = []
    for positions in members.values():
        num = min(len(positions), max(_LEAST, math.ceil(part * len(positions))))
        taken += np.asarray(positions)[rng.permutation(len(positions))[:num]].tolist()
    return sorted(taken)


def sentence(num: int, total: int, *, examples: str, seconds: float | None = None, allowed: float | None = None) -> str:
    """Says that not all examples are used, why, and how to have all.

    Args:
        num: So many are.
        total: Of so many.
        examples: What they are called, such as "pictures".
        seconds: How long reading all would take; `None` where that is not why.
        allowed: How long it may.
    """
    used = f"{num:,} of {total:,} {examples} are used, a random part of each class"
    if seconds is None or allowed is None:
        return f"{used}: no more were asked for."
    return (
        f"{used}: reading all would take about {seconds:.0f} s, and in the time that there is {allowed:.0f} s may go "
        f"there. For all of them, give more time, or say so: --max-examples {total}."
    )
