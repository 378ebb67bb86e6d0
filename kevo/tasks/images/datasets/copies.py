"""Finds pictures that are copies of others, or nearly so: saved anew, resized, a little brighter.

Each picture has a difference hash (Krawetz 2013, "Kind of like that"): 64 bits that say where it grows brighter from
left to right. Pictures whose hashes differ in a few bits are compared by their pixels. Not every pair of pictures is
looked at, but those next to each other in several orders of the hashes, so that the time grows with their number only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kevo.tasks.images.datasets.dataset import digest
from kevo.tasks.images.picture_arrays import Pictures

_MIN_SIDE = 16
"""Pictures of fewer pixels are too much alike anyway."""
_LOOKED_AT = 32
"""Pixels on a side that are compared, about."""
_ROWS, _COLUMNS = 8, 9
_MAX_BITS = 10
"""So many of 64 bits may differ."""
_MAX_DIFFERENCE = 0.15
"""So far may pixels be apart, as a share of the contrast (both root mean squares).

All of 500 photographs that were saved anew as JPEG of quality 75 are found, and 8 of 1,797 handwritten digits seem to
be copies; at twice this share 778 do.
"""
_MIN_CONTRAST = 4.0
"""Pictures of one color, in levels of 255, are copies only if they are identical."""
_NUM_NEIGHBORS = 8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""The part of each color in the brightness, which JPEG keeps best (ITU-R BT.601)."""
_TURN = 8
_CHUNK = 1024
_NUM_SAMPLED = 256
"""Values of a picture that are compared first: most pictures differ there, and need not be hashed whole."""

Pairs = npt.NDArray[np.int64]


def content_keys(parts: Sequence[Pictures]) -> list[bytes]:
    """Returns a key for the content of each picture, which only identical ones of all parts share.

    Args:
        parts: Arrays of pictures of one size.
    """
    sampled = [
        row.tobytes()
        for part in parts
        for start in range(0, len(part), _CHUNK)
        for row in _sampled(part[start:][:_CHUNK])
    ]
    counts = Counter(sampled)
    pictures = (picture for part in parts for picture in part)
    # No sample has the 16 bytes of a hash.
    return [key if counts[key] == 1 else digest(picture) for key, picture in zip(sampled, pictures, strict=True)]


def _sampled(pictures: Pictures) -> npt.NDArray[np.uint8]:
    flat = pictures.reshape(len(pictures), -1)
    return flat[:, :: max(1, flat.shape[1] // _NUM_SAMPLED)]


def near_pairs(parts: list[Pictures]) -> Pairs:
    """Returns pairs of near copies, identical ones among them.

    Args:
        parts: Arrays of pictures of one size; positions count through all of them.

    Returns:
        Positions, shape (num_pairs, 2), the lower one first.
    """
    side = min(parts[0].shape[1:3])
    if side < _MIN_SIDE:
        return np.empty((0, 2), np.int64)
    small = [_small(part) for part in parts]
    hashes = np.concatenate(
        [_hashes(one[start : start + _CHUNK]) for one in small for start in range(0, len(one), _CHUNK)]
    )
    candidates = _candidates(hashes)
    are_near = [_are_near(small, candidates[start : start + _CHUNK]) for start in range(0, len(candidates), _CHUNK)]
    return candidates[np.concatenate(are_near)] if are_near else candidates


def _small(pictures: Pictures) -> Pictures:
    step = max(1, pictures.shape[1] // _LOOKED_AT)
    return np.ascontiguousarray(pictures[:, ::step, ::step])


def _hashes(pictures: Pictures) -> npt.NDArray[np.uint64]:
    grey = pictures @ _LUMA
    rows, columns = (_means(grey.shape[1], number) for number in (_ROWS, _COLUMNS))
    cells = rows @ grey @ columns.T
    bits = (cells[:, :, 1:] > cells[:, :, :-1]).reshape(len(cells), -1)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def _means(num_from: int, num_to: int) -> npt.NDArray[np.float32]:
    """The matrix, shape (num_to, num_from), that averages a line of pixels to another length."""
    edges = np.linspace(0, num_from, num_to + 1)
    places = np.arange(num_from)
    overlap = np.minimum(places + 1, edges[1:, np.newaxis]) - np.maximum(places, edges[:-1, np.newaxis])
    weights = np.clip(overlap, 0, None)
    shares: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _candidates(hashes: npt.NDArray[np.uint64]) -> Pairs:
    found = []
    for turn in range(0, 64, _TURN):
        # Each order begins with other bits, so that no single bit keeps two hashes apart in all of them.
        turned = (hashes << np.uint64(turn)) | (hashes >> np.uint64((64 - turn) % 64)) if turn else hashes
        order = np.argsort(turned, kind="stable")
        for ahead in range(1, _NUM_NEIGHBORS + 1):
            first, second = order[:-ahead], order[ahead:]
            close = np.bitwise_count(hashes[first] ^ hashes[second]) <= _MAX_BITS
            found.append(np.sort(np.stack([first[close], second[close]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _rows(parts: list[Pictures], positions: npt.NDArray[np.int64]) -> Pictures:
    """Returns pictures by their positions in all parts together: as one array these would take as much room again."""
    found = np.empty((len(positions), *parts[0].shape[1:]), np.uint8)
    start = 0
    for part in parts:
        is_here = (positions >= start) & (positions < start + len(part))
        found[is_here] = part[positions[is_here] - start]
        start += len(part)
    return found


def _are_near(small: list[Pictures], pairs: Pairs) -> npt.NDArray[np.bool_]:
    first, second = (_rows(small, pairs[:, which]) for which in (0, 1))
    are_equal = (first == second).all(axis=(1, 2, 3))
    # How bright a picture is in all does not matter, and colors suffer most where a picture is saved anew.
    grey, other = first @ _LUMA, second @ _LUMA
    differ = (grey - other).std(axis=(1, 2))
    contrast = np.minimum(grey.std(axis=(1, 2)), other.std(axis=(1, 2)))
    is_near: npt.NDArray[np.bool_] = are_equal | ((contrast >= _MIN_CONTRAST) & (differ <= _MAX_DIFFERENCE * contrast))
    return is_near
