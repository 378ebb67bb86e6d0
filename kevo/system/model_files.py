"""Loads Keras models safely: nothing in a file is executed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def load(path: Path) -> keras.Model:
    """Loads a model from a `.keras` file, uncompiled.

    Args:
        path: The file.

    Raises:
        Exception: whatever Keras raises where the file is damaged, or holds code of its own.
    """
    import keras

    with renamed_inputs():
        return keras.models.load_model(path, compile=False, safe_mode=True)


def layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a model and of the models in it."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers(layer)
        else:
            yield layer


@contextlib.contextmanager
def renamed_inputs() -> Iterator[None]:
    """Silences Keras where a model takes a mapping whose keys are not the names of its inputs.

    Not every column of a table can name a layer. Keras warns of that whenever such a model is built or loaded, though
    the keys are what counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict", category=UserWarning)
        yield
