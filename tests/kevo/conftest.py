"""Fixtures of the tests of kevo."""

import pytest
from samples import stripes

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset


@pytest.fixture(scope="session")
def dataset() -> ImageDataset:
    return datasets.load(stripes(240))
