"""Fixtures of the tests of kevo."""

import pytest

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from tests.support.samples import stripes


@pytest.fixture(scope="session")
def dataset() -> ImageDataset:
    return datasets.load(stripes(240))
