"""The outputs of a model for the examples of a split, as a file: probabilities are kept in half precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

_Outputs = npt.NDArray[np.float32]
_PRECISIONS = (np.dtype(np.float16), np.dtype(np.float32))


def write_predictions(path: Path, outputs: _Outputs) -> None:
    """Writes outputs with `numpy.save`.

    Args:
        path: The file.
        outputs: Shape (n, ...). Half precision is enough between 0 and 1, and too little for amounts.
    """
    is_share = outputs.size and outputs.min() >= 0 and outputs.max() <= 1
    np.save(path, outputs.astype(np.float16 if is_share else np.float32))


def read_predictions(
    path: Path, *, shape: tuple[int, ...], are_valid: Callable[[npt.NDArray[np.float32]], bool]
) -> npt.NDArray[np.float32] | None:
    """Reads what `write_predictions` wrote.

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
        if mapped.shape != shape or mapped.dtype not in _PRECISIONS:
            return None
        stored = mapped.astype(np.float32)
    except Exception:
        # NumPy meets broken files with errors of every kind.
        return None
    return stored if are_valid(stored) else None
