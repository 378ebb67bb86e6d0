"""Predicts the fitness of unseen genomes from trained ones: a Gaussian process over encoded genomes.

- Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapters 2 and 5 (prediction, fitting)
- Hvarfner et al. 2024, Vanilla Bayesian optimization performs great in high dimensions, arXiv:2402.02229 (the prior)
- Jones et al. 1998, Efficient global optimization of expensive black-box functions, doi:10.1023/A:1008306431147
  (expected improvement), in the stable form of Ament et al. 2023, arXiv:2310.20708
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from tuners.genome import Genome, SearchSpace

Array = NDArray[np.float64]

# More trials than that are not learned from at once: a proposal's cost grows with their cube.
_MAX_LEARNED = 256
# A kernel is found anew when there are so many times more trials.
_GROWTH = 1.2

# Seconds that a training takes at least.
_SHORTEST = 1e-3
# A candidate that fails for certain would never be compared at all.
_HIGHEST_RISK = 0.99
# Variance of the targets that is not told from none.
_LOWEST_NOISE = 1e-6
_JITTER = 1e-6
_MAX_STEPS = 40


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The training data of the surrogate: one entry for each genome in training or trained, ordered by number.

    Args:
        numbers: The number of each individual.
        genomes: Genomes of the space.
        fitness: Shape (n,), greater is better. NaN for what failed, or still trains.
        seconds: Shape (n,): how long each took. NaN for what still trains.
        failed: Shape (n,): whether it failed.
        direction: With several objectives, which exchange between them the fitness stands for.
    """

    numbers: Sequence[int]
    genomes: Sequence[Genome]
    fitness: Array
    seconds: Array
    failed: NDArray[np.bool_]
    direction: int = 0


_View = Callable[[Evidence], tuple[NDArray[np.intp], Array]]
"""What one process learns of the evidence: rows, and a value for each."""


class Surrogate:
    """Says how promising genomes are.

    What it says depends on the search's past alone, so that a search that is taken up again goes on as if it had never
    stopped. What it keeps only saves time: kernels, and where the genomes lie.

    Args:
        space: The space of the genomes.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._places: dict[int, Array] = {}
        self._kernels: dict[str, tuple[int, Kernel]] = {}

    def scores(
        self,
        genomes: Sequence[Genome],
        evidence: Callable[[int], Evidence],
        num: int,
        *,
        per_second: bool = False,
        cost: Callable[[Genome], float] | None = None,
    ) -> Array:
        """Returns the logarithm of the expected improvement of each genome.

        Args:
            genomes: Not trained yet.
            evidence: What was known when so many individuals were born, asked for `num` and for earlier moments.
            num: Number of individuals born until now, at least two of them with a fitness.
            per_second: Whether to count the improvement by the seconds that a training is expected to take.
            cost: Says how many seconds those are. `None`: they are predicted from the evidence.

        Returns:
            Shape (len(genomes),); greater is better.
        """
        with _blas().limit(limits=1, user_api="blas"):
            scores = self._scores(genomes, evidence, num)
            if per_second and cost is not None:
                return scores - np.log(np.maximum([cost(genome) for genome in genomes], _SHORTEST))
            if per_second:
                return scores - self._predicted("seconds", _log_seconds, functools.cache(evidence), num, genomes)
            return scores

    def _scores(self, genomes: Sequence[Genome], evidence: Callable[[int], Evidence], num: int) -> Array:
        places = self._space.encode(genomes)
        earlier = functools.cache(evidence)
        now = earlier(num)
        kernel = self._kernel(f"fitness {now.direction}", _fitness, earlier, num)
        rows, targets = _fitness(now)
        known = self._inputs(now, rows)
        process = GaussianProcess(kernel, known, targets)
        best = float(process.fitted.max())
        pending = np.flatnonzero(np.isnan(now.fitness) & ~now.failed)[-_MAX_LEARNED:]
        if len(pending):
            # What still trains is taken to come out as predicted, so that nobody trains its like at the same time
            # (the kriging believer of Ginsbourger et al. 2010, doi:10.1007/978-3-642-10701-6_6).
            waiting = self._inputs(now, pending)
            believed = process.predict(waiting)[0]
            process = GaussianProcess(kernel, np.vstack([known, waiting]), np.append(targets, believed))
        scores = log_expected_improvement(*process.predict(places), best)
        if now.failed.any():
            risk = self._predicted("failed", _failures, earlier, num, genomes)
            scores = scores + np.log1p(-np.clip(risk, 0.0, _HIGHEST_RISK))
        return scores

    def _predicted(
        self, what: str, view: _View, evidence: Callable[[int], Evidence], num: int, genomes: Sequence[Genome]
    ) -> Array:
        """Returns the predicted values of a view for other genomes."""
        now = evidence(num)
        rows, values = view(now)
        kernel = self._kernel(what, view, evidence, num)
        process = GaussianProcess(kernel, self._inputs(now, rows), _standardized(values))
        return np.asarray(process.predict(self._space.encode(genomes))[0] * values.std() + values.mean())

    def _kernel(self, what: str, view: _View, evidence: Callable[[int], Evidence], num: int) -> Kernel:
        """Returns the kernel as of the last milestone."""
        milestone = _milestone(num)
        if self._kernels.get(what, (0,))[0] != milestone:
            rows, values = view(evidence(milestone))
            inputs = self._inputs(evidence(milestone), rows)
            self._kernels[what] = milestone, fit(inputs, _standardized(values), self._space.columns)
        return self._kernels[what][1]

    def _inputs(self, evidence: Evidence, rows: NDArray[np.intp]) -> Array:
        new = [row for row in rows if evidence.numbers[row] not in self._places]
        for row, place in zip(new, self._space.encode([evidence.genomes[row] for row in new]), strict=True):
            self._places[evidence.numbers[row]] = place
        places = [self._places[evidence.numbers[row]] for row in rows]
        return np.array(places).reshape(len(rows), len(self._space.columns))


@functools.cache
def _blas() -> threadpoolctl.ThreadpoolController:
    """Holds BLAS to one thread: on matrices this small, more of them wait for each other a hundred times longer."""
    return threadpoolctl.ThreadpoolController()


def _fitness(evidence: Evidence) -> tuple[NDArray[np.intp], Array]:
    """Returns the rows to learn the fitness from, and their targets: the best, and an even choice of the others."""
    rows = np.flatnonzero(np.isfinite(evidence.fitness))
    targets = warped(evidence.fitness[rows])
    if len(rows) > _MAX_LEARNED:
        order = np.argsort(-targets, kind="stable")
        num_best = _MAX_LEARNED // 2
        others = np.linspace(num_best, len(rows) - 1, _MAX_LEARNED - num_best).round().astype(np.intp)
        kept = np.sort(order[np.concatenate([np.arange(num_best), others])])
        rows, targets = rows[kept], targets[kept]
    return rows, _standardized(targets)


def _failures(evidence: Evidence) -> tuple[NDArray[np.intp], Array]:
    """Returns the last that ended, and 1 for those that failed."""
    rows = np.flatnonzero(evidence.failed | np.isfinite(evidence.fitness))[-_MAX_LEARNED:]
    return rows, evidence.failed[rows].astype(np.float64)


def _log_seconds(evidence: Evidence) -> tuple[NDArray[np.intp], Array]:
    """Returns the last that finished, and the logarithm of how long they took."""
    rows = np.flatnonzero(np.isfinite(evidence.fitness) & np.isfinite(evidence.seconds))[-_MAX_LEARNED:]
    return rows, np.log(np.maximum(evidence.seconds[rows], _SHORTEST))


def _milestone(num: int) -> int:
    """Returns the greatest number up to `num` at which kernels are found anew."""
    milestone = 1
    while (following := math.ceil(milestone * _GROWTH)) <= num:
        milestone = following
    return milestone


@dataclass(frozen=True)
class Kernel:
    """How alike the targets of two genomes are expected to be: Matérn 5/2 with a length scale for each gene.

    Args:
        log_scales: Shape (num_genes,): the longer, the less a gene matters.
        log_noise: Variance of what two trainings of the same genome differ by, where the targets have variance 1.
        columns: Shape (num_columns,): the gene that each column of the inputs belongs to.
    """

    log_scales: Array
    log_noise: float
    columns: NDArray[np.intp]

    def scaled(self, inputs: Array) -> Array:
        """Returns the inputs in units of their length scales."""
        return np.asarray(inputs * np.exp(-self.log_scales)[self.columns])


class GaussianProcess:
    """Targets with variance 1 at inputs that were seen; predicts them at others.

    Args:
        kernel: See `fit`.
        inputs: Shape (n, num_columns).
        targets: Shape (n,), with mean 0 and variance 1.
    """

    def __init__(self, kernel: Kernel, inputs: Array, targets: Array) -> None:
        self._kernel = kernel
        self._inputs = kernel.scaled(inputs)
        covariance = _matern(_squared_distances(self._inputs, self._inputs))
        noise = math.exp(kernel.log_noise) + _JITTER
        covariance.flat[:: len(inputs) + 1] += noise
        self._factor = linalg.cholesky(covariance, lower=True)
        self._weights = linalg.cho_solve((self._factor, True), targets)
        self.fitted = targets - noise * self._weights
        """Shape (n,): the mean of the noise-free targets at the inputs themselves."""

    def predict(self, inputs: Array) -> tuple[Array, Array]:
        """Returns mean and standard deviation of the noise-free targets at `inputs`, each of shape (len(inputs),)."""
        covariance = _matern(_squared_distances(self._kernel.scaled(inputs), self._inputs))
        explained = linalg.solve_triangular(self._factor, covariance.T, lower=True)
        variance = np.maximum(1.0 - (explained**2).sum(axis=0), 1e-9)
        return np.asarray(covariance @ self._weights), np.sqrt(variance)


def fit(inputs: Array, targets: Array, columns: NDArray[np.intp]) -> Kernel:
    """Finds the most likely kernel, given a prior that grows the length scales with the number of genes.

    Args:
        inputs: Shape (n, num_columns), in the unit cube.
        targets: Shape (n,), with mean 0 and variance 1.
        columns: Shape (num_columns,): the gene, from 0, that each column belongs to.

    Returns:
        The kernel with the greatest posterior density (Hvarfner et al. 2024, with a Matérn 5/2 kernel).
    """
    num_genes = int(columns.max(initial=-1)) + 1
    middle = np.append(np.full(num_genes, math.sqrt(2) + math.log(max(1, num_genes)) / 2), math.log(1e-2))
    spread = np.append(np.full(num_genes, math.sqrt(3)), 1.5)
    if len(inputs) < 2:
        return Kernel(middle[:-1], float(middle[-1]), columns)

    def loss(parameters: Array) -> tuple[float, Array]:
        value, slope = _negative_log_likelihood(Kernel(parameters[:-1], parameters[-1], columns), inputs, targets)
        away = (parameters - middle) / spread
        return value + 0.5 * float(away @ away), slope + away / spread

    bounds = [*[(-3.0, 8.0)] * num_genes, (math.log(_LOWEST_NOISE), 0.0)]
    found = optimize.minimize(loss, middle, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _MAX_STEPS})
    return Kernel(found.x[:-1], float(found.x[-1]), columns)


def warped(fitness: Array) -> Array:
    """Returns fitness with its lower half replaced by normal scores, so that hopeless genomes do not bend the fit.

    The upper half keeps its distances, in units of its own spread above the median (the half-rank warping of Song et
    al. 2024, The Vizier Gaussian process bandit algorithm, arXiv:2408.11527).
    """
    if not len(fitness):
        return fitness
    # By a power of two, which changes nothing but that the greatest numbers can be squared.
    fitness = np.ldexp(fitness, -int(np.frexp(np.abs(fitness).max())[1]))
    median = float(np.median(fitness))
    lead = fitness - median
    upper = lead >= 0
    spread = math.sqrt(float(np.mean(lead[upper] ** 2))) or 1.0
    # Equal ones share the mean of their ranks.
    ordered = np.sort(fitness)
    ranks = (np.searchsorted(ordered, fitness, "left") + np.searchsorted(ordered, fitness, "right") + 1) / 2
    return np.where(upper, lead / spread, special.ndtri(np.minimum(ranks / (len(fitness) + 1), 0.5)))


def _standardized(targets: Array) -> Array:
    if not len(targets):
        return targets
    spread = targets.std()
    return np.asarray((targets - targets.mean()) / (spread if spread > 0 else 1.0))


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Returns the logarithm of how much a prediction is expected to exceed `best` (Jones et al. 1998)."""
    z = (mean - best) / deviation
    # Far below the best, the improvement underflows where its logarithm does not.
    far = np.minimum(z, -1.0)
    tail = np.log1p(far * math.sqrt(math.pi / 2) * special.erfcx(-far / math.sqrt(2))) - far**2 / 2
    near = np.maximum(z, -1.0)
    density = np.exp(-(near**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(
        np.where(z > -1.0, np.log(density + near * special.ndtr(near)), tail - math.log(2 * math.pi) / 2)
        + np.log(deviation)
    )


def _negative_log_likelihood(kernel: Kernel, inputs: Array, targets: Array) -> tuple[float, Array]:
    """Returns the value and its slope along the log scales and the log noise (Rasmussen and Williams 2006, 5.4.1)."""
    scaled = kernel.scaled(inputs)
    squares = _squared_distances(scaled, scaled)
    covariance = _matern(squares)
    noise = math.exp(kernel.log_noise)
    covariance.flat[:: len(inputs) + 1] += noise + _JITTER
    factor = linalg.cholesky(covariance, lower=True)
    inverse = linalg.cho_solve((factor, True), np.eye(len(inputs)))
    weights = inverse @ targets
    gap = inverse - np.outer(weights, weights)
    pull = gap * _steepness(squares)
    # The sum over all pairs of pull * (difference in one column)^2, without listing the differences.
    by_column = 2 * (pull.sum(axis=1) @ scaled**2) - 2 * (scaled * (pull @ scaled)).sum(axis=0)
    slope = np.append(
        0.5 * np.bincount(kernel.columns, weights=by_column, minlength=len(kernel.log_scales)),
        0.5 * noise * np.trace(gap),
    )
    return float(0.5 * targets @ weights + np.log(np.diag(factor)).sum()), slope


def _squared_distances(first: Array, second: Array) -> Array:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :] - 2 * first @ second.T
    return np.asarray(np.maximum(squares, 0.0))


def _matern(squares: Array) -> Array:
    """Returns Matérn 5/2 of squared distances."""
    root = np.sqrt(5.0 * squares)
    return np.asarray((1.0 + root + root**2 / 3.0) * np.exp(-root))


def _steepness(squares: Array) -> Array:
    """Returns minus twice the derivative of `_matern` by the squared distances."""
    root = np.sqrt(5.0 * squares)
    return np.asarray((5.0 / 3.0) * (1.0 + root) * np.exp(-root))
