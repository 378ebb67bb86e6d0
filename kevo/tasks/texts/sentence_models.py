"""A sentence transformer becomes word vectors: each word goes through it once, as a sentence of its own.

That is the static distillation of model2vec (Tulkens and van Dongen 2024, https://github.com/MinishLab/model2vec). The
model is a BERT (Devlin et al. 2019, arXiv:1810.04805) whose sentence vector is the mean of its tokens' (Reimers and
Gurevych 2019, arXiv:1908.10084), such as all-MiniLM-L6-v2. Only its numbers and its JSON files are read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kevo.errors import DataError, SettingsError
from kevo.runs.atomic_files import loads
from kevo.system import versions
from kevo.system.text import printable, shorten
from kevo.tasks.texts.vectors import plain, reduced

_WEIGHTS, _TOKENIZER, _CONFIG = "model.safetensors", "tokenizer.json", "config.json"
_MOST_BYTES = {_WEIGHTS: 2 * 2**30, _TOKENIZER: 100 * 2**20, _CONFIG: 2**20}
_MOST_WORDS = 100_000
_LONGEST = 16
"""So many tokens of a word are read."""
_AT_ONCE = 256
_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_WORD = re.compile(rb"[a-z\x80-\xff]+")

Weights = Mapping[str, npt.NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the weights do not tell: so many layers and heads, and what keeps a layer norm from dividing by 0."""

    num_layers: int
    num_heads: int
    epsilon: float


def distill_vectors(
    folder: Path, file: Path, *, words: Sequence[str] = (), progress: Callable[[int, int], object] = lambda *_: None
) -> int:
    """Writes a file of word vectors that a sentence transformer gives.

    Args:
        folder: The sentence transformer: `model.safetensors`, `tokenizer.json` and `config.json`.
        file: Where to write: a word and up to 256 numbers on each line.
        words: Texts whose words get vectors too, beside the whole words of the model's vocabulary.
        progress: Is told now and then how many words are done, and of how many.

    Returns:
        The number of words.

    Raises:
        DataError: the folder holds no such model.
        SettingsError: what reads it is not installed, or the file is there.
    """
    try:
        from safetensors.numpy import load_file
    except ImportError as error:
        raise SettingsError(
            "The numbers of sentence transformers are read by safetensors. Install it with: "
            f"{versions.how_to_install('vectors')}"
        ) from error
    if file.exists():
        raise SettingsError(f"{printable(str(file))} is there already. Name another file, or remove it.")
    paths = _files(folder)
    try:
        shape = _shape(loads(paths[_CONFIG].read_bytes()))
        vocabulary = _vocabulary(loads(paths[_TOKENIZER].read_bytes()))
        weights = load_file(paths[_WEIGHTS])
    except DataError:
        raise
    # Those of safetensors are plain exceptions.
    except Exception as error:
        raise DataError(
            f"{printable(str(folder))} holds no sentence transformer: {shorten(repr(error), 200)}. Expected one such "
            "as all-MiniLM-L6-v2."
        ) from error
    chosen = _chosen(vocabulary, words)
    try:
        table = _encoded(weights, shape, [_tokens(word, vocabulary) for word in chosen], progress)
    except (LookupError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise DataError(
            f"{printable(str(folder))} is no BERT whose weights are all there and fit together: "
            f"{shorten(str(error), 200)}. Expected a sentence transformer such as all-MiniLM-L6-v2."
        ) from error
    with open(file, "x", encoding="utf-8") as out:
        for word, vector in zip(chosen, reduced(table), strict=True):
            out.write(f"{word} {' '.join(format(value, '.4g') for value in vector.tolist())}\n")
    return len(chosen)


def _files(folder: Path) -> dict[str, Path]:
    """Finds the files of a model, none of them too large."""
    paths = {name: folder / name for name in _MOST_BYTES}
    for name, path in paths.items():
        if not path.is_file():
            raise DataError(
                f"{printable(str(folder))} has no {name}. Expected the folder of a sentence transformer, with "
                f"{', '.join(_MOST_BYTES)}."
            )
        if path.stat().st_size > _MOST_BYTES[name]:
            raise DataError(f"{printable(str(path))} is too large. Expected {_MOST_BYTES[name]:,} bytes at most.")
    return paths


def _shape(config: Mapping[str, Any]) -> _Shape:
    kind, activation = config.get("model_type"), config.get("hidden_act")
    if (kind, activation) != ("bert", "gelu"):
        raise DataError(
            f"This model is {printable(str(kind))!r:.40} with {printable(str(activation))!r:.40}. Expected 'bert' with "
            "'gelu', such as all-MiniLM-L6-v2."
        )
    return _Shape(int(config["num_hidden_layers"]), int(config["num_attention_heads"]), float(config["layer_norm_eps"]))


def _vocabulary(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """Returns the number of each token: of whole words, of further parts of words, which begin with `##`, and marks."""
    model = tokenizer["model"]
    found = {str(token): int(number) for token, number in model["vocab"].items()}
    if model.get("type", "WordPiece") != "WordPiece" or not {_BEGIN, _END, _UNKNOWN} <= found.keys():
        raise DataError(f"{_TOKENIZER} divides words in another way. Expected the WordPiece of a BERT.")
    return found


def _chosen(vocabulary: Mapping[str, int], texts: Sequence[str]) -> list[str]:
    """Returns the whole words of a vocabulary in its order, which is by how common they are, and those of texts."""
    whole = (word for word in sorted(vocabulary, key=lambda word: vocabulary[word]) if word[:1] not in "#[")
    known = (plain(word.encode()) for word in whole)
    own = (word for text in texts for word in plain(text.encode()).split())
    found = dict.fromkeys(word for word in (*known, *own) if _WORD.fullmatch(word))
    return [word.decode() for word in found][:_MOST_WORDS]


def _tokens(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Divides a word: always the longest part that is known (Wu et al. 2016, arXiv:1609.08144)."""
    bare = "".join(letter for letter in unicodedata.normalize("NFD", word) if unicodedata.category(letter) != "Mn")
    found, start = [vocabulary[_BEGIN]], 0
    while start < len(bare):
        parts = (("##" if start else "") + bare[start:stop] for stop in range(len(bare), start, -1))
        if (part := next((one for one in parts if one in vocabulary), None)) is None:
            return [vocabulary[_BEGIN], vocabulary[_UNKNOWN], vocabulary[_END]]
        found.append(vocabulary[part])
        start += len(part) - (2 if start else 0)
    return [*found[: _LONGEST - 1], vocabulary[_END]]


def _encoded(
    weights: Weights, shape: _Shape, tokens: Sequence[Sequence[int]], progress: Callable[[int, int], object]
) -> npt.NDArray[np.float32]:
    """Returns the sentence vectors of tokens, shape (n, size): those of one length at once, so that none is padded."""
    lengths = np.array([len(one) for one in tokens])
    found: npt.NDArray[np.float32] | None = None
    num_done = 0
    for rows in _alike(lengths):
        vectors = _forward(weights, shape, np.array([tokens[row] for row in rows.tolist()]))
        if found is None:
            found = np.zeros((len(tokens), vectors.shape[1]), np.float32)
        found[rows] = vectors
        num_done += len(rows)
        progress(num_done, len(tokens))
    return np.zeros((0, 1), np.float32) if found is None else found


def _alike(lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yields the places of tokens of the same length, some at a time."""
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for start in range(0, len(rows), _AT_ONCE):
            yield rows[start : start + _AT_ONCE]


def _forward(weights: Weights, shape: _Shape, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Passes tokens, shape (n, length), through BERT: returns the mean of what comes out, (n, size), of length 1."""
    num, length = tokens.shape

    def dense(x: tf.Tensor, name: str) -> tf.Tensor:
        return tf.matmul(x, weights[f"{name}.weight"], transpose_b=True) + weights[f"{name}.bias"]

    def norm(x: tf.Tensor, name: str) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
        scaled = (x - mean) * tf.math.rsqrt(variance + shape.epsilon)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def heads(x: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(x, (num, length, shape.num_heads, -1)), (0, 2, 1, 3))

    x = tf.constant(
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][:length]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(shape.num_layers):
        own = f"encoder.layer.{layer}"
        query, key, value = (heads(dense(x, f"{own}.attention.self.{name}")) for name in ("query", "key", "value"))
        scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(query.shape[-1]).astype(np.float32)
        seen = tf.reshape(tf.transpose(tf.matmul(tf.nn.softmax(scores), value), (0, 2, 1, 3)), x.shape)
        x = norm(x + dense(seen, f"{own}.attention.output.dense"), f"{own}.attention.output.LayerNorm")
        inner = tf.nn.gelu(dense(x, f"{own}.intermediate.dense"), approximate=False)
        x = norm(x + dense(inner, f"{own}.output.dense"), f"{own}.output.LayerNorm")
    found: npt.NDArray[np.float32] = tf.math.l2_normalize(tf.reduce_mean(x, axis=1), axis=-1).numpy()
    return found
