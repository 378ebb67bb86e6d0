"""Pictures as a task of a search."""

from pathlib import Path
from typing import Any

import pytest

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.targets import Targets
from kevo.tasks.images.task import ImageTask
from tests.support.answers import write_pictures
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome
from tests.support.searches import SETTINGS
from tuners.genome import Genome


@pytest.mark.parametrize(
    ("kind", "task", "is_moved"), [("brightness", "regression", False), ("labels", "multilabel", True)]
)
def test_pictures_are_moved_where_their_answer_is_no_number(
    tmp_path: Path, kind: str, task: str, is_moved: bool
) -> None:
    dataset = datasets.load(write_pictures(tmp_path, 40, kind), targets=Targets(task))
    longer = ImageTask(dataset, SETTINGS, {}).lengthened(CONV_GENOME, 40)
    assert (longer != CONV_GENOME) == is_moved


def test_heads_on_one_frozen_network_are_averaged_where_their_labels_are_no_softer(small: ImageDataset) -> None:
    task = ImageTask(small, SETTINGS, {})

    def head(smoothing: float = 0.05, **genes: Any) -> Genome:
        genome = {**pretrained_genome("mobilenet", "conv_pw_3_relu"), "mobilenet/alpha": 0.25, **genes}
        return {**genome, "label_smoothing": smoothing}

    others = [head(0.1), head(learning_rate=0.1), head(**{"pretrained/image_size": 64}), CONV_GENOME, head(0.0)]
    assert list(task.mean_members([head(), *others])) == [2, 5]
    assert list(task.mean_members([head()] * 9)) == [1, 2, 3, 4, 5]
    tuned = {**head(), **pretrained_genome("mobilenet", "conv_pw_3_relu", **FINE_TUNED)}
    assert list(task.mean_members([tuned, tuned])) == list(task.mean_members([tuned, head()])) == []
    assert list(task.mean_members([CONV_GENOME] * 3)) == []
