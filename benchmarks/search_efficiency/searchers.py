"""The searchers of the benchmark: kevo, kevo without some of its parts, and its peers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import keras_tuner

from benchmarks.search_efficiency.searches import (
    Problem,
    Search,
    ablated,
    aging_evolution,
    ask_optuna,
    ask_oracle,
    built_in,
    genetic,
    hyperband,
    local_search,
)
from tuners import Settings

OURS = "kevo"


@dataclass(frozen=True)
class Searcher:
    """A row of the benchmark.

    Args:
        name: Name on the command line and of files.
        title: Title in the report.
        start: Starts a search from a problem and a seed.
        needs: A package that has to be installed.
        max_seeds: Most seeds to run, for a slow searcher.
        max_evaluations: Most evaluations of a search, for a slow searcher.
        rungs_only: Whether it needs several fidelities.
    """

    name: str
    title: str
    start: Callable[[Problem, int], Search]
    needs: str | None = None
    max_seeds: int | None = None
    max_evaluations: int | None = None
    rungs_only: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether a package that it needs is not installed."""
        return self.needs is not None and find_spec(self.needs) is None


PARTS = {
    "steady_state": ("kevo, no surrogate", Settings(surrogate=False)),
    "generational": ("kevo, no surrogate, generational", Settings(surrogate=False, survival="generational")),
    "no_crossover": ("kevo, no crossover", Settings(crossover_rate=0.0)),
    "in_generations": ("kevo, generational", Settings(survival="generational")),
    "young": ("kevo, aging", Settings(survival="aging")),
    "few_children": ("kevo, 16 children to pick from", Settings(num_candidates=16)),
}
"""kevo without one of its parts, by settings."""
MODES = {
    "swarm": ("kevo, particle swarm, no surrogate", Settings(proposal="particle_swarm", surrogate=False)),
    "picked_swarm": ("kevo, particle swarm with the surrogate", Settings(proposal="particle_swarm")),
}
"""Other ways to propose candidates, by settings."""
INNER_PARTS: dict[str, tuple[str, str, object]] = {
    "no_immigrants": ("kevo, no random immigrants", "tuners.evolution._IMMIGRANTS", 0.0),
    "not_warped": ("kevo, fitness not warped", "tuners.surrogate.warped", lambda fitness: fitness),
    "blind_start": (
        "kevo, first population at random",
        "tuners.genome.SearchSpace.spread",
        lambda space, rng, num: [space.sample(rng) for _ in range(num)],
    ),
}
"""kevo without one of its parts, by replacing a name; no setting does that."""

SEARCHERS = {
    searcher.name: searcher
    for searcher in (
        Searcher(OURS, "kevo", partial(ask_oracle, partial(genetic, settings=Settings()))),
        *(
            Searcher(name, title, partial(ask_oracle, partial(genetic, settings=settings)))
            for name, (title, settings) in {**PARTS, **MODES}.items()
        ),
        *(
            Searcher(name, title, partial(ablated, part, substitute))
            for name, (title, part, substitute) in INNER_PARTS.items()
        ),
        Searcher(
            "full",
            "kevo, full trainings only",
            partial(ask_oracle, partial(genetic, settings=Settings(), use_rungs=False)),
            rungs_only=True,
        ),
        Searcher(
            "any_time",
            "kevo, budget not told",
            partial(ask_oracle, partial(genetic, settings=Settings(), knows_budget=False)),
            rungs_only=True,
        ),
        Searcher(
            "random",
            "Keras Tuner RandomSearch",
            partial(ask_oracle, partial(built_in, keras_tuner.oracles.RandomSearchOracle)),
        ),
        Searcher(
            "bayesian",
            "Keras Tuner BayesianOptimization",
            partial(ask_oracle, partial(built_in, keras_tuner.oracles.BayesianOptimizationOracle)),
            max_seeds=3,
            max_evaluations=50,
        ),
        Searcher("hyperband", "Keras Tuner Hyperband", partial(ask_oracle, hyperband), rungs_only=True),
        Searcher("tpe", "Optuna TPE", partial(ask_optuna, "TPESampler"), needs="optuna", max_seeds=20),
        Searcher("nsga2", "Optuna NSGA-II", partial(ask_optuna, "NSGAIISampler"), needs="optuna", max_seeds=20),
        Searcher("aging", "aging evolution", aging_evolution),
        Searcher("local", "local search", local_search),
    )
}
