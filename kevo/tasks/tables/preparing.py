"""Raw columns -> a network's inputs, by stock layers that go into the saved model.

Training and the saved model use the same layers, so that both see the same numbers. What they know of the columns comes
from the training rows: median, mean and standard deviation, or quantiles. A missing number becomes the median, and a
further input says so; a category that training has not seen is all zeros, or counts as a rare one.
`keras.utils.FeatureSpace` does not fit: it makes NaN of NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import Input, Model, layers, ops

from kevo.tasks.tables import encoding
from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.dataset import Inputs, TableDataset, by_column
from kevo.tasks.tables.encoding import MOST_CROSSED, NUM_HASHES, Encoding, Plan

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


def preprocessing(dataset: TableDataset, how: Encoding) -> keras.Model:
    """Builds the layers that prepare a data set's columns.

    Args:
        dataset: The data set, whose training rows say what is usual.
        how: What becomes of columns.

    Returns:
        A model from raw columns, a mapping of `input_names` to shape (batch, 1), to features in the order of
        `Plan.features`, shape (batch, features.size).
    """
    plan = encoding.plan(dataset, how)
    inputs = {
        name: Input((1,), name=name, dtype="string" if column.kind == "category" else "float32")
        for name, column in input_names(dataset.columns).items()
    }
    by_kind: dict[str, list[keras.KerasTensor]] = {"number": [], "code": [], "category": []}
    for tensor, column in zip(inputs.values(), dataset.columns, strict=True):
        by_kind[column.kind].append(tensor)
    measured = {column.name: found for column, found in by_column(dataset.columns, dataset.train)}
    parts: list[keras.KerasTensor] = []
    categories: list[keras.KerasTensor] = []
    for kind in ("number", "code"):
        columns = [column for column in dataset.columns if column.kind == kind]
        if not columns:
            continue
        x = layers.Concatenate()(by_kind[kind])
        if kind == "number":
            parts.append(_scaled(x, np.stack([measured[column.name] for column in columns], axis=1), plan))
        else:
            categories += _codes(x, [column.name for column in columns], plan)
            parts += categories
        gaps = [place for place, column in enumerate(columns) if column.has_gaps]
        if gaps:
            parts.append(ops.cast(ops.isnan(ops.take(x, np.array(gaps), axis=1)), "float32"))
    texts = [column for column in dataset.columns if column.kind == "category"]
    for tensor, column in zip(by_kind["category"], texts, strict=True):
        known = list(plan.values[column.name])
        lookup = layers.StringLookup(vocabulary=known, oov_token=column.unknown, output_mode="one_hot")
        # The first of its outputs stands for what is none of these. Where all training rows have one of these, nothing
        # could be learned for it.
        found = lookup(tensor)
        categories.append(found if column.name in plan.shared else found[:, 1:])
        parts.append(categories[-1])
    if plan.features.num_pairs:
        parts.append(_pairs(categories[:MOST_CROSSED]))
    return Model(inputs, layers.Concatenate()(parts), name=PREPROCESSING)


def input_names(columns: Sequence[Column]) -> dict[str, Column]:
    """Returns the columns by the names of their inputs in `preprocessing`."""
    return {f"column_{place}": column for place, column in enumerate(columns, start=1)}


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


def _scaled(x: keras.KerasTensor, measured: npt.NDArray[np.float32], plan: Plan) -> keras.KerasTensor:
    """Divides numbers into parts, or brings them to one scale.

    On that scale, the training rows have mean 0 and standard deviation 1, or nearly so.
    """
    known = np.where(np.isnan(measured).all(axis=0), 0.0, measured.astype(np.float64))
    x = ops.where(ops.isnan(x), np.nanmedian(known, axis=0).astype(np.float32), x)
    if plan.how.numbers == "standardize":
        deviations = np.nanstd(known, axis=0)
        scale = np.where(deviations > 0, deviations, 1.0).astype(np.float32)
        scaled = (x - np.nanmean(known, axis=0).astype(np.float32)) / scale
        return ops.clip(scaled, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    if plan.how.numbers == "quantile":
        edges = np.nanquantile(known, np.linspace(0, 1, _NUM_QUANTILES + 1), axis=0).T.astype(np.float32)
        widths = np.maximum(np.diff(edges), np.float32(_TINY))
        centers = (edges[:, :-1] + edges[:, 1:]) / 2
        # Each part counts by how much of it lies below the number: together that is its rank, from 0 to 1. Of a part
        # that is a single value, half lies below that value.
        below = ops.clip((ops.expand_dims(x, -1) - centers) / widths + 0.5, 0.0, 1.0)
        return (ops.mean(below, axis=-1) - 0.5) / _UNIFORM_DEVIATION
    lows = np.concatenate([edges[:-1] for edges in plan.edges.values()])
    highs = np.concatenate([edges[1:] for edges in plan.edges.values()])
    x = ops.take(x, np.repeat(np.arange(len(plan.edges)), [len(edges) - 1 for edges in plan.edges.values()]), axis=1)
    if plan.how.numbers == "piecewise":
        return ops.clip((x - lows) / (highs - lows), 0.0, 1.0)
    return ops.cast(ops.greater_equal(x, lows), "float32") * ops.cast(ops.less(x, highs), "float32")


def _codes(x: keras.KerasTensor, names: Sequence[str], plan: Plan) -> list[keras.KerasTensor]:
    """Compares codes with the values that theirs had in training; returns as many inputs for each column."""
    parts = []
    for place, name in enumerate(names):
        own = x[:, place : place + 1]
        found = ops.cast(ops.equal(own, np.array(plan.values[name], np.float32)), "float32")
        if name in plan.shared:
            is_known = ops.logical_or(ops.isnan(own), ops.sum(found, axis=1, keepdims=True) > 0)
            found = layers.Concatenate()([1 - ops.cast(is_known, "float32"), found])
        parts.append(found)
    return parts


def _pairs(categories: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    """Hashes each pair of categories to a whole number below `NUM_HASHES`, another way for each pair of columns.

    Carter and Wegman 1979, "Universal classes of hash functions", doi:10.1016/0022-0000(79)90044-8.
    """
    # A category's number; 0 where training has not seen it.
    numbers = [ops.matmul(one, np.arange(1, one.shape[1] + 1, dtype=np.float32)[:, None]) for one in categories]
    whole = ops.cast(layers.Concatenate()(numbers), "int32")
    first, second = np.triu_indices(len(categories), 1)
    factors = np.random.default_rng(0).integers(1, NUM_HASHES, (3, len(first)), dtype=np.int32)
    mixed = ops.take(whole, first, axis=1) * factors[0] + ops.take(whole, second, axis=1) * factors[1] + factors[2]
    return ops.cast(ops.mod(mixed, NUM_HASHES), "float32")
