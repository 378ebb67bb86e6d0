"""The genes of a space of U-Nets that make sense for a data set, declared without building a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kevo.errors import SpaceError
from kevo.tasks.masks.space import PRETRAINED, SCRATCH, Space
from kevo.tasks.prepared import genes

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_LEAST_BOTTOM = 4
"""The lowest level of a network keeps so many pixels of a crop at least."""


def fitting_crops(space: Space, side: int) -> tuple[int, ...]:
    """Returns the crops that fit into pictures; the whole picture where none does.

    Args:
        space: The space.
        side: Side of the pictures, in pixels.
    """
    return tuple(crop for crop in space.crops if crop <= side) or (side,)


def reductions(space: Space, side: int) -> list[int]:
    """Returns by how much pictures of a side, in pixels, may be reduced for a network."""
    smallest = min(fitting_crops(space, side))
    return [number for number in space.reduce if smallest // number >= 4 * _LEAST_BOTTOM] or [min(space.reduce)]


def declare(
    space: Space, *, side: int, num_pictures: int, alphas: Mapping[str, Sequence[float | None]] | None = None
) -> HyperParameters:
    """Declares the genes of `space` that make sense for a data set.

    Args:
        space: The values that each gene may take.
        side: Side of the pictures, in pixels: larger crops and networks that are too deep are left out.
        num_pictures: Number of training pictures. Batches of more than a quarter of their crops are left out.
        alphas: The backbones that can be had, each with its width multipliers, or `(None,)` where it comes in one width
            only. `None` for none.

    Returns:
        Keras Tuner hyperparameters.

    Raises:
        SpaceError: no family is left.

    Example:
        >>> from kevo.tasks.masks.space import preset
        >>> declare(preset("small"), side=96, num_pictures=20).get("unet/depth")
        2
    """
    from keras_tuner import HyperParameters

    usable = {name: tuple(alphas[name]) for name in space.backbones if alphas and alphas.get(name)}
    families = [family for family in space.families if family == SCRATCH or usable]
    if not families:
        raise SpaceError(
            "Nothing is left to search: the space holds pretrained U-Nets only, and no backbone has usable weights. "
            f"Give weights (`--weights NAME=PATH`), or add the family {SCRATCH!r} to the space."
        )
    hp = HyperParameters()
    genes.choice(hp, "family", families)
    crops = fitting_crops(space, side)
    halved = reductions(space, side)
    deepest = min(crops) // max(halved)
    genes.choice(hp, "crop", crops)
    genes.choice(hp, "reduce", halved)
    if SCRATCH in families:
        depth = [number for number in space.depth if deepest >> number >= _LEAST_BOTTOM] or [min(space.depth)]
        with hp.conditional_scope("family", [SCRATCH]):
            genes.choice(hp, "unet/depth", depth)
    if PRETRAINED in families:
        with hp.conditional_scope("family", [PRETRAINED]):
            _declare_encoder(hp, space, usable)
    genes.choice(hp, "unet/width", space.width)
    genes.choice(hp, "unet/growth", space.growth)
    genes.choice(hp, "unet/block", space.blocks)
    genes.choice(hp, "unet/kernel", space.kernels)
    genes.choice(hp, "unet/dilation", space.dilation)
    genes.choice(hp, "unet/skip", space.skips)
    genes.choice(hp, "unet/up", space.ups)
    genes.choice(hp, "unet/norm", space.norms)
    genes.choice(hp, "unet/attention", space.attention)
    genes.choice(hp, "unet/activation", space.activations)
    genes.choice(hp, "unet/dropout", space.dropout)
    genes.choice(hp, "augment", space.augment)
    genes.choice(hp, "loss", space.losses)
    genes.declare_optimizer(hp, space, num_examples=num_pictures * -(-(side**2) // min(crops) ** 2))
    return hp


def _declare_encoder(hp: HyperParameters, space: Space, usable: Mapping[str, Sequence[float | None]]) -> None:
    genes.choice(hp, "backbone", tuple(usable))
    for name, alphas in usable.items():
        if widths := [alpha for alpha in alphas if alpha is not None]:
            with hp.conditional_scope("backbone", [name]):
                genes.choice(hp, f"{name}/alpha", widths)
    genes.choice(hp, "encoder/depth", space.encoder_depth)
    if "fine_tune" in space.tunings:
        genes.choice(hp, "encoder/tuning", space.tunings)
        with hp.conditional_scope("encoder/tuning", ["fine_tune"]):
            genes.choice(hp, "fine_tune/num_levels", space.fine_tune_levels)
            genes.rate(hp, "fine_tune/learning_rate", space.fine_tune_learning_rate)
