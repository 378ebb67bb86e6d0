"""How to evolve."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuners.fidelity import costs
from tuners.operators.crossover import CROSSOVERS
from tuners.operators.mutation import MUTATIONS
from tuners.operators.selection import SELECTIONS
from tuners.survival import SURVIVALS

PROPOSALS: Mapping[str, str] = {
    "genetic": "children of the fittest: selected, crossed and mutated",
    "particle_swarm": "moves of particles towards the best that each and all have found",
}
"""What new individuals are made of, in words."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evolve. The defaults suit searches of some dozens to some hundreds of trials.

    Args:
        proposal: "genetic" breeds children. "particle_swarm" moves `population_size` particles, which take turns, each
            towards the best that it has found and the best of all (Kennedy and Eberhart 1995,
            doi:10.1109/ICNN.1995.488968); see `tuners.operators.swarm`. Survival, selection, crossover and mutation
            then play no part, but `mutation_rate`, the chance of each gene to change at random, does.
        surrogate: Whether a model of all trials so far picks the most promising of `num_candidates` children; otherwise
            the first new child is taken.
        num_candidates: Number of children to pick from.
        per_second: Whether the surrogate counts what it expects to gain by the seconds that a trial takes.
        population_size: Number of individuals that breed, elites included, 2 at least. The first ones are spread out.
        num_elites: The fittest so far that stay in the population of every generation. They are not trained again, so
            that a generation trains `population_size - num_elites` children.
        survival: "steady_state" breeds from the fittest so far, "aging" from the youngest, both at any time.
            "generational" and "mu_plus_lambda" breed from whole generations only, and wait for them to end.
        selection: "tournament", "roulette", "rank" or "stochastic_universal".
        tournament_size: Competitors per tournament; more of them favor the best more.
        crossover: "uniform", "one_point" or "two_point".
        crossover_rate: Chance that a child has two parents, from 0 to 1. Every child is mutated.
        mutation: "typed" moves numbers a step and redraws categories; "redraw" redraws both.
        mutation_rate: Chance of each gene to change. By default one over the number of genes.
        patience: A new generation waits for what still runs of the one before, each for at most this many times the
            longest trial so far.
        min_patience: Seconds that a new generation is willing to wait in any case.
        rungs: Epochs after which a trial stops until its candidate is promoted, rising: (3, 9, 27) trains most
            candidates for three epochs. Empty means that every trial trains as long as the hypermodel says.
        max_epochs: With rungs, how many epochs the whole search may take. Each rung gets an equal share, which must
            suffice for one trial of it. By default there is no such limit, and promotions come at any time.
        kinds: Names of genes: only candidates with the same values of these compete for promotion.
        inherit: Whether a child begins with the weights of its first parent wherever their shapes agree, as in
            population-based training (Jaderberg et al. 2017, arXiv:1711.09846). Its score then tells less of its
            genome, so that this is off.
        weights: With several objectives, what one unit of each is worth: their weighted sum then ranks trials, the best
            one included, as in DeepGA (Vargas-Hákim et al. 2021, arXiv:2104.05024). Empty means no such exchange:
            NSGA-II decides who breeds.

    Raises:
        ValueError: A value is outside its range, or a name is unknown.
    """

    proposal: str = "genetic"
    surrogate: bool = True
    num_candidates: int = 64
    per_second: bool = False
    population_size: int = 12
    num_elites: int = 2
    survival: str = "steady_state"
    selection: str = "tournament"
    tournament_size: int = 3
    crossover: str = "uniform"
    crossover_rate: float = 0.7
    mutation: str = "typed"
    mutation_rate: float | None = None
    patience: float = 3.0
    min_patience: float = 60.0
    rungs: tuple[int, ...] = ()
    max_epochs: int | None = None
    kinds: tuple[str, ...] = ()
    inherit: bool = False
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        tables: dict[str, Mapping[str, object]] = {
            "proposal": PROPOSALS,
            "survival": SURVIVALS,
            "selection": SELECTIONS,
            "crossover": CROSSOVERS,
            "mutation": MUTATIONS,
        }
        for field, table in tables.items():
            name = getattr(self, field)
            if name not in table:
                raise ValueError(f"Got {field}={name!r}, expected one of: {', '.join(map(repr, table))}.")
        if any(one <= before for before, one in zip((0, *self.rungs), self.rungs, strict=False)):
            raise ValueError(f"Got rungs={self.rungs!r}, expected numbers of epochs that rise.")
        for field, low, high in (
            ("num_candidates", 1, None),
            ("population_size", 2, None),
            ("num_elites", 0, self.population_size - 1),
            ("tournament_size", 1, None),
            ("crossover_rate", 0, 1),
            ("mutation_rate", 0, 1),
            ("patience", 0, None),
            ("min_patience", 0, None),
            ("max_epochs", len(self.rungs) * max(costs(self.rungs), default=0), None),
        ):
            value = getattr(self, field)
            if field in ("mutation_rate", "max_epochs") and value is None:
                continue
            # Written so that NaN is refused too.
            if not (value >= low and (high is None or value <= high)):
                bounds = f"{low} or more" if high is None else f"{low} to {high}"
                raise ValueError(f"Got {field}={value!r}, expected {bounds}.")
