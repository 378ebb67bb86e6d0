"""A data set in one line, by its content, and on its way to worker processes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kevo.tasks.tables.columns import Column
from kevo.tasks.tables.dataset import Split, TableDataset, column_from_json, describe_columns, read
from tests.support.outputs import classes
from tests.support.tables import small_dataset


def test_workers_get_all_but_the_test_split(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    dataset.write(tmp_path / "work")
    found = read(tmp_path / "work")
    assert found.test.numbers.shape == (0, dataset.test.numbers.shape[1])
    assert (found.name, found.target, found.columns) == (dataset.name, dataset.target, dataset.columns)
    assert found.class_names == dataset.class_names
    for name in ("train", "validation"):
        for field in dataclasses.fields(Split):
            first, second = (getattr(getattr(one, name), field.name) for one in (found, dataset))
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second)


def test_what_workers_get_is_never_unpickled(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    dataset.write(tmp_path / "work")
    np.savez(tmp_path / "work" / "table.npz", train_numbers=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read(tmp_path / "work")


@pytest.mark.parametrize(
    "change",
    [
        lambda dataset: {"output": classes(2)},
        lambda dataset: {"target": "other"},
        lambda dataset: {"columns": (dataclasses.replace(dataset.columns[0], name="x"), *dataset.columns[1:])},
        lambda dataset: {"train": dataset.validation, "validation": dataset.train},
        lambda dataset: {"test": dataset.test[:-1]},
    ],
)
def test_the_fingerprint_is_of_the_content(tmp_path: Path, change: Any) -> None:
    dataset = small_dataset(tmp_path)
    assert dataclasses.replace(dataset, name="other", notes=()).fingerprint() == dataset.fingerprint()
    assert dataclasses.replace(dataset, **change(dataset)).fingerprint() != dataset.fingerprint()


def test_class_weights(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    even = dataclasses.replace(dataset, train=Split(*(np.zeros((4, 1)),) * 2, np.array([0, 1, 1, 0])))
    uneven = dataclasses.replace(dataset, train=Split(*(np.zeros((4, 1)),) * 2, np.array([0, 1, 1, 1])))
    assert even.class_weights() is None
    assert uneven.class_weights() == {0: 2.0, 1: pytest.approx(2 / 3)}


def test_columns_in_words(tmp_path: Path) -> None:
    assert describe_columns(small_dataset(tmp_path).columns) == "2 numbers, 1 coded category, 1 category"
    assert describe_columns((Column("a", "code"), Column("b", "code"))) == "2 coded categories"


COLUMN = {"name": "a", "kind": "category", "values": ["x"], "has_gaps": False}


def test_columns_as_json() -> None:
    assert column_from_json(COLUMN) == Column("a", "category", ("x",))


@pytest.mark.parametrize("change", [{"kind": "word"}, {"values": [1]}, {"kind": "number"}, {"has_gaps": 1}])
def test_what_is_no_column_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        column_from_json({**COLUMN, **change})


def test_inputs_have_one_column_each(tmp_path: Path) -> None:
    dataset: TableDataset = small_dataset(tmp_path)
    inputs = dataset.inputs(dataset.validation)
    assert list(inputs) == ["weight", "color", "grade", "noise"]
    assert {values.shape for values in inputs.values()} == {(len(dataset.validation), 1)}
