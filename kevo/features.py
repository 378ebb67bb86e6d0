"""What candidates learn from, computed once: pictures at a network's size, and the features of frozen backbones.

With a frozen backbone every epoch would repeat the same forward pass; here it happens once for all candidates that
share backbone, weights, cut, size, pooling and augmented view.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo import models
from kevo.datasets import ImageDataset
from kevo.space import Genome, image_size
from kevo.weights import Weights

NUM_VIEWS = 2
"""How many augmented copies of the training pictures a frozen backbone sees besides the pictures themselves."""

_BODY_GENES = ("backbone", "pretrained/image_size", "pretrained/summary")
_BATCH_SIZE = 64


class FeatureCache:
    """Pictures and features of one data set, least recently used first out.

    Args:
        dataset: The data set.
        max_bytes: How much memory the arrays may take together, in bytes.
    """

    def __init__(self, dataset: ImageDataset, *, max_bytes: int = 2 * 1024**3) -> None:
        self._dataset = dataset
        self._max_bytes = max_bytes
        self._arrays: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()

    def pictures(self, split: str, size: int) -> npt.NDArray[np.uint8]:
        """Returns the pictures of a split as (n, size, size, 3), resized as the deployed model resizes them.

        Args:
            split: `train`, `validation` or `test`.
            size: Side of the square, in pixels.
        """
        stored: npt.NDArray[np.uint8] = getattr(self._dataset, split).pictures
        if stored.shape[1] == size:
            return stored
        return self._once(["pictures", split, size], lambda: _resize(stored, size))

    def features(
        self,
        split: str,
        genome: Genome,
        *,
        extractor: Callable[[], keras.Model],
        weights: Weights | None,
        view: int = 0,
        callbacks: list[keras.callbacks.Callback] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Returns what a genome's frozen backbone sees in a split, as (n, num_features).

        Args:
            split: `train`, `validation` or `test`.
            genome: A genome of the family `pretrained`.
            extractor: Builds the feature extractor; called only when the features are not here yet.
            weights: The backbone's weights, as a part of the key.
            view: 0 for the pictures themselves, 1 and more for augmented copies of them.
            callbacks: Watch the forward pass; one that raises ends it.
        """
        name = str(genome["backbone"])
        genes = {gene: genome.get(gene) for gene in (*_BODY_GENES, f"{name}/cut", f"{name}/alpha")}
        if view:
            genes |= {gene: value for gene, value in genome.items() if gene.startswith("augment")}

        def compute() -> npt.NDArray[np.float32]:
            pictures = self.pictures(split, image_size(genome))
            network = extractor()
            if view and (changes := models.augmentation(genome, seed=view)) is not None:
                pictures = _augment(pictures, changes)
            features = network.predict(pictures, batch_size=_BATCH_SIZE, verbose=0, callbacks=callbacks or [])
            return np.asarray(features, dtype=np.float32)

        return self._once(["features", split, genes, repr(weights), view], compute)

    def _once(self, key: list[Any], compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        name = json.dumps(key, sort_keys=True)
        if name in self._arrays:
            self._arrays.move_to_end(name)
            return self._arrays[name]
        array = compute()
        self._arrays[name] = array
        while len(self._arrays) > 1 and sum(kept.nbytes for kept in self._arrays.values()) > self._max_bytes:
            self._arrays.popitem(last=False)
        return array


def _resize(pictures: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    result = np.empty((len(pictures), size, size, 3), np.uint8)
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = models.resize(pictures[start : start + _BATCH_SIZE].astype(np.float32), (size, size))
        result[start : start + _BATCH_SIZE] = np.rint(np.clip(batch, 0, 255))
    return result


def _augment(pictures: npt.NDArray[np.uint8], changes: keras.Sequential) -> npt.NDArray[np.uint8]:
    result = np.empty_like(pictures)
    for start in range(0, len(pictures), _BATCH_SIZE):
        batch = changes(pictures[start : start + _BATCH_SIZE].astype(np.float32), training=True)
        result[start : start + _BATCH_SIZE] = np.rint(np.clip(batch, 0, 255))
    return result
