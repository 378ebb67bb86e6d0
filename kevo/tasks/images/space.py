"""What may be searched for pictures: for every gene, the values that it may take, and presets of them."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kevo.errors import SettingsError, SpaceError
from kevo.tasks.images import backbones
from kevo.tasks.protocols.task import SearchSettings
from kevo.training.evolution import EVOLUTION


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of an image classifier, the values that it may take; the first is the starting point.

    Sizes are sides of square inputs in pixels. Small pictures of one size that are no squares, such as boards, are seen
    as they are, and then also without pooling (`none`). Augmentation strengths are Keras's factors: rotation as a
    fraction of a full turn, zoom, translation and contrast as fractions of the picture. `mirror` averages predictions
    over a picture and its mirror image. With the optimizer `evolution` weights evolve without gradients, with noise of
    `spreads` on them; with `growing` hidden units join one after the other, see `kevo.training.evolution`. Learning
    rates are (lowest, highest) bounds of a logarithmic range. Change a preset with
    `dataclasses.replace(kevo.PRESETS["small"], filters=(8, 16))`.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """

    families: tuple[str, ...] = ("pretrained", "conv")

    conv_image_sizes: tuple[int, ...] = (64, 8, 16, 24, 32, 48, 96)
    num_blocks: tuple[int, ...] = (3, 1, 2, 4)
    filters: tuple[int, ...] = (32, 16, 64, 128)
    kernel_sizes: tuple[int, ...] = (3, 1, 5, 7)
    convs_per_block: tuple[int, ...] = (1, 2)
    block_poolings: tuple[str, ...] = ("max", "average")
    early_pooling: tuple[bool, ...] = (False, True)
    convolutions: tuple[str, ...] = ("full",)
    squeeze_excite: tuple[bool, ...] = (False,)
    shortcuts: tuple[bool, ...] = (False,)
    drop_paths: tuple[float, ...] = (0.0,)
    block_connections: tuple[bool, ...] = (False,)
    batch_norm: tuple[bool, ...] = (True, False)
    activations: tuple[str, ...] = ("relu", "elu", "gelu", "silu")
    conv_summaries: tuple[str, ...] = ("average", "max", "flatten")
    conv_l2: tuple[float, ...] = (0.0, 1e-5, 1e-4, 1e-3)

    backbones: tuple[str, ...] = tuple(backbones.BACKBONES)
    pretrained_image_sizes: tuple[int, ...] = (224, 96, 128, 160, 192, 256, 288)
    tunings: tuple[str, ...] = ("frozen", "fine_tune")
    fine_tune_blocks: tuple[int, ...] = (1, 2, 3)
    fine_tune_learning_rate: tuple[float, float] = (1e-5, 1e-3)
    pretrained_summaries: tuple[str, ...] = ("average", "max")
    normalize_features: tuple[bool, ...] = (True, False)

    num_dense: tuple[int, ...] = (0, 1, 2)
    dense_units: tuple[int, ...] = (128, 32, 64, 256)
    dropout: tuple[float, ...] = (0.2, 0.0, 0.1, 0.3, 0.4, 0.5)
    head_l2: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1)

    augment: tuple[bool, ...] = (False, True)
    flips: tuple[str, ...] = ("none", "horizontal")
    rotations: tuple[float, ...] = (0.0, 0.03, 0.06, 0.1)
    zooms: tuple[float, ...] = (0.0, 0.1, 0.2)
    translations: tuple[float, ...] = (0.0, 0.05, 0.1)
    contrasts: tuple[float, ...] = (0.0, 0.1, 0.3)
    mirror: tuple[bool, ...] = (False, True)

    optimizers: tuple[str, ...] = ("adam", "adamw", "sgd", "rmsprop")
    learning_rate: tuple[float, float] = (1e-4, 1e-2)
    sgd_learning_rate: tuple[float, float] = (1e-3, 3e-1)
    schedules: tuple[str, ...] = ("cosine", "one_cycle", "constant")
    weight_decay: tuple[float, ...] = (1e-4, 0.0, 1e-5, 1e-3, 1e-2)
    batch_sizes: tuple[int, ...] = (32, 16, 64, 128)
    spreads: tuple[float, ...] = (0.05, 0.02, 0.1)
    growing: tuple[bool, ...] = (False, True)
    label_smoothing: tuple[float, ...] = (0.0, 0.05, 0.1)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            kind = type(cast(tuple[Any, ...], field.default)[0])
            values = getattr(self, field.name)
            if isinstance(values, list | tuple):
                # JSON has lists only, and Keras Tuner takes 0 and 0.5 for two kinds of values.
                values = tuple(float(value) if kind is float and type(value) is int else value for value in values)
                object.__setattr__(self, field.name, values)
            if not isinstance(values, tuple) or not values:
                raise SpaceError(
                    f"The space's `{field.name}` must be a tuple with at least one value. Received: {values!r}."
                )
            for value in values:
                # A bool is an int to Python.
                if type(value) is not kind or (kind is float and not math.isfinite(value)):
                    raise SpaceError(
                        f"The space's `{field.name}` must hold finite values of type {kind.__name__} only. "
                        f"Received: {value!r}."
                    )
            if field.name.endswith("learning_rate") and not (len(values) == 2 and 0 < values[0] <= values[1]):
                raise SpaceError(
                    f"The space's `{field.name}` must be (lowest, highest) with 0 < lowest <= highest. "
                    f"Received: {values!r}."
                )
        for name, words in WORDS.items():
            _check_words(name, getattr(self, name), words)
        for name in self.backbones:
            backbones.get(name)


WORDS = {
    "families": ("conv", "pretrained"),
    "tunings": ("frozen", "fine_tune"),
    "block_poolings": ("max", "average", "stride", "none"),
    "convolutions": ("full", "separable"),
    "conv_summaries": ("average", "max", "flatten"),
    "pretrained_summaries": ("average", "max", "flatten"),
    "flips": ("none", "horizontal", "vertical", "horizontal_and_vertical"),
    "optimizers": ("adam", "adamw", "sgd", "rmsprop", EVOLUTION),
    "schedules": ("constant", "cosine", "one_cycle"),
}


def _check_words(field: str, values: Sequence[str], expected: Sequence[str]) -> None:
    for value in values:
        if value not in expected:
            raise SpaceError(f"The space's `{field}` holds {value!r}. Expected some of: {', '.join(expected)}.")


PRESETS: Mapping[str, Space] = {
    "small": Space(
        num_blocks=(2, 1, 3),
        filters=(16, 32, 64),
        kernel_sizes=(3, 5),
        convs_per_block=(1,),
        block_poolings=("max",),
        early_pooling=(True,),
        activations=("relu",),
        conv_summaries=("average", "flatten"),
        conv_l2=(0.0, 1e-4),
        conv_image_sizes=(48, 8, 16, 24, 32, 64),
        backbones=("mobilenet_v2", "mobilenet_v3_small", "efficientnet_v2_b0"),
        pretrained_image_sizes=(160, 96, 128),
        tunings=("frozen",),
        pretrained_summaries=("average",),
        normalize_features=(True,),
        num_dense=(0, 1),
        dense_units=(64, 128),
        dropout=(0.2, 0.0, 0.4),
        head_l2=(0.0, 1e-4, 1e-2),
        rotations=(0.0, 0.05),
        zooms=(0.0, 0.1),
        translations=(0.0, 0.1),
        contrasts=(0.0,),
        mirror=(False,),
        optimizers=("adam", "sgd"),
        schedules=("cosine", "one_cycle"),
        weight_decay=(0.0, 1e-4),
        batch_sizes=(32, 64),
        label_smoothing=(0.0,),
    ),
    "default": Space(),
    "wide": Space(
        conv_image_sizes=(64, 8, 16, 24, 32, 48, 96, 128, 160, 224),
        num_blocks=(3, 1, 2, 4, 5),
        filters=(32, 8, 16, 48, 64, 96, 128, 192, 256),
        convs_per_block=(1, 2, 3),
        block_poolings=("max", "average", "stride"),
        convolutions=("full", "separable"),
        squeeze_excite=(False, True),
        shortcuts=(False, True),
        drop_paths=(0.0, 0.1, 0.2),
        conv_l2=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
        activations=("relu", "elu", "gelu", "silu", "selu", "tanh"),
        pretrained_image_sizes=(224, 64, 96, 128, 160, 192, 256, 288, 320),
        fine_tune_blocks=(1, 2, 3, 4, 5),
        pretrained_summaries=("average", "max", "flatten"),
        num_dense=(0, 1, 2, 3),
        dense_units=(128, 32, 64, 256, 512, 1024),
        dropout=(0.2, 0.0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7),
        head_l2=(0.0, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1),
        flips=("none", "horizontal", "vertical", "horizontal_and_vertical"),
        rotations=(0.0, 0.03, 0.06, 0.1, 0.25, 0.5),
        zooms=(0.0, 0.1, 0.2, 0.3),
        translations=(0.0, 0.05, 0.1, 0.2),
        contrasts=(0.0, 0.1, 0.3, 0.5),
        learning_rate=(1e-5, 3e-2),
        sgd_learning_rate=(1e-4, 1.0),
        batch_sizes=(32, 8, 16, 64, 128, 256),
        label_smoothing=(0.0, 0.05, 0.1, 0.2),
    ),
    "deepga": Space(
        families=("conv",),
        num_blocks=(3, 2, 4, 5),
        filters=(16, 2, 4, 8, 32),
        kernel_sizes=(3, 2, 4, 5, 6, 7, 8),
        convs_per_block=(1,),
        early_pooling=(False,),
        block_connections=(False, True),
        activations=("relu",),
        conv_summaries=("flatten", "average"),
        conv_l2=(0.0,),
        num_dense=(1, 2, 3, 4),
        dense_units=(64, 4, 8, 16, 32, 128),
    ),
    "evolved": Space(
        families=("pretrained",),
        pretrained_image_sizes=(160, 96, 128, 192, 224),
        tunings=("frozen",),
        pretrained_summaries=("average",),
        normalize_features=(True,),
        num_dense=(0, 1),
        dense_units=(2, 4, 8),
        dropout=(0.0, 0.2),
        head_l2=(0.0, 1e-3, 1e-2),
        optimizers=(EVOLUTION,),
        learning_rate=(3e-3, 1e-1),
        schedules=("cosine",),
        batch_sizes=(64, 32, 128),
        label_smoothing=(0.0,),
    ),
}
"""How wide the search is: `small` for a quick look, `default`, and `wide` for a long night. `deepga`: small networks
whose blocks are connected by a string of bits (Vargas-Hákim et al. 2021, doi:10.1145/3449726.3463133). `evolved`: small
heads on frozen backbones, whose weights evolve without gradients."""


def preset(name: str) -> Space:
    """Returns the preset called `name`.

    Raises:
        SpaceError: there is no such preset.
    """
    if name not in PRESETS:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise SpaceError(f"Unknown space {name!r}.{hint} Expected one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def from_json(value: str | Mapping[str, Any] | object) -> Space:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    if isinstance(value, Space):
        return value
    if isinstance(value, str):
        return preset(value)
    if not isinstance(value, Mapping):
        raise SettingsError(f"`space` must be a preset's name or a Space. Received: {value!r}.")
    return Space(**value)


def of(settings: SearchSettings) -> Space:
    """Returns the space of a search, with the backbones of the named weights, if any.

    Raises:
        SpaceError: the space is none.
        UnknownBackboneError: weights are named for a backbone that is not in the table.
    """
    space = from_json(settings.space)
    return (
        dataclasses.replace(space, backbones=tuple(map(backbones.named, settings.weights)))
        if settings.weights
        else space
    )
