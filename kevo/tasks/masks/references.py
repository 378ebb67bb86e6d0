"""Cheap models on the same splits: is a network worth it for these masks?

Each pixel is told by its own color and by what is around it, smoothed at several scales: the features of trainable
segmentation in ilastik (Berg et al. 2019, doi:10.1038/s41592-019-0582-9).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.images.datasets import ImageDataset, Split
from kevo.tasks.outputs.reference import Reference

_SCALES = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the smoothing, in pixels."""
_NUM_LEARNED = 40_000
"""Pixels that are learned from; as many others choose the threshold."""
_NUM_PICTURES = 100
_MOST_TREED = 6_000_000
"""Pixels that boosted trees are asked about at most: beyond that a linear model must do."""
_THRESHOLDS = np.linspace(0.1, 0.7, 25)
_MAX_ITERATIONS = 300


def fit(dataset: ImageDataset, *, seed: int) -> list[Reference]:
    """Trains a model of pixels by their colors and surroundings; and masks that are all background.

    Args:
        dataset: The data set.
        seed: Seed of what is left to chance.
    """
    return [_per_pixel(dataset, seed=seed), _background(dataset)]


def features(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Returns features of each pixel.

    Args:
        picture: Pixels 0-255, shape (height, width, 3).

    Returns:
        Colors, smoothed brightness, its gradient and its curvature, shape (height * width, 15).
    """
    from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, gaussian_laplace

    colors = picture.astype(np.float32) / 255
    grey = colors.mean(axis=-1)
    found = [*np.moveaxis(colors, -1, 0)]
    for scale in _SCALES:
        smooth = gaussian_filter(grey, scale)
        found += [smooth, gaussian_gradient_magnitude(grey, scale), gaussian_laplace(grey, scale)]
    return np.stack(found, axis=-1).reshape(-1, len(found))


def _per_pixel(dataset: ImageDataset, *, seed: int) -> Reference:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    began = time.monotonic()
    num_asked = (len(dataset.validation) + len(dataset.test)) * dataset.image_size**2
    model: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_MAX_ITERATIONS))
    name = "Logistic regression of pixels"
    if num_asked <= _MOST_TREED:
        model, name = HistGradientBoostingClassifier(random_state=seed), "Boosted trees of pixels"
    # On a busy machine its threads wait for each other far longer than one takes.
    with threadpool_limits(1):
        rng = np.random.default_rng(seed)
        pixels, classes = _pixels(dataset.train, rng)
        half = len(classes) // 2
        model.fit(pixels[:half], classes[:half])
        size = dataset.output.size
        power = _power(_outputs(model, pixels[half:], size), classes[half:]) if size == 1 else 1.0

        def masks(split: Split) -> npt.NDArray[np.float32]:
            found = np.empty((*split.labels.shape[:3], size), np.float32)
            for out, picture in zip(found, split.pictures, strict=True):
                out[:] = (_outputs(model, features(picture), size) ** power).reshape(out.shape)
            return found

        validation, test = (
            dataset.output.score(masks(part), part.labels) for part in (dataset.validation, dataset.test)
        )
    words = "of scikit-learn, on each pixel's color and its surroundings at four scales"
    return Reference(name, words, validation, test, time.monotonic() - began)


def _background(dataset: ImageDataset) -> Reference:
    began = time.monotonic()

    def masks(split: Split) -> npt.NDArray[np.float32]:
        found = np.zeros((*split.labels.shape[:3], dataset.output.size), np.float32)
        if dataset.output.size > 1:
            found[..., 0] = 1
        return found

    validation, test = (dataset.output.score(masks(part), part.labels) for part in (dataset.validation, dataset.test))
    return Reference("All background", "no pixel of any class", validation, test, time.monotonic() - began)


def _pixels(split: Split, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Returns features and classes of pixels by chance, of some pictures by chance."""
    pictures = rng.permutation(len(split))[:_NUM_PICTURES].tolist()
    num_each = max(1, 2 * _NUM_LEARNED // len(pictures))
    pixels, classes = [], []
    for place in pictures:
        true = split.labels[place].reshape(-1)
        chosen = rng.permutation(len(true))[:num_each]
        # A class that is rare is learned from all the same.
        rare = np.flatnonzero(true)
        chosen = np.concatenate([chosen, rng.permutation(rare)[: max(1, num_each // 50)]])
        pixels.append(features(split.pictures[place])[chosen])
        classes.append(true[chosen])
    order = rng.permutation(sum(map(len, classes)))
    return np.concatenate(pixels)[order], np.concatenate(classes)[order]


def _outputs(model: Any, pixels: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Returns probabilities of pixels, shape (n, size); a class that was not met has none."""
    probabilities = np.zeros((len(pixels), max(2, size)), np.float32)
    probabilities[:, model.classes_] = model.predict_proba(pixels)
    return probabilities[:, 1:] if size == 1 else probabilities


def _power(probabilities: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]) -> float:
    """Returns the power of probabilities by which the threshold with the best Dice becomes one half."""
    true = classes > 0
    dices = []
    for threshold in _THRESHOLDS:
        found = probabilities[:, 0] >= threshold
        dices.append(2 * (found & true).sum() / max(1, found.sum() + true.sum()))
    return float(np.log(0.5) / np.log(_THRESHOLDS[int(np.argmax(dices))]))
