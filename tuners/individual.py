"""Individuals of an evolution, and how those compare that have finished."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tuners import fidelity, pareto
from tuners.genome import Genome
from tuners.settings import Settings

Origin = Literal["seed", "random", "crossover", "mutation", "move", "promotion"]
Status = Literal["pending", "finished", "failed"]

# Of the whole past, only so many compete for survival with several objectives, beside the front.
_MAX_RANKED = 256


@dataclass(frozen=True, kw_only=True)
class Individual:
    """One genome and its fate.

    Args:
        number: Counts all individuals from 0, in the order of birth.
        genome: Its active genes.
        generation: Counts from 0.
        origin: How it came to be.
        parents: Their numbers. That of the trial that is continued, after a promotion. Of a move, where the particle
            was before, and what drew it.
        rung: How far up the rungs it trains, from 0.
        status: "pending" until its trial has ended.
        fitness: Greater is better. None unless the trial finished.
        objectives: One value for each of several objectives, greater is better. Empty with a single one.
        seconds: How long the trial took. None until it has ended.
    """

    number: int
    genome: Genome
    generation: int
    origin: Origin
    parents: tuple[int, ...] = ()
    rung: int = 0
    status: Status = "pending"
    fitness: float | None = None
    objectives: tuple[float, ...] = ()
    seconds: float | None = None


def merits(individuals: Sequence[Individual]) -> list[float]:
    """Returns one number for each finished individual to select and survive by: fitness, or its standing in NSGA-II."""
    if individuals and individuals[0].objectives:
        return pareto.fitness([one.objectives for one in individuals])
    return [one.fitness for one in individuals if one.fitness is not None]


def contenders(elders: list[Individual]) -> list[Individual]:
    """Returns those of finished individuals that are compared: with several objectives, the front and the youngest."""
    if len(elders) <= _MAX_RANKED or not elders[0].objectives:
        return elders
    kept = {*pareto.front([one.objectives for one in elders]), *range(len(elders) - _MAX_RANKED, len(elders))}
    return [elders[index] for index in sorted(kept)]


def runs_of(individuals: Sequence[Individual], settings: Settings) -> list[fidelity.Run]:
    """Returns the trainings of individuals as the rungs see them."""
    first: dict[int, int] = {}
    for one in individuals:
        first[one.number] = first[one.parents[0]] if one.origin == "promotion" else one.number
    return [
        fidelity.Run(
            candidate=first[one.number],
            kind=tuple(one.genome.get(name) for name in settings.kinds),
            rung=one.rung,
            fitness=one.fitness,
            is_pending=one.status == "pending",
        )
        for one in individuals
    ]


def finished(individuals: Sequence[Individual], settings: Settings) -> list[Individual]:
    """Returns the finished candidates, each with its longest training; their fitness is as at the top rung."""
    done = [one for one in individuals if one.fitness is not None]
    if len(settings.rungs) < 2:
        return done
    fitness = fidelity.at_full_length(runs_of(done, settings), num_rungs=len(settings.rungs))
    continued = {one.parents[0] for one in done if one.origin == "promotion"}
    return [
        replace(one, fitness=value, objectives=(value, *one.objectives[1:]) if one.objectives else ())
        for one, value in zip(done, fitness, strict=True)
        if one.number not in continued
    ]
