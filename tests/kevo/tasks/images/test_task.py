"""Pictures as a task of a search."""

from pathlib import Path

import pytest

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets.targets import Targets
from kevo.tasks.images.task import ImageTask
from tests.support.answers import write_pictures
from tests.support.samples import CONV_GENOME
from tests.support.searches import SETTINGS


@pytest.mark.parametrize(
    ("kind", "task", "is_moved"), [("brightness", "regression", False), ("labels", "multilabel", True)]
)
def test_pictures_are_moved_where_their_answer_is_no_number(
    tmp_path: Path, kind: str, task: str, is_moved: bool
) -> None:
    dataset = datasets.load(write_pictures(tmp_path, 40, kind), targets=Targets(task))
    longer = ImageTask(dataset, SETTINGS, {}).lengthened(CONV_GENOME, 40)
    assert (longer != CONV_GENOME) == is_moved
