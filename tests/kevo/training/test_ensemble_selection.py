"""Which candidates are better together, and how they become one model."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.tasks.images import networks
from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
from kevo.training import ensemble_selection
from tests.support.samples import CONV_GENOME, pretrained_genome
from tests.support.searches import predicted_without_kevo

LABELS = np.array([0, 0, 1, 1])


def sure_of(*true: float) -> np.ndarray:
    """Predictions for `LABELS` that give the true classes these probabilities."""
    probabilities = np.array(true)
    return np.where(np.eye(2)[LABELS] == 1, probabilities[:, None], 1 - probabilities[:, None])


def weighed(*predictions: np.ndarray) -> list[float]:
    return ensemble_selection.select(predictions, LABELS).tolist()


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
    weights = ensemble_selection.select(list(predictions), labels, seed=seed, max_members=3, num_bags=6)
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all() and np.count_nonzero(weights) <= 3
    mean = np.tensordot(weights, predictions, 1)
    assert cross_entropy(mean, labels) <= min(cross_entropy(one, labels) for one in predictions) + 1e-6


def test_same_seed_same_weights() -> None:
    predictions, labels = experts(12, seed=0)
    first, again, other = (
        ensemble_selection.select(list(predictions), labels, seed=seed, num_bags=3).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize("shapes", [[], [(4,)], [(3, 2)], [(4, 2), (4, 3)]])
def test_predictions_that_do_not_fit_are_refused(shapes: Sequence[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="`predictions` must be arrays of one shape"):
        weighed(*(np.ones(shape) for shape in shapes))


def promise(path: Path) -> None:
    """Says in the header that there are terabytes."""
    np.save(path, np.full((2, 2), 0.5, np.float16))
    path.write_bytes(path.read_bytes().replace(b"(2, 2), }" + b" " * 12, b"(2000000000000, 2), }", 1))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and no array"),
        lambda path: path.mkdir(),
        lambda path: np.save(path, np.array([{}, {}]), allow_pickle=True),
        lambda path: np.save(path, np.full((2, 2), 0.5)),
        lambda path: np.save(path, np.full((2, 3), 1 / 3, np.float16)),
        lambda path: np.save(path, np.full((2, 2), 0.7, np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [np.nan, 1.0]], np.float16)),
        lambda path: np.save(path, np.array([[0.5, 0.5], [-1.0, 2.0]], np.float16)),
        lambda path: (np.save(path, np.full((2, 2), 0.5, np.float16)), os.truncate(path, path.stat().st_size - 1)),
        promise,
    ],
)
def test_predictions_that_are_damaged_take_no_part(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path / "0.npy")
    assert ensemble_selection.read_predictions(tmp_path / "0.npy", shape=(2, 2)) is None


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(1000), size=20).astype(np.float16)
    np.save(tmp_path / "0.npy", probabilities)
    assert np.array_equal(ensemble_selection.read_predictions(tmp_path / "0.npy", shape=(20, 1000)), probabilities)


def test_a_saved_ensemble_is_the_weighted_mean_where_kevo_does_not_exist(tmp_path: Path) -> None:
    members = []
    for size, weight in ((8, 0.2), (16, 0.5), (12, 0.3)):
        keras.utils.set_random_seed(size)
        network = networks.conv_network({**CONV_GENOME, "conv/image_size": size}, num_classes=3)
        members.append(networks.Member(networks.deployable(network), weight))
    networks.weighted_mean(members).save(tmp_path / "ensemble.keras")
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((3, 9, 14, 3), (2, 40, 30, 3))]
    predicted, is_stock = predicted_without_kevo(tmp_path / "ensemble.keras", *pictures, folder=tmp_path)
    assert is_stock
    for values, found in zip(pictures, predicted, strict=True):
        expected = sum(weight * np.asarray(model(values.astype(np.float32))) for model, weight, *_ in members)
        assert found == pytest.approx(expected, abs=1e-5)


def test_heads_on_the_same_features_share_their_pass(tmp_path: Path) -> None:
    genome = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}
    whole = networks.backbone(genome, weights=None)
    extractor = networks.feature_extractor(genome, whole=whole)
    members = []
    for seed, (weight, mirror) in enumerate(((0.5, False), (0.3, True), (0.2, False))):
        keras.utils.set_random_seed(seed)
        network = networks.join(extractor, networks.head(genome, num_features=48, num_classes=3))
        networks.deployable(network, mirror=mirror).save(tmp_path / f"{seed}.keras")
        member = keras.models.load_model(tmp_path / f"{seed}.keras", safe_mode=True)
        members.append(networks.Member(member, weight, "the same", mirror))
    together = networks.weighted_mean(members)
    head_size = members[0].model.count_params() - extractor.count_params()
    assert together.count_params() == extractor.count_params() + 3 * head_size
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3)).astype(np.float32)
    expected = sum(weight * np.asarray(model(pictures)) for model, weight, *_ in members)
    together.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras", safe_mode=True)
    assert np.asarray(loaded(pictures)) == pytest.approx(expected, abs=1e-5)
