"""The genes of an image classifier, declared on `HyperParameters` without building a model.

A `Space` is plain data: for every gene, the values that it may take. The first value of each is the one the search
starts from. `declare` turns it into Keras Tuner hyperparameters with their conditions, so that a conv stack carries no
backbone genes and a frozen backbone no fine-tuning genes.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from kevo.errors import SettingsError, SpaceError
from kevo.tasks.images import backbones
from kevo.tasks.task import SearchSettings
from tuners.genome import Genome

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_LEAST_OF_DEFAULT = 0.7
"""Pictures that are smaller than so much of the default size show a backbone too little to begin with."""
_LINEAR_L2 = 0.03
"""How strongly the linear heads are regularized that a search begins with."""
_REFERENCE_SIZE = 32
"""Side of the pictures that the reference network sees, in pixels, if they are not smaller."""
_RECIPE_SIZE = 64
"""The same for the strong one."""
_RECIPE_RATE = 4e-3
"""The highest learning rate of the strong one, for batches of 128."""


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of an image classifier, the values that it may take; the first is the starting point.

    Sizes are sides of square inputs in pixels. Augmentation strengths are Keras's factors: rotation as a fraction of a
    full turn, zoom, translation and contrast as fractions of the picture. `mirror` averages predictions over a picture
    and its mirror image. Learning rates are (lowest, highest) bounds of a logarithmic range. Change a preset with
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
        for name in ("families", "tunings", "block_poolings", "conv_summaries", "pretrained_summaries", "flips"):
            _check_words(name, getattr(self, name), _WORDS[name])
        for name in ("optimizers", "schedules"):
            _check_words(name, getattr(self, name), _WORDS[name])
        for name in self.backbones:
            backbones.get(name)


_WORDS = {
    "families": ("conv", "pretrained"),
    "tunings": ("frozen", "fine_tune"),
    "block_poolings": ("max", "average", "stride"),
    "conv_summaries": ("average", "max", "flatten"),
    "pretrained_summaries": ("average", "max", "flatten"),
    "flips": ("none", "horizontal", "vertical", "horizontal_and_vertical"),
    "optimizers": ("adam", "adamw", "sgd", "rmsprop"),
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
}
"""How wide the search is: `small` for a quick look, `default`, and `wide` for a long night."""


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
    return dataclasses.replace(space, backbones=tuple(settings.weights)) if settings.weights else space


def declare(
    space: Space,
    *,
    image_size: int,
    num_pictures: int,
    alphas: Mapping[str, Sequence[float | None]],
) -> HyperParameters:
    """Declares the genes of `space` that make sense for a data set.

    Args:
        space: The values that each gene may take.
        image_size: Side of the stored pictures, in pixels. Conv stacks are not offered larger inputs than that, since
            upsampling teaches them nothing; backbones are, since they were trained on larger pictures.
        num_pictures: Number of training pictures. Batches larger than a quarter of them are left out.
        alphas: The usable backbones, each with the width multipliers for which there are weights, or `(None,)` for a
            backbone without the notion. A backbone of the space that is missing here is left out.

    Returns:
        Keras Tuner hyperparameters with the gene `family` on top.

    Raises:
        SpaceError: no family is left.

    Example:
        >>> hp = declare(preset("small"), image_size=32, num_pictures=1000, alphas={})
        >>> hp.get("family")
        'conv'
    """
    from keras_tuner import HyperParameters

    usable = {name: tuple(alphas[name]) for name in space.backbones if alphas.get(name)}
    families = [family for family in space.families if family == "conv" or usable]
    if not families:
        raise SpaceError(
            "Nothing is left to search: the space holds pretrained backbones only, and none has usable weights. "
            "Give weights (`--weights NAME=PATH`), or add the family 'conv' to the space."
        )
    hp = HyperParameters()
    _choice(hp, "family", families)
    if "conv" in families:
        with hp.conditional_scope("family", ["conv"]):
            _declare_conv(hp, space, image_size)
    if "pretrained" in families:
        with hp.conditional_scope("family", ["pretrained"]):
            _declare_pretrained(hp, space, usable)
    _declare_head(hp, space)
    _declare_augmentation(hp, space)
    _declare_training(hp, space, num_pictures)
    return hp


def seeds(space: Space, *, image_size: int, leading: Sequence[Genome] = ({},)) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    For each family in its order. Backbones: the first on pictures of several sizes, the cheapest first, so that there
    is something good soon and something better later, the larger ones also mirrored; then the others, and the first one
    fine-tuned. Their heads are linear and strongly regularized, as a linear probe's are (Kornblith et al. 2019,
    arXiv:1805.08974). Conv stacks: `recipe`, the same without augmentation, a small one that trains in seconds, and the
    default. Whoever completes them takes defaults for what `declare` left out, so that some may coincide.

    Args:
        space: The values that each gene may take.
        image_size: Side of the stored pictures, in pixels.
        leading: Genes of the backbones to begin with, the most promising first. By default that of the defaults; none
            where there is no backbone.

    Example:
        >>> [(one["pretrained/image_size"], "mirror" in one) for one in seeds(preset("default"), image_size=224)[:4]]
        [(160, False), (224, False), (224, True), (288, True)]
    """
    reference: Genome = {
        "family": "conv",
        "conv/image_size": max(_sizes_up_to(space.conv_image_sizes, min(image_size, _REFERENCE_SIZE))),
        "conv/num_blocks": 2,
        "conv/block_1/filters": 16,
        "conv/block_2/filters": 32,
        "conv/pooling": "average",
    }
    strong = recipe(space, image_size=image_size)
    least = _LEAST_OF_DEFAULT * space.pretrained_image_sizes[0]
    default = space.pretrained_image_sizes[0]
    sizes = [size for size in sorted(space.pretrained_image_sizes, reverse=True) if size >= least][::2]
    linear: Genome = {
        "family": "pretrained",
        "head/num_dense": 0,
        "head/l2": min(space.head_l2, key=lambda strength: abs(strength - _LINEAR_L2)),
    }
    both_sides: Genome = {"augment": True, "augment/flip": "horizontal", "mirror": True}
    # What is small is to be there soon; what is expensive is not done by halves.
    steps: list[tuple[int, Genome]] = [(size, {}) for size in reversed(sizes) if size <= default]
    steps += [(size, both_sides) for size in reversed(sizes) if size >= default]
    ladder = [
        {**linear, "pretrained/image_size": size, **sides, **genes} for genes in leading[:1] for size, sides in steps
    ]
    is_tuned = {"frozen", "fine_tune"} <= set(space.tunings)
    tuned = [{**last, "pretrained/tuning": "fine_tune"} for last in ladder[-1:] if is_tuned]
    by_family: dict[str, list[Genome]] = {
        "pretrained": [
            *ladder,
            *({**linear, **genes} for genes in leading[1:]),
            *tuned,
        ],
        "conv": [strong, {**strong, "augment": False, "mirror": False}, reference, {"family": "conv"}],
    }
    return [genome for family in space.families for genome in by_family[family]]


def recipe(space: Space, *, image_size: int) -> Genome:
    """Returns the conv stack that a search has to beat: what is known to train well in little time.

    Twice as many channels after each pooling, from 32 on, and in each block a convolution before the pooling and one
    after it, which costs half of two before it (Simonyan and Zisserman 2015, arXiv:1409.1556); batch norm; a learning
    rate that rises and falls once; pictures that are turned over by chance.
    Where the space lacks a value, it is the nearest one.

    Args:
        space: The values that each gene may take.
        image_size: Side of the stored pictures, in pixels.
    """
    size = max(_sizes_up_to(space.conv_image_sizes, min(image_size, _RECIPE_SIZE)))
    num_blocks = _nearest(space.num_blocks, 3 if size <= _REFERENCE_SIZE else 4)
    blocks: dict[str, str | int | float | bool] = {}
    for block in range(1, num_blocks + 1):
        blocks |= {
            f"conv/block_{block}/filters": _nearest(space.filters, min(16 * 2**block, 128)),
            f"conv/block_{block}/kernel_size": _nearest(space.kernel_sizes, 3),
            f"conv/block_{block}/num_convs": _nearest(space.convs_per_block, 2),
        }
    rate = min(max(_RECIPE_RATE, space.learning_rate[0]), space.learning_rate[1])
    return {
        "family": "conv",
        "conv/image_size": size,
        "conv/num_blocks": num_blocks,
        **blocks,
        "conv/pooling": "max",
        "conv/early_pooling": True,
        "conv/batch_norm": True,
        "conv/activation": "relu",
        "conv/summary": "average",
        "head/num_dense": min(space.num_dense),
        "head/dropout": min(space.dropout),
        "augment": True,
        "augment/flip": "horizontal",
        **{f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")},
        "mirror": True,
        "optimizer": "adam",
        "learning_rate": rate,
        "schedule": "one_cycle",
        "batch_size": _nearest(space.batch_sizes, 128),
    }


def fine_tuned(genome: Genome, space: Space) -> list[Genome]:
    """Returns genomes like another one, but with their last blocks fine-tuned in the middle of the range of rates.

    Args:
        genome: The genome.
        space: What may be searched.

    Returns:
        The genomes, the most blocks first; none where no frozen backbone is to be fine-tuned.
    """
    if genome.get("pretrained/tuning") != "frozen" or "fine_tune" not in space.tunings:
        return []
    rate = _middle(*space.fine_tune_learning_rate)
    return [
        {
            **genome,
            "pretrained/tuning": "fine_tune",
            "fine_tune/num_blocks": num_blocks,
            "fine_tune/learning_rate": rate,
        }
        for num_blocks in sorted(space.fine_tune_blocks, reverse=True)
    ]


def _nearest(values: Sequence[int], wanted: int) -> int:
    return min(values, key=lambda value: abs(value - wanted))


def on_smaller_pictures(genome: Genome, hyperparameters: HyperParameters) -> list[Genome]:
    """Returns genomes like another one, on smaller pictures, the largest first.

    Args:
        genome: The genome.
        hyperparameters: What `declare` returned.
    """
    gene = f"{genome['family']}/image_size"
    sizes = {size for one in hyperparameters.space if one.name == gene for size in getattr(one, "values", ())}
    return [{**genome, gene: size} for size in sorted(sizes, reverse=True) if size < genome[gene]]


def _choice(hp: HyperParameters, name: str, values: Sequence[Any]) -> None:
    """Declares a gene; a single value is fixed, so that it never counts as a thing to vary."""
    if len(values) == 1:
        hp.Fixed(name, values[0])
    elif set(map(type, values)) == {bool}:
        hp.Boolean(name, default=values[0])
    elif isinstance(values[0], str):
        hp.Choice(name, list(values), default=values[0])
    else:
        hp.Choice(name, sorted(values), default=values[0])


def _declare_conv(hp: HyperParameters, space: Space, image_size: int) -> None:
    _choice(hp, "conv/image_size", _sizes_up_to(space.conv_image_sizes, image_size))
    # A kernel wider than half the picture sees little but padding, and costs the most of all.
    kernel_sizes = [size for size in space.kernel_sizes if 2 * size <= image_size] or [min(space.kernel_sizes)]
    _choice(hp, "conv/num_blocks", space.num_blocks)
    for block in range(1, max(space.num_blocks) + 1):
        with hp.conditional_scope("conv/num_blocks", [n for n in sorted(space.num_blocks) if n >= block]):
            _choice(hp, f"conv/block_{block}/filters", space.filters)
            _choice(hp, f"conv/block_{block}/kernel_size", kernel_sizes)
            _choice(hp, f"conv/block_{block}/num_convs", space.convs_per_block)
    _choice(hp, "conv/pooling", space.block_poolings)
    _choice(hp, "conv/early_pooling", space.early_pooling)
    _choice(hp, "conv/batch_norm", space.batch_norm)
    _choice(hp, "conv/activation", space.activations)
    _choice(hp, "conv/summary", space.conv_summaries)
    _choice(hp, "conv/l2", space.conv_l2)


def _declare_pretrained(hp: HyperParameters, space: Space, usable: Mapping[str, Sequence[float | None]]) -> None:
    _choice(hp, "backbone", list(usable))
    for name, alphas in usable.items():
        row = backbones.get(name)
        with hp.conditional_scope("backbone", [name]):
            # The deepest cut is the whole network: the place to start from.
            _choice(hp, f"{name}/cut", row.cut_points[::-1])
            widths = [alpha for alpha in alphas if alpha is not None]
            if widths:
                _choice(hp, f"{name}/alpha", widths)
    _choice(hp, "pretrained/image_size", space.pretrained_image_sizes)
    _choice(hp, "pretrained/summary", space.pretrained_summaries)
    _choice(hp, "pretrained/normalize_features", space.normalize_features)
    _choice(hp, "pretrained/tuning", space.tunings)
    if "fine_tune" in space.tunings:
        with hp.conditional_scope("pretrained/tuning", ["fine_tune"]):
            _choice(hp, "fine_tune/num_blocks", space.fine_tune_blocks)
            _rate(hp, "fine_tune/learning_rate", space.fine_tune_learning_rate)


def _declare_head(hp: HyperParameters, space: Space) -> None:
    _choice(hp, "head/num_dense", space.num_dense)
    if max(space.num_dense) > 0:
        with hp.conditional_scope("head/num_dense", [n for n in sorted(space.num_dense) if n > 0]):
            _choice(hp, "head/units", space.dense_units)
    _choice(hp, "head/dropout", space.dropout)
    _choice(hp, "head/l2", space.head_l2)


def _declare_augmentation(hp: HyperParameters, space: Space) -> None:
    _choice(hp, "augment", space.augment)
    if True in space.augment:
        with hp.conditional_scope("augment", [True]):
            _choice(hp, "augment/flip", space.flips)
            _choice(hp, "augment/rotation", space.rotations)
            _choice(hp, "augment/zoom", space.zooms)
            _choice(hp, "augment/translation", space.translations)
            _choice(hp, "augment/contrast", space.contrasts)
    _choice(hp, "mirror", space.mirror)


def _declare_training(hp: HyperParameters, space: Space, num_pictures: int) -> None:
    _choice(hp, "optimizer", space.optimizers)
    adaptive = [name for name in space.optimizers if name != "sgd"]
    if adaptive:
        with hp.conditional_scope("optimizer", adaptive):
            _rate(hp, "learning_rate", space.learning_rate)
    if "sgd" in space.optimizers:
        with hp.conditional_scope("optimizer", ["sgd"]):
            _rate(hp, "sgd/learning_rate", space.sgd_learning_rate)
    decaying = [name for name in space.optimizers if name in ("adamw", "sgd")]
    if decaying:
        with hp.conditional_scope("optimizer", decaying):
            _choice(hp, "weight_decay", space.weight_decay)
    _choice(hp, "schedule", space.schedules)
    fitting = [size for size in space.batch_sizes if 4 * size <= num_pictures]
    _choice(hp, "batch_size", fitting or [min(space.batch_sizes)])
    _choice(hp, "label_smoothing", space.label_smoothing)


def _rate(hp: HyperParameters, name: str, bounds: tuple[float, float]) -> None:
    low, high = bounds
    if low == high:
        hp.Fixed(name, low)
    else:
        # The geometric middle: neither end of a logarithmic range is a sensible start.
        hp.Float(name, low, high, sampling="log", default=_middle(low, high))


def _middle(low: float, high: float) -> float:
    return float((low * high) ** 0.5)


def _sizes_up_to(sizes: Sequence[int], limit: int) -> list[int]:
    """Keeps the sizes that do not exceed `limit`; the start is the asked one, or the largest that fits."""
    fitting = [size for size in sizes if size <= limit] or [min(sizes)]
    return fitting if fitting[0] == sizes[0] else sorted(fitting, reverse=True)


def image_size(genome: Genome) -> int:
    """Returns the side of the square that a genome's network sees, in pixels."""
    return int(genome[f"{genome['family']}/image_size"])


def num_before_halving(genome: Genome, block: int) -> int:
    """Returns after how many of its convolutions a block's feature map is halved: the first, or all."""
    return 1 if genome["conv/early_pooling"] else int(genome[f"conv/block_{block}/num_convs"])


def variant(genome: Genome) -> tuple[str, float | None]:
    """Returns the name of a genome's backbone and its width multiplier; `None` where it comes in one width only."""
    name = str(genome["backbone"])
    alpha = genome.get(f"{name}/alpha")
    return name, None if alpha is None else float(alpha)


_Kind = type | tuple[str, ...]
"""The type of a gene's values, or the words that it may be."""
_KIND_NAMES: Mapping[type, str] = {int: "an integer", float: "a finite number", bool: "true or false", str: "a word"}
_CONV_GENES: Mapping[str, _Kind] = {
    "conv/image_size": int,
    "conv/pooling": _WORDS["block_poolings"],
    "conv/early_pooling": bool,
    "conv/batch_norm": bool,
    "conv/activation": str,
    "conv/summary": _WORDS["conv_summaries"],
    "conv/l2": float,
}
_PRETRAINED_GENES: Mapping[str, _Kind] = {
    "pretrained/image_size": int,
    "pretrained/summary": _WORDS["pretrained_summaries"],
    "pretrained/normalize_features": bool,
}
_FINE_TUNING_GENES: Mapping[str, _Kind] = {"fine_tune/num_blocks": int, "fine_tune/learning_rate": float}
_AUGMENTATION_GENES: Mapping[str, _Kind] = {
    "augment/flip": _WORDS["flips"],
    "augment/rotation": float,
    "augment/zoom": float,
    "augment/translation": float,
    "augment/contrast": float,
}
_SHARED_GENES: Mapping[str, _Kind] = {
    "head/dropout": float,
    "head/l2": float,
    "mirror": bool,
    "schedule": _WORDS["schedules"],
    "batch_size": int,
    "label_smoothing": float,
}


def check_genome(genome: Genome) -> None:
    """Checks that a mapping holds every gene that is active in it, each with a value of its kind, and no other.

    Which values a search allows is not checked: that is a `Space`'s own.

    Raises:
        ValueError: a gene is missing, unknown, or has a value of another kind.

    Example:
        >>> check_genome({"family": "recurrent"})
        Traceback (most recent call last):
        ...
        ValueError: The gene 'family' is 'recurrent'. Expected one of: conv, pretrained.
    """
    known: set[str] = set()

    def check(genes: Mapping[str, _Kind]) -> None:
        for name, kind in genes.items():
            known.add(name)
            if name not in genome:
                raise ValueError(f"The gene {name!r} is missing.")
            if not _is_of_kind(value := genome[name], kind):
                expected = f"one of: {', '.join(kind)}" if isinstance(kind, tuple) else _KIND_NAMES[kind]
                raise ValueError(f"The gene {name!r} is {value!r}. Expected {expected}.")

    check({"family": _WORDS["families"]})
    if genome["family"] == "conv":
        check({**_CONV_GENES, "conv/num_blocks": int})
        for block in range(1, int(genome["conv/num_blocks"]) + 1):
            # The first block that is missing ends this, however many there are said to be.
            check({f"conv/block_{block}/{name}": int for name in ("filters", "kernel_size", "num_convs")})
    else:
        check({**_PRETRAINED_GENES, "backbone": tuple(backbones.BACKBONES), "pretrained/tuning": _WORDS["tunings"]})
        name = str(genome["backbone"])
        check({f"{name}/cut": backbones.get(name).cut_points})
        # A backbone that comes in one width has no such gene.
        check({gene: float for gene in (f"{name}/alpha",) if gene in genome})
        check(_FINE_TUNING_GENES if genome["pretrained/tuning"] == "fine_tune" else {})
    check({**_SHARED_GENES, "head/num_dense": int, "augment": bool, "optimizer": _WORDS["optimizers"]})
    check({"head/units": int} if genome["head/num_dense"] else {})
    check(_AUGMENTATION_GENES if genome["augment"] else {})
    check({"sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate": float})
    check({"weight_decay": float} if genome["optimizer"] in ("adamw", "sgd") else {})
    if unknown := sorted(genome.keys() - known):
        raise ValueError(f"The gene {unknown[0]!r} is unknown, or not active here.")


def _is_of_kind(value: object, kind: _Kind) -> bool:
    if isinstance(kind, tuple):
        return value in kind
    if kind is float:
        return type(value) in (int, float) and math.isfinite(cast(float, value))
    # A bool is an int to Python.
    return type(value) is kind


def shared_extractor(genome: Genome) -> tuple[Any, ...] | None:
    """Key of the frozen extractor; candidates that share it share one forward pass. `None` for a trained network."""
    if genome.get("pretrained/tuning") != "frozen":
        return None
    return (*speed_key(genome), genome[f"{genome['backbone']}/cut"], genome["pretrained/summary"])


def speed_key(genome: Genome) -> tuple[Any, ...]:
    """Key of the time that a picture's pass takes: backbone, width and size."""
    return *variant(genome), image_size(genome)
