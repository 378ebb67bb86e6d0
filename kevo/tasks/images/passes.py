"""In which order pictures pass a frozen network, and in which blocks: the first blocks are a random sample."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

_FIRST_BLOCK, _LARGEST_BLOCK = 256, 2048
"""Pictures in the first and in the largest block of a pass; blocks double from one to the other."""


def block_edges(num_pictures: int) -> list[int]:
    """Returns after how many pictures the blocks of a pass end, 0 first and all pictures last.

    Example:
        >>> block_edges(300), block_edges(6000)
        ([0, 300], [0, 256, 512, 1024, 2048, 4096, 6000])
    """
    edges = [0]
    while num_pictures - edges[-1] >= 2 * _FIRST_BLOCK:
        edges.append(edges[-1] + min(max(edges[-1], _FIRST_BLOCK), _LARGEST_BLOCK, num_pictures - edges[-1]))
    return [*edges, num_pictures] if edges[-1] < num_pictures else edges


def sample(num_pictures: int, num_rows: int) -> npt.NDArray[np.int64]:
    """Returns the positions of the pictures that come first in a pass, in ascending order: a random sample.

    Args:
        num_pictures: How many pictures there are.
        num_rows: How many of them.
    """
    return np.sort(pass_order(num_pictures)[:num_rows])


def sample_size(num_pictures: int, num_examples: int | None, *, num_ready: int) -> int:
    """Returns how many pictures are learned from in a sample: whole blocks of a pass.

    Args:
        num_pictures: How many pictures there are.
        num_examples: So many at least, where there are as many; `None` for the first block.
        num_ready: So many have passed already, and cost nothing.

    Example:
        >>> sample_size(6000, 1000, num_ready=0), sample_size(6000, 1000, num_ready=4096)
        (1024, 4096)
    """
    least = max(1, num_examples or 1, num_ready)
    return next((edge for edge in block_edges(num_pictures) if edge >= least), num_pictures)


@functools.cache
def pass_order(num_pictures: int) -> npt.NDArray[np.int64]:
    """Returns the order in which a pass takes its pictures: those of a class often stand together."""
    return np.random.default_rng(0).permutation(num_pictures)
