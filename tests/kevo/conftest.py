"""Fixtures of the tests of kevo."""

from collections.abc import Iterator

import pytest

import kevo
from kevo.result import SearchResult
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from tests.support.samples import stripes
from tests.support.searches import RUNGS, Diary
from tests.support.stranger import Stranger


@pytest.fixture(scope="session")
def dataset() -> ImageDataset:
    return datasets.load(stripes(240))


@pytest.fixture(scope="session")
def small(dataset: ImageDataset) -> ImageDataset:
    return ImageDataset(
        **{name: getattr(dataset, name) for name in ("name", "output", "skipped")},
        train=datasets.Split(dataset.train.pictures[:32], dataset.train.labels[:32]),
        validation=datasets.Split(dataset.validation.pictures[:16], dataset.validation.labels[:16]),
        test=dataset.test,
    )


@pytest.fixture(scope="session")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    """A search with two rungs, and what it told."""
    diary = Diary()
    out = tmp_path_factory.mktemp("rungs") / "run"
    return kevo.search(stripes(240), RUNGS, out=out, listener=diary), diary


@pytest.fixture(scope="session")
def stranger() -> Iterator[Stranger]:
    with Stranger() as one:
        yield one
