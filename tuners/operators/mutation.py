"""Mutation. At least one gene changes wherever any can.

The default rate, one gene per child on average, is that of Mühlenbein 1992, How genetic algorithms really work.
Stepping on the scale of a gene follows the typed mutation of Li et al. 2013, Mixed integer evolution strategies for
parameter optimization, doi:10.1162/EVCO_a_00059.
"""

from collections.abc import Callable

import numpy as np

from tuners.genome import Gene, Genome, Scalar, SearchSpace


def typed(
    rng: np.random.Generator, genome: Genome, *, space: SearchSpace, rate: float | None = None
) -> dict[str, Scalar]:
    """Moves numbers a step on their own scale and redraws categories (Li et al. 2013).

    Args:
        rng: Draws which genes change, and how.
        genome: The parent; left as it is.
        space: Says what each gene may become.
        rate: Chance of each gene to change. By default one over the number of genes that can.

    Returns:
        A new genome. Where it switches conditional genes on, `SearchSpace.repair` is to draw them.
    """
    return _mutate(rng, genome, space, rate, lambda gene, value: gene.step(rng, value))


def redraw(
    rng: np.random.Generator, genome: Genome, *, space: SearchSpace, rate: float | None = None
) -> dict[str, Scalar]:
    """Draws each changing gene anew from all its other values (random resetting, Eiben and Smith 2015).

    Arguments and result are those of `typed`. See doi:10.1007/978-3-662-44874-8.
    """

    def other(gene: Gene, value: Scalar) -> Scalar:
        drawn = gene.sample(rng)
        while drawn == value:
            drawn = gene.sample(rng)
        return drawn

    return _mutate(rng, genome, space, rate, other)


def _mutate(
    rng: np.random.Generator,
    genome: Genome,
    space: SearchSpace,
    rate: float | None,
    change: Callable[[Gene, Scalar], Scalar],
) -> dict[str, Scalar]:
    genes = {name: gene for name, gene in space.active_genes(genome).items() if gene.cardinality != 1}
    child = dict(genome)
    if not genes:
        return child
    chance = 1 / len(genes) if rate is None else rate
    chosen = [name for name, draw in zip(genes, rng.random(len(genes)), strict=True) if draw < chance]
    for name in chosen or [list(genes)[int(rng.integers(len(genes)))]]:
        child[name] = change(genes[name], child[name])
    return child


MUTATIONS: dict[str, Callable[..., dict[str, Scalar]]] = {"typed": typed, "redraw": redraw}
