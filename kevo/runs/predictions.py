"""Reads the outputs of a model for the examples of a split, kept in half precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt


def read_predictions(
    path: Path, *, shape: tuple[int, ...], are_valid: Callable[[npt.NDArray[np.float32]], bool]
) -> npt.NDArray[np.float32] | None:
    """Reads predictions that were written by `numpy.save` as float16.

    Args:
        path: The file, which may come from someone else: nothing in it is executed.
        shape: The expected shape, (n, ...).
        are_valid: Returns whether a task's model can have answered this.

    Returns:
        The predictions; `None` where the file is missing, damaged or holds something else.
    """
    try:
        # As a map, a header that promises terabytes costs none.
        mapped = np.lib.format.open_memmap(path, mode="r")
        if mapped.shape != shape or mapped.dtype != np.float16:
            return None
        stored = mapped.astype(np.float32)
    except Exception:
        # NumPy meets broken files with errors of every kind.
        return None
    return stored if are_valid(stored) else None
