"""Temperature scaling: what it finds, and that the model that is saved is the same one but for it."""

import dataclasses

import keras
import numpy as np
import pytest

from kevo.tasks.images import networks
from kevo.tasks.outputs.classes import calibration
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.protocols.scores import Calibration
from tests.support.samples import CONV_GENOME

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(2000, 4)) * 2
PROBABILITIES = calibration.scaled(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True), 1.0)
LABELS = np.array([RNG.choice(4, p=one) for one in PROBABILITIES])


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
    calibration.apply(model, 2.5)
    assert [layer.name for layer in model.layers] == names
    assert model.predict(pictures, verbose=0) == pytest.approx(calibration.scaled(before, 2.5), abs=1e-5)


def test_a_mean_of_two_views_has_no_softmax_of_its_own() -> None:
    network = networks.conv_network(CONV_GENOME, output=Classes(("a", "b", "c")))
    assert calibration.softmax_of(networks.deployable(network)) is not None
    mirrored = networks.deployable(network, mirror=True)
    assert calibration.softmax_of(mirrored) is None
    assert Classes(("a", "b", "c")).calibrate(mirrored, PROBABILITIES[:, :3], LABELS % 3) is None
