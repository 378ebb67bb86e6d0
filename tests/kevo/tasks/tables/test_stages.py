"""What a training learns from."""

from pathlib import Path

import numpy as np
import pytest

from kevo.tasks.prepared.stages import TRAIN, split_to_learn, stage_data
from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import PLAIN, Encoding
from kevo.tasks.tables.preparing import prepare
from kevo.tasks.tables.stages import PreparedRows
from kevo.training.effort import Effort
from kevo.training.stage import StageSpec
from tests.support.tables import GENOME, small_dataset

RANKED = {**GENOME, "numbers": "quantile"}


@pytest.fixture
def dataset(tmp_path: Path) -> TableDataset:
    return small_dataset(tmp_path)


def test_rows_are_prepared_once_for_all_genomes_that_see_them_alike(dataset: TableDataset) -> None:
    rows = PreparedRows(dataset)
    (first,), (second,) = rows.features(GENOME, "train"), rows.features({**GENOME, "num_layers": 0}, "train")
    assert first is second
    ranked = rows.layers(Encoding.of(RANKED))
    assert ranked is not rows.layers(PLAIN)
    np.testing.assert_array_equal(
        rows.features(RANKED, "train")[0], prepare(ranked, dataset.columns, dataset.inputs(dataset.train))
    )


def test_a_refit_learns_from_the_validation_rows_too(dataset: TableDataset) -> None:
    rows = PreparedRows(dataset)
    assert split_to_learn(Effort(num_epochs=1)) == "train"
    split = split_to_learn(Effort(num_epochs=1, refit={TRAIN: 1}))
    features, answers = rows.features(GENOME, split), rows.answers(GENOME, split)
    assert list(map(len, features)) == [len(dataset.train), len(dataset.validation)]
    expected = np.concatenate([dataset.train.labels, dataset.validation.labels])
    np.testing.assert_array_equal(answers.targets, expected)
    np.testing.assert_array_equal(answers.validation_targets, dataset.validation.labels)


def test_another_process_learns_from_the_same(dataset: TableDataset, tmp_path: Path) -> None:
    from kevo.tasks.tables.kind import KIND

    dataset.write(tmp_path / "work")
    spec = StageSpec(genome=GENOME, split="train", num_epochs=1, num_done=0, learning_rate=None)
    inputs, answers = KIND.stage_data(KIND.read(tmp_path / "work"), seed=0)(spec)
    rows = PreparedRows(dataset)
    np.testing.assert_array_equal(inputs[0], rows.features(GENOME, "train")[0])
    np.testing.assert_array_equal(answers.targets, rows.answers(GENOME, "train").targets)
    assert stage_data(rows)(spec)[0][0].shape == inputs[0].shape
