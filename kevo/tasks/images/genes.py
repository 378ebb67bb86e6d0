"""The genes of an image classifier, declared on `HyperParameters` without building a model.

`declare` turns a `Space` into Keras Tuner hyperparameters with their conditions, so that a conv stack carries no
backbone genes and a frozen backbone no fine-tuning genes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kevo.errors import SpaceError
from kevo.tasks.images import backbones
from kevo.tasks.images.space import Space
from kevo.training.evolution import EVOLUTION
from tuners.genome import Genome

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_HEIGHT, _WIDTH = "conv/height", "conv/width"
"""The genes of networks that see pictures which are no squares."""
_SQUEEZE = 8
"""Squeeze-and-excite weighs channels by a layer of so many times fewer numbers."""


def declare(
    space: Space,
    *,
    image_size: int,
    num_pictures: int,
    shape: tuple[int, int] | None = None,
    alphas: Mapping[str, Sequence[float | None]],
) -> HyperParameters:
    """Declares the genes of `space` that make sense for a data set.

    Args:
        space: The values that each gene may take.
        image_size: Side of the stored pictures, in pixels. Conv stacks are not offered larger inputs than that, since
            upsampling teaches them nothing; backbones are, since they were trained on larger pictures.
        num_pictures: Number of training pictures. Batches larger than a quarter of them are left out.
        shape: Height and width of small pictures that are no squares, in pixels, which conv stacks see as they are,
            also without any pooling; `None` for squares.
        alphas: The usable backbones, each with the width multipliers for which there are weights, or `(None,)` for a
            backbone without the notion. A backbone of the space that is missing here is left out.

    Returns:
        Keras Tuner hyperparameters with the gene `family` on top.

    Raises:
        SpaceError: no family is left.

    Example:
        >>> from kevo.tasks.images.space import preset
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
            _declare_conv(hp, space, image_size, shape)
    if "pretrained" in families:
        with hp.conditional_scope("family", ["pretrained"]):
            _declare_pretrained(hp, space, usable)
    _declare_head(hp, space)
    _declare_augmentation(hp, space)
    _declare_training(hp, space, num_pictures)
    return hp


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


def _declare_conv(hp: HyperParameters, space: Space, image_size: int, shape: tuple[int, int] | None) -> None:
    _choice(hp, "conv/image_size", sizes_up_to(space.conv_image_sizes, image_size) if shape is None else [image_size])
    if shape is not None:
        _choice(hp, _HEIGHT, shape[:1])
        _choice(hp, _WIDTH, shape[1:])
    # A kernel wider than half the picture sees little but padding, and costs the most of all.
    widest = image_size // 2 if shape is None else min(shape)
    kernel_sizes = [size for size in space.kernel_sizes if size <= widest] or [min(space.kernel_sizes)]
    _choice(hp, "conv/num_blocks", space.num_blocks)
    for block in range(1, max(space.num_blocks) + 1):
        with hp.conditional_scope("conv/num_blocks", [n for n in sorted(space.num_blocks) if n >= block]):
            _choice(hp, f"conv/block_{block}/filters", space.filters)
            _choice(hp, f"conv/block_{block}/kernel_size", kernel_sizes)
            _choice(hp, f"conv/block_{block}/num_convs", space.convs_per_block)
            if True in space.block_connections:
                for earlier in range(1, block - 1):
                    _choice(hp, connection(earlier, block), space.block_connections)
    unpooled = ("none",) if shape is not None and "none" not in space.block_poolings else ()
    _choice(hp, "conv/pooling", (*unpooled, *space.block_poolings))
    _choice(hp, "conv/early_pooling", space.early_pooling)
    _choice(hp, "conv/convolution", space.convolutions)
    _choice(hp, "conv/squeeze_excite", space.squeeze_excite)
    _choice(hp, "conv/shortcut", space.shortcuts)
    if True in space.shortcuts:
        with hp.conditional_scope("conv/shortcut", [True]):
            _choice(hp, "conv/drop_path", space.drop_paths)
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
    if EVOLUTION in space.optimizers:
        with hp.conditional_scope("optimizer", [EVOLUTION]):
            _choice(hp, "evolution/spread", space.spreads)
            _choice(hp, "evolution/grow", space.growing)
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
        hp.Float(name, low, high, sampling="log", default=middle(low, high))


def middle(low: float, high: float) -> float:
    """Returns the middle of a logarithmic range."""
    return float((low * high) ** 0.5)


def sizes_up_to(sizes: Sequence[int], limit: int) -> list[int]:
    """Keeps the sizes that do not exceed `limit`; the start is the asked one, or the largest that fits."""
    fitting = [size for size in sizes if size <= limit] or [min(sizes)]
    return fitting if fitting[0] == sizes[0] else sorted(fitting, reverse=True)


def image_size(genome: Genome) -> int:
    """Returns the side of the square that a genome's network sees, in pixels; of what is no square the longer one."""
    return int(genome[f"{genome['family']}/image_size"])


def picture_shape(genome: Genome) -> tuple[int, int]:
    """Returns the height and the width of what a genome's network sees, in pixels."""
    size = image_size(genome)
    return int(genome.get(_HEIGHT, size)), int(genome.get(_WIDTH, size))


def connection(earlier: int, block: int) -> str:
    """Returns the gene that says whether a block also sees what an earlier one, not the last before it, found."""
    return f"conv/block_{block}/from_{earlier}"


def connected(genome: Genome, block: int) -> list[int]:
    """Returns the earlier blocks that a block sees beside the last one before it."""
    return [earlier for earlier in range(1, block - 1) if genome.get(connection(earlier, block), False)]


def num_before_halving(genome: Genome, block: int) -> int:
    """Returns after how many of its convolutions a block's feature map is halved: the first, or all."""
    return 1 if genome["conv/early_pooling"] else int(genome[f"conv/block_{block}/num_convs"])


def num_halvings(genome: Genome, num_blocks: int) -> int:
    """Returns how often so many blocks of a genome halve a map."""
    return 0 if genome["conv/pooling"] == "none" else num_blocks


def squeezed(num_channels: int) -> int:
    """Returns how wide the small layer of squeeze-and-excite is for so many channels."""
    return max(1, num_channels // _SQUEEZE)


def variant(genome: Genome) -> tuple[str, float | None]:
    """Returns the name of a genome's backbone and its width multiplier; `None` where it comes in one width only."""
    name = str(genome["backbone"])
    alpha = genome.get(f"{name}/alpha")
    return name, None if alpha is None else float(alpha)


def shared_extractor(genome: Genome) -> tuple[Any, ...] | None:
    """Key of the frozen extractor; candidates that share it share one forward pass. `None` for a trained network."""
    if genome.get("pretrained/tuning") != "frozen":
        return None
    return (*speed_key(genome), genome[f"{genome['backbone']}/cut"], genome["pretrained/summary"])


def with_inputs_of(genome: Genome, other: Genome) -> Genome:
    """Returns a genome that learns from the copies of pictures that another one learns from, and sees what it sees."""
    own = {name: value for name, value in genome.items() if not _is_of_inputs(name)}
    return own | {name: value for name, value in other.items() if _is_of_inputs(name)}


def _is_of_inputs(name: str) -> bool:
    return name in ("augment", "mirror") or name.startswith("augment/")


def speed_key(genome: Genome) -> tuple[Any, ...]:
    """Key of the time that a picture's pass takes: backbone, width and size."""
    return *variant(genome), image_size(genome)
