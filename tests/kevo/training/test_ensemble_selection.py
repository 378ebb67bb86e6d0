"""Which candidates are better together."""

from collections.abc import Sequence

import numpy as np
import pytest

from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
from kevo.training import ensemble_selection

LABELS = np.array([0, 0, 1, 1])


def sure_of(*true: float) -> np.ndarray:
    """Predictions for `LABELS` that give the true classes these probabilities."""
    probabilities = np.array(true)
    return np.where(np.eye(2)[LABELS] == 1, probabilities[:, None], 1 - probabilities[:, None])


def weighed(*predictions: np.ndarray) -> list[float]:
    return ensemble_selection.select(predictions, loss=lambda mean: cross_entropy(mean, LABELS)).tolist()


def test_two_that_complement_each_other_beat_the_best() -> None:
    first, second = sure_of(0.9, 0.9, 0.4, 0.4), sure_of(0.4, 0.4, 0.9, 0.9)
    assert weighed(first, second) == [0.5, 0.5]
    best = sure_of(0.6, 0.6, 0.6, 0.1)
    weights = weighed(best, first, second)
    assert weights[0] < 0.1 and weights[1:] == pytest.approx([0.5, 0.5], abs=0.1)
    assert accuracy(np.tensordot(weights, [best, first, second], 1), LABELS) == 1.0 > accuracy(best, LABELS)


def test_a_candidate_may_count_twice() -> None:
    first, second = (0.9, 0.9, 0.9, 0.2), (0.7, 0.7, 0.1, 0.9)
    shares = np.linspace(0, 1, 1001)[:, None]
    best = shares[np.log(shares * first + (1 - shares) * second).mean(axis=1).argmax()].item()
    assert 0.6 < best < 0.8
    assert weighed(sure_of(*first), sure_of(*second)) == pytest.approx([best, 1 - best], abs=0.02)


def test_the_surer_is_better_even_if_less_often_right() -> None:
    # No mean with the first is as sure as the second.
    assert weighed(sure_of(0.6, 0.6, 0.6, 0.51), sure_of(0.9, 0.9, 0.9, 0.49)) == [0.0, 1.0]


def test_a_single_candidate_is_all_there_is() -> None:
    assert weighed(sure_of(0.1, 0.1, 0.1, 0.1)) == [1.0]


def test_twins_are_no_ensemble() -> None:
    one = sure_of(0.6, 0.7, 0.8, 0.1)
    assert weighed(one, one, one.astype(np.float16)) == [1.0, 0.0, 0.0]


def experts(num: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy candidates of somewhat different quality, shape (num, 60, 4), and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 60)
    logits = rng.normal(size=(num, 60, 4)) + rng.uniform(1, 2, (num, 1, 1)) * np.eye(4)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), labels


@pytest.mark.parametrize("seed", range(5))
def test_never_worse_than_the_best_and_never_large(seed: int) -> None:
    predictions, labels = experts(12, seed=seed)
    weights = ensemble_selection.select(
        list(predictions), loss=lambda mean: cross_entropy(mean, labels), seed=seed, max_members=3, num_bags=6
    )
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all() and np.count_nonzero(weights) <= 3
    mean = np.tensordot(weights, predictions, 1)
    assert cross_entropy(mean, labels) <= min(cross_entropy(one, labels) for one in predictions) + 1e-6


def test_same_seed_same_weights() -> None:
    predictions, labels = experts(12, seed=0)

    def selected(seed: int) -> list[float]:
        found = ensemble_selection.select(
            list(predictions), loss=lambda mean: cross_entropy(mean, labels), seed=seed, num_bags=3
        )
        return found.tolist()

    first, again, other = map(selected, (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("shapes", [[], [(4,)], [(3, 2)], [(4, 2), (4, 3)]])
def test_predictions_that_do_not_fit_are_refused(shapes: Sequence[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="must be arrays of one shape|must have the shape"):
        weighed(*(np.ones(shape) for shape in shapes))


def test_numbers_and_masks_are_selected_by_a_loss_of_their_own() -> None:
    true = np.linspace(-3.0, 3.0, 24).reshape(2, 3, 4)
    low, high, far = true - 1.0, true + 0.5, true + 4.0
    weights = ensemble_selection.select([far, low, high], loss=lambda mean: float(((mean - true) ** 2).mean()))
    assert weights == pytest.approx([0.0, 1 / 3, 2 / 3], abs=0.02)
