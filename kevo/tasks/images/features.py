"""Inputs of candidates, computed once: pictures at a network's size, and the features of frozen backbones.

With a frozen backbone every epoch would repeat the same forward pass; here it happens once for all candidates that
share backbone, weights, size and changes of the pictures, whatever their cut and pooling, also those of other workers
and of later runs. A pass takes the pictures in random order, block by block, and each finished block is kept: what has
been computed when a pass ends early are the features of a random sample, and the next pass goes on from there.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from kevo.settings import NO_CACHE
from kevo.system import memory
from kevo.system.array_store import ArrayStore
from kevo.system.folders import cache_folder
from kevo.tasks.images import backbones, costs, networks, picture_arrays
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.genes import image_size, speed_key
from kevo.tasks.images.inference import num_at_once
from kevo.tasks.images.passes import block_edges, pass_order, sample
from kevo.tasks.images.picture_copies import PLAIN, Copy, augmented_copies, changed, resized
from kevo.tasks.images.pretrained_weights import Weights
from kevo.training.loop import Forward
from tuners.genome import Genome

TRAIN_AND_VALIDATION = "train and validation"
"""All pictures that a last training may learn from, when nothing is left to decide."""
_MAX_BYTES = 1024**3
"""How much memory the arrays of one process take at most, unless it is told. What is in the store is there again at
once."""
_MAX_MAP_BYTES = 1024**3
"""How much the feature maps that one candidate learns from may take; larger ones are computed anew in every epoch."""
_SUMMARY = "pretrained/summary"
_BACKBONE_GENES = ("backbone", "pretrained/image_size", _SUMMARY)
PASS_SHARE = 0.7
"""The share of a candidate's time after which it makes do with the training pictures that have passed."""
_LAYOUT = 2
"""Goes up with every change of ours to resizing, augmentation, preprocessing or rounding: old features then count no
more."""
_TOLERANCE = 2.0**-10
"""What float16 may lose, as a part of the largest feature: all that it can hold well loses less."""


def default_folder() -> Path:
    """Returns the default folder of features."""
    return cache_folder() / "features"


def lasting_store(cache: str | None, *, note: Callable[[str], object]) -> ArrayStore | None:
    """Returns where features are kept for later searches; `None` where they are not to be.

    Args:
        cache: As in `kevo.Settings`.
        note: Is told, once, that nothing can be kept and why.
    """
    if cache == NO_CACHE:
        return None
    return ArrayStore(
        default_folder() if cache is None else Path(cache),
        note=lambda text: note(f"Features of frozen backbones serve this search only. {text}"),
    )


class Inputs(Protocol):
    """What networks are trained on: pictures and features of the splits of a data set; see `FeatureCache`."""

    @property
    def seconds_per_picture(self) -> dict[tuple[Any, ...], float]: ...

    def pictures(
        self, split: str, size: int, *, copy: Copy = PLAIN, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.uint8]: ...

    def features(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Forward],
        columns: slice = slice(None),
        weights: Weights | None,
        copy: Copy = PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int | None = None,
    ) -> npt.NDArray[np.floating]: ...

    def extend(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Forward],
        weights: Weights | None,
        copy: Copy = PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int,
    ) -> None: ...

    def num_kept(self, split: str, genome: Genome, weights: Weights | None, copy: Copy = PLAIN) -> int: ...


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass of a split's pictures, or of a copy of them, through a frozen network; see `FeatureCache.features`."""

    key: str
    split: str
    genome: Genome
    copy: Copy
    num_pictures: int
    network: Callable[[], Forward]
    watch: Callable[[float], None]
    wait: Callable[[], None]


class FeatureCache:
    """Pictures and features of one data set, least recently used first out.

    Args:
        dataset: The data set.
        store: Keeps features for other workers and later runs. `None`: they are kept in memory only.
        seed: What random weights are made from, as a part of the features' key.
        max_bytes: How much memory the arrays may take together, in bytes. `None` for 1 GiB, or a quarter of the memory
            that may be used where that is less.
    """

    def __init__(
        self, dataset: ImageDataset, *, store: ArrayStore | None = None, seed: int = 0, max_bytes: int | None = None
    ) -> None:
        self._dataset = dataset
        self._store = store
        self._seed = seed
        self._max_bytes = _max_bytes() if max_bytes is None else max_bytes
        self._arrays: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()
        self._digests: dict[str, str] = {}
        self.seconds_per_picture: dict[tuple[Any, ...], float] = {}

    def pictures(
        self, split: str, size: int, *, copy: Copy = PLAIN, rows: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Returns the pictures of a split as (n, size, size, 3), resized as the deployed model resizes them.

        Those that are stored as no squares are (n, height, width, 3) at their own size.

        Args:
            split: `train`, `validation` or `test`.
            size: Side of the square, in pixels; of what is no square the longer one.
            copy: One of `augmented_copies` or `test_time_views` of them.
            rows: The positions of those that are wanted, which are not kept; `None` for all.
        """
        stored: npt.NDArray[np.uint8] = getattr(self._dataset, split).pictures
        if rows is not None:
            taken = picture_arrays.taken(stored, rows)
            return changed(taken if max(taken.shape[1:3]) == size else resized(taken, size), copy)
        if max(stored.shape[1:3]) != size:
            stored = self._once(json.dumps(["pictures", split, size]), lambda: resized(stored, size))
        return changed(stored, copy)

    def features(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Forward],
        columns: slice = slice(None),
        weights: Weights | None,
        copy: Copy = PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int | None = None,
    ) -> npt.NDArray[np.floating]:
        """Returns the features that a genome's frozen backbone makes of a split, as (n, ...).

        All features are rounded to float16, so that they are the same whether they were kept or not; those that
        float16 cannot hold stay as they are.

        Args:
            split: `train`, `validation` or `test`.
            genome: A genome of the family `pretrained`. Its cut point does not count where its pooling is one of
                `networks.POOLINGS`: all of these come from one pass.
            network: Builds the forward pass of the frozen network, for pictures as uint8. It is called only when the
                features are not here yet. Random weights must come from the cache's seed.
            columns: Which part of the network's output is wanted.
            weights: The backbone's weights, as a part of the key.
            copy: One of `augmented_copies` or `test_time_views` of the pictures.
            watch: Is called after every batch of the pass with the share that is done; what it raises ends the pass.
            wait: Is called now and then while another worker makes this pass; what it raises ends the wait.
            num_rows: One of `block_edges`: the features of `sample` only. `None` for those of all pictures.
        """
        num_pictures = len(getattr(self._dataset, split))
        one = _Pass(self._key(split, genome, weights, copy), split, genome, copy, num_pictures, network, watch, wait)
        if num_rows is None or num_rows == num_pictures:
            return self._whole(one)[:, columns]
        if self._has(one.key):
            return self._whole(one)[:, columns][sample(num_pictures, num_rows)]
        return self._gathered(one, num_rows)[:, columns]

    def extend(
        self,
        split: str,
        genome: Genome,
        *,
        network: Callable[[], Forward],
        weights: Weights | None,
        copy: Copy = PLAIN,
        watch: Callable[[float], None] = lambda done: None,
        wait: Callable[[], None] = lambda: None,
        num_rows: int,
    ) -> None:
        """Makes the features of a sample as `features` does, from where earlier passes ended, without returning them.

        Args:
            split: As for `features`, and so all others.
            genome: A genome of the family `pretrained`.
            network: Builds the forward pass of the frozen network.
            weights: The backbone's weights.
            copy: One of `augmented_copies` or `test_time_views` of the pictures.
            watch: Is called after every batch of the pass.
            wait: Is called while another worker makes this pass.
            num_rows: One of `block_edges`.
        """
        num_pictures = len(getattr(self._dataset, split))
        one = _Pass(self._key(split, genome, weights, copy), split, genome, copy, num_pictures, network, watch, wait)
        if self._has(one.key):
            return
        if len(block_edges(num_pictures)) == 2:
            self._whole(one)
        else:
            self._blocks(one, num_rows)

    def num_kept(self, split: str, genome: Genome, weights: Weights | None, copy: Copy = PLAIN) -> int:
        """Returns of how many pictures of a split, or of a copy of it, the features are here: one of `block_edges`."""
        if weights is not None and weights.path is not None and not weights.path.exists():
            # To know for sure, they would have to be downloaded.
            return 0
        key, edges = self._key(split, genome, weights, copy), block_edges(len(getattr(self._dataset, split)))
        if self._has(key):
            return edges[-1]
        blocks = itertools.takewhile(lambda block: self._has(_block_key(key, *block)), itertools.pairwise(edges[:-1]))
        return max((stop for _, stop in blocks), default=0)

    def _whole(self, one: _Pass) -> npt.NDArray[Any]:
        """Returns the features of all pictures, and lets go of the blocks that they were put together from."""
        edges = block_edges(one.num_pictures)
        if len(edges) == 2:
            return self._shared(one, one.key, one.num_pictures, lambda: self._computed(one, 0, one.num_pictures))
        found = self._shared(one, one.key, one.num_pictures, lambda: self._gathered(one, one.num_pictures))
        for block in itertools.pairwise(edges):
            self._arrays.pop(key := _block_key(one.key, *block), None)
            if self._store is not None and self._store.has(one.key):
                self._store.remove(key)
        return found

    def _gathered(self, one: _Pass, num_rows: int) -> npt.NDArray[Any]:
        """Returns the features of a sample in the order of its pictures."""
        blocks = self._blocks(one, num_rows)
        places = np.argsort(np.argsort(pass_order(one.num_pictures)[:num_rows]))
        gathered = picture_arrays.for_features((num_rows, *blocks[0].shape[1:]), np.result_type(*blocks))
        start = 0
        for block in blocks:
            gathered[places[start : start + len(block)]] = block
            start += len(block)
        return gathered

    def _blocks(self, one: _Pass, num_rows: int) -> list[npt.NDArray[Any]]:
        """Returns the features of a sample block by block, in the order of the pass."""
        edges = [edge for edge in block_edges(one.num_pictures) if edge <= num_rows]
        return [
            self._shared(
                one,
                _block_key(one.key, start, stop),
                stop - start,
                functools.partial(self._computed, one, start, stop),
            )
            for start, stop in itertools.pairwise(edges)
        ]

    def _computed(self, one: _Pass, start: int, stop: int) -> npt.NDArray[Any]:
        """Passes one block of the pictures through the network."""
        size = image_size(one.genome)
        pictures = self._block_of_pictures(one, size, start, stop)
        forward = one.network()
        began, num_seen = time.monotonic(), 0
        features: npt.NDArray[Any] = np.empty(0, np.float16)
        try:
            for batch in forward.batches(pictures, num_at_once(size)):
                # Once float16 could not hold a batch, it is not trusted with others.
                seen = batch if features.dtype == np.float32 else _rounded(batch)
                if not num_seen:
                    features = picture_arrays.for_features((stop - start, *seen.shape[1:]), seen.dtype)
                elif seen.dtype != features.dtype:
                    features = features.astype(seen.dtype)
                features[num_seen : num_seen + len(seen)] = seen
                num_seen += len(batch)
                one.watch((start + num_seen) / one.num_pictures)
        finally:
            # A pass that was too slow tells how slow.
            if num_seen and one.genome[_SUMMARY] in networks.POOLINGS:
                self.seconds_per_picture[speed_key(one.genome)] = (time.monotonic() - began) / num_seen
        return features

    def _block_of_pictures(self, one: _Pass, size: int, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Returns the pictures of one block of a pass, in the order of the pass, at a size and as a copy."""
        if stop - start == one.num_pictures:
            return self.pictures(one.split, size, copy=one.copy)
        stored: npt.NDArray[np.uint8] = getattr(self._dataset, one.split).pictures
        rows = pass_order(one.num_pictures)[start:stop]
        if stored.shape[1] == size:
            return changed(picture_arrays.taken(stored, rows), one.copy)
        name = json.dumps(["pictures", one.split, size, start, stop])
        return changed(self._once(name, lambda: resized(picture_arrays.taken(stored, rows), size)), one.copy)

    def _shared(self, one: _Pass, key: str, num_rows: int, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Returns an array that all processes share, where there is a store."""

        def compute_or_read() -> npt.NDArray[Any]:
            if self._store is None:
                return compute()
            return self._store.once(key, compute, num_rows=num_rows, wait=one.wait)

        return self._once(key, compute_or_read)

    def _has(self, key: str) -> bool:
        return key in self._arrays or (self._store is not None and self._store.has(key))

    def _key(self, split: str, genome: Genome, weights: Weights | None, copy: Copy) -> str:
        """Returns everything that features depend on, as canonical JSON."""
        name = str(genome["backbone"])
        genes = {gene: genome.get(gene) for gene in (*_BACKBONE_GENES, f"{name}/alpha")}
        genes |= {_SUMMARY: "pooled"} if genome[_SUMMARY] in networks.POOLINGS else {"cut": genome[f"{name}/cut"]}
        checksum = None if weights is None else weights.checksum()
        facts = {
            "layout": _LAYOUT,
            "keras": keras.__version__,
            "precision": keras.config.dtype_policy().name,
            "pictures": self._digest(split),
            "preprocess": backbones.get(name).preprocess,
            "weights": checksum or f"random:{self._seed}",
            "alpha": None if weights is None else weights.alpha,
            "genes": genes,
            "copy": copy,
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def _digest(self, split: str) -> str:
        """Content hash of a split."""
        if split not in self._digests:
            pictures = np.ascontiguousarray(getattr(self._dataset, split).pictures)
            digest = hashlib.blake2b(repr(pictures.shape).encode(), digest_size=32)
            digest.update(pictures.data)
            self._digests[split] = digest.hexdigest()
        return self._digests[split]

    def _once(self, name: str, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        if name in self._arrays:
            self._arrays.move_to_end(name)
            return self._arrays[name]
        array = compute()
        self._arrays[name] = array
        while len(self._arrays) > 1 and sum(kept.nbytes for kept in self._arrays.values()) > self._max_bytes:
            self._arrays.popitem(last=False)
        return array


def _max_bytes() -> int:
    usable = memory.usable()
    return _MAX_BYTES if usable is None else min(_MAX_BYTES, usable // 4)


def parts(split: str) -> tuple[str, ...]:
    """Returns the splits of a data set that are learned from: `TRAIN_AND_VALIDATION` is more than one."""
    return ("train", "validation") if split == TRAIN_AND_VALIDATION else (split,)


def frozen_part(genome: Genome, *, num_pictures: int) -> Genome | None:
    """Returns the part below the fine-tuned blocks, as the genome of its feature maps.

    Args:
        genome: A genome that fine-tunes a backbone.
        num_pictures: How many pictures it trains on.

    Returns:
        A genome that passes its pictures through the frozen part only; `None` where nothing stays frozen, or where the
        maps of all pictures and their copies would take too much memory.
    """
    name = str(genome["backbone"])
    cut_points = backbones.get(name).cut_points
    index = cut_points.index(str(genome[f"{name}/cut"])) - int(genome["fine_tune/num_blocks"])
    if index < 0 or not backbones.get(name).is_chain:
        return None
    part: Genome = {**genome, f"{name}/cut": cut_points[index], _SUMMARY: "none"}
    num_bytes = 2 * costs.num_map_values(part) * num_pictures * len(augmented_copies(genome))
    return part if num_bytes <= _MAX_MAP_BYTES else None


def _block_key(key: str, start: int, stop: int) -> str:
    return f"{key} from {start} to {stop}"


def _rounded(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float16 | np.float32]:
    """Returns features as float16, unless some would become infinite or zero."""
    # What becomes infinite, or was no number before, keeps no tolerance.
    with np.errstate(over="ignore", invalid="ignore"):
        halved = features.astype(np.float16)
        tolerance = _TOLERANCE * max(abs(float(features.max())), abs(float(features.min())))
        rows = zip(features, halved, strict=True)
        return halved if all(np.abs(row - short).max() <= tolerance for row, short in rows) else features
