"""Texts that are alike: the same words, or nearly the same, as reposts, quotes and boilerplate are.

Near copies are found by MinHash with locality-sensitive hashing (Broder 1997, "On the resemblance and containment of
documents", doi:10.1109/SEQUEN.1997.666900; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3),
and each pair is then compared itself.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\w*\d\w*")
_NOISE = re.compile(r"https?://\S+|www\.\S+|@\w+")
"""What differs between copies of one message: links and the names of accounts."""
_SHINGLE = 3
"""So many words in a row make a shingle."""
_BANDS, _ROWS = 16, 4
"""Pairs that share all hashes of a band are compared; of those with a similarity of 0.8, 99.98 % are."""
_SIMILARITY = 0.8
"""Two texts with such a part of their shingles in common are near copies."""
_FEWEST_SHINGLES = 5
"""Shorter texts are alike only when they have the same words."""
_MOST_TEXTS = 200_000
"""Of more texts only those with the same words are found."""
_MOST_IN_BUCKET = 50
"""In a larger bucket each is compared with its neighbor only."""
_PRIME = np.uint64(2**31 - 1)


def normalized(text: str) -> str:
    """Returns the words and numbers of a text in lower case, without links, account names and punctuation.

    A text without words stays as it is.

    Example:
        >>> normalized("RT @me: Great film!! https://t.co/x"), normalized("great FILM")
        ('rt great film', 'great film')
    """
    return " ".join(_WORD.findall(_NOISE.sub(" ", text.casefold()))) or text


def groups(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns a number for each text, shape (n,): the same only for texts that are alike."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    same = np.unique(np.array([normalized(text) for text in texts], object), return_inverse=True)
    unique, number = same[0].tolist(), same[1].reshape(-1)
    if len(unique) > _MOST_TEXTS:
        return np.asarray(number, np.int64)
    pairs = near_pairs(unique)
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(unique), len(unique)))
    return np.asarray(connected_components(links, directed=False)[1][number], np.int64)


def near_pairs(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the positions of texts that are near copies of each other, shape (num_pairs, 2).

    Numbers tell texts apart: where each of two has a number that the other lacks, such as the prices of two offers in
    the same words, they are no copies.
    """
    shingles = [_shingles(text) for text in texts]
    long = [place for place, one in enumerate(shingles) if len(one) >= _FEWEST_SHINGLES]
    if len(long) < 2:
        return np.empty((0, 2), np.int64)
    sizes = [len(shingles[place]) for place in long]
    values = np.concatenate([shingles[place] for place in long])
    starts = np.cumsum([0, *sizes[:-1]])
    rng = np.random.default_rng(0)
    candidates: set[tuple[int, int]] = set()
    for _ in range(_BANDS):
        factors = rng.integers(1, int(_PRIME), size=(_ROWS, 2), dtype=np.uint64)
        band = np.stack([np.minimum.reduceat((values * a + b) % _PRIME, starts) for a, b in factors], axis=1)
        order = np.lexsort(band.T)
        is_same = (band[order[1:]] == band[order[:-1]]).all(axis=1)
        bounds = np.flatnonzero(np.concatenate([[True], ~is_same, [True]]))
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            bucket = sorted(long[place] for place in order[start:end].tolist())
            if len(bucket) > _MOST_IN_BUCKET:
                candidates.update(itertools.pairwise(bucket))
            else:
                candidates.update((one, other) for at, one in enumerate(bucket) for other in bucket[at + 1 :])
    found = [
        (one, other)
        for one, other in sorted(candidates)
        if _similarity(shingles[one], shingles[other]) >= _SIMILARITY and _may_be_copies(texts[one], texts[other])
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _shingles(text: str) -> npt.NDArray[np.uint64]:
    words = text.split()
    rows = {zlib.crc32(" ".join(words[at : at + _SHINGLE]).encode()) for at in range(len(words) - _SHINGLE + 1)}
    # The products of the hash functions fit into 64 bits.
    return np.array(sorted(rows), np.uint64) % _PRIME


def _similarity(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> float:
    """The Jaccard similarity."""
    common = len(np.intersect1d(one, other))
    return common / (len(one) + len(other) - common)


def _may_be_copies(one: str, other: str) -> bool:
    """Tells whether one of two texts has all numbers of the other: a copy may be longer or shorter."""
    first, second = set(_NUMBER.findall(one)), set(_NUMBER.findall(other))
    return first <= second or second <= first
