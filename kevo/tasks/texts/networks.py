"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import Input, Model, layers

from kevo.tasks.outputs.output import Output
from kevo.tasks.texts.space import is_linear
from tuners.genome import Genome

NETWORK = "kevo_network"
"""The name of the layer that is a trained network in a saved model."""
_EMBEDDING, _WEIGHTS = "embedding", "weights"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the training texts tell of the tokens, in the order of their numbers: padding, unknown, vocabulary.

    Args:
        weights: How much a token counts, shape (num_tokens + 2,): of those in many texts less; 0 for the reserved.
        evidence: How much a token speaks for each output, shape (num_tokens + 2, num_outputs).
    """

    weights: npt.NDArray[np.float32]
    evidence: npt.NDArray[np.float32]


def network(genome: Genome, *, length: int, counts: Counts, output: Output) -> keras.Model:
    """Builds the network of a genome, with random weights, or those that counting gives.

    Args:
        genome: The genome.
        length: So many tokens are read of each text.
        counts: What the training texts tell of the tokens.
        output: What is asked of each text.

    Returns:
        A model from numbers of tokens, shape (batch, length), to outputs, shape (batch, output.size).
    """
    tokens = Input((length,), dtype="int32", name="tokens")
    num_tokens = len(counts.weights)
    if genome["family"] == "bag":
        units = int(genome["bag/units"])
        x = _bag(tokens, genome, num_tokens=num_tokens, units=units or output.size, is_hidden=bool(units))
    else:
        x = _sequence(tokens, genome, num_tokens=num_tokens)
    dropout = float(genome.get("dropout", 0.0))
    for layer in range(1, int(genome["num_layers"]) + 1):
        x = layers.Dense(int(genome[f"layer_{layer}/units"]), kernel_regularizer=_regularizer(genome))(x)
        x = layers.Activation(str(genome["activation"]))(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    model = Model(tokens, output.finish(x, regularizer=_regularizer(genome)), name=NETWORK)
    if genome["family"] == "bag":
        is_weighed = genome["bag/weights"] == "tf_idf"
        weights = counts.weights if is_weighed else (counts.weights > 0).astype(np.float32)
        model.get_layer(_WEIGHTS).set_weights([weights.reshape(-1, 1)])
    if is_linear(genome):
        _start(model, genome, counts, output)
    return model


def deployable(trained: keras.Model, reads: keras.layers.Layer) -> keras.Model:
    """Wraps a trained network so that it takes texts.

    Args:
        trained: A model from numbers of tokens to outputs.
        reads: The layer that makes these numbers.

    Returns:
        A model from texts, shape (batch,), to outputs, shape (batch, any).
    """
    texts = raw_texts()
    return Model(texts, trained(reads(texts)), name="kevo_model")


def raw_texts() -> keras.KerasTensor:
    """Returns the input of a saved model, shape (batch,)."""
    return Input((), dtype="string", name="texts")


def num_parameters(genome: Genome, *, num_tokens: int, num_outputs: int) -> int:
    """Counts the parameters of a genome's network without building it, those that are not trained included.

    Args:
        genome: The genome.
        num_tokens: Number of tokens of its vocabulary, those that are reserved included.
        num_outputs: Number of outputs.
    """
    if genome["family"] == "bag":
        width = int(genome["bag/units"]) or num_outputs
        total = num_tokens * (1 + width)
    else:
        size = int(genome["sequence/units"])
        total = num_tokens * size
        if genome["family"] == "conv":
            filters, num = int(genome["conv/filters"]), int(genome["conv/branches"])
            total += sum(
                filters * (int(genome[f"conv/branch_{branch}/width"]) * size + 1) for branch in range(1, num + 1)
            )
            width = filters * num * (2 if genome["conv/pooling"] == "both" else 1)
        else:
            width = int(genome["recurrent/units"])
            total += 3 * width * (size + width + 2)
    for layer in range(1, int(genome["num_layers"]) + 1):
        units = int(genome[f"layer_{layer}/units"])
        total += units * (width + 1)
        width = units
    return total + num_outputs * (width + 1)


def _bag(
    tokens: keras.KerasTensor, genome: Genome, *, num_tokens: int, units: int, is_hidden: bool
) -> keras.KerasTensor:
    """The sum of the tokens' vectors, each with its weight; the squares of the weights in a text sum to 1."""
    weights = layers.Embedding(num_tokens, 1, trainable=False, name=_WEIGHTS)(tokens)
    if dropout := float(genome["token_dropout"]):
        weights = layers.Dropout(dropout)(weights)
    weights = layers.UnitNormalization(axis=1)(weights)
    vectors = layers.Embedding(num_tokens, units, name=_EMBEDDING)(tokens)
    x = layers.Flatten()(layers.Dot(axes=1)([weights, vectors]))
    if is_hidden:
        x = layers.Activation(str(genome["bag/activation"]))(x)
        if dropout := float(genome["bag/dropout"]):
            x = layers.Dropout(dropout)(x)
    return x


def _sequence(tokens: keras.KerasTensor, genome: Genome, *, num_tokens: int) -> keras.KerasTensor:
    x = layers.Embedding(num_tokens, int(genome["sequence/units"]), name=_EMBEDDING)(tokens)
    if dropout := float(genome["token_dropout"]):
        # Whole words are left out.
        x = layers.Dropout(dropout, noise_shape=(None, x.shape[1], 1))(x)
    if genome["family"] == "recurrent":
        # What follows the end of a text comes first, so that its words are what the last state remembers.
        x = layers.GRU(int(genome["recurrent/units"]), go_backwards=True)(x)
    else:
        x = _branches(x, genome)
    if dropout := float(genome["sequence/dropout"]):
        x = layers.Dropout(dropout)(x)
    return x


def _branches(x: keras.KerasTensor, genome: Genome) -> keras.KerasTensor:
    found = []
    for branch in range(1, int(genome["conv/branches"]) + 1):
        width = int(genome[f"conv/branch_{branch}/width"])
        seen = layers.Conv1D(
            int(genome["conv/filters"]), width, padding="same", activation=str(genome["conv/activation"])
        )(x)
        if genome["conv/pooling"] != "average":
            found.append(layers.GlobalMaxPooling1D()(seen))
        if genome["conv/pooling"] != "max":
            found.append(layers.GlobalAveragePooling1D()(seen))
    return found[0] if len(found) == 1 else layers.Concatenate()(found)


def _start(model: keras.Model, genome: Genome, counts: Counts, output: Output) -> None:
    """Gives a linear model the weights that counting gives: naive Bayes, in other words.

    Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic classification".
    """
    evidence = counts.evidence if genome["bag/start"] == "counts" else np.zeros_like(counts.evidence)
    model.get_layer(_EMBEDDING).set_weights([evidence])
    last = next(layer for layer in reversed(model.layers) if isinstance(layer, layers.Dense))
    last.set_weights([np.eye(output.size, dtype=np.float32), np.zeros(output.size, np.float32)])


def _regularizer(genome: Genome) -> keras.Regularizer | None:
    strength = float(genome["l2"])
    return keras.regularizers.L2(strength) if strength else None
