"""The maps that frozen backbones make of pictures, computed once for all candidates, and cut into squares."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.features import FeatureCache
from kevo.tasks.images.genes import variant
from kevo.tasks.images.inference import forward_pass
from kevo.tasks.images.picture_copies import FLIPS, PLAIN, Copy
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.masks import encoders, packed_maps
from kevo.tasks.masks.encoders import GRID
from kevo.tasks.masks.networks import levels
from tuners.genome import Genome

Variants = Mapping[tuple[str, float | None], Weights]
"""The weights of each backbone and width multiplier."""
_MIRRORED: Copy = ("flip", "horizontal")
_COPIES: Mapping[str, tuple[Copy, ...]] = {
    "none": (PLAIN,),
    "mirror": (PLAIN, _MIRRORED),
    "turn": (PLAIN, _MIRRORED, ("flip", "vertical"), ("flip", "horizontal_and_vertical")),
    "move": (PLAIN, _MIRRORED, ("flip", "vertical"), ("flip", "horizontal_and_vertical"), ("contrast", 0.25)),
}
"""The copies of all pictures that `augment` means here. A square lies in eight ways; four of them are enough passes."""
_MOST_BYTES = 1024**3
"""So much may the maps take that a candidate learns from; copies are left out beyond that."""
_NUM_BYTES = 2
_MOST_ENCODERS = 2
"""So many stay in memory, ready for the next decoder."""


class Squares(NamedTuple):
    """Squares of packed maps, one copy of all after the other, and the classes of their pixels.

    Args:
        maps: Arrays of shape (any, crop / 16, crop / 16, channels): n together in each copy.
        masks: Shape (num_copies * n, crop, crop, 1).
        num_copies: How many copies.
    """

    maps: list[npt.NDArray[Any]]
    masks: npt.NDArray[np.uint8]
    num_copies: int


class FrozenMaps:
    """The maps of the pictures of a data set, by the encoders of its candidates.

    Args:
        dataset: The pictures and their masks.
        cache: Keeps maps, for other workers and later searches too.
        weights: The weights of backbones.
        seed: What random weights are made from.
    """

    def __init__(self, dataset: ImageDataset, cache: FeatureCache, weights: Variants, *, seed: int) -> None:
        self._dataset = dataset
        self._cache = cache
        self._weights = weights
        self._seed = seed
        self._encoders: OrderedDict[tuple[str, float | None], keras.Model] = OrderedDict()

    def weights(self, genome: Genome) -> Weights:
        """Returns the weights of a genome's backbone."""
        return self._weights[variant(genome)]

    def encoder(self, genome: Genome) -> keras.Model:
        """Builds a genome's encoder, or returns the one that an earlier candidate built; it is never trained."""
        key = variant(genome)
        if key not in self._encoders:
            self._encoders[key] = self.new_encoder(genome)
        self._encoders.move_to_end(key)
        while len(self._encoders) > _MOST_ENCODERS:
            self._encoders.popitem(last=False)
        return self._encoders[key]

    def new_encoder(self, genome: Genome) -> keras.Model:
        """Builds a genome's encoder for its own candidate alone."""
        # Random weights are the same in every process that makes maps of them.
        keras.utils.set_random_seed(self._seed)
        name, alpha = variant(genome)
        return encoders.build(name, alpha=alpha, weights=self._weights[name, alpha])

    def copies(self, genome: Genome, *, num_pictures: int) -> Sequence[Copy]:
        """Returns the copies of pictures that a genome learns from; none where the maps of one take too much memory.

        Args:
            genome: The genome.
            num_pictures: How many pictures it learns from.
        """
        at = self._columns(genome)
        num_values = (at.stop - at.start) * (self._dataset.image_size // GRID) ** 2
        most = _MOST_BYTES // (_NUM_BYTES * num_values * num_pictures)
        return _COPIES[str(genome["augment"])][:most]

    def num_missing(self, genome: Genome) -> int:
        """Returns how many pictures have yet to pass a genome's encoder before it can be trained."""
        parts = [
            ("validation", PLAIN),
            *(("train", copy) for copy in self.copies(genome, num_pictures=self._num_train)),
        ]
        if len(parts) == 1:
            return 0
        weights, of = self.weights(genome), _extractor(genome, self._dataset.image_size)
        nums = (
            len(getattr(self._dataset, split)) - self._cache.num_kept(split, of, weights, copy) for split, copy in parts
        )
        return sum(nums)

    def of(
        self,
        genome: Genome,
        split: str,
        *,
        copy: Copy = PLAIN,
        watch: Callable[[float], None],
        wait: Callable[[], None],
    ) -> npt.NDArray[Any]:
        """Returns the maps of a split's whole pictures that a genome's decoder takes.

        Args:
            genome: The genome.
            split: `train` or `validation`.
            copy: A copy of the pictures.
            watch: As for `FeatureCache.features`.
            wait: As for `FeatureCache.features`.
        """
        maps = self._cache.features(
            split,
            _extractor(genome, self._dataset.image_size),
            network=functools.cache(lambda: forward_pass(packed_maps.packing(self.encoder(genome)))),
            weights=self.weights(genome),
            copy=copy,
            watch=watch,
            wait=wait,
        )
        return maps[..., self._columns(genome)]

    def squares(self, genome: Genome, splits: Sequence[str], of: Callable[[str, Copy], npt.NDArray[Any]]) -> Squares:
        """Cuts the maps of pictures into squares that cover them.

        Args:
            genome: The genome.
            splits: What it learns from.
            of: Returns the maps of a copy of a split.
        """
        copies = self.copies(genome, num_pictures=sum(len(getattr(self._dataset, split)) for split in splits))
        corners = _corners(self._dataset.image_size, int(genome["crop"]))
        maps, masks = [], []
        for copy in copies:
            for split in splits:
                whole, labels = of(split, copy), _turned(getattr(self._dataset, split).labels, copy)
                for top in corners:
                    for left in corners:
                        rows, columns = (slice(start, start + int(genome["crop"])) for start in (top, left))
                        maps.append(whole[:, _on_grid(rows), _on_grid(columns)])
                        masks.append(labels[:, rows, columns])
        return Squares(maps, np.concatenate(masks), len(copies))

    def on_packed(self, genome: Genome, decoder: keras.Model) -> keras.Model:
        """Returns a genome's decoder on packed maps."""
        num_channels = [one.shape[-1] for one in self.encoder(genome).outputs]
        return packed_maps.on_packed(decoder, levels(genome), num_channels)

    @property
    def _num_train(self) -> int:
        return len(self._dataset.train)

    def _columns(self, genome: Genome) -> slice:
        return packed_maps.columns(levels(genome), encoders.facts(*variant(genome)).channels)


def _extractor(genome: Genome, side: int) -> Genome:
    """Returns what maps depend on, as genes of a frozen backbone that makes features."""
    name, alpha = variant(genome)
    found: dict[str, Any] = {
        "family": "pretrained",
        "backbone": name,
        "pretrained/image_size": side,
        "pretrained/summary": "packed maps",
        f"{name}/cut": encoders.LEVELS[name][-1],
    }
    return found if alpha is None else {**found, f"{name}/alpha": alpha}


def _corners(side: int, crop: int) -> list[int]:
    """Returns where squares begin that cover a line, on the grid.

    Example:
        >>> _corners(160, 64)
        [0, 48, 96]
    """
    num = math.ceil(side / crop)
    return [GRID * round(place * (side - crop) / (max(1, num - 1) * GRID)) for place in range(num)]


def _on_grid(pixels: slice) -> slice:
    return slice(pixels.start // GRID, pixels.stop // GRID)


def _turned(masks: npt.NDArray[np.uint8], copy: Copy) -> npt.NDArray[np.uint8]:
    """Returns the masks of a copy of pictures: other changes than flips leave pixels where they are."""
    kind, value = copy
    if kind != "flip":
        return masks
    rows, columns = FLIPS[str(value)]
    return masks[:, rows, columns]
