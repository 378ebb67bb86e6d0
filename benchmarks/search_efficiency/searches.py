"""Searches as generators: each yields what to train and is sent the score of the training.

- Aging evolution: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search (AAAI),
  doi:10.1609/aaai.v33i01.33014780.
- Local search: White et al. 2021, Exploring the Loss Landscape in Neural Architecture Search (UAI), arXiv:2005.02960.
"""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus

from benchmarks.search_efficiency.landscapes import Genome
from tuners import GeneticOracle, Settings

# Keras Tuner's oracles write every trial to disk. A disk in memory, where there is one, leaves the search's own time.
_MEMORY = Path("/dev/shm")
_OBJECTIVE = "score"
# Keras Tuner's random search increments its seed with every value: nearby seeds would give the same draws.
_SEED_STRIDE = 100_003


@dataclass(frozen=True)
class Problem:
    """What a searcher knows.

    Args:
        num_values: Number of values of each gene; values have no order.
        rungs: Epochs that a genome may be trained for, in total and in ascending order.
        budget: Epochs that all trainings may take together.
    """

    num_values: tuple[int, ...]
    rungs: tuple[int, ...]
    budget: int


@dataclass(frozen=True)
class Training:
    """A request to train a genome from `initial_epoch`, where an earlier training of it ended, to `epochs`."""

    genome: Genome
    epochs: int
    initial_epoch: int = 0


Search = Generator[Training, float, None]


def declare(num_values: tuple[int, ...]) -> keras_tuner.HyperParameters:
    """Returns the space as users write it: a choice of words for each gene."""
    hp = keras_tuner.HyperParameters()
    for gene, count in enumerate(num_values):
        hp.Choice(f"gene_{gene}", [str(value) for value in range(count)])
    return hp


def ask_oracle(build: Callable[[Problem, int], keras_tuner.Oracle], problem: Problem, seed: int) -> Search:
    """Searches with an oracle of Keras Tuner, driven as a tuner drives it."""
    oracle = build(problem, seed)
    oracle.verbose = 0
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        oracle._set_project_dir(folder, "search")
        while (trial := oracle.create_trial("tuner")).status == TrialStatus.RUNNING:
            values = trial.hyperparameters.values
            epochs = int(values.get("tuner/epochs", problem.rungs[-1]))
            genome = tuple(int(values[f"gene_{gene}"]) for gene in range(len(problem.num_values)))
            score = yield Training(genome, epochs, int(values.get("tuner/initial_epoch", 0)))
            oracle.update_trial(trial.trial_id, {_OBJECTIVE: score}, step=epochs)
            trial.status = TrialStatus.COMPLETED
            oracle.end_trial(trial)


def genetic(
    problem: Problem, seed: int, *, settings: Settings, use_rungs: bool = True, knows_budget: bool = True
) -> keras_tuner.Oracle:
    """Returns kevo's oracle.

    Args:
        problem: The problem.
        seed: Seed of the search.
        settings: Settings of the algorithm.
        use_rungs: Whether to begin with short trainings where the problem has several rungs.
        knows_budget: Whether the rungs are planned within the budget.
    """
    first = problem.rungs[-1]
    if use_rungs and len(problem.rungs) > 1:
        first = problem.rungs[0]
        settings = replace(settings, rungs=problem.rungs, max_epochs=problem.budget if knows_budget else None)
    return GeneticOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=problem.budget // first,
        hyperparameters=declare(problem.num_values),
        seed=seed,
        settings=settings,
    )


def built_in(oracle: type[keras_tuner.Oracle], problem: Problem, seed: int) -> keras_tuner.Oracle:
    """Returns an oracle of Keras Tuner with its defaults."""
    return oracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=problem.budget // problem.rungs[-1],
        hyperparameters=declare(problem.num_values),
        seed=1 + seed * _SEED_STRIDE,
    )


def hyperband(problem: Problem, seed: int) -> keras_tuner.Oracle:
    """Returns Keras Tuner's Hyperband, with the factor that gives it the two rungs of the problem."""
    low, high = problem.rungs
    return keras_tuner.oracles.HyperbandOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_epochs=high,
        factor=-(-high // low),
        hyperband_iterations=problem.budget,
        hyperparameters=declare(problem.num_values),
        seed=1 + seed * _SEED_STRIDE,
    )


def ask_optuna(sampler: str, problem: Problem, seed: int) -> Search:
    """Searches with a sampler of Optuna, by its name, with its defaults."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=getattr(optuna.samplers, sampler)(seed=seed))
    while True:
        trial = study.ask()
        genome = tuple(
            int(trial.suggest_categorical(f"gene_{gene}", [str(value) for value in range(count)]))
            for gene, count in enumerate(problem.num_values)
        )
        study.tell(trial, (yield Training(genome, problem.rungs[-1])))


def _draw(rng: np.random.Generator, problem: Problem) -> Genome:
    return tuple(int(rng.integers(count)) for count in problem.num_values)


def _neighbors(genome: Genome, problem: Problem) -> Iterator[Genome]:
    """Yields all genomes that differ from `genome` in one gene."""
    for gene, count in enumerate(problem.num_values):
        yield from ((*genome[:gene], value, *genome[gene + 1 :]) for value in range(count) if value != genome[gene])


def aging_evolution(problem: Problem, seed: int, *, population_size: int = 20, sample_size: int = 5) -> Search:
    """Searches by mutating one gene of the best of a sample; the oldest leaves the population (Real et al. 2019)."""
    rng = np.random.default_rng(seed)
    population: deque[tuple[Genome, float]] = deque(maxlen=population_size)
    while True:
        if len(population) < population_size:
            child = _draw(rng, problem)
        else:
            sample = rng.choice(population_size, size=sample_size, replace=False)
            parent, _ = max((population[index] for index in sample), key=lambda one: one[1])
            neighbors = list(_neighbors(parent, problem))
            child = neighbors[int(rng.integers(len(neighbors)))]
        population.append((child, (yield Training(child, problem.rungs[-1]))))


def local_search(problem: Problem, seed: int) -> Search:
    """Searches by moving to the first better neighbor, and from a new random genome if none is (White et al. 2021)."""
    rng = np.random.default_rng(seed)
    seen: dict[Genome, float] = {}
    while len(seen) < np.prod(problem.num_values):
        current, is_climbing = _draw(rng, problem), True
        if current in seen:
            continue
        seen[current] = yield Training(current, problem.rungs[-1])
        while is_climbing:
            is_climbing = False
            neighbors = list(_neighbors(current, problem))
            for index in rng.permutation(len(neighbors)):
                neighbor = neighbors[index]
                if neighbor not in seen:
                    seen[neighbor] = yield Training(neighbor, problem.rungs[-1])
                if seen[neighbor] > seen[current]:
                    current, is_climbing = neighbor, True
                    break


def ablated(part: str, substitute: object, problem: Problem, seed: int) -> Search:
    """Searches with kevo's oracle, a part of which, by its dotted name, is replaced."""
    with patch(part, substitute):
        yield from ask_oracle(partial(genetic, settings=Settings()), problem, seed)
