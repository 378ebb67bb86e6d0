"""All maps of an encoder as one array, which can be cut anywhere on its grid.

A map whose sides are half of a picture's has four times as many places as one with a quarter of them. Here the places
that belong to one place of the lowest map stand there side by side, as channels; so do the picture's own pixels. A
square of such an array is the same square of all maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import Input, Model, layers

from kevo.tasks.masks.encoders import GRID, NUM_LEVELS


class _Packing(layers.Layer):  # type: ignore[misc]
    """Puts the places of a square side by side; the inverse puts them back.

    Args:
        side: Side of the square; 1 leaves maps as they are.
        is_inverse: Whether squares are put back.
    """

    def __init__(self, side: int, *, is_inverse: bool = False) -> None:
        super().__init__(trainable=False)
        self._side = side
        self._move = tf.nn.depth_to_space if is_inverse else tf.nn.space_to_depth

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        """Returns maps of the same numbers in another shape."""
        return maps if self._side == 1 else self._move(maps, self._side)


def packing(encoder: keras.Model) -> keras.Model:
    """Returns the pass of pictures whose maps are kept.

    Args:
        encoder: What `encoders.build` returned.

    Returns:
        A model from pixels 0-255, shape (n, height, width, 3), to pixels and maps, shape (n, height / 16, width / 16,
        any). It cannot be saved.
    """
    maps = [encoder.input, *encoder.outputs]
    packed = [_Packing(_side(level))(one) for level, one in enumerate(maps)]
    return Model(encoder.input, layers.Concatenate()(packed), name="packing")


def columns(levels: Sequence[int], num_channels: Sequence[int]) -> slice:
    """Returns where levels stand among the channels of packed maps.

    Args:
        levels: Levels that follow on each other; 0 are the pixels.
        num_channels: Channels of the maps of levels 1 to 4.
    """
    widths = _widths(num_channels)
    return slice(sum(widths[: levels[0]]), sum(widths[: levels[-1] + 1]))


def on_packed(decoder: keras.Model, levels: Sequence[int], num_channels: Sequence[int]) -> keras.Model:
    """Puts a model of maps on packed ones; both share their weights. The result cannot be saved.

    Args:
        decoder: A model from the maps of the levels to any output.
        levels: Those levels, which follow on each other.
        num_channels: Channels of the maps of levels 1 to 4.
    """
    widths = [_widths(num_channels)[level] for level in levels]
    packed = Input((None, None, sum(widths)), name="maps")
    starts = [sum(widths[:place]) for place in range(len(levels))]
    maps = [
        _Packing(_side(level), is_inverse=True)(packed[..., start : start + width])
        for level, start, width in zip(levels, starts, widths, strict=True)
    ]
    return Model(packed, decoder(maps if len(maps) > 1 else maps[0]), name="on_packed_maps")


def _side(level: int) -> int:
    return int(GRID // 2**level)


def _widths(num_channels: Sequence[int]) -> list[int]:
    """Returns how many channels each level has where it is packed."""
    return [num * _side(level) ** 2 for level, num in zip(range(NUM_LEVELS + 1), (3, *num_channels), strict=True)]
