"""How a particle of a swarm moves among genomes of mixed genes.

- Kennedy and Eberhart 1995, Particle swarm optimization, doi:10.1109/ICNN.1995.488968 (velocity, both attractions and
  craziness)
- Kennedy and Eberhart 1997, A discrete binary version of the particle swarm algorithm, doi:10.1109/ICSMC.1997.637339
  (what is a step of a number is a chance of a value without an order)
- Clerc and Kennedy 2002, The particle swarm: explosion, stability, and convergence in a multidimensional complex space,
  doi:10.1109/4235.985692 (the constants)
"""

from __future__ import annotations

import math

import numpy as np

from tuners.genome import Categorical, Gene, Genome, Ordinal, Scalar, SearchSpace

# Constriction as of Clerc and Kennedy: with these a swarm neither flies apart nor stands still.
_INERTIA, _ATTRACTION = 0.7298, 1.4962


def move(
    rng: np.random.Generator,
    place: Genome,
    *,
    before: Genome,
    own: Genome,
    leader: Genome,
    space: SearchSpace,
    rate: float | None = None,
) -> dict[str, Scalar]:
    """Returns where a particle goes next.

    A number moves on its own scale, places in a list by whole steps: it keeps a part of its last step, and is drawn
    towards the best that the particle has found and the best of all. A value without an order stays, or becomes that
    of either of them, with chances in the same proportions. The velocity is the last step itself, so that a swarm has
    no state but where its particles were.

    Args:
        rng: Draws how strongly the particle is attracted, and its craziness.
        place: Where it is; left as it is.
        before: Where it was before that.
        own: The best that it has found.
        leader: The best that any particle has found.
        space: Says what each gene may become.
        rate: Chance of each gene to change at random: craziness, without which a swarm loses values for good. By
            default one over the number of genes that can change.

    Returns:
        A new genome; `SearchSpace.repair` is to complete it. Genes that were switched on come from the leader.
    """
    genes = space.active_genes(place)
    chance = rate if rate is not None else 1 / max(1, sum(gene.cardinality != 1 for gene in genes.values()))
    child: dict[str, Scalar] = {**own, **leader}
    for name, gene in genes.items():
        known = [one[name] if gene.contains(one.get(name)) else place[name] for one in (before, own, leader)]
        pulls = _ATTRACTION * rng.random(2)
        if isinstance(gene, Categorical):
            child[name] = _chosen(rng, (place[name], *known[1:]), (_INERTIA, *pulls.tolist()))
        else:
            child[name] = _stepped(rng, gene, place[name], known, pulls)
        if rng.random() < chance:
            child[name] = gene.step(rng, child[name])
    return child


def _chosen(rng: np.random.Generator, values: tuple[Scalar, ...], weights: tuple[float, ...]) -> Scalar:
    return values[int(rng.choice(len(values), p=np.array(weights) / sum(weights)))]


def _stepped(rng: np.random.Generator, gene: Gene, value: Scalar, known: list[Scalar], pulls: np.ndarray) -> Scalar:
    here, before, own, leader = (gene.encode(one)[0] for one in (value, *known))
    there = here + _INERTIA * (here - before) + pulls[0] * (own - here) + pulls[1] * (leader - here)
    # Who flies over the border stays on it: reflected, the last step would point back at once.
    there = min(max(there, 0.0), 1.0)
    if not isinstance(gene, Ordinal):
        return gene.at(there)
    last = len(gene.values) - 1
    # Half a step is a step in every second case: rounded, small steps would never be made.
    number: Scalar = gene.values[min(math.floor(there * last + rng.random()), last)]
    return number
