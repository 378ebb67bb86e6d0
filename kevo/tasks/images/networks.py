"""Genome -> `keras.Model`, from stock layers only, so that the saved model loads where kevo is not installed.

A classifier is put together from parts that training handles apart: augmentation (present only while training), a
feature extractor (conv stack, or a frozen backbone with its preprocessing), a head, and at the very end a layer that
resizes pictures of any size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import keras
from keras import Input, Model, layers

from kevo.tasks.images import backbone_networks, backbones, conv_stack
from kevo.tasks.images.conv_stack import regularizer
from kevo.tasks.images.genes import image_size, picture_shape, variant
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.outputs.output import Output
from kevo.training.mean_network import mean_of
from tuners.genome import Genome

_PRETRAINED, _HEAD = "pretrained", "head"
"""A pretrained classifier and its last part, by their names."""
POOLINGS = ("average", "max")
"""What makes one number of each channel of a feature map."""


def conv_network(genome: Genome, *, output: Output) -> keras.Model:
    """Builds the conv stack of a genome of the family `conv`, with random weights.

    Args:
        genome: The genome.
        output: What is asked of each picture.

    Returns:
        A model from pixels 0-255, shape (batch, height, width, 3), to outputs, shape (batch, output.size).
    """
    pixels = Input((*picture_shape(genome), 3), name="pixels")
    x = conv_stack.feature_map(layers.Rescaling(1 / 127.5, offset=-1.0)(pixels), genome)
    x = _summarize(x, str(genome["conv/summary"]))
    return Model(pixels, _head_layers(x, genome, output), name="conv_stack")


def backbone(genome: Genome, *, weights: Weights | None) -> keras.Model:
    """Builds the bare network of a genome of the family `pretrained`, whole, for its size of pictures.

    Args:
        genome: The genome.
        weights: Where the backbone's weights come from. `None` means random ones.
    """
    name, alpha = variant(genome)
    return backbone_networks.load(backbones.get(name), image_size=image_size(genome), alpha=alpha, weights=weights)


def feature_extractor(genome: Genome, *, whole: keras.Model) -> keras.Model:
    """Builds the frozen feature extractor of a genome of the family `pretrained`.

    Args:
        genome: The genome.
        whole: What `backbone` returned for the genome, or for another one of the same backbone, width and size. The
            weights are shared.

    Returns:
        A model from pixels 0-255, shape (batch, size, size, 3), through the backbone's own preprocessing up to its cut
        and the genome's pooling, to features, shape (batch, num_features).
    """
    name = str(genome["backbone"])
    extractor = backbone_networks.build(
        backbones.get(name), image_size=image_size(genome), cut=str(genome[f"{name}/cut"]), whole=whole
    )
    extractor.trainable = False
    return Model(extractor.input, _summarize(extractor.output, str(genome["pretrained/summary"])), name="features")


def all_features(genome: Genome, *, whole: keras.Model) -> keras.Model:
    """Builds the feature extractors of a genome and of all others that differ in cut point and pooling only.

    Args:
        genome: The genome, of the family `pretrained`.
        whole: As for `feature_extractor`.

    Returns:
        A model from pixels 0-255 to the pooled features of all cut points side by side; `feature_columns` says where.
    """
    row = backbones.get(str(genome["backbone"]))
    extractor = backbone_networks.build_for_all_cuts(row, image_size=image_size(genome), whole=whole)
    extractor.trainable = False
    pooled = [_summarize(one, summary) for one in extractor.outputs for summary in POOLINGS]
    return Model(extractor.input, layers.Concatenate()(pooled), name="all_features")


def feature_columns(genome: Genome, *, whole: keras.Model) -> slice:
    """Returns the columns of `all_features` that are a genome's own.

    Args:
        genome: The genome, whose pooling is one of `POOLINGS`.
        whole: As for `feature_extractor`.
    """
    name = str(genome["backbone"])
    start = 0
    for cut, num_channels in backbone_networks.num_channels(backbones.get(name), whole).items():
        for summary in POOLINGS:
            if (cut, summary) == (genome[f"{name}/cut"], genome["pretrained/summary"]):
                return slice(start, start + num_channels)
            start += num_channels
    raise ValueError(f"No column holds the cut {genome[f'{name}/cut']!r} pooled by {genome['pretrained/summary']!r}.")


def head(genome: Genome, *, num_features: int, output: Output) -> keras.Model:
    """Builds the head that stands on a backbone's features.

    Args:
        genome: The genome, of the family `pretrained`.
        num_features: Length of the feature vector.
        output: What is asked of each picture.

    Returns:
        A model from features, shape (batch, num_features), to outputs, shape (batch, output.size).
    """
    features = Input((num_features,), name="features")
    x = features
    if genome["pretrained/normalize_features"]:
        # Features of one network differ in scale by orders of magnitude; a single learning rate fits them only when
        # they are brought to one scale.
        x = layers.BatchNormalization()(x)
    return Model(features, _head_layers(x, genome, output), name=_HEAD)


def _head_layers(x: keras.KerasTensor, genome: Genome, output: Output) -> keras.KerasTensor:
    activation = str(genome.get("conv/activation", "relu"))
    dropout = float(genome["head/dropout"])
    for _ in range(int(genome["head/num_dense"])):
        x = layers.Dense(int(genome["head/units"]), kernel_regularizer=regularizer(float(genome["head/l2"])))(x)
        x = layers.Activation(activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    if dropout and not genome["head/num_dense"]:
        x = layers.Dropout(dropout)(x)
    return output.finish(x, regularizer=regularizer(float(genome["head/l2"])))


def _summarize(x: keras.KerasTensor, summary: str) -> keras.KerasTensor:
    table = {
        "average": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }
    return table[summary]()(x)


def join(extractor: keras.Model, classifier: keras.Model) -> keras.Model:
    """Puts a head on a feature extractor; both keep their weights and share them with the result."""
    return Model(extractor.input, classifier(extractor.output), name=_PRETRAINED)


def mean_of_heads(classifiers: Sequence[keras.Model]) -> keras.Model:
    """Returns classifiers that `join` made on the same extractor as one, which averages what their heads answer."""
    first = classifiers[0]
    mean = mean_of([one.get_layer(_HEAD) for one in classifiers])
    # The head is the last layer.
    return Model(first.input, mean(first.layers[-2].output), name=_PRETRAINED)


def augmentation(genome: Genome, *, seed: int) -> keras.Sequential | None:
    """Builds the genome's random picture changes, for training only.

    Args:
        genome: The genome.
        seed: Seed of the random changes.

    Returns:
        A model from pixels 0-255 to changed pixels 0-255, or `None` for a genome that changes nothing.
    """
    if not genome["augment"]:
        return None
    changes: list[layers.Layer] = []
    if genome["augment/flip"] != "none":
        changes.append(layers.RandomFlip(str(genome["augment/flip"]), seed=seed))
    rotation, zoom, translation, contrast = (
        float(genome[f"augment/{gene}"]) for gene in ("rotation", "zoom", "translation", "contrast")
    )
    if rotation:
        changes.append(layers.RandomRotation(rotation, fill_mode="nearest", seed=seed + 1))
    if zoom:
        changes.append(layers.RandomZoom(zoom, fill_mode="nearest", seed=seed + 2))
    if translation:
        changes.append(layers.RandomTranslation(translation, translation, fill_mode="nearest", seed=seed + 3))
    if contrast:
        changes.append(layers.RandomContrast(contrast, value_range=(0, 255), seed=seed + 4))
    return keras.Sequential(changes, name="augmentation") if changes else None


def augmented(network: keras.Model, changes: keras.Sequential | None) -> keras.Model:
    """Puts augmentation before a network for training; weights are shared, and inference skips the changes."""
    if changes is None:
        return network
    pixels = Input(network.input.shape[1:], name="pixels")
    return Model(pixels, network(changes(pixels)), name="training")


def deployable(network: keras.Model, *, mirror: bool = False, crop: bool = False) -> keras.Model:
    """Wraps a trained network so that it takes pictures as they come.

    Args:
        network: A model from pixels 0-255 of one size to class probabilities.
        mirror: Whether the probabilities are the mean over a picture and its mirror image.
        crop: Whether it looks at the middle square of each picture, or at all of it, squashed.

    Returns:
        A model from raw pixels 0-255, shape (batch, any height, any width, 3), to class probabilities. Its resizing is
        antialiased and bilinear, as it was when the training pictures were decoded.
    """
    _, height, width, _ = network.input.shape
    pixels = Input((None, None, 3), name="pixels")
    views = _views(resize(pixels, (height, width), crop=crop), mirror=mirror)
    return Model(pixels, _mean([network(view) for view in views]), name="kevo_classifier")


def _views(pixels: keras.KerasTensor, *, mirror: bool) -> list[keras.KerasTensor]:
    return [pixels, keras.ops.flip(pixels, axis=2)] if mirror else [pixels]


def _mean(outputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    return outputs[0] if len(outputs) == 1 else layers.Average()(outputs)


class Member(NamedTuple):
    """A classifier in an ensemble, as `deployable` makes it.

    Args:
        model: The classifier.
        weight: Its share of the mean.
        extractor: The key of its frozen feature extractor: members with the same key share it. `None` for one that
            shares nothing.
        mirror: As it was for `deployable`.
        crop: As it was for `deployable`.
    """

    model: Model
    weight: float
    extractor: Hashable = None
    mirror: bool = False
    crop: bool = False


def weighted_mean(members: Sequence[Member]) -> keras.Model:
    """Puts classifiers together, from stock layers only; they share their weights with the result.

    Args:
        members: The classifiers. Their weights sum to 1.

    Returns:
        A model from raw pixels 0-255, shape (batch, any height, any width, 3), to the weighted mean of the members'
        class probabilities. Pictures pass once through an extractor that several members share.
    """
    pixels = Input((None, None, 3), name="pixels")
    outputs = []
    extractors: dict[Hashable, keras.Model] = {}
    features: dict[Hashable, list[keras.KerasTensor]] = defaultdict(list)
    for number, member in enumerate(members, start=1):
        network, inputs = member.model, [pixels]
        if member.extractor is not None:
            parts = member.model.get_layer(_PRETRAINED)
            network = parts.get_layer(_HEAD)
            if member.extractor not in extractors:
                # The head is the last layer: all before it is what they share.
                extractors[member.extractor] = Model(parts.input, parts.layers[-2].output, name=f"features_{number}")
            _, height, width, _ = parts.input.shape
            views = _views(resize(pixels, (height, width), crop=member.crop), mirror=member.mirror)
            inputs = features[member.extractor]
            inputs += [extractors[member.extractor](view) for view in views[len(inputs) :]]
            inputs = inputs[: len(views)]
        named = _named(network, f"member_{number}")
        mean = _mean([named(one) for one in inputs])
        outputs.append(layers.Rescaling(member.weight, name=f"weight_{number}")(mean))
    return Model(pixels, layers.Add(name="weighted_mean")(outputs), name="kevo_ensemble")


def _named(network: keras.Model, name: str) -> keras.Model:
    """Gives a model a name of its own: all members have the same, and no two layers of a model may."""
    return Model(network.input, network.output, name=name)


def resize(pixels: Any, size: tuple[int, int], *, crop: bool = False) -> Any:
    """Resizes pictures, shape (batch, height, width, 3), to (batch, *size, 3), bilinearly and antialiased.

    They are squashed; with `crop` what is too long or too wide is cut off on both sides first.

    The operation and not the layer `Resizing`: that one takes itself to be in training unless told otherwise, and Keras
    3.15 hands this on to every layer behind it, so that batch norm would learn from whatever is predicted.
    """
    return keras.ops.image.resize(pixels, size, interpolation="bilinear", antialias=True, crop_to_aspect_ratio=crop)
