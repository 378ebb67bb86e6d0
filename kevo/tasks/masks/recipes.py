"""Genomes of U-Nets that are known: those that a search begins with, the smallest, and cheaper ones than another."""

from __future__ import annotations

from kevo.tasks.masks.declaration import reductions
from kevo.tasks.masks.space import PRETRAINED, SCRATCH, Space
from kevo.tasks.prepared import genes
from tuners.genome import Genome


def seeds(space: Space, *, has_backbone: bool = False) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    One on a pretrained backbone; a small U-Net; a wider one; one with residual blocks; one of separable convolutions;
    and one that sees pictures at half their size: as far as the space has them, and a backbone can be had.

    Args:
        space: The values that each gene may take.
        has_backbone: Whether a backbone can be had.
    """
    found: list[Genome] = []
    if has_backbone and PRETRAINED in space.families:
        light = {"unet/width": genes.nearest(space.width, 16), "unet/growth": min(space.growth)}
        block = {"unet/block": "separable"} if "separable" in space.blocks else {}
        found.append({"family": PRETRAINED, **light, **block})
    if SCRATCH not in space.families:
        return found
    wanted: list[Genome] = [
        {},
        {"unet/width": genes.nearest(space.width, 16)},
        {"unet/block": "residual"},
        {"unet/block": "separable", "unet/width": genes.nearest(space.width, 16)},
        *([{"reduce": 2, "unet/width": genes.nearest(space.width, 16)}] if 2 in space.reduce else []),
    ]
    for one in wanted:
        whole = {"family": SCRATCH, **one}
        if one.get("unet/block", space.blocks[0]) in space.blocks and whole not in found:
            found.append(whole)
    return found


def narrowest(space: Space) -> list[Genome]:
    """Returns networks with few parameters, as genes that differ from the defaults: one for each kind of block."""
    family = SCRATCH if SCRATCH in space.families else PRETRAINED
    return [
        {
            "family": family,
            "unet/block": block,
            "unet/width": min(space.width),
            **({"unet/depth": min(space.depth)} if family == SCRATCH else {"encoder/depth": min(space.encoder_depth)}),
            "unet/growth": min(space.growth),
            "unet/kernel": min(space.kernels),
            "unet/skip": next(skip for skip in ("none", "add", "concat") if skip in space.skips),
            "unet/up": space.ups[0],
            "unet/attention": min(space.attention),
        }
        for block in space.blocks
    ]


def cheaper(genome: Genome, space: Space, *, side: int) -> list[Genome]:
    """Returns genomes like this one that cost less, the most expensive first.

    Args:
        genome: The genome.
        space: The values that each gene may take.
        side: Side of the pictures, in pixels.
    """
    found: list[Genome] = []
    for width in sorted(space.width, reverse=True):
        if width < int(genome["unet/width"]):
            found.append({**genome, "unet/width": width})
    if (most := max(reductions(space, side))) > int(genome["reduce"]):
        found.append({**genome, "unet/width": min(space.width), "reduce": most})
    return found
