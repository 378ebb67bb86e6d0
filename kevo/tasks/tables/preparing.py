"""Raw columns -> a network's inputs, by stock layers that go into the saved model.

Training and the saved model use the same layers, so that both see the same numbers. What they know of the columns comes
from the training rows: median, mean and standard deviation, or quantiles. A missing number becomes the median, and a
further input says so; a category that training has not seen is all zeros. `keras.utils.FeatureSpace` does not fit: it
makes NaN of NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import Input, Model, layers, ops

from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.dataset import Inputs, TableDataset

PREPROCESSING = "kevo_preprocessing"
"""The name of the layer that prepares columns in a saved model."""
_MAX_DEVIATIONS = 10.0
"""Standardized numbers are clipped to this many standard deviations."""
_NUM_QUANTILES = 32
"""Between so many parts of equal frequency, numbers are interpolated."""
_UNIFORM_DEVIATION = 12**-0.5
"""The standard deviation of numbers that are spread evenly from 0 to 1."""
_TINY = 1e-30
"""In place of a width of 0, which would divide by zero."""
_VALUES_AT_ONCE = 2**17
"""Rows times columns that are prepared at a time."""


def preprocessing(dataset: TableDataset, numbers: str) -> keras.Model:
    """Builds the layers that prepare a data set's columns.

    Args:
        dataset: The data set, whose training rows say what is usual.
        numbers: What becomes of numbers: `standardize`, or `quantile` for their rank among the training rows.

    Returns:
        A model from raw columns, a mapping of `input_names` to shape (batch, 1), to features of shape
        (batch, num_features).
    """
    inputs = {
        name: Input((1,), name=name, dtype="string" if column.kind == "category" else "float32")
        for name, column in input_names(dataset.columns).items()
    }
    by_kind: dict[str, list[keras.KerasTensor]] = {"number": [], "code": [], "category": []}
    for tensor, column in zip(inputs.values(), dataset.columns, strict=True):
        by_kind[column.kind].append(tensor)
    measured = dict(zip(_names(dataset.columns), dataset.train.numbers.T, strict=True))
    parts: list[keras.KerasTensor] = []
    for kind in ("number", "code"):
        columns = [column for column in dataset.columns if column.kind == kind]
        if not columns:
            continue
        x = layers.Concatenate()(by_kind[kind])
        if kind == "number":
            parts.append(_scaled(x, np.stack([measured[column.name] for column in columns], axis=1), numbers))
        else:
            parts.append(_one_hot(x, columns))
        gaps = [place for place, column in enumerate(columns) if column.has_gaps]
        if gaps:
            parts.append(ops.cast(ops.isnan(ops.take(x, np.array(gaps), axis=1)), "float32"))
    categories = [column for column in dataset.columns if column.kind == "category"]
    for tensor, column in zip(by_kind["category"], categories, strict=True):
        lookup = layers.StringLookup(vocabulary=list(column.values), oov_token=column.unknown, output_mode="one_hot")
        # The first of its outputs stands for what training has not seen: nothing could be learned for it.
        parts.append(lookup(tensor)[:, 1:])
    return Model(inputs, layers.Concatenate()(parts), name=PREPROCESSING)


def input_names(columns: Sequence[Column]) -> dict[str, Column]:
    """Returns the columns by the names of their inputs in `preprocessing`."""
    return {f"column_{place}": column for place, column in enumerate(columns, start=1)}


def feature_places(columns: Sequence[Column]) -> dict[str, list[int]]:
    """Returns which features of `preprocessing` each column becomes, by the columns' names.

    Example:
        >>> feature_places([Column("a", "category", ("x", "y")), Column("b", "number", has_gaps=True)])
        {'a': [2, 3], 'b': [0, 1]}
    """
    places: dict[str, list[int]] = {column.name: [] for column in columns}
    total = itertools.count()
    for kind in ("number", "code", "category"):
        same = [column for column in columns if column.kind == kind]
        for column in same:
            num_features = column.num_features - column.has_gaps
            places[column.name] += itertools.islice(total, num_features)
        for column in same:
            # What is missing is said behind all columns of a kind.
            places[column.name] += itertools.islice(total, int(column.has_gaps))
    return places


def prepare(model: keras.Model, columns: Sequence[Column], inputs: Inputs) -> npt.NDArray[np.float32]:
    """Returns prepared columns, shape (n, num_features).

    Args:
        model: What `preprocessing` returned.
        columns: The columns.
        inputs: Their raw values by column name, each of shape (n, 1).
    """
    named = {name: inputs[column.name] for name, column in input_names(columns).items()}
    return forward(model, named)


def forward(
    model: keras.Model, inputs: Mapping[str, npt.NDArray[Any]], *, watch: Callable[[], object] = lambda: None
) -> npt.NDArray[np.float32]:
    """Passes raw columns through a model in inference mode, chunk by chunk, and returns its outputs, shape (n, any).

    Args:
        model: A model of raw columns.
        inputs: Their values by the model's names for them, each of shape (n, 1).
        watch: Is called after every chunk; an error that it raises ends the pass.
    """
    outputs = []
    size = max(1, _VALUES_AT_ONCE // len(inputs))
    # Of no rows, too, the outputs have a width.
    for start in range(0, max(1, len(next(iter(inputs.values())))), size):
        batch = {name: tf.constant(values[start : start + size]) for name, values in inputs.items()}
        outputs.append(np.asarray(model(batch, training=False), np.float32))
        watch()
    return np.concatenate(outputs)


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns if column.kind != "category"]


def _scaled(x: keras.KerasTensor, measured: npt.NDArray[np.float32], numbers: str) -> keras.KerasTensor:
    """Brings numbers to one scale, on which the training rows have mean 0 and standard deviation 1, or nearly so."""
    known = np.where(np.isnan(measured).all(axis=0), 0.0, measured.astype(np.float64))
    x = ops.where(ops.isnan(x), np.nanmedian(known, axis=0).astype(np.float32), x)
    if numbers == "standardize":
        deviations = np.nanstd(known, axis=0)
        scale = np.where(deviations > 0, deviations, 1.0).astype(np.float32)
        scaled = (x - np.nanmean(known, axis=0).astype(np.float32)) / scale
        return ops.clip(scaled, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    edges = np.nanquantile(known, np.linspace(0, 1, _NUM_QUANTILES + 1), axis=0).T.astype(np.float32)
    widths = np.maximum(np.diff(edges), np.float32(_TINY))
    centers = (edges[:, :-1] + edges[:, 1:]) / 2
    # Each part counts by how much of it lies below the number: together that is its rank, from 0 to 1. Of a part that
    # is a single value, half lies below that value.
    below = ops.clip((ops.expand_dims(x, -1) - centers) / widths + 0.5, 0.0, 1.0)
    return (ops.mean(below, axis=-1) - 0.5) / _UNIFORM_DEVIATION


def _one_hot(x: keras.KerasTensor, columns: Sequence[Column]) -> keras.KerasTensor:
    """Compares codes with every value that theirs had in training."""
    places = np.repeat(np.arange(len(columns)), [len(column.values) for column in columns])
    values = np.array([value for column in columns for value in column.values], np.float32)
    return ops.cast(ops.equal(ops.take(x, places, axis=1), values), "float32")
