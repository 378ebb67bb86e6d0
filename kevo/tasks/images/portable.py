"""A classifier in operations that every converter knows.

kevo's classifiers resize pictures with an antialiased bilinear filter. TensorFlow has one operation for it,
`ScaleAndTranslate`, which neither TFLite nor ONNX's converter knows. The filter is separable and linear: a matrix of
triangles for the rows and one for the columns (Turkowski 1990, "Filters for common resampling tasks", Graphics Gems).
Matrices multiply everywhere, whatever the size of the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops


class Resized(keras.layers.Layer):  # type: ignore[misc]
    """Resizes as `networks.resize`, by two matrix products; pictures of the right size are left alone.

    Args:
        size: Height and width of what comes out, in pixels.
        crop: Whether that is the middle of a picture, or all of it, squashed.
    """

    def __init__(self, size: tuple[int, int], *, crop: bool = False) -> None:
        super().__init__()
        self._size = size
        self._crop = crop

    def call(self, pixels: Any) -> Any:
        if tuple(pixels.shape[1:3]) == self._size:
            return pixels
        batch, height, width, channels = ops.shape(pixels)
        rows, columns = self._size
        flat = ops.reshape(pixels, (batch, height, width * channels))
        used = (_scaled(width, rows / columns), _scaled(height, columns / rows)) if self._crop else (height, width)
        down, across = (triangles(*line) for line in ((height, rows, used[0]), (width, columns, used[1])))
        resized = ops.reshape(ops.matmul(down, flat), (batch, rows, width, channels))
        return ops.matmul(across, resized)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], *self._size, input_shape[3])


def triangles(num_from: Any, num_to: int, num_used: Any = None) -> Any:
    """Returns the matrix, shape (num_to, num_from), that takes a line of pixels to another length.

    Args:
        num_from: Pixels of the line as it is; a tensor where that is known only when pictures come.
        num_to: Pixels that it is to have.
        num_used: Pixels in its middle that it is made of, if the line has so many; `None` for all.
    """
    num_from = ops.cast(num_from, "float32")
    num_used = num_from if num_used is None else ops.minimum(num_from, ops.cast(num_used, "float32"))
    first, scale = ops.floor((num_from - num_used) / 2), num_used / num_to
    centers = (ops.arange(num_to, dtype="float32") + 0.5) * scale
    positions = ops.arange(num_from, dtype="float32") - first + 0.5
    distances = ops.abs(ops.expand_dims(positions, 0) - ops.expand_dims(centers, 1))
    is_used = ops.logical_and(positions > 0, positions < num_used)
    # A triangle is as wide as the pixels that become one, and never narrower than a pixel.
    weights = ops.relu(1.0 - distances / ops.maximum(scale, 1.0)) * ops.cast(is_used, "float32")
    return weights / ops.sum(weights, axis=1, keepdims=True)


def _scaled(length: Any, factor: float) -> Any:
    """Returns a length times a factor, in whole pixels and at least one, as Keras does."""
    return ops.maximum(ops.floor(ops.cast(length, "float32") * factor), 1.0)


def portable(model: keras.Model, *, size: tuple[int, int] | None) -> keras.Model:
    """Puts `Resized` in the place of antialiased resizing; weights are shared.

    Args:
        model: The classifier. One that is not functional stays as it is.
        size: Height and width of the pictures that it is to take; `None` for those that it takes now.

    Returns:
        A model that predicts the same.
    """
    if isinstance(model, keras.Sequential):
        model = _functional(model)
    if not hasattr(model, "operations"):
        return model
    inputs = None
    if size is not None:
        inputs = keras.Input((*size, model.inputs[0].shape[-1]), name=model.inputs[0].name)

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_antialiased(operation):
            return operation(*args, **kwargs)
        return Resized(_size(operation), crop=operation.crop_to_aspect_ratio)(*args)

    # The members of an ensemble are models in the model, and resize too.
    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call, recursive=True
    )


def own_size(model: keras.Model) -> tuple[int, int] | None:
    """Returns the height and width, in pixels, at which a classifier sees pictures.

    Of several networks with sizes of their own it is the largest; `None` where the model does not say.
    """
    _, height, width, _ = model.inputs[0].shape
    if height is not None and width is not None:
        return int(height), int(width)
    return max(_sizes(model), default=None)


def _functional(model: keras.Sequential) -> keras.Model:
    """The same layers as a graph of operations."""
    entry = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype, name=model.inputs[0].name)
    outputs = entry
    for layer in model.layers:
        outputs = layer(outputs)
    return keras.Model(entry, outputs)


def _sizes(model: keras.Model) -> Iterator[tuple[int, int]]:
    for operation in getattr(model, "operations", model.layers):
        if isinstance(operation, keras.Model):
            yield from _sizes(operation)
        elif _resizes(operation):
            yield _size(operation)


def _size(operation: Any) -> tuple[int, int]:
    if isinstance(operation, keras.layers.Resizing):
        return operation.height, operation.width
    return operation.size[0], operation.size[1]


def _resizes(operation: Any) -> bool:
    # Keras makes this class no part of what it promises; its arguments are those of `keras.ops.image.resize`.
    return type(operation).__name__ == "Resize" or isinstance(operation, keras.layers.Resizing)


def _is_antialiased(operation: Any) -> bool:
    return (
        _resizes(operation)
        and operation.antialias
        and operation.interpolation == "bilinear"
        and operation.data_format in (None, "channels_last")
        and not operation.pad_to_aspect_ratio
    )
