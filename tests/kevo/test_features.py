"""Pictures and features, computed once."""

from typing import Any

import keras
import numpy as np
import pytest
from samples import pretrained_genome

from kevo import models
from kevo.datasets import ImageDataset
from kevo.features import FeatureCache

GENOME = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}


class Counting:
    """Builds an extractor and counts how often it was asked to."""

    def __init__(self, genome: dict[str, Any]) -> None:
        self.built = 0
        self._genome = genome

    def __call__(self) -> keras.Model:
        self.built += 1
        keras.utils.set_random_seed(0)
        return models.feature_extractor(self._genome, weights=None)


def test_features_are_those_of_the_extractor_and_computed_once(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), Counting(GENOME)
    first = cache.features("validation", GENOME, extractor=build, weights=None)
    again = cache.features("validation", {**GENOME, "head/dropout": 0.5}, extractor=build, weights=None)
    assert again is first
    assert build.built == 1
    expected = build()(cache.pictures("validation", 32).astype(np.float32)).numpy()
    assert first == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"mobilenet_v2/cut": "block_6_expand_relu"},
        {"pretrained/image_size": 48},
        {"pretrained/summary": "max"},
    ],
)
def test_another_body_has_its_own_features(dataset: ImageDataset, change: dict[str, Any]) -> None:
    cache = FeatureCache(dataset)
    other = {**GENOME, **change}
    first = cache.features("validation", GENOME, extractor=Counting(GENOME), weights=None)
    second = cache.features("validation", other, extractor=Counting(other), weights=None)
    assert first.shape != second.shape or not np.allclose(first, second)


def test_splits_are_kept_apart(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), Counting(GENOME)
    sizes = [len(cache.features(split, GENOME, extractor=build, weights=None)) for split in ("train", "validation")]
    assert sizes == [len(dataset.train), len(dataset.validation)]


def test_views_differ_from_the_pictures_and_from_each_other(dataset: ImageDataset) -> None:
    genes = {"augment": True, "augment/flip": "horizontal", "augment/rotation": 0.1}
    genome = {**GENOME, **genes, **{f"augment/{gene}": 0.0 for gene in ("zoom", "translation", "contrast")}}
    cache, build = FeatureCache(dataset), Counting(genome)
    views = [cache.features("train", genome, extractor=build, weights=None, view=view) for view in (0, 1, 2)]
    assert not any(np.allclose(a, b) for a, b in ((views[0], views[1]), (views[1], views[2])))


def test_the_least_recently_used_goes_first(dataset: ImageDataset) -> None:
    size = cache_size(dataset, 24)
    cache = FeatureCache(dataset, max_bytes=3 * size)
    first = cache.pictures("train", 24)
    second = cache.pictures("train", 20)
    assert cache.pictures("train", 24) is first
    cache.pictures("train", 28)
    assert cache.pictures("train", 24) is first
    assert cache.pictures("train", 20) is not second


def cache_size(dataset: ImageDataset, size: int) -> int:
    return len(dataset.train) * size * size * 3


def test_pictures_are_resized_as_the_deployed_model_resizes_them(dataset: ImageDataset) -> None:
    resized = FeatureCache(dataset).pictures("test", 10)
    layer = keras.layers.Resizing(10, 10, interpolation="bilinear", antialias=True)
    expected = layer(dataset.test.pictures.astype(np.float32)).numpy()
    assert resized.dtype == np.uint8
    assert np.abs(resized - expected).max() <= 0.5 + 1e-3


def test_pictures_of_the_right_size_are_not_copied(dataset: ImageDataset) -> None:
    assert FeatureCache(dataset).pictures("train", 16) is dataset.train.pictures
