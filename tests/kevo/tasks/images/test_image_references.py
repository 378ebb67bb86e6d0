"""A linear model beside networks for numbers and labels of pictures."""

from pathlib import Path

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets.targets import Targets
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.references import fit
from tests.support.answers import write_pictures


def test_ridge_regression_reads_brightness_from_pixels(tmp_path: Path) -> None:
    dataset = datasets.load(write_pictures(tmp_path, 100, "brightness"), targets=Targets("regression"))
    found = fit(dataset, [], image_size=32, seed=0)
    assert (found.name, found.words) == ("Ridge regression", "on the pixels of 16 x 16 px")
    assert found.test.r2 > 0.95 and found.test.num_examples == len(dataset.test)
    assert fit(dataset, [], image_size=32, seed=0).validation == found.validation


def test_logistic_regression_finds_each_label(tmp_path: Path) -> None:
    dataset = datasets.load(write_pictures(tmp_path, 100, "labels"), targets=Targets("multilabel"))
    found = fit(dataset, [], image_size=32, seed=0)
    assert found.name == "Logistic regression"
    assert found.test.average_precision > 0.9


def test_features_come_from_the_smallest_backbone(tmp_path: Path) -> None:
    dataset = datasets.load(write_pictures(tmp_path, 40, "brightness"), targets=Targets("regression"))
    weights = [Weights("mobilenet_v2", "none", alpha=alpha) for alpha in (1.0, 0.35)]
    found = fit(dataset, weights, image_size=32, seed=0)
    assert found.words == "on frozen features of mobilenet_v2 at 32 px"
