"""Texts -> whole numbers, by the layer that goes into the saved model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from kevo.errors import DataError
from kevo.tasks.texts.genomes import has_vectors, tokens_of
from kevo.tasks.texts.space import MOST_TOKENS
from tuners.genome import Genome

PADDING, UNKNOWN = 0, 1
"""The numbers for what follows the end of a text, and for tokens that are not in the vocabulary."""
NUM_RESERVED = 2
_PUNCTUATION = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'
"""What the layer leaves out."""
_LETTERS_AT_ONCE = 4_000_000
"""So many letters are divided at a time, where tokens are rows of several that many times fewer."""
_AT_ONCE = 1024
"""So many texts are read at a time."""
_LONGEST, _MOST_NUMBERS = 3000, 100_000_000
"""So many tokens of a text are read at most, and so many of all training texts together: 400 MB."""


class Reading(NamedTuple):
    """How texts are divided into tokens.

    Args:
        tokens: `words` or `characters`.
        ngrams: Alone and up to so many in a row.
        are_pretrained: Whether the vocabulary is that of pretrained word vectors, not of the training texts.
    """

    tokens: str
    ngrams: int
    are_pretrained: bool = False

    @classmethod
    def of(cls, genome: Genome) -> Reading:
        """Returns how the network of a genome reads."""
        tokens = tokens_of(genome)
        if genome["family"] != "bag":
            return cls(tokens, 1, has_vectors(genome))
        return cls(tokens, int(genome["bag/ngrams" if tokens == "words" else "bag/character_ngrams"]))

    def layer(self, vocabulary: Sequence[str], *, length: int) -> layers.Layer:
        """Returns the layer that makes numbers of texts, shape (n,), of shape (n, length)."""
        return layers.TextVectorization(
            vocabulary=vocabulary,
            split="whitespace" if self.tokens == "words" else "character",
            ngrams=None if self.ngrams == 1 else self.ngrams,
            output_mode="int",
            output_sequence_length=length,
            name="kevo_tokens",
        )

    def divided(self, texts: Sequence[str]) -> tf.RaggedTensor:
        """Divides texts as that layer does."""
        plain = tf.strings.regex_replace(tf.strings.lower(tf.constant(texts)), _PUNCTUATION, "")
        tokens = tf.strings.split(plain) if self.tokens == "words" else tf.strings.unicode_split(plain, "UTF-8")
        if self.ngrams == 1:
            return tokens
        return tf.strings.ngrams(tokens, tuple(range(1, self.ngrams + 1)), separator=" ")


class Vocabulary(NamedTuple):
    """The tokens of training texts, the commonest first, and how many 95 of 100 texts and the longest have."""

    tokens: list[str]
    usual_length: int
    length: int


class _Part(NamedTuple):
    """The tokens of some texts.

    Args:
        unique: The different ones.
        counts: How often each of these is there.
        places: Which of these each token is, one text after the other.
        starts: Where each text begins among them.
        lengths: How many tokens each text has.
    """

    unique: tf.Tensor
    counts: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def read(texts: Sequence[str], how: Reading) -> tuple[Vocabulary, npt.NDArray[np.int32]]:
    """Counts the tokens of training texts.

    That is what the layer's own `adapt` finds. But it sorts all tokens as Python's bytes, of which rows of letters have
    hundreds of thousands, and reads the texts once more for their numbers.

    Args:
        texts: The texts.
        how: How they are divided.

    Returns:
        The vocabulary, and what `numbers` returns for the texts.

    Raises:
        DataError: there are none.
    """
    parts = [_part(texts[start:stop], how) for start, stop in _bounds(texts, how)]
    merged, places = tf.unique(tf.concat([one.unique for one in parts], axis=0))
    unique, in_all = merged.numpy(), places.numpy()
    counts = np.bincount(in_all, np.concatenate([one.counts for one in parts]), minlength=len(unique))
    chosen = _commonest(unique, counts)
    if not len(chosen):
        raise DataError("There are no words in the texts. Expected some letters or digits.")
    known = np.full(len(unique), UNKNOWN, np.int32)
    known[unique == b""] = PADDING
    known[chosen] = np.arange(NUM_RESERVED, NUM_RESERVED + len(chosen))
    most = max(1, min(_LONGEST, _MOST_NUMBERS // len(texts)))
    lengths = np.minimum(np.concatenate([one.lengths for one in parts]), most)
    longest = max(1, int(lengths.max()))
    found = np.zeros((len(texts), longest), np.int32)
    first_text, first_token = 0, 0
    for one in parts:
        rows = slice(first_text, first_text + len(one.lengths))
        is_read = np.arange(longest) < lengths[rows, None]
        numbers = known[in_all[first_token : first_token + len(one.counts)]][one.places]
        found[rows][is_read] = numbers[(one.starts[:, None] + np.arange(longest))[is_read]]
        first_text, first_token = rows.stop, first_token + len(one.counts)
    words = [token.decode() for token in unique[chosen]]
    return Vocabulary(words, max(1, int(np.quantile(lengths, 0.95))), longest), found


def _bounds(texts: Sequence[str], how: Reading) -> Iterator[tuple[int, int]]:
    """Divides texts into parts whose tokens fit into memory: yields where each begins and ends."""
    start = num_letters = 0
    for place, text in enumerate(texts):
        num_letters += how.ngrams * len(text)
        if num_letters > _LETTERS_AT_ONCE or place + 1 == len(texts):
            yield start, place + 1
            start, num_letters = place + 1, 0


def _part(texts: Sequence[str], how: Reading) -> _Part:
    divided = how.divided(texts)
    unique, places, counts = tf.unique_with_counts(divided.flat_values)
    lengths = divided.row_lengths().numpy()
    return _Part(unique, counts.numpy(), places.numpy(), np.cumsum(lengths) - lengths, lengths)


def _commonest(tokens: npt.NDArray[np.object_], counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Returns the places of the commonest tokens in order; of equally common ones the last of the alphabet first."""
    places = np.arange(len(counts))
    # What a layer calls padding and unknown are no tokens.
    places = places[(tokens != b"") & (tokens != b"[UNK]")]
    if len(places) > MOST_TOKENS:
        least = np.partition(counts[places], -MOST_TOKENS)[-MOST_TOKENS]
        places = places[counts[places] >= least]
    order: npt.NDArray[np.int64] = places[np.lexsort((tokens[places], counts[places]))[::-1]]
    return order[:MOST_TOKENS]


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
