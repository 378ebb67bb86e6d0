"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import Input, Model, layers, ops

from kevo.system.model_files import renamed_inputs
from kevo.tasks.outputs.output import Output
from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.encoding import NUM_HASHES, Features
from kevo.tasks.tables.preparing import input_names
from tuners.genome import Genome

NETWORK = "kevo_network"
"""The name of the layer that is a trained network in a saved model."""
_MOMENTUM = 0.9
"""Of batch norm's statistics: with Keras's 0.99 they would still hold most of their start after a short training."""


def network(genome: Genome, *, features: Features, output: Output) -> keras.Model:
    """Builds the network of a genome, with random weights.

    Args:
        genome: The genome.
        features: The prepared inputs.
        output: What is asked of each row.

    Returns:
        A model from prepared columns, shape (batch, features.size), to outputs, shape (batch, output.size).
    """
    inputs = Input((features.size,), name="features")
    columns = inputs[:, : features.num] if features.num_pairs else inputs
    x = _embedded(columns, genome, features) if genome["categories"] == "embedding" else columns
    for layer in range(1, int(genome["num_layers"]) + 1):
        x = _layer(x, genome, int(genome[f"layer_{layer}/units"]))
    # What the last layer sees besides: a linear model beside the layers (Cheng et al. 2016, "Wide & deep learning for
    # recommender systems", arXiv:1606.07792).
    wide = [columns] if genome.get("body") == "wide_and_deep" else []
    if features.num_pairs:
        places = ops.cast(inputs[:, features.num :], "int32")
        wide.append(ops.sum(layers.Embedding(NUM_HASHES, output.size, embeddings_initializer="zeros")(places), axis=1))
    if wide:
        x = layers.Concatenate()([x, *wide])
    return Model(inputs, output.finish(x, regularizer=_regularizer(genome)), name=NETWORK)


def deployable(trained: keras.Model, prepares: keras.Model, columns: Sequence[Column]) -> keras.Model:
    """Wraps a trained network so that it takes columns as they come.

    Args:
        trained: A model from prepared columns to outputs.
        prepares: What prepares the columns, see `preparing.preprocessing`.
        columns: The columns.

    Returns:
        A model from a mapping of the columns' names to their raw values, of shape (batch, 1), texts for categories and
        float32 for all others, to outputs, shape (batch, any).
    """
    inputs = _inputs(columns)
    named = {name: inputs[column.name] for name, column in input_names(columns).items()}
    with renamed_inputs():
        return Model(inputs, trained(prepares(named)), name="kevo_model")


def weighted_mean(members: Sequence[keras.Model], weights: Sequence[float], columns: Sequence[Column]) -> keras.Model:
    """Puts models together; they share their layers with the result.

    Args:
        members: What `deployable` returned.
        weights: One for each; they sum to 1.
        columns: The columns.

    Returns:
        A model like `deployable`'s, of the weighted mean of the members' outputs.
    """
    inputs = _inputs(columns)
    outputs = []
    for number, (member, weight) in enumerate(zip(members, weights, strict=True), start=1):
        # No two layers of a model may have the same name.
        with renamed_inputs():
            named = Model(member.input, member.output, name=f"kevo_member_{number}")
        outputs.append(layers.Rescaling(weight, name=f"kevo_weight_{number}")(named(inputs)))
    with renamed_inputs():
        return Model(inputs, layers.Add(name="kevo_weighted_mean")(outputs), name="kevo_ensemble")


def _embedded(columns: keras.KerasTensor, genome: Genome, features: Features) -> keras.KerasTensor:
    """Replaces each column of many categories by a vector for each of them.

    A layer without bias on one input for each category is just that (Guo and Berkhahn 2016, "Entity embeddings of
    categorical variables", arXiv:1604.06737).
    """
    units, start, parts = int(genome["embedding/units"]), 0, []
    for first, last in features.embedded(units):
        if start < first:
            parts.append(columns[:, start:first])
        vector = layers.Dense(units, use_bias=False, kernel_regularizer=_regularizer(genome))
        parts.append(vector(columns[:, first:last]))
        start = last
    if start < features.num:
        parts.append(columns[:, start:])
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def _layer(x: keras.KerasTensor, genome: Genome, units: int) -> keras.KerasTensor:
    batch_norm, dropout, before = bool(genome["batch_norm"]), float(genome["dropout"]), x
    x = layers.Dense(units, use_bias=not batch_norm, kernel_regularizer=_regularizer(genome))(x)
    if batch_norm:
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    x = layers.Activation(str(genome["activation"]))(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    if genome["body"] != "residual":
        return x
    if before.shape[-1] != units:
        before = layers.Dense(units, use_bias=False, kernel_regularizer=_regularizer(genome))(before)
    return layers.Add()([x, before])


def _inputs(columns: Sequence[Column]) -> dict[str, keras.KerasTensor]:
    """Returns an input for each column, under the column's name.

    An input is named like its column. Where Keras does not take that for a layer's name, or another layer has it, the
    input is named by its place; the mapping's key is the column's name all the same, and that is what counts.
    """
    taken = {column.name for column in columns}
    inputs = {}
    for place, column in enumerate(columns, start=1):
        name = column.name
        if not name or "/" in name or name.startswith("kevo_"):
            name = f"column_{place}"
            while name in taken:
                name += "_"
            taken.add(name)
        inputs[column.name] = Input((1,), name=name, dtype="string" if column.kind == "category" else "float32")
    return inputs


def _regularizer(genome: Genome) -> keras.Regularizer | None:
    strength = float(genome["l2"])
    return keras.regularizers.L2(strength) if strength else None
