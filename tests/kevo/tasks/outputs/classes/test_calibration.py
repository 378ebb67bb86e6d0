"""Temperature scaling: what it finds, and that the model that is saved is the same one but for it."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.system import model_files
from kevo.tasks.images import networks
from kevo.tasks.outputs.classes import calibration
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.protocols.scores import Calibration
from tests.support.samples import CONV_GENOME

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(2000, 4)) * 2
PROBABILITIES = calibration.scaled(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True), 1.0)
LABELS = np.array([RNG.choice(4, p=one) for one in PROBABILITIES])
SURE = np.array([[0.98, 0.01, 0.01]] * 60)
"""Probabilities of a model that is right in three of four cases, and surer than that."""
SURE_LABELS = np.array([0, 0, 0, 1] * 15)


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_the_temperature_that_was_put_in_is_found(factor: float) -> None:
    found = calibration.fit(calibration.scaled(PROBABILITIES, 1 / factor), LABELS)
    assert found is not None and found.temperature == pytest.approx(factor, rel=0.05)
    assert found.loss_after < found.loss_before and found.error_after < found.error_before
    assert Calibration.from_json(dataclasses.asdict(found)) == found


def test_few_examples_tell_nothing() -> None:
    assert calibration.fit(PROBABILITIES[:29], LABELS[:29]) is None


def test_what_gains_nothing_is_not_done() -> None:
    # As sure as they are right.
    exact = np.array([[0.75, 0.25]] * 40)
    found = calibration.fit(exact, np.array([0, 0, 0, 1] * 10))
    assert found is None


def test_probabilities_are_never_made_surer() -> None:
    assert calibration.fit(calibration.scaled(PROBABILITIES, 2.0), LABELS) is None
    assert calibration.fit(np.full((40, 2), [0.6, 0.4]), np.zeros(40, int)) is None


def test_the_likeliest_class_stays() -> None:
    for temperature in (0.1, 10.0):
        assert (calibration.scaled(PROBABILITIES, temperature).argmax(axis=1) == PROBABILITIES.argmax(axis=1)).all()


def test_no_layer_is_added_and_probabilities_are_those_of_the_temperature() -> None:
    keras.utils.set_random_seed(0)
    model = networks.deployable(networks.conv_network(CONV_GENOME, output=Classes(("a", "b", "c"))))
    pictures = RNG.integers(256, size=(8, 16, 16, 3)).astype(np.float32)
    before, names = model.predict(pictures, verbose=0), [layer.name for layer in model.layers]
    assert calibration.tempered(model, 2.5) is model
    assert [layer.name for layer in model.layers] == names
    assert model.predict(pictures, verbose=0) == pytest.approx(calibration.scaled(before, 2.5), abs=1e-5)


def test_a_mean_of_two_views_is_calibrated_behind_it(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = networks.conv_network(CONV_GENOME, output=Classes(("a", "b", "c")))
    assert calibration.softmax_of(networks.deployable(network)) is not None
    mirrored = networks.deployable(network, mirror=True)
    assert calibration.softmax_of(mirrored) is None
    pictures = RNG.integers(256, size=(8, 16, 16, 3)).astype(np.float32)
    before = mirrored.predict(pictures, verbose=0)
    calibrated, found = Classes(("a", "b", "c")).calibrate(mirrored, SURE, SURE_LABELS)
    assert found is not None and found.temperature > 1.5
    # From its file too, without anything of kevo's.
    model_files.save(calibrated, tmp_path / "model.keras")
    after = model_files.load(tmp_path / "model.keras").predict(pictures, verbose=0)
    assert after == pytest.approx(calibration.scaled(before, found.temperature), abs=1e-5)
    assert after.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_an_ensemble_of_both_is_calibrated_as_one() -> None:
    keras.utils.set_random_seed(0)
    networks_ = [networks.conv_network(CONV_GENOME, output=Classes(("a", "b", "c"))) for _ in range(2)]
    members = [
        networks.Member(networks.deployable(one, mirror=mirror), 0.5, mirror=mirror)
        for one, mirror in zip(networks_, (False, True), strict=True)
    ]
    ensemble = networks.weighted_mean(members)
    pictures = RNG.integers(256, size=(8, 16, 16, 3)).astype(np.float32)
    before = ensemble.predict(pictures, verbose=0)
    calibrated, found = Classes(("a", "b", "c")).calibrate(ensemble, SURE, SURE_LABELS)
    assert found is not None
    assert calibrated.predict(pictures, verbose=0) == pytest.approx(
        calibration.scaled(before, found.temperature), abs=1e-5
    )


def test_what_gains_nothing_stays_the_same_model() -> None:
    mirrored = networks.deployable(networks.conv_network(CONV_GENOME, output=Classes(("a", "b"))), mirror=True)
    exact, labels = np.array([[0.75, 0.25]] * 40), np.array([0, 0, 0, 1] * 10)
    assert Classes(("a", "b")).calibrate(mirrored, exact, labels) == (mirrored, None)
