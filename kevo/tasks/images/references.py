"""A cheap model of another kind on the same splits: a linear one on frozen features, or on small pictures.

That a linear model on a pretrained network's features is hard to beat with few pictures is measured in Kornblith et al.
2019, "Do better ImageNet models transfer better?" (arXiv:1805.08974).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.folds import rows_of
from kevo.tasks.images import backbones, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.inference import predict
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.outputs.reference import Reference
from tuners.genome import Genome

_SIDE = 16
"""The side of small pictures, in pixels."""
_MAX_TRAIN = 2000
"""So many pictures are learned from at most."""
_PENALTIES = tuple(10.0**power for power in range(0, 6))
_MAX_ITERATIONS = 1000
_CHUNK = 256

_Features = npt.NDArray[np.floating]


def fit(dataset: ImageDataset, weights: Sequence[Weights], *, image_size: int, seed: int) -> Reference:
    """Trains ridge regression for numbers, or logistic regression for each label, and scores it.

    Args:
        dataset: The pictures, whose answers are numbers or labels. Of more than 2,000 training pictures, as many are
            taken by chance.
        weights: Pretrained backbones that are here already; the smallest makes the features. None: pixels at 16 px.
        image_size: The side of the pictures that a backbone sees, in pixels.
        seed: Seed of what is left to chance.
    """
    began = time.monotonic()
    features, words = _extractor(weights, image_size)
    is_of_numbers = isinstance(dataset.output, Numbers)
    learn = _ridge if is_of_numbers else _logistic

    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset.train))[:_MAX_TRAIN])
    x, labels = features(dataset.train.pictures[rows]), dataset.train.labels
    answer = learn(x, labels[rows])
    known = features(dataset.validation.pictures)
    if dataset.folds is None:
        outputs = answer(known)
    else:
        outputs = np.zeros((len(known), dataset.output.size))
        for train, judged in rows_of(dataset.folds):
            chosen = np.intersect1d(train, rows)
            outputs[judged] = learn(known[chosen], labels[chosen])(known[judged])
    validation = dataset.output.score(outputs, dataset.validation.labels)
    test = dataset.output.score(answer(features(dataset.test.pictures)), dataset.test.labels)
    name = "Ridge regression" if is_of_numbers else "Logistic regression"
    return Reference(name, words, validation, test, time.monotonic() - began)


def _extractor(weights: Sequence[Weights], image_size: int) -> tuple[Callable[[Pictures], _Features], str]:
    """Returns what makes features of pictures, and what these are in words."""
    if not weights:
        return _pixels, f"on the pixels of {_SIDE} x {_SIDE} px"
    chosen = min(weights, key=lambda one: backbones.get(one.backbone).common.num_parameters * (one.alpha or 1.0) ** 2)
    row = backbones.get(chosen.backbone)
    genome: dict[str, Any] = {
        "family": "pretrained",
        "backbone": row.name,
        f"{row.name}/cut": row.cut_points[-1],
        "pretrained/image_size": image_size,
        "pretrained/summary": "average",
    }
    if chosen.alpha is not None:
        genome[f"{row.name}/alpha"] = chosen.alpha
    network = _network(genome, chosen)
    return (
        lambda pictures: predict(network, pictures),
        f"on frozen features of {row.name} at {image_size} px",
    )


def _network(genome: Genome, weights: Weights) -> Any:
    return networks.deployable(networks.feature_extractor(genome, whole=networks.backbone(genome, weights=weights)))


def _pixels(pictures: Pictures) -> _Features:
    side = min(_SIDE, pictures.shape[1])
    parts = [
        np.asarray(networks.resize(pictures[start : start + _CHUNK].astype(np.float32), (side, side)))
        for start in range(0, len(pictures), _CHUNK)
    ]
    return np.concatenate(parts).reshape(len(pictures), -1)


def _ridge(x: _Features, labels: npt.NDArray[Any]) -> Callable[[_Features], _Features]:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES)).fit(x, labels)
    return lambda rows: np.asarray(model.predict(rows)).reshape(-1, 1)


def _logistic(x: _Features, labels: npt.NDArray[Any]) -> Callable[[_Features], _Features]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models = [
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=_MAX_ITERATIONS)).fit(x, flags)
        if 0 < flags.sum() < len(flags)
        else None
        for flags in labels.T
    ]

    def answer(rows: _Features) -> _Features:
        # A label that all examples have, or none, is answered as it is.
        return np.stack(
            [
                np.full(len(rows), flags.mean()) if model is None else model.predict_proba(rows)[:, 1]
                for model, flags in zip(models, labels.T, strict=True)
            ],
            axis=1,
        )

    return answer
