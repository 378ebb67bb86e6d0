"""Probabilities that mean what they say: temperature scaling.

One number divides what goes into the softmax (Guo et al. 2017, "On calibration of modern neural networks",
arXiv:1706.04599), so that the likeliest class stays the likeliest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kevo.tasks.outputs.classes.evaluation import cross_entropy
from kevo.tasks.protocols.scores import Calibration

if TYPE_CHECKING:
    import keras

_LEAST = 30
"""With fewer examples a temperature says more about them than about the model."""
_LEAST_TEMPERATURE, _HIGHEST = 1.01, 10.0
"""Below the former it makes no difference that anybody sees."""
_DEVIATION = 0.25
"""Of the prior of the logarithm of a temperature."""
_NUM_BINS = 15
_SMALLEST = 1e-7

Probabilities = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


def scaled(probabilities: Probabilities, temperature: float) -> npt.NDArray[np.float64]:
    """Returns the probabilities that a softmax has when what goes into it is divided by a temperature.

    Args:
        probabilities: Shape (n, num_classes).
        temperature: Above 1 for less sure ones, below 1 for surer ones.

    Example:
        >>> scaled(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
        [[0.667, 0.333]]
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), _SMALLEST, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the expected calibration error, from 0 to 1, of 15 bins of equal width.

    In each bin it is how far the mean probability of the likeliest class is from the share of examples that it is right
    for; the bins count by their examples.

    Args:
        probabilities: Shape (n, num_classes).
        labels: True classes as indices, shape (n,).

    Example:
        >>> round(calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 3)
        0.4
    """
    sure = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((sure * _NUM_BINS).astype(int), _NUM_BINS - 1)
    gaps = np.bincount(bins, weights=sure - is_right, minlength=_NUM_BINS)
    return float(abs(gaps).sum() / len(labels))


def fit(probabilities: Probabilities, labels: Labels) -> Calibration | None:
    """Finds the temperature with the lowest cross-entropy; `None` where it would gain nothing, or for few examples.

    Probabilities are made less sure only: the model learns from the validation examples next, and is surer by that. The
    logarithm of the temperature has a normal prior around 0, which counts for less the more examples there are.

    Args:
        probabilities: Of examples that the model has not learned from, shape (n, num_classes).
        labels: Their true classes as indices, shape (n,).
    """
    from scipy.optimize import minimize_scalar

    if (num := len(labels)) < _LEAST:
        return None
    # Where they were kept on disk, they are no more exact: the same model has the same temperature.
    probabilities = probabilities.astype(np.float16)

    def loss(log_temperature: float) -> float:
        doubt = log_temperature**2 / (2 * _DEVIATION**2 * num)
        return cross_entropy(scaled(probabilities, np.exp(log_temperature)), labels) + doubt

    found = minimize_scalar(loss, bounds=(0.0, np.log(_HIGHEST)), method="bounded")
    temperature = float(np.exp(found.x))
    if temperature < _LEAST_TEMPERATURE:
        return None
    after = scaled(probabilities, temperature)
    calibration = Calibration(
        temperature=temperature,
        num_examples=num,
        error_before=calibration_error(probabilities, labels),
        error_after=calibration_error(after, labels),
        loss_before=cross_entropy(probabilities, labels),
        loss_after=cross_entropy(after, labels),
    )
    return calibration if calibration.loss_after < calibration.loss_before else None


def softmax_of(model: keras.Model) -> keras.layers.Dense | None:
    """Returns the last layer of a classifier; `None` where its outputs come from none, such as a mean of two views."""
    import keras

    layer = model
    while isinstance(layer, keras.Model):
        layer = layer.layers[-1]
    is_softmax = isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.softmax
    return layer if is_softmax else None


def tempered(model: keras.Model, temperature: float) -> keras.Model:
    """Returns a classifier with the probabilities that `scaled` has.

    The weights of a softmax layer at its end are divided in place, so that no layer is added. What is a mean, such
    as of two views of a picture or of several models, gets stock layers behind it.

    Args:
        model: From examples to class probabilities.
        temperature: See `scaled`.
    """
    import keras

    from kevo.system.model_files import renamed_inputs

    if (layer := softmax_of(model)) is not None:
        for variable in layer.weights:
            variable.assign(variable / temperature)
        return model
    with renamed_inputs():
        logits = keras.ops.log(keras.ops.maximum(model.output, _SMALLEST))
        colder = keras.layers.Rescaling(1 / temperature, dtype="float32", name="kevo_temperature")(logits)
        outputs = keras.layers.Softmax(dtype="float32", name="kevo_calibrated")(colder)
        return keras.Model(model.input, outputs, name=model.name)
