"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt
from keras import Input, Model, layers

from kevo.errors import SpaceError
from kevo.tasks.outputs.output import Output
from kevo.tasks.texts.components import Components
from kevo.tasks.texts.genomes import are_tuned, has_components, has_vectors, is_linear
from tuners.genome import Genome

NETWORK = "kevo_network"
"""The name of the layer that is a trained network in a saved model."""
_EMBEDDING, _WEIGHTS = "embedding", "weights"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the training texts tell of the tokens, in the order of their numbers: padding, unknown, vocabulary.

    Args:
        weights: How much a token counts, shape (num_tokens + 2,): of those in many texts less; 0 for the reserved.
        rarities: The same beside a vector of its own, from 1 for the rarest down to 0 (Arora, Liang and Ma 2017, "A
            simple but tough-to-beat baseline for sentence embeddings").
        evidence: How much a token speaks for each output, shape (num_tokens + 2, num_outputs).
    """

    weights: npt.NDArray[np.float32]
    rarities: npt.NDArray[np.float32]
    evidence: npt.NDArray[np.float32]


def network(
    genome: Genome,
    *,
    length: int,
    counts: Counts,
    output: Output,
    vectors: npt.NDArray[np.float32] | None = None,
    components: Components | None = None,
) -> keras.Model:
    """Builds the network of a genome, with random weights, or those that counting gives.

    Where weights evolve, the vectors of tokens stay what they are at first: they are too many.

    Args:
        genome: The genome.
        length: So many tokens are read of each text.
        counts: What the training texts tell of the tokens.
        output: What is asked of each text.
        vectors: Pretrained vectors of the tokens, shape (num_tokens + 2, any), where the genome has them.
        components: Those of the training texts; `None` where the genome has none.

    Returns:
        A model from numbers of tokens, shape (batch, length), to outputs, shape (batch, output.size).
    """
    tokens = Input((length,), dtype="int32", name="tokens")
    num_tokens = len(counts.weights)
    if genome["family"] == "bag":
        units = int(genome["bag/units"])
        x = _bag(
            tokens,
            genome,
            num_tokens=num_tokens,
            units=units or output.size,
            is_hidden=bool(units),
            components=components,
        )
    elif genome["family"] == "vectors":
        x = _pooled(tokens, genome, num_tokens=num_tokens, size=_width(vectors))
    else:
        size = _width(vectors) if has_vectors(genome) else int(genome["sequence/units"])
        x = _sequence(tokens, genome, num_tokens=num_tokens, size=size)
    dropout = float(genome.get("dropout", 0.0))
    for layer in range(1, int(genome["num_layers"]) + 1):
        x = layers.Dense(int(genome[f"layer_{layer}/units"]), kernel_regularizer=_regularizer(genome))(x)
        x = layers.Activation(str(genome["activation"]))(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    model = Model(tokens, output.finish(x, regularizer=_regularizer(genome)), name=NETWORK)
    if genome["family"] == "bag":
        _weigh(model, token_weights(genome, counts))
    elif genome["family"] == "vectors":
        _weigh(model, counts.rarities if genome["vectors/weights"] == "rarity" else _all_alike(counts))
    if has_vectors(genome):
        model.get_layer(_EMBEDDING).set_weights([vectors])
    if components is not None:
        model.get_layer(_EMBEDDING).set_weights([components.vectors])
    if is_linear(genome):
        _start(model, genome, counts, output)
    return model


def token_weights(genome: Genome, counts: Counts) -> npt.NDArray[np.float32]:
    """Returns how much each token counts in a bag, shape (num_tokens,).

    Components are found among tokens that count as much as they speak for one of the outputs, too: those that are most
    frequent say little (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic
    classification").
    """
    weights = counts.weights if genome["bag/weights"] == "tf_idf" else _all_alike(counts)
    if has_components(genome):
        weights = np.asarray(weights * np.linalg.norm(counts.evidence, axis=1), np.float32)
    return weights


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


def num_parameters(genome: Genome, *, num_tokens: int, num_outputs: int, vector_size: int = 0) -> int:
    """Counts the parameters of a genome's network without building it, those that are not trained included.

    Args:
        genome: The genome.
        num_tokens: Number of tokens of its vocabulary, those that are reserved included.
        num_outputs: Number of outputs.
        vector_size: Numbers of a pretrained word vector; 0 where there are none.
    """
    total = num_in_vectors(genome, num_tokens=num_tokens, num_outputs=num_outputs, vector_size=vector_size)
    if genome["family"] == "bag":
        width = int(genome["bag/units"]) or num_outputs
    elif genome["family"] == "vectors":
        width = vector_size * (2 if genome["vectors/pooling"] == "both" else 1)
    else:
        size = int(genome["sequence/units"])
        if has_vectors(genome):
            total += (vector_size + 1) * size
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


def num_in_vectors(genome: Genome, *, num_tokens: int, num_outputs: int, vector_size: int = 0) -> int:
    """Counts those of a genome's parameters that stand for single tokens; arguments as for `num_parameters`."""
    if genome["family"] == "bag":
        return num_tokens * (1 + (int(genome["bag/units"]) or num_outputs))
    if genome["family"] == "vectors":
        return num_tokens * (vector_size + (genome["vectors/pooling"] != "max"))
    return num_tokens * (vector_size if has_vectors(genome) else int(genome["sequence/units"]))


def _bag(
    tokens: keras.KerasTensor,
    genome: Genome,
    *,
    num_tokens: int,
    units: int,
    is_hidden: bool,
    components: Components | None,
) -> keras.KerasTensor:
    """The sum of the tokens' vectors, each with its weight; the squares of the weights in a text sum to 1."""
    weights = layers.Embedding(num_tokens, 1, trainable=False, name=_WEIGHTS)(tokens)
    if dropout := float(genome["token_dropout"]):
        weights = layers.Dropout(dropout)(weights)
    weights = layers.UnitNormalization(axis=1)(weights)
    vectors = layers.Embedding(num_tokens, units, trainable=are_tuned(genome), name=_EMBEDDING)(tokens)
    x = layers.Flatten()(layers.Dot(axes=1)([weights, vectors]))
    if components is not None:
        x = layers.Normalization(mean=components.mean, variance=components.variance)(x)
    elif is_hidden:
        x = layers.Activation(str(genome["bag/activation"]))(x)
    if is_hidden and (dropout := float(genome["bag/dropout"])):
        x = layers.Dropout(dropout)(x)
    return x


def _pooled(tokens: keras.KerasTensor, genome: Genome, *, num_tokens: int, size: int) -> keras.KerasTensor:
    """The mean of pretrained vectors, each with its weight, their largest numbers, or both."""
    vectors = layers.Embedding(num_tokens, size, trainable=are_tuned(genome), name=_EMBEDDING)(tokens)
    dropout, found = float(genome["token_dropout"]), []
    if genome["vectors/pooling"] != "max":
        weights = layers.Embedding(num_tokens, 1, trainable=False, name=_WEIGHTS)(tokens)
        if dropout:
            weights = layers.Dropout(dropout)(weights)
        weights = layers.UnitNormalization(axis=1)(weights)
        found.append(layers.Flatten()(layers.Dot(axes=1)([weights, vectors])))
    if genome["vectors/pooling"] != "average":
        found.append(layers.GlobalMaxPooling1D()(_without_some(vectors, dropout)))
    x = found[0] if len(found) == 1 else layers.Concatenate()(found)
    if dropout := float(genome["vectors/dropout"]):
        x = layers.Dropout(dropout)(x)
    return x


def _sequence(tokens: keras.KerasTensor, genome: Genome, *, num_tokens: int, size: int) -> keras.KerasTensor:
    x = layers.Embedding(num_tokens, size, trainable=are_tuned(genome), name=_EMBEDDING)(tokens)
    if has_vectors(genome):
        # As many numbers of each word as a network of its own vectors has.
        x = layers.Dense(int(genome["sequence/units"]))(x)
    x = _without_some(x, float(genome["token_dropout"]))
    if genome["family"] == "recurrent":
        # What follows the end of a text comes first, so that its words are what the last state remembers.
        x = layers.GRU(int(genome["recurrent/units"]), go_backwards=True)(x)
    else:
        x = _branches(x, genome)
    if dropout := float(genome["sequence/dropout"]):
        x = layers.Dropout(dropout)(x)
    return x


def _without_some(x: keras.KerasTensor, dropout: float) -> keras.KerasTensor:
    """Leaves whole words out in training."""
    return layers.Dropout(dropout, noise_shape=(None, x.shape[1], 1))(x) if dropout else x


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


def _weigh(model: keras.Model, weights: npt.NDArray[np.float32]) -> None:
    """Sets what each token counts, where the network asks."""
    if any(layer.name == _WEIGHTS for layer in model.layers):
        model.get_layer(_WEIGHTS).set_weights([weights.reshape(-1, 1)])


def _all_alike(counts: Counts) -> npt.NDArray[np.float32]:
    return (counts.weights > 0).astype(np.float32)


def _width(vectors: npt.NDArray[np.float32] | None) -> int:
    if vectors is None:
        raise SpaceError(
            "This network begins with pretrained word vectors, and there are none. Name a file of them with --vectors."
        )
    return int(vectors.shape[1])


def _regularizer(genome: Genome) -> keras.Regularizer | None:
    strength = float(genome["l2"])
    return keras.regularizers.L2(strength) if strength else None
