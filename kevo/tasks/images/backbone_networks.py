"""How a row of the pretrained table becomes a network: whole, cut at a layer, and divided for fine-tuning."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kevo.errors import SpaceError
from kevo.tasks.images.backbones import Backbone, Preprocessing

if TYPE_CHECKING:
    import keras

# Of the ImageNet training pictures, in red, green, blue. The two conventions round differently.
_CAFFE_MEAN = (123.68, 116.779, 103.939)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_STD = (0.229, 0.224, 0.225)
_PREPROCESS = "preprocess"
"""The layer that hands pictures over to the network."""


class LoadableWeights(Protocol):
    """Weights of one backbone in one width; see `pretrained_weights.Weights`."""

    @property
    def alpha(self) -> float | None:
        """Width multiplier that they fit; `None` where the backbone comes in one width only."""

    def load_into(self, network: keras.Model, *, backbone: str, alpha: float | None) -> None:
        """Loads them into what `network` built."""


def network(
    backbone: Backbone, *, image_size: int | None = None, alpha: float | None = None, is_any_size: bool = False
) -> keras.Model:
    """Builds the bare network as `keras.applications` does: whole, with random weights and without the classifier.

    Args:
        backbone: The row.
        image_size: Pixels of the square input, at least the row's `min_size`, which is the default.
        alpha: Width multiplier. `None` means 1 where the backbone has widths.
        is_any_size: Whether it takes inputs of any size instead.

    Returns:
        The network, which still expects its pixels as the builder does.

    Raises:
        SpaceError: The backbone has no such width.
    """
    size = None if is_any_size else image_size or backbone.min_size
    if alpha is not None and alpha not in backbone.alphas:
        widths = ", ".join(f"{width:g}" for width in backbone.alphas) or "none, since it comes in one width only"
        raise SpaceError(f"Received alpha {alpha:g} for {backbone.name}. Expected one of: {widths}.")
    options = {"alpha": 1.0 if alpha is None else alpha} if backbone.alphas else {}
    module, _, function = backbone.builder.partition(":")
    build_network = getattr(importlib.import_module(module), function)
    built: keras.Model = build_network(include_top=False, weights=None, input_shape=(size, size, 3), **options)
    return built


def build(
    backbone: Backbone,
    *,
    image_size: int,
    cut: str | None = None,
    alpha: float | None = None,
    weights: LoadableWeights | None = None,
    whole: keras.Model | None = None,
) -> keras.Model:
    """Builds a feature extractor: upsampling where needed, preprocessing, and the network up to its cut.

    All layers are trainable, as Keras makes them; `unfreeze` chooses.

    Args:
        backbone: The row.
        image_size: Pixels of the square input.
        cut: One of the row's cut points. `None` means the whole network.
        alpha: Width multiplier. `None` means that of the weights, else 1 where the backbone has widths.
        weights: Where the weights come from. `None` means random ones.
        whole: What `load` returned for the same row, size, width and weights, to share its weights.

    Returns:
        A model from pixels 0-255, shape (batch, image_size, image_size, 3), to the feature map at the cut. The network
        itself is one layer of the model and carries the backbone's name.

    Raises:
        SpaceError: The backbone has no such cut point or width.
        WeightsError: The weights belong to another backbone or width, cannot be had, or do not fit.

    Example:
        >>> from kevo.tasks.images.backbones import get
        >>> build(get("mobilenet_v2"), image_size=96, cut="block_13_expand_relu", alpha=0.35).output.shape
        (None, 6, 6, 192)
    """
    import keras

    cut = backbone.cut_points[-1] if cut is None else cut
    if cut not in backbone.cut_points:
        raise SpaceError(
            f"Received cut point {cut!r} for {backbone.name}. Expected one of: {', '.join(backbone.cut_points)}."
        )
    whole = whole or load(backbone, image_size=image_size, alpha=alpha, weights=weights)
    pixels, x = _endpoint(backbone, image_size)
    return keras.Model(pixels, truncated(backbone, whole, cut=cut)(x), name=f"{backbone.name}_features")


def build_for_all_cuts(backbone: Backbone, *, image_size: int, whole: keras.Model) -> keras.Model:
    """Builds the feature extractors of all cut points as one model: its outputs are their maps, in the row's order.

    Args:
        backbone: The row.
        image_size: Pixels of the square input.
        whole: What `load` returned for that row and size, to share its weights.
    """
    import keras

    pixels, x = _endpoint(backbone, image_size)
    ends = [_end_of(whole, backbone, cut).output for cut in backbone.cut_points]
    maps = keras.Model(start_of(whole, backbone), ends)(x)
    return keras.Model(pixels, maps, name=f"{backbone.name}_cuts")


def load(
    backbone: Backbone,
    *,
    image_size: int | None,
    alpha: float | None = None,
    weights: LoadableWeights | None = None,
) -> keras.Model:
    """Builds the bare network, as `network` does, for pictures of a size, and loads its weights.

    Args:
        backbone: The row.
        image_size: Pixels of the square input. Smaller ones than the row's `min_size` are going to be upsampled. `None`
            takes inputs of any size.
        alpha: Width multiplier. `None` means that of the weights, else 1 where the backbone has widths.
        weights: Where the weights come from. `None` means random ones.

    Raises:
        SpaceError: The backbone has no such width.
        WeightsError: The weights belong to another backbone or width, cannot be had, or do not fit.
    """
    if alpha is None and weights is not None:
        alpha = weights.alpha
    size = None if image_size is None else max(image_size, backbone.min_size)
    whole = network(backbone, image_size=size, alpha=alpha, is_any_size=size is None)
    if weights is not None:
        weights.load_into(whole, backbone=backbone.name, alpha=alpha)
    return whole


def _endpoint(backbone: Backbone, image_size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input of pixels 0-255, and the same pixels after preprocessing."""
    import keras

    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = pixels
    if (size := max(image_size, backbone.min_size)) != image_size:
        # Not the layer `Resizing`: called on its own, it sets every layer behind it to training.
        x = keras.ops.image.resize(x, (size, size), interpolation="bilinear")
    return pixels, preprocessed(x, backbone.preprocess)


def truncated(backbone: Backbone, whole: keras.Model, *, cut: str) -> keras.Model:
    """Returns the part of a network between the builder's preprocessing and a cut; it shares its weights.

    Args:
        backbone: The row.
        whole: What `network` returned for that row.
        cut: One of the row's cut points.
    """
    import keras

    return keras.Model(start_of(whole, backbone), _end_of(whole, backbone, cut).output, name=backbone.name)


def num_channels(backbone: Backbone, whole: keras.Model) -> dict[str, int]:
    """Returns how many channels a network's feature map has at each of the row's cut points."""
    return {cut: int(_end_of(whole, backbone, cut).output.shape[-1]) for cut in backbone.cut_points}


def unfreeze(model: keras.Model, backbone: Backbone, *, cut: str, num_blocks: int) -> None:
    """Makes the last blocks below the cut trainable and freezes everything below them.

    A block reaches from behind one cut point up to the next and bears the latter's name; the first begins at the
    pixels. Batch normalization stays frozen throughout the network: its statistics come from many more pictures than
    fine-tuning has. Layers of the model outside the network become trainable.

    Args:
        model: What `build` returned, or a model that contains it.
        backbone: The row that it was built from.
        cut: The cut point that it was built with.
        num_blocks: How many blocks become trainable. 0 freezes the whole network; more than there are, all of it.

    Raises:
        ValueError: The model does not contain the backbone's network, or the number is negative.
    """
    import keras

    if num_blocks < 0:
        raise ValueError(f"Received num_blocks={num_blocks}. Expected 0 (all frozen) or more.")
    inner = _find(model, backbone.name)
    if inner is None:
        raise ValueError(f"Model {model.name!r} does not contain {backbone.name}. Give a model built from that row.")
    below = backbone.cut_points[: max(backbone.cut_points.index(cut) + 1 - num_blocks, 0)]
    first = inner.layers.index(_end_of(inner, backbone, below[-1])) + 1 if below else 0
    # Children of a frozen model stay frozen whatever they say themselves, so every model on the way is unfrozen first.
    model.trainable = True
    for index, layer in enumerate(inner.layers):
        layer.trainable = index >= first and not isinstance(layer, keras.layers.BatchNormalization)


class Parts(NamedTuple):
    """A feature extractor in two parts: the frozen one up to a cut point, and the trained blocks above it."""

    frozen: keras.Model
    trained: keras.Model


def split(model: keras.Model, backbone: Backbone, *, whole: keras.Model, cut: str, num_blocks: int) -> Parts | None:
    """Splits a feature extractor below its last blocks, as `unfreeze` counts them; the parts share its weights.

    Args:
        model: What `build` returned, perhaps with last layers that pool its feature map.
        backbone: The row that it was built from.
        whole: The network that it was built from.
        cut: The cut point that it was built with.
        num_blocks: How many blocks are to be trained.

    Returns:
        The parts; `None` where nothing stays frozen, or where the backbone is no chain.
    """
    import keras

    index = backbone.cut_points.index(cut) - num_blocks
    if index < 0 or not backbone.is_chain:
        return None
    end = _end_of(whole, backbone, backbone.cut_points[index]).output
    pixels, x = _endpoint(backbone, model.input.shape[1])
    frozen = keras.Model(pixels, keras.Model(start_of(whole, backbone), end)(x))
    maps = keras.Input(end.shape[1:], name="maps")
    x = keras.Model(end, _end_of(whole, backbone, cut).output)(maps)
    names = [layer.name for layer in model.layers]
    for layer in model.layers[names.index(backbone.name) + 1 :]:
        x = layer(x)
    return Parts(frozen, keras.Model(maps, x))


def start_of(whole: keras.Model, backbone: Backbone) -> keras.KerasTensor:
    """Returns the input range of a network, behind the builder's own preprocessing."""
    return whole.input if backbone.stem is None else whole.get_layer(backbone.stem).input


def _end_of(body: keras.Model, backbone: Backbone, cut: str) -> keras.layers.Layer:
    """Returns the layer at a cut; the last cut point is the end of the network, whatever Keras called it."""
    return body.layers[-1] if cut == backbone.cut_points[-1] else body.get_layer(cut)


def _find(model: keras.Model, name: str) -> keras.Model | None:
    import keras

    if model.name == name:
        return model
    inner = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return next((found for layer in inner if (found := _find(layer, name)) is not None), None)


def preprocessed(pixels: keras.KerasTensor, mode: Preprocessing) -> keras.KerasTensor:
    """Returns pixels 0-255, shape (batch, height, width, 3), as the weights of a backbone expect them."""
    from keras import layers

    if mode == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, name=_PREPROCESS)(pixels)
    if mode == "torch":
        scale = [1 / (255 * std) for std in _TORCH_STD]
        offset = [-mean / std for mean, std in zip(_TORCH_MEAN, _TORCH_STD, strict=True)]
        return layers.Rescaling(scale, offset=offset, name=_PREPROCESS)(pixels)
    # Told that channels come first, Cropping2D takes its piece out of the last axis: here, one color. A 1x1 convolution
    # would swap colors too, but has weights to keep frozen, and GPUs round its inputs to 10 bits (TF32).
    blue, green, red = (
        layers.Cropping2D(((0, 0), (color, 2 - color)), data_format="channels_first", name=name)(pixels)
        for color, name in ((2, "blue"), (1, "green"), (0, "red"))
    )
    swapped = layers.Concatenate(name="blue_green_red")([blue, green, red])
    return layers.Rescaling(1.0, offset=[-mean for mean in reversed(_CAFFE_MEAN)], name=_PREPROCESS)(swapped)
