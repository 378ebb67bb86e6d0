"""Searchers side by side, each a generator: it yields what to train and is sent what the training showed.

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
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus
from landscapes import Genome

from tuners import GeneticOracle, Settings

# Keras Tuner's oracles write every trial to disk; where memory can stand in for the disk, the search is what is timed.
_MEMORY = Path("/dev/shm")
_OBJECTIVE = "score"
# Keras Tuner's random search counts its seed up with every value, so that neighboring seeds give the same draws.
_SEED_STRIDE = 100_003


@dataclass(frozen=True)
class Task:
    """What a searcher may know.

    Args:
        num_values: Values of each gene; they have no order.
        rungs: Epochs that a genome may be trained for, in total and in ascending order.
        budget: Epochs that may be spent in all.
    """

    num_values: tuple[int, ...]
    rungs: tuple[int, ...]
    budget: int


@dataclass(frozen=True)
class Training:
    """Trains a genome from `initial_epoch`, where an earlier training of it ended, to `epochs`."""

    genome: Genome
    epochs: int
    initial_epoch: int = 0


Search = Generator[Training, float, None]


@dataclass(frozen=True)
class Searcher:
    """A row of the benchmark.

    Args:
        name: For the command line and for files.
        title: For people.
        start: Begins a search from a task and a seed.
        needs: A package that may be missing.
        max_seeds: No more than these, since it is slow.
        max_evaluations: No more than these, since it is slow.
        rungs_only: Whether it makes no sense without fidelities.
    """

    name: str
    title: str
    start: Callable[[Task, int], Search]
    needs: str | None = None
    max_seeds: int | None = None
    max_evaluations: int | None = None
    rungs_only: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether the package that it needs is not installed."""
        return self.needs is not None and find_spec(self.needs) is None


def declare(num_values: tuple[int, ...]) -> keras_tuner.HyperParameters:
    """Returns the space as a user would write it: a choice of words for each gene."""
    hp = keras_tuner.HyperParameters()
    for gene, count in enumerate(num_values):
        hp.Choice(f"gene_{gene}", [str(value) for value in range(count)])
    return hp


def ask_oracle(build: Callable[[Task, int], keras_tuner.Oracle], task: Task, seed: int) -> Search:
    """Drives any oracle of Keras Tuner as a tuner would."""
    oracle = build(task, seed)
    oracle.verbose = 0
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        oracle._set_project_dir(folder, "search")
        while (trial := oracle.create_trial("tuner")).status == TrialStatus.RUNNING:
            values = trial.hyperparameters.values
            epochs = int(values.get("tuner/epochs", task.rungs[-1]))
            genome = tuple(int(values[f"gene_{gene}"]) for gene in range(len(task.num_values)))
            score = yield Training(genome, epochs, int(values.get("tuner/initial_epoch", 0)))
            oracle.update_trial(trial.trial_id, {_OBJECTIVE: score}, step=epochs)
            trial.status = TrialStatus.COMPLETED
            oracle.end_trial(trial)


def genetic(
    task: Task, seed: int, *, settings: Settings, use_rungs: bool = True, knows_budget: bool = True
) -> keras_tuner.Oracle:
    """Returns ours; where the task has several rungs it climbs them, unless told not to, within the task's budget."""
    first = task.rungs[-1]
    if use_rungs and len(task.rungs) > 1:
        first = task.rungs[0]
        settings = replace(settings, rungs=task.rungs, max_epochs=task.budget if knows_budget else None)
    return GeneticOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=task.budget // first,
        hyperparameters=declare(task.num_values),
        seed=seed,
        settings=settings,
    )


def built_in(oracle: type[keras_tuner.Oracle], task: Task, seed: int) -> keras_tuner.Oracle:
    """Returns one of Keras Tuner's own oracles, with its defaults."""
    return oracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_trials=task.budget // task.rungs[-1],
        hyperparameters=declare(task.num_values),
        seed=1 + seed * _SEED_STRIDE,
    )


def hyperband(task: Task, seed: int) -> keras_tuner.Oracle:
    """Returns Keras Tuner's Hyperband with the factor that makes its two shortest trainings those of the task."""
    low, high = task.rungs
    return keras_tuner.oracles.HyperbandOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"),
        max_epochs=high,
        factor=-(-high // low),
        hyperband_iterations=task.budget,
        hyperparameters=declare(task.num_values),
        seed=1 + seed * _SEED_STRIDE,
    )


def ask_optuna(sampler: str, task: Task, seed: int) -> Search:
    """Drives a sampler of Optuna, by its name, with its defaults."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=getattr(optuna.samplers, sampler)(seed=seed))
    while True:
        trial = study.ask()
        genome = tuple(
            int(trial.suggest_categorical(f"gene_{gene}", [str(value) for value in range(count)]))
            for gene, count in enumerate(task.num_values)
        )
        study.tell(trial, (yield Training(genome, task.rungs[-1])))


def _draw(rng: np.random.Generator, task: Task) -> Genome:
    return tuple(int(rng.integers(count)) for count in task.num_values)


def _neighbors(genome: Genome, task: Task) -> Iterator[Genome]:
    """Yields the genomes that differ in one gene."""
    for gene, count in enumerate(task.num_values):
        yield from ((*genome[:gene], value, *genome[gene + 1 :]) for value in range(count) if value != genome[gene])


def aging_evolution(task: Task, seed: int, *, population_size: int = 20, sample_size: int = 5) -> Search:
    """Mutates one gene of the best among some of the young; the oldest dies (Real et al. 2019)."""
    rng = np.random.default_rng(seed)
    population: deque[tuple[Genome, float]] = deque(maxlen=population_size)
    while True:
        if len(population) < population_size:
            child = _draw(rng, task)
        else:
            sample = rng.choice(population_size, size=sample_size, replace=False)
            parent, _ = max((population[index] for index in sample), key=lambda one: one[1])
            neighbors = list(_neighbors(parent, task))
            child = neighbors[int(rng.integers(len(neighbors)))]
        population.append((child, (yield Training(child, task.rungs[-1]))))


def local_search(task: Task, seed: int) -> Search:
    """Climbs to the first better neighbor, from a new random genome where there is none (White et al. 2021)."""
    rng = np.random.default_rng(seed)
    seen: dict[Genome, float] = {}
    while len(seen) < np.prod(task.num_values):
        current, is_climbing = _draw(rng, task), True
        if current in seen:
            continue
        seen[current] = yield Training(current, task.rungs[-1])
        while is_climbing:
            is_climbing = False
            neighbors = list(_neighbors(current, task))
            for index in rng.permutation(len(neighbors)):
                neighbor = neighbors[index]
                if neighbor not in seen:
                    seen[neighbor] = yield Training(neighbor, task.rungs[-1])
                if seen[neighbor] > seen[current]:
                    current, is_climbing = neighbor, True
                    break


def ablated(part: str, substitute: object, task: Task, seed: int) -> Search:
    """Drives ours with one of its inner parts exchanged, which no setting does."""
    with patch(part, substitute):
        yield from ask_oracle(partial(genetic, settings=Settings()), task, seed)


# Ours with its parts switched off, one by one: by its settings, or else from within.
PARTS = {
    "steady_state": ("kevo, no surrogate", Settings(surrogate=False)),
    "generational": ("kevo, no surrogate, generational", Settings(surrogate=False, survival="generational")),
    "no_crossover": ("kevo, no crossover", Settings(crossover_rate=0.0)),
    "in_generations": ("kevo, generational", Settings(survival="generational")),
    "young": ("kevo, aging", Settings(survival="aging")),
    "few_children": ("kevo, 16 children to pick from", Settings(num_candidates=16)),
}
INNER_PARTS: dict[str, tuple[str, str, object]] = {
    "no_immigrants": ("kevo, no random immigrants", "tuners.evolution._IMMIGRANTS", 0.0),
    "not_warped": ("kevo, fitness not warped", "tuners.surrogate.warped", lambda fitness: fitness),
    "blind_start": (
        "kevo, first population at random",
        "tuners.genome.SearchSpace.spread",
        lambda space, rng, num: [space.sample(rng) for _ in range(num)],
    ),
}

SEARCHERS = {
    searcher.name: searcher
    for searcher in (
        Searcher("kevo", "kevo", partial(ask_oracle, partial(genetic, settings=Settings()))),
        *(
            Searcher(name, title, partial(ask_oracle, partial(genetic, settings=settings)))
            for name, (title, settings) in PARTS.items()
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
