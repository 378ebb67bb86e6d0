"""What may be searched of U-Nets, with presets of it, and their genomes, checked and in words.

A `Space` is plain data: for every gene, the values that it may take. The first value of each is the one the search
starts from. The network is that of Ronneberger et al. 2015, "U-Net", arXiv:1505.04597; blocks and links are varied as
by Fuentes-Tomás et al. 2024, doi:10.1109/tevc.2024.3353182. Its way down may be a pretrained backbone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kevo.errors import SpaceError
from kevo.tasks.images import backbones
from kevo.tasks.images.genes import variant
from kevo.tasks.masks import encoders
from kevo.tasks.outputs.masks.losses import LOSSES
from kevo.tasks.prepared import genes
from kevo.tasks.protocols.task import SearchSettings
from tuners.genome import Genome
from tuners.settings import Settings as EvolutionSettings

SCRATCH, PRETRAINED = "unet", "pretrained_unet"
"""The families: a U-Net from scratch, and one whose way down is a pretrained backbone."""
SIDES_BY = 32
"""Sides of pictures and crops are multiples of it, so that they can be halved four times, and once more before."""
_MAX_DEPTH = 4
_WORDS: genes.Words = {
    "families": (SCRATCH, PRETRAINED),
    "family": (SCRATCH, PRETRAINED),
    "blocks": ("conv", "separable", "residual"),
    "skips": ("concat", "add", "none"),
    "ups": ("smooth", "transposed"),
    "norms": ("batch", "group"),
    "losses": LOSSES,
    "loss": LOSSES,
    "tunings": ("frozen", "fine_tune"),
    "encoder/tuning": ("frozen", "fine_tune"),
    "augment": ("none", "mirror", "turn", "move"),
    "activations": ("relu", "elu", "gelu", "silu"),
    **{"unet/block": ("conv", "separable", "residual"), "unet/skip": ("concat", "add", "none")},
    **{"unet/up": ("smooth", "transposed"), "unet/norm": ("batch", "group")},
    "unet/activation": ("relu", "elu", "gelu", "silu"),
    **genes.TRAINING_WORDS,
}


@dataclass(frozen=True, slots=True)
class Space:
    """For every gene of a U-Net, the values that it may take; the first is the starting point.

    The way down of a `pretrained_unet` is one of the `backbones`, as deep as `encoder_depth` says: 4 reaches maps with
    a sixteenth of a picture's sides. With `reduce` 2 it has no level of its own at the picture's size. With the tuning
    `fine_tune` so many of its lowest levels as `fine_tune_levels` says are trained after the way up was, at a rate of
    their own.

    A network learns from `crops`, squares of so many pixels; a picture that is smaller is one as a whole. With `reduce`
    2 it sees pictures at half their size. `depth` is how often maps are halved, `width` the channels of the first
    level; they grow by `growth` from level to level. `skips` say how a level reaches the way up: beside it, added, or
    not at all. `dilation` is that of the lowest level. `augment` says how crops and their masks are changed together:
    `mirror` from left to right; `turn` by quarters too; `move` turns, zooms and changes the contrast as well. Learning
    rates are (lowest, highest) bounds of a logarithmic range; `batch_sizes` are of crops.

    Raises:
        SpaceError: a gene has no value, or a value of the wrong kind.
    """

    families: tuple[str, ...] = (SCRATCH, PRETRAINED)
    backbones: tuple[str, ...] = ("mobilenet_v2",)
    encoder_depth: tuple[int, ...] = (4, 3, 2)
    tunings: tuple[str, ...] = ("frozen",)
    fine_tune_levels: tuple[int, ...] = (2, 1)
    fine_tune_learning_rate: tuple[float, float] = (1e-4, 1e-3)
    crops: tuple[int, ...] = (128, 64, 96, 192, 256)
    reduce: tuple[int, ...] = (1, 2)
    depth: tuple[int, ...] = (3, 2, 4)
    width: tuple[int, ...] = (8, 4, 16, 32)
    growth: tuple[float, ...] = (2.0, 1.5)
    blocks: tuple[str, ...] = ("conv", "separable", "residual")
    kernels: tuple[int, ...] = (3, 5)
    dilation: tuple[int, ...] = (1, 2)
    skips: tuple[str, ...] = ("concat", "add", "none")
    ups: tuple[str, ...] = ("smooth", "transposed")
    norms: tuple[str, ...] = ("batch", "group")
    attention: tuple[bool, ...] = (False, True)
    activations: tuple[str, ...] = ("relu", "elu", "gelu", "silu")
    dropout: tuple[float, ...] = (0.0, 0.2, 0.4)

    augment: tuple[str, ...] = ("turn", "none", "mirror", "move")
    losses: tuple[str, ...] = LOSSES
    optimizers: tuple[str, ...] = ("adam", "adamw", "rmsprop")
    learning_rate: tuple[float, float] = (1e-3, 1e-2)
    sgd_learning_rate: tuple[float, float] = (1e-2, 0.3)
    schedules: tuple[str, ...] = ("cosine", "constant")
    weight_decay: tuple[float, ...] = (1e-4, 1e-3, 1e-2)
    batch_sizes: tuple[int, ...] = (8, 4, 16)

    def __post_init__(self) -> None:
        genes.check_fields(self, _WORDS)
        if not all(number > 0 and number % SIDES_BY == 0 for number in self.crops):
            raise SpaceError(f"The space's `crops` must be multiples of {SIDES_BY} pixels. Received: {self.crops!r}.")
        if not all(1 <= number <= _MAX_DEPTH for number in self.depth) or not set(self.reduce) <= {1, 2}:
            raise SpaceError(
                f"The space's `depth` must be from 1 to {_MAX_DEPTH}, and its `reduce` 1 or 2. Received: "
                f"{self.depth!r} and {self.reduce!r}."
            )
        if not all(1 <= number <= encoders.NUM_LEVELS for number in self.fine_tune_levels):
            raise SpaceError(
                f"The space's `fine_tune_levels` must be from 1 to {encoders.NUM_LEVELS}. Received: "
                f"{self.fine_tune_levels!r}."
            )
        if not all(2 <= number <= encoders.NUM_LEVELS for number in self.encoder_depth):
            raise SpaceError(
                f"The space's `encoder_depth` must be from 2 to {encoders.NUM_LEVELS}. Received: "
                f"{self.encoder_depth!r}."
            )
        if PRETRAINED in self.families:
            for name in self.backbones:
                encoders.check(name)


PRESETS: Mapping[str, Space] = {
    "small": Space(
        families=(SCRATCH,),
        crops=(64, 96, 128),
        reduce=(1,),
        depth=(2, 3),
        width=(8, 4),
        growth=(2.0,),
        blocks=("conv", "separable"),
        kernels=(3,),
        dilation=(1,),
        skips=("concat", "add"),
        ups=("smooth",),
        norms=("batch",),
        attention=(False,),
        activations=("relu",),
        dropout=(0.0,),
        augment=("turn", "mirror"),
        losses=("bce_dice",),
        optimizers=("adam",),
        schedules=("cosine",),
        batch_sizes=(8, 4),
    ),
    "default": Space(),
    "nasgp": Space(
        families=(SCRATCH,),
        reduce=(1,),
        depth=(4, 2, 3),
        width=(8, 16, 32),
        kernels=(3, 5, 7),
        skips=("concat", "add"),
        norms=("batch",),
        activations=("relu",),
        dropout=(0.0,),
        losses=("dice", "bce_dice"),
        optimizers=("adam",),
    ),
}
"""How wide the search is: `small` for a quick look, and `default`. `nasgp`: what NASGP-Net varies in its cell, as far
as these genes have it (Fuentes-Tomás et al. 2024, doi:10.1109/tevc.2024.3353182)."""
_UNET_PARAMETERS = 31_038_000
"""Those of the U-Net that NASGP-Net measures sizes by."""
BREEDING: Mapping[str, EvolutionSettings] = {
    "nasgp": EvolutionSettings(
        surrogate=False,
        survival="generational",
        num_elites=1,
        tournament_size=7,
        crossover="one_point",
        crossover_rate=0.5,
        weights=(0.99, 0.01 / _UNET_PARAMETERS),
    )
}
"""How candidates are bred with a preset, where that belongs to it: NASGP-Net's operators and rates. Where parameters
are minimized, its fitness too: 0.99 Dice + 0.01 (31,038,000 - parameters) / 31,038,000, but for a constant."""


def preset(name: str) -> Space:
    """Returns the preset called `name`.

    Raises:
        SpaceError: there is no such preset.
    """
    return genes.preset(name, PRESETS, examples="masks")


def from_json(value: str | Mapping[str, Any] | object) -> Space:
    """Returns a space, given by the name of a preset, by the JSON values of its fields, or as itself.

    Raises:
        SettingsError: the value is of another kind.
        SpaceError: the preset is unknown, or a gene has no value or one of the wrong kind.
        TypeError: a field is unknown.
    """
    return genes.space_from_json(value, Space, PRESETS, examples="masks")


def of(settings: SearchSettings) -> Space:
    """Returns the space of a search; where weights are named, with their backbones, and the family that needs them.

    Raises:
        SpaceError: the space is none, or a named backbone cannot be the way down of a U-Net.
        UnknownBackboneError: weights are named for a backbone that is not in the table.
    """
    space = from_json(settings.space)
    if not settings.weights:
        return space
    names = tuple(map(backbones.named, settings.weights))
    return dataclasses.replace(space, backbones=names, families=tuple(dict.fromkeys((*space.families, PRETRAINED))))


def check_genome(genome: Genome) -> None:
    """Checks that a genome has every gene of a network, with a value of its kind.

    Raises:
        SpaceError: a gene is missing, or has a value that no network can be built with.
    """
    genes.check_genome(genome, _expected(genome), _WORDS)
    if genome["family"] == PRETRAINED:
        encoders.check(str(genome["backbone"]))
        if not 2 <= int(genome["encoder/depth"]) <= encoders.NUM_LEVELS:
            raise SpaceError(
                f"The gene 'encoder/depth' must be from 2 to {encoders.NUM_LEVELS}. Received: "
                f"{genome['encoder/depth']!r}."
            )
        if fine_tunes(genome) and not 1 <= int(genome["fine_tune/num_levels"]) <= encoders.NUM_LEVELS:
            raise SpaceError(
                f"The gene 'fine_tune/num_levels' must be from 1 to {encoders.NUM_LEVELS}. Received: "
                f"{genome['fine_tune/num_levels']!r}."
            )


def fine_tunes(genome: Genome) -> bool:
    """Returns whether a genome's backbone is trained too."""
    return genome["family"] == PRETRAINED and genome.get("encoder/tuning") == "fine_tune"


def describe(genome: Genome) -> str:
    """Returns a genome in words.

    Example:
        >>> describe({"family": "unet", "crop": 64, "reduce": 1, "unet/depth": 2, "unet/width": 8, "unet/growth": 2.0,
        ...           "unet/block": "conv", "unet/kernel": 3, "unet/dilation": 1, "unet/skip": "concat",
        ...           "unet/up": "smooth", "unet/norm": "batch", "unet/attention": False, "unet/activation": "relu",
        ...           "unet/dropout": 0.0, "augment": "turn", "loss": "bce_dice", "optimizer": "adam",
        ...           "learning_rate": 0.003, "schedule": "cosine", "batch_size": 8})
        'U-Net 8 > 16 > 32, conv 3x3, relu; crops of 64 px, turned; bce+dice, adam 0.003, cosine, batch 8'
    """
    levels = " > ".join(map(str, channels(genome)))
    if genome["family"] == PRETRAINED:
        name, alpha = variant(genome)
        tuned = f", levels tuned: {genome['fine_tune/num_levels']}" if fine_tunes(genome) else ""
        levels = f"on {name}{'' if alpha is None else f' {alpha:g}'}{tuned}, {levels}"
    body = [f"U-Net {levels}", f"{genome['unet/block']} {genome['unet/kernel']}x{genome['unet/kernel']}"]
    body += [
        words
        for words in (
            f"dilation {genome['unet/dilation']}" if genome["unet/dilation"] != 1 else "",
            {"concat": "", "add": "added skips", "none": "no skips"}[str(genome["unet/skip"])],
            "transposed" if genome["unet/up"] == "transposed" else "",
            "group norm" if genome["unet/norm"] == "group" else "",
            "attention" if genome["unet/attention"] else "",
            str(genome["unet/activation"]),
            f"dropout {genome['unet/dropout']:g}" if genome["unet/dropout"] else "",
        )
        if words
    ]
    changed = {"none": "", "mirror": "mirrored", "turn": "turned", "move": "turned and moved"}[str(genome["augment"])]
    seen = [f"crops of {genome['crop']} px", "at half size" if genome["reduce"] == 2 else "", changed]
    loss = str(genome["loss"]).replace("_", "+")
    return f"{', '.join(body)}; {', '.join(filter(None, seen))}; {loss}, {genes.describe_training(genome)}"


def channels(genome: Genome) -> list[int]:
    """Returns the channels of each level, the lowest last; each is even.

    Example:
        >>> channels({"family": "unet", "unet/depth": 3, "unet/width": 4, "unet/growth": 1.5})
        [4, 6, 8, 14]
    """
    width, growth = int(genome["unet/width"]), float(genome["unet/growth"])
    return [max(2, 2 * round(width * growth**level / 2)) for level in range(depth(genome) + 1)]


def depth(genome: Genome) -> int:
    """Returns how often a genome's maps are halved."""
    return int(genome["encoder/depth" if genome["family"] == PRETRAINED else "unet/depth"])


def _expected(genome: Genome) -> Iterator[tuple[str, type]]:
    """Yields the genes that a genome must have, with their types."""
    yield from (("family", str), ("crop", int), ("reduce", int))
    if genome["family"] == PRETRAINED:
        yield "backbone", str
        if backbones.get(str(genome["backbone"])).alphas:
            yield f"{genome['backbone']}/alpha", float
        yield "encoder/depth", int
        # Genomes of before that gene have none.
        if "encoder/tuning" in genome:
            yield "encoder/tuning", str
        if fine_tunes(genome):
            yield from (("fine_tune/num_levels", int), ("fine_tune/learning_rate", float))
    else:
        yield "unet/depth", int
    yield from (("unet/width", int), ("unet/growth", float))
    yield from (("unet/block", str), ("unet/kernel", int), ("unet/dilation", int), ("unet/skip", str))
    yield from (("unet/up", str), ("unet/norm", str), ("unet/attention", bool), ("unet/activation", str))
    yield from (("unet/dropout", float), ("augment", str), ("loss", str))
    yield from genes.optimizer_genes(genome)
