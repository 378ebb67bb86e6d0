"""Which columns a model needs."""

import numpy as np
import pytest

from kevo.tasks.tables.dataset import Inputs
from kevo.tasks.tables.importance import permutation_importance


def table(num_rows: int) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=num_rows)
    texts = np.array(["no", "yes"], object)[labels]
    return {"signal": texts.reshape(-1, 1), "noise": rng.normal(size=(num_rows, 1))}, labels


def predict(inputs: Inputs) -> np.ndarray:
    """Knows the signal by heart."""
    yes = np.where(inputs["signal"][:, 0] == "yes", 0.9, 0.1)
    return np.stack([1 - yes, yes], axis=1)


def test_what_a_model_needs_comes_first() -> None:
    inputs, labels = table(400)
    signal, noise = permutation_importance(predict, inputs, labels)
    assert (signal.column, noise.column) == ("signal", "noise")
    assert signal.accuracy == pytest.approx(0.5, abs=0.05)
    assert signal.cross_entropy == pytest.approx(0.5 * np.log(9), rel=0.1)
    assert signal.deviation > 0
    assert (noise.accuracy, noise.cross_entropy, noise.deviation) == pytest.approx((0, 0, 0))


def test_the_seed_decides() -> None:
    inputs, labels = table(100)
    assert permutation_importance(predict, inputs, labels) == permutation_importance(predict, inputs, labels)
    assert permutation_importance(predict, inputs, labels, seed=1) != permutation_importance(predict, inputs, labels)


def test_large_tables_are_sampled() -> None:
    inputs, labels = table(5000)
    seen = []
    permutation_importance(lambda one: seen.append(len(one["noise"])) or predict(one), inputs, labels, num_repeats=1)
    assert seen == [2000] * 3
