"""Genomes that are known to be good: what a search begins with, and what it makes of a genome that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kevo.tasks.images.genes import image_size, middle, sizes_up_to
from kevo.tasks.images.space import Space
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
_BOARD_RATE = 2e-3
"""The same of networks for boards, for batches of 64."""
_MANY_EPOCHS = 25
"""A network from scratch that sees each picture so often knows it by heart, unless it is never quite the same."""
_TRANSLATION = 0.1
"""By how much of their size pictures are then moved."""


def seeds(space: Space, *, image_size: int, leading: Sequence[Genome] = ({},)) -> list[Genome]:
    """Returns genomes to begin a search with, each as those genes that differ from the defaults.

    For each family in its order. Backbones: the first on pictures of several sizes, the cheapest first, so that there
    is something good soon and something better later, the largest also mirrored; then the others, and the first one
    fine-tuned. Their heads are linear and strongly regularized, as a linear probe's are (Kornblith et al. 2019,
    arXiv:1805.08974). Conv stacks: `recipe`, the same without augmentation, a small one that trains in seconds, and the
    default. Whoever completes them takes defaults for what `declare` left out, so that some may coincide.

    Args:
        space: The values that each gene may take.
        image_size: Side of the stored pictures, in pixels.
        leading: Genes of the backbones to begin with, the most promising first. By default that of the defaults; none
            where there is no backbone.

    Example:
        >>> from kevo.tasks.images.space import preset
        >>> [(one["pretrained/image_size"], "mirror" in one) for one in seeds(preset("default"), image_size=224)[:4]]
        [(160, False), (224, False), (288, False), (288, True)]
    """
    reference: Genome = {
        "family": "conv",
        "conv/image_size": max(sizes_up_to(space.conv_image_sizes, min(image_size, _REFERENCE_SIZE))),
        "conv/num_blocks": 2,
        "conv/block_1/filters": 16,
        "conv/block_2/filters": 32,
        "conv/pooling": "average",
    }
    strong = recipe(space, image_size=image_size)
    least = _LEAST_OF_DEFAULT * space.pretrained_image_sizes[0]
    sizes = [size for size in sorted(space.pretrained_image_sizes, reverse=True) if size >= least][::2]
    linear: Genome = {
        "family": "pretrained",
        "head/num_dense": 0,
        "head/l2": min(space.head_l2, key=lambda strength: abs(strength - _LINEAR_L2)),
    }
    both_sides: Genome = {"augment": True, "augment/flip": "horizontal", "mirror": True}
    # What is small is to be there soon. Larger pictures gain more than both sides of smaller ones, in fewer passes.
    steps: list[tuple[int, Genome]] = [
        *((size, {}) for size in reversed(sizes)),
        *((size, both_sides) for size in sizes[:1]),
    ]
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
    size = max(sizes_up_to(space.conv_image_sizes, min(image_size, _RECIPE_SIZE)))
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
        "conv/convolution": "full",
        "conv/squeeze_excite": False,
        "conv/shortcut": False,
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


def of_boards(space: Space) -> list[Genome]:
    """Returns genomes to begin a search with for small pictures that are no squares, such as boards.

    Each field says something of its own, and where it is counts: so nothing is pooled, all places are kept, and a dense
    layer looks at them. Nothing is turned over: whether that changes the answer is for the search to find out.

    Args:
        space: The values that each gene may take.
    """
    if "conv" not in space.families:
        return []
    rate = min(max(_BOARD_RATE, space.learning_rate[0]), space.learning_rate[1])
    plain: Genome = {
        "family": "conv",
        "conv/num_blocks": _nearest(space.num_blocks, 2),
        **{f"conv/block_{block}/filters": _nearest(space.filters, 64) for block in (1, 2)},
        **{f"conv/block_{block}/num_convs": min(space.convs_per_block) for block in (1, 2)},
        "conv/pooling": "none",
        "conv/summary": "flatten" if "flatten" in space.conv_summaries else space.conv_summaries[0],
        "head/num_dense": _nearest(space.num_dense, 1),
        "head/units": _nearest(space.dense_units, 128),
        "augment": False,
        "mirror": False,
        "optimizer": "adam",
        "learning_rate": rate,
        "schedule": "one_cycle",
        "batch_size": _nearest(space.batch_sizes, 64),
    }
    deeper = {**plain, "conv/num_blocks": _nearest(space.num_blocks, 3)}
    return [plain, deeper, {**deeper, "augment": True, "augment/flip": "horizontal", "mirror": True}]


def fine_tuned(genome: Genome, space: Space) -> list[Genome]:
    """Returns genomes like another one, but with their last blocks fine-tuned in the middle of the range of rates.

    Args:
        genome: The genome.
        space: What may be searched.

    Returns:
        The genomes, the most blocks first, and then, with fewer passes, those that learn from the pictures as they are;
        none where no frozen backbone is to be fine-tuned.
    """
    if genome.get("pretrained/tuning") != "frozen" or "fine_tune" not in space.tunings:
        return []
    rate = middle(*space.fine_tune_learning_rate)
    bodies = [genome]
    if genome["augment"] and False in space.augment:
        plain: Genome = {gene: value for gene, value in genome.items() if not gene.startswith("augment/")}
        bodies.append({**plain, "augment": False})
    return [
        {
            **body,
            "pretrained/tuning": "fine_tune",
            "fine_tune/num_blocks": num_blocks,
            "fine_tune/learning_rate": rate,
        }
        for body in bodies
        for num_blocks in sorted(space.fine_tune_blocks, reverse=True)
    ]


def lengthened(genome: Genome, space: Space, *, num_epochs: float, equals: Sequence[Genome] = ()) -> Genome:
    """Returns what to train where there is time for so many epochs.

    Short trainings rank little augmentation first, long ones need more of it (Cubuk et al. 2020, arXiv:1909.13719;
    Wightman et al. 2021, arXiv:2110.00476). So where a conv stack was as good with its pictures changed, they are, and
    in any case they are moved by a tenth of their size. On 4,000 pictures of CIFAR-10 that costs the recipe 4 points of
    accuracy after 10 epochs, and brings 2 after 30.

    Args:
        genome: The genome.
        space: The values that each gene may take.
        num_epochs: The epochs.
        equals: Genomes that short trainings could not tell from it.
    """
    has_blocks = genome["family"] == "conv" and int(genome["conv/num_blocks"]) > 0
    if not has_blocks or num_epochs < _MANY_EPOCHS or True not in space.augment:
        return genome
    alike = [one for one in equals if _without_changes(one) == _without_changes(genome)]
    genome = max((genome, *alike), key=_num_changes)
    translation = min(space.translations, key=lambda share: abs(share - _TRANSLATION))
    if float(genome.get("augment/translation", 0)) >= translation:
        return genome
    plain: Genome = {
        "augment": True,
        "augment/flip": "none" if "none" in space.flips else space.flips[0],
        **{f"augment/{gene}": min(getattr(space, f"{gene}s")) for gene in ("rotation", "zoom", "contrast")},
    }
    return {**genome, **({} if genome["augment"] else plain), "augment/translation": translation}


def _without_changes(genome: Genome) -> Genome:
    """Returns a genome without what says how its pictures are changed."""
    return {gene: value for gene, value in genome.items() if gene != "mirror" and not gene.startswith("augment")}


def _num_changes(genome: Genome) -> int:
    """Returns in how many ways a genome changes its pictures."""
    return sum(value not in (0, "none") for gene, value in genome.items() if gene.startswith("augment/"))


def _nearest(values: Sequence[int], wanted: int) -> int:
    return min(values, key=lambda value: abs(value - wanted))


def on_smaller_pictures(genome: Genome, hyperparameters: HyperParameters) -> list[Genome]:
    """Returns genomes like another one that cost less, on smaller pictures, the largest first.

    One of a backbone that sees pictures from both sides may see them from one. Large pictures and both sides are not
    replaced by much smaller pictures than the default ones: by then there are heads on such.

    Args:
        genome: The genome.
        hyperparameters: What `declare` returned.
    """
    gene, size = f"{genome['family']}/image_size", image_size(genome)
    declared = [one for one in hyperparameters.space if one.name == gene]
    sizes = sorted(
        {int(other) for one in declared for other in getattr(one, "values", ()) if other < size}, reverse=True
    )
    is_pretrained, least = genome["family"] == "pretrained", 0.0
    if is_pretrained and (size > (default := int(declared[0].default)) or genome["mirror"]):
        least = default if size > default else _LEAST_OF_DEFAULT * default
    sizes = [other for other in sizes if other >= least]
    smaller: list[Genome] = [{**genome, gene: other} for other in sizes]
    if not is_pretrained or not genome["mirror"]:
        return smaller
    one_sided = {**_without_changes(genome), "augment": False, "mirror": False}
    found: list[Genome] = []
    for larger, one in zip([size, *sizes], smaller, strict=False):
        found += [one, {**one_sided, gene: larger}]
    return found
