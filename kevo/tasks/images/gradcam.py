"""Where a classifier looks: Grad-CAM.

Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization",
doi:10.1109/ICCV.2017.74.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers
from PIL import Image

from kevo.errors import ModelError
from kevo.runs import layout
from kevo.runs.atomic_files import atomic_write_bytes
from kevo.tasks.images.datasets import Limits, loose
from kevo.tasks.images.datasets.pictures import File, decode
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.outputs.located import free_name
from kevo.training.mean_network import num_networks

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
_POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
_COLORS = "inferno"
"""Grows lighter evenly, also for color-blind eyes and in grey."""
_STRONGEST = 0.7
"""How much of the picture the color covers where the evidence is strongest."""
_DRAWN_SIDE = 448
"""The longer side of a picture in a drawing, in pixels."""


class GradCam:
    """Finds which regions of pictures speak for a class, in one network.

    The maps are those of the last layer that has any, not counting pooling at its end: that is where a network still
    knows where something is. A model that takes the mean over a picture and its mirror image is asked about both, and
    one with several heads on one network about all of them.

    Args:
        model: A classifier with one input and one output: raw pixels in, class probabilities out. Networks may lie
            inside of it to any depth.

    Raises:
        ModelError: the model has no convolutions, or is an ensemble of several networks.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        inside = list(_layers_of(model))
        self._ends = [layer for layer in inside if _is_softmax(layer)]
        if len(self._ends) > num_networks(model):
            raise ModelError(
                f"The model is an ensemble of {len(self._ends)} networks, which look at different things: Grad-CAM "
                f"explains one network. Give a single model, such as {layout.MODEL}."
            )
        first = next((place for place, layer in enumerate(inside) if isinstance(layer, _CONVOLUTIONS)), len(inside))
        maps = [layer for layer in inside[first:] if _has_map(layer) and not isinstance(layer, _POOLINGS)]
        if not maps:
            raise ModelError(
                "Grad-CAM needs the feature maps of a convolution, more than one pixel wide, and the model has none. "
                "Give a convolutional network."
            )
        self._last = maps[-1]
        self._is_mirrored = any(type(operation).__name__ == "Flip" for operation in getattr(model, "operations", ()))

    @property
    def layer(self) -> str:
        """The name of the layer with the maps."""
        return str(self._last.name)

    def heat(self, pictures: npt.NDArray[np.uint8], classes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Returns how strongly each region speaks for a class, relative to the strongest of its picture.

        Args:
            pictures: Raw pixels 0-255, shape (n, height, width, 3).
            classes: For each picture the class to ask for, shape (n,).

        Returns:
            Values 0-1 at the size of the feature maps, shape (n, height, width); 0 everywhere for a picture in which
            nothing speaks for the class.
        """
        maps, scores = list[tf.Tensor](), list[tf.Tensor]()
        # Nothing but what follows the maps is remembered, so that memory does not grow with the network's depth.
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def keep(outputs: tf.Tensor) -> None:
                tape.watch(outputs)
                maps.append(outputs)

            with contextlib.ExitStack() as stack:
                stack.enter_context(_overheard(self._last, keep))
                for end in self._ends:
                    # What stands behind, such as a temperature, takes probabilities.
                    stack.enter_context(_overheard(end, scores.append))
                    stack.enter_context(_without_softmax(end))
                outputs = self._model(tf.cast(pictures, tf.float32), training=False)
            asked = tf.add_n(scores) if scores else outputs
            chosen = tf.reduce_sum(tf.gather(asked, classes, axis=1, batch_dims=1))
        if len(maps) != 1 + self._is_mirrored:
            raise ModelError(
                f"The model sends each picture through the layer {self.layer!r} {len(maps)} times, and Grad-CAM does "
                "not know what for. Give a model that looks once, or at a picture and its mirror image."
            )
        views = [_evidence(*pair) for pair in zip(maps, tape.gradient(chosen, maps), strict=True)]
        heat = views[0] + views[1][:, :, ::-1] if self._is_mirrored else views[0]
        strongest = heat.max(axis=(1, 2), keepdims=True)
        relative: npt.NDArray[np.float32] = np.divide(heat, strongest, out=np.zeros_like(heat), where=strongest > 0)
        return relative


def overlay(picture: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32], *, size: tuple[int, int]) -> Image.Image:
    """Draws a picture, and beside it once more under its heat: the lighter, the more a region speaks for the class.

    Args:
        picture: Raw pixels 0-255, shape (height, width, 3).
        heat: Values 0-1, of any size, over the whole picture.
        size: Width and height of the picture in the drawing, in pixels.
    """
    from matplotlib import colormaps

    shown = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    smooth = Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(smooth), 0, 1)[..., np.newaxis]
    colors = 255 * colormaps[_COLORS](strength[..., 0])[..., :3]
    share = _STRONGEST * np.sqrt(strength)
    mixed = (1 - share) * np.asarray(shown) + share * colors
    return Image.fromarray(np.hstack([np.asarray(shown), np.rint(mixed).astype(np.uint8)]))


class Drawer:
    """Draws the evidence for the classes of pictures into a folder.

    Args:
        model: The classifier.
        folder: Where to write; it is made where it is missing. A drawing is named after its picture, and one of the
            same name is replaced.
        crop: Whether the classifier sees the middle squares of pictures.

    Raises:
        ModelError: as for `GradCam`.
    """

    def __init__(self, model: keras.Model, folder: Path, *, crop: bool = False) -> None:
        self._grad_cam = GradCam(model)
        self._folder = folder
        self._crop = crop
        self._names: set[str] = set()

    def draw(self, files: Sequence[File], pictures: Pictures, classes: npt.NDArray[np.integer]) -> list[Path]:
        """Draws pictures of one size, and returns where.

        Args:
            files: The pictures' files.
            pictures: What the classifier sees of them, shape (n, height, width, 3).
            classes: For each picture the class to ask for.

        Raises:
            RunError: a drawing cannot be written.
        """
        return [
            self._draw(file, pixels, heat)
            for file, pixels, heat in zip(files, pictures, self._grad_cam.heat(pictures, classes), strict=True)
        ]

    def _draw(self, file: File, pixels: Pictures, heat: npt.NDArray[np.float32]) -> Path:
        decoded = decode([file], image_size=_DRAWN_SIDE, limits=Limits(), crop=self._crop)
        is_read = decoded.reasons[0] is None
        size = loose.shape_within(file, _DRAWN_SIDE) if is_read and not self._crop else (_DRAWN_SIDE, _DRAWN_SIDE)
        content = io.BytesIO()
        overlay(decoded.pictures[0] if is_read else pixels, heat, size=size).save(content, "png")
        path = self._folder / free_name(Path(file.path).stem, "grad-cam.png", self._names)
        atomic_write_bytes(path, content.getvalue())
        return path


def _evidence(maps: tf.Tensor, gradients: tf.Tensor) -> npt.NDArray[np.float32]:
    """Equations 1 and 2: the channels' sum, weighted by their mean gradients, and of that the positive part."""
    weights = tf.reduce_mean(tf.cast(gradients, tf.float32), axis=(1, 2), keepdims=True)
    evidence: npt.NDArray[np.float32] = tf.nn.relu(tf.reduce_sum(weights * tf.cast(maps, tf.float32), axis=3)).numpy()
    return evidence


def _layers_of(model: keras.Model) -> Iterator[layers.Layer]:
    """Yields the layers in the order in which they work, those of networks inside in place of these."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_of(layer)
        else:
            yield layer


def _has_map(layer: layers.Layer) -> bool:
    shape = getattr(layer.output, "shape", ())
    return len(shape) == 4 and all(side is None or side > 1 for side in shape[1:3])


def _is_softmax(layer: layers.Layer) -> bool:
    return isinstance(layer, layers.Dense) and layer.activation is keras.activations.softmax


@contextlib.contextmanager
def _overheard(layer: layers.Layer, listener: Callable[[tf.Tensor], None]) -> Iterator[None]:
    """Returns a model that also outputs a layer's maps, even if the layer is in a nested model."""
    call = layer.call

    def overheard(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        listener(outputs)
        return outputs

    layer.call = overheard
    try:
        yield
    finally:
        del layer.call


@contextlib.contextmanager
def _without_softmax(layer: layers.Layer) -> Iterator[None]:
    """Has a layer answer with scores in place of probabilities, which have vanishing gradients where it is sure."""
    activation = layer.activation
    layer.activation = keras.activations.linear
    try:
        yield
    finally:
        layer.activation = activation
