"""Texts -> whole numbers, by the layer that goes into the saved model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from kevo.errors import DataError
from kevo.tasks.texts.space import MOST_TOKENS, tokens_of
from tuners.genome import Genome

PADDING, UNKNOWN = 0, 1
"""The numbers for what follows the end of a text, and for tokens that are not in the vocabulary."""
NUM_RESERVED = 2
_AT_ONCE = 1024
"""So many texts are read at a time."""
_LONGEST, _MOST_NUMBERS = 3000, 100_000_000
"""So many tokens of a text are read at most, and so many of all training texts together: 400 MB."""


class Reading(NamedTuple):
    """How texts are divided into tokens: `words` or `characters`, alone and up to so many in a row."""

    tokens: str
    ngrams: int

    @classmethod
    def of(cls, genome: Genome) -> Reading:
        """Returns how the network of a genome reads."""
        tokens = tokens_of(genome)
        if genome["family"] != "bag":
            return cls(tokens, 1)
        return cls(tokens, int(genome["bag/ngrams" if tokens == "words" else "bag/character_ngrams"]))

    def layer(
        self, vocabulary: Sequence[str] | None = None, *, length: int | None = None, **options: int
    ) -> layers.Layer:
        """Returns the layer that makes numbers of texts, shape (n,), of shape (n, length)."""
        return layers.TextVectorization(
            vocabulary=vocabulary,
            split="whitespace" if self.tokens == "words" else "character",
            ngrams=None if self.ngrams == 1 else self.ngrams,
            output_mode="int",
            output_sequence_length=length,
            name="kevo_tokens",
            **options,
        )


class Vocabulary(NamedTuple):
    """The tokens of training texts, the commonest first, and how many 95 of 100 texts and the longest have."""

    tokens: list[str]
    usual_length: int
    length: int


def vocabulary(texts: Sequence[str], how: Reading) -> Vocabulary:
    """Counts the tokens of training texts.

    Args:
        texts: The texts.
        how: How they are divided.

    Raises:
        DataError: there are none.
    """
    layer = how.layer(max_tokens=MOST_TOKENS + NUM_RESERVED)
    layer.adapt(tf.data.Dataset.from_tensor_slices(tf.constant(texts)).batch(_AT_ONCE))
    found = layer.get_vocabulary()[NUM_RESERVED:]
    if not found:
        raise DataError("There are no words in the texts. Expected some letters or digits.")
    most = max(1, min(_LONGEST, _MOST_NUMBERS // len(texts)))
    lengths = (numbers(texts, how, found, length=most) != PADDING).sum(axis=1)
    usual, longest = int(np.quantile(lengths, 0.95)), int(lengths.max())
    return Vocabulary(found, max(1, usual), max(1, longest))


def numbers(texts: Sequence[str], how: Reading, tokens: Sequence[str], *, length: int) -> npt.NDArray[np.int32]:
    """Returns the numbers of texts' tokens, shape (n, length): from 2 in the order of `tokens`.

    Args:
        texts: The texts.
        how: How they are divided.
        tokens: The vocabulary.
        length: So many tokens of each text are read.
    """
    layer = how.layer(tokens, length=length)
    found = np.zeros((len(texts), length), np.int32)
    for start in range(0, len(texts), _AT_ONCE):
        batch = texts[start : start + _AT_ONCE]
        found[start : start + len(batch)] = np.asarray(layer(tf.constant(batch)))
    return found


def limited(numbers: npt.NDArray[np.int32], *, num_tokens: int, length: int) -> npt.NDArray[np.int32]:
    """Returns what a smaller vocabulary and fewer tokens of each text would have given."""
    cut = numbers[:, :length]
    return np.where(cut < num_tokens + NUM_RESERVED, cut, np.int32(UNKNOWN))


def forward(
    model: keras.Model, texts: Sequence[str], *, watch: Callable[[], object] = lambda: None
) -> npt.NDArray[np.float32]:
    """Passes texts through a model in inference mode, some at a time, and returns its outputs, shape (n, any).

    Args:
        model: A model of texts.
        texts: The texts, one at least.
        watch: Is called now and then; an error that it raises ends the pass.
    """
    outputs = []
    for start in range(0, len(texts), _AT_ONCE):
        outputs.append(np.asarray(model(tf.constant(texts[start : start + _AT_ONCE]), training=False), np.float32))
        watch()
    return np.concatenate(outputs)
