import math
from functools import partial

import numpy as np
import pytest

from tuners.genome import Categorical, Condition, Range, SearchSpace
from tuners.surrogate import (
    Evidence,
    GaussianProcess,
    Kernel,
    Surrogate,
    _negative_log_likelihood,
    fit,
    log_expected_improvement,
    warped,
)


def wave(inputs: np.ndarray) -> np.ndarray:
    """Depends on the first of three inputs alone."""
    values = np.sin(5 * inputs[:, 0])
    return np.asarray((values - values.mean()) / values.std())


@pytest.fixture
def inputs() -> np.ndarray:
    return np.random.default_rng(0).random((40, 3))


def test_a_process_goes_through_its_points_and_doubts_what_is_far(inputs: np.ndarray) -> None:
    kernel = Kernel(np.zeros(3), math.log(1e-6), np.arange(3))
    process = GaussianProcess(kernel, inputs, wave(inputs))
    mean, deviation = process.predict(inputs)
    assert mean == pytest.approx(wave(inputs), abs=1e-3)
    assert process.fitted == pytest.approx(mean)
    assert deviation.max() < 0.01
    mean, deviation = process.predict(inputs + 100.0)
    assert mean == pytest.approx(np.zeros(40)) and deviation == pytest.approx(np.ones(40))


def test_a_process_by_hand() -> None:
    """One point: the covariance at a distance of one length scale is (1 + root 5 + 5 / 3) exp(-root 5)."""
    process = GaussianProcess(Kernel(np.zeros(1), math.log(0.25), np.arange(1)), np.array([[0.0]]), np.array([2.0]))
    mean, deviation = process.predict(np.array([[1.0]]))
    alike = (1 + math.sqrt(5) + 5 / 3) * math.exp(-math.sqrt(5))
    assert mean[0] == pytest.approx(alike * 2.0 / 1.25, rel=1e-5)
    assert deviation[0] == pytest.approx(math.sqrt(1 - alike**2 / 1.25), rel=1e-5)


def test_the_slope_is_that_of_the_likelihood(inputs: np.ndarray) -> None:
    columns = np.array([0, 0, 1])
    middle = np.array([0.3, -0.2, math.log(0.05)])

    def value(parameters: np.ndarray) -> float:
        return _negative_log_likelihood(Kernel(parameters[:-1], parameters[-1], columns), inputs, wave(inputs))[0]

    slope = _negative_log_likelihood(Kernel(middle[:-1], middle[-1], columns), inputs, wave(inputs))[1]
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-5
        assert slope[place] == pytest.approx((value(middle + step) - value(middle - step)) / 2e-5, rel=1e-4)


def test_fitting_finds_what_matters_and_how_noisy_it_is(inputs: np.ndarray) -> None:
    kernel = fit(inputs, wave(inputs), np.arange(3))
    assert kernel.log_scales[0] < kernel.log_scales[1:].min() - 1
    assert kernel.log_noise < math.log(1e-3)
    noise = np.random.default_rng(1).normal(size=40)
    noisy = wave(inputs) + 0.7 * noise
    assert fit(inputs, noisy / noisy.std(), np.arange(3)).log_noise > math.log(0.05)
    unseen = np.random.default_rng(2).random((200, 3))
    predicted, _ = GaussianProcess(kernel, inputs, wave(inputs)).predict(unseen)
    assert np.corrcoef(predicted, np.sin(5 * unseen[:, 0]))[0, 1] > 0.98


def test_expected_improvement_agrees_with_drawing(inputs: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for mean, deviation in ((0.5, 1.0), (-1.0, 0.8), (2.0, 0.1)):
        drawn = np.maximum(rng.normal(mean, deviation, 400_000) - 0.3, 0.0).mean()
        score = log_expected_improvement(np.array([mean]), np.array([deviation]), 0.3)[0]
        assert math.exp(score) == pytest.approx(drawn, rel=0.02)
    # Where the improvement itself underflows, its logarithm still tells which is better.
    far = log_expected_improvement(np.array([-50.0, -40.0]), np.ones(2), 0.0)
    assert np.isfinite(far).all() and far[0] < far[1] < -700


def test_warping_keeps_the_order_and_the_distances_of_the_upper_half() -> None:
    fitness = np.array([0.1, 0.90, 0.91, 0.93, 0.2, 0.89, 0.88])
    result = warped(fitness)
    assert list(np.argsort(result)) == list(np.argsort(fitness))
    assert (result[3] - result[2]) / (result[2] - result[1]) == pytest.approx(2.0)
    # The hopeless are as far below as their rank says, not as their fitness does.
    assert result[6] - result.min() < 2.0
    assert warped(np.ones(4)) == pytest.approx(np.zeros(4))


SPACE = SearchSpace(
    (
        Categorical(name="kind", default="a", values=("a", "b", "c")),
        Range(name="x", default=0.5, low=0.0, high=1.0),
        Range(name="y", default=0.5, low=0.0, high=1.0, conditions=(Condition("kind", ("b",)),)),
    )
)


def known(num: int, *, num_pending: int = 0, failing: str = "", slow: str = "") -> Evidence:
    """Genomes whose fitness is x, and which fail, or take ten times as long, where they are of one kind."""
    rng = np.random.default_rng(0)
    genomes = [SPACE.sample(rng) for _ in range(num + num_pending)]
    failed = np.array([genome["kind"] == failing for genome in genomes])
    pending = np.arange(num + num_pending) >= num
    fitness = np.array([float(genome["x"]) for genome in genomes])
    seconds = np.array([10.0 if genome["kind"] == slow else 1.0 for genome in genomes])
    return Evidence(
        numbers=range(num + num_pending),
        genomes=genomes,
        fitness=np.where(failed | pending, np.nan, fitness),
        seconds=np.where(pending, np.nan, seconds),
        failed=failed & ~pending,
    )


def scores(evidence: Evidence, genomes: list[dict[str, object]], **changes: bool) -> np.ndarray:
    return Surrogate(SPACE).scores(genomes, lambda num: evidence, len(evidence.numbers), **changes)  # type: ignore[arg-type]


def test_scores_what_is_likely_to_be_better() -> None:
    low, middle, high = scores(known(30), [{"kind": "a", "x": x} for x in (0.1, 0.5, 1.0)])
    assert low < middle < high


def test_scores_avoid_what_fails_and_prefer_what_is_quick() -> None:
    genomes: list[dict[str, object]] = [{"kind": kind, "x": 0.9} for kind in ("a", "c")]
    even = scores(known(40), genomes)
    failing = scores(known(40, failing="a"), genomes)
    assert failing[1] - failing[0] > even[1] - even[0] + 1.0
    slow = scores(known(40, slow="a"), genomes, per_second=True)
    assert slow[1] - slow[0] == pytest.approx(even[1] - even[0] + math.log(10), abs=0.3)


def test_scores_shun_what_is_being_trained() -> None:
    evidence = known(20, num_pending=1)
    waiting = dict(evidence.genomes[-1])
    without = known(20)
    assert scores(evidence, [waiting])[0] < scores(without, [waiting])[0] - 1.0


@pytest.mark.parametrize("num", [2, 3, 300])
def test_few_and_many_are_learned_from(num: int) -> None:
    rng = np.random.default_rng(1)
    genomes = [SPACE.sample(rng) for _ in range(8)]
    result = scores(known(num), genomes)  # type: ignore[arg-type]
    assert result.shape == (8,) and np.isfinite(result).all()


def test_what_it_kept_changes_nothing() -> None:
    """A surrogate that has seen the whole search says the same as one that begins with it now."""
    rng = np.random.default_rng(1)
    genomes = [SPACE.sample(rng) for _ in range(8)]

    def evidence(all_known: Evidence, num: int) -> Evidence:
        return Evidence(
            numbers=all_known.numbers[:num],
            genomes=all_known.genomes[:num],
            fitness=all_known.fitness[:num],
            seconds=all_known.seconds[:num],
            failed=all_known.failed[:num],
        )

    past = partial(evidence, known(60, failing="c"))
    old = Surrogate(SPACE)
    for num in range(10, 60):
        old.scores(genomes, past, num)
    assert old.scores(genomes, past, 60) == pytest.approx(Surrogate(SPACE).scores(genomes, past, 60))
