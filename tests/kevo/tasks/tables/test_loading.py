"""A data set from a CSV file or arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from kevo.errors import DataError, SettingsError
from kevo.tasks.tables.loading import load
from tests.support.tables import small_dataset, write_csv

ROOT = Path(__file__).parents[4]
SHARED = Path("..") / "shared" / "data"


def shared(name: str) -> Path:
    if not (ROOT / SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is missing")
    return ROOT / SHARED / name


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_csv_file(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    assert dataset.name == "things"
    assert dataset.class_names == ("heavy", "light")
    assert [(column.name, column.kind, column.has_gaps) for column in dataset.columns] == [
        ("weight", "number", True),
        ("color", "category", False),
        ("grade", "code", False),
        ("noise", "number", False),
    ]
    assert dataset.columns[1].values == ("NA", "blue", "green", "red")
    assert dataset.columns[2].values == (1.0, 2.0, 3.0)
    assert set(dataset.unused) == {"number", "name", "constant"}
    assert dataset.made_splits == ("validation", "test")
    assert sum(dataset.num_examples(split) for split in ("train", "validation", "test")) == 240
    assert dataset.notes == (
        "Left out 'number': it counts the rows.",
        "Left out 'name': all its texts differ: it identifies the rows.",
        "Left out 'constant': all rows have the same value.",
        "Whole numbers with few values are taken for categories: 'grade'.",
        "Values are missing in 'weight', 'color': 38 in all.",
    )


def test_rows_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv")
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    given = {(weight or "nan", color, grade, kind) for _, _, _, weight, color, grade, _, kind in rows}
    dataset = load(path, target="kind")
    for split in (dataset.train, dataset.validation, dataset.test):
        inputs = dataset.inputs(split)
        for row, label in enumerate(split.labels):
            weight, grade = inputs["weight"][row, 0], inputs["grade"][row, 0]
            shown = "nan" if np.isnan(weight) else f"{weight:.3f}"
            assert (shown, inputs["color"][row, 0], f"{grade:.0f}", dataset.class_names[label]) in given


def test_the_seed_decides_the_splits(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv")
    prints = [load(path, target="kind", seed=seed).fingerprint() for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_identical_rows_stay_together(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv", 60)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *(line for line in lines for _ in range(2))]))
    dataset = load(path, target="kind")
    seen = [
        {(row.tobytes(), other.tobytes()) for row, other in zip(split.numbers, split.categories, strict=True)}
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    assert sum(map(len, seen)) == 60 == len(set.union(*seen))


def test_categories_are_those_of_the_training_rows() -> None:
    x = np.array([["a"], ["b"], ["a"], ["b"], ["b"]] * 8, object)
    y = np.array([0, 1, 1, 0, 1] * 8)
    dataset = load({"train": (x, y), "test": (np.array([["c"], ["a"]], object), np.array([0, 1]))})
    assert dataset.columns[0].values == ("a", "b")
    assert dataset.test.categories.tolist() == [[0], [1]]
    assert dataset.inputs(dataset.test)["column_1"].tolist() == [["[UNK]"], ["a"]]
    assert dataset.made_splits == ("validation",)


@pytest.mark.parametrize("read", [load_breast_cancer, load_wine])
def test_arrays(read: Any) -> None:
    x, y = read(return_X_y=True)
    dataset = load((x, y))
    assert (dataset.name, dataset.target) == ("table", "target")
    assert dataset.class_names == tuple(map(str, range(y.max() + 1)))
    assert len(dataset.columns) == x.shape[1]
    found = np.concatenate([dataset.train.numbers, dataset.validation.numbers, dataset.test.numbers])
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(x.astype(np.float32), axis=0))


def test_classes_are_ordered_by_size_where_they_are_numbers() -> None:
    x = np.random.default_rng(0).normal(size=(30, 1))
    assert load((x, [10, 9, 2] * 10)).class_names == ("2", "9", "10")
    assert load((x, [1.0, 0.0, 1.0] * 10)).class_names == ("0", "1")
    assert load((x, np.array([["b"], ["a"]] * 15))).class_names == ("a", "b")


def test_titanic() -> None:
    dataset = load(shared("titanic/titanic.csv"), target="survived")
    assert dataset.class_names == ("0", "1")
    assert dataset.unused == ("alive",)
    kinds = {column.name: column.kind for column in dataset.columns}
    assert (kinds["pclass"], kinds["age"], kinds["deck"]) == ("code", "number", "category")
    assert any("alive" in note and "repeats the target" in note for note in dataset.notes)


def test_telco_churn() -> None:
    dataset = load(shared("telco_churn/telco_churn.csv"), target="Churn")
    assert dataset.unused == ("customerID",)
    charges = next(column for column in dataset.columns if column.name == "TotalCharges")
    assert (charges.kind, charges.has_gaps) == ("number", True)
    assert dataset.summary() == (
        "telco_churn: 7043 rows, 4 numbers, 15 categories, 2 classes "
        "(4576 train, 1411 validation*, 1056 test*; * from train)"
    )


@pytest.mark.parametrize(
    ("lines", "target", "words"),
    [
        (["a,b", "1,x"], None, "Which column of .* Expected one of: 'a', 'b'"),
        (["age,Class", "1,x"], "class", "no column 'class'. Did you mean 'Class'?"),
        (["age,kind", "1,x"], "kinds", "no column 'kinds'. Did you mean 'kind'?"),
        (["a", "1"], "a", "no column but the target"),
        (["a,b", "1,x", "2,x"], "b", "'b' has the same value in all rows: 'x'"),
        (["a,b", "1,1e400", "2,1e400"], "b", "'b' has the same value in all rows: '1e400'"),
        (["a,b", "1,x", "2,NA", "3,"], "b", "'b' is missing in 2 of 3 rows, first in row 2"),
        (["a,b", *(f"{row % 7},{row / 3}" for row in range(9))], "b", "'b' has 9 different numbers, such as"),
        (["a,b", *(f"{row % 7},t{row}" for row in range(1001))], "b", "'b' has 1,001 different texts"),
        (["a,b", *(f"{row % 7},{int(row > 1)}" for row in range(9))], "b", "'0' has too few different rows: 2"),
        (["a,b", *(f"7,{row % 2}" for row in range(9))], "b", "No column is left.* 'a': all rows have the same value"),
    ],
)
def test_what_is_no_table_for_classification_is_refused(
    tmp_path: Path, lines: list[str], target: str | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        load(csv(tmp_path, *lines), target=target)


X, Y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (7, "Cannot read a table from int"),
        ("things.parquet", "Cannot read a table from 'things.parquet'"),
        ((X, Y[:5]), r"shape \(5,\) for 20 rows"),
        ({"test": (X, Y)}, "Received the splits 'test'"),
        ({"train": (X, Y), "other": (X, Y)}, "Received the splits 'train', 'other'"),
        ({"train": (X, Y), "val": (X, Y), "valid": (X, Y)}, "Received the splits"),
        ({"train": (X, Y), "test": (X[:, :1], Y)}, "test split lacks the columns 'column_2'"),
        ({"train": (X, Y), "test": (X, Y + 1)}, "test split has the classes '2'"),
    ],
)
def test_sources_that_are_none(source: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(source)


def test_a_table_may_become_too_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kevo.tasks.tables.loading._MAX_FEATURES", 2000)
    with pytest.raises(DataError, match="becomes 10 inputs of a network for each of 240 rows"):
        small_dataset(tmp_path)


@pytest.mark.parametrize("fractions", [(0.0, 0.1), (0.5, 0.5)])
def test_fractions_must_leave_something(fractions: tuple[float, float]) -> None:
    with pytest.raises(SettingsError, match="leave something to train on"):
        load((X, Y), validation_fraction=fractions[0], test_fraction=fractions[1])


def patients(tmp_path: Path) -> Path:
    """Writes three rows of each of 40 patients, who are named by a column, but for one row."""
    lines = ["patient,age,dose,ill"]
    for number in range(120):
        patient = "" if number == 7 else f"p{number // 3}"
        lines.append(f"{patient},{20 + number % 50},{number * 7 % 11},{'yes' if number // 3 % 2 else 'no'}")
    return csv(tmp_path, *lines)


def test_rows_of_a_group_are_in_one_split(tmp_path: Path) -> None:
    dataset = load(patients(tmp_path), target="ill", groups="patient", keep=["patient"])
    (place,) = (place for place, column in enumerate(dataset.columns) if column.name == "patient")
    assert dataset.columns[place].kind == "category"
    members = [set(dataset.inputs(split)["patient"].ravel().tolist()) - {""} for split in (dataset.train, dataset.test)]
    assert members[0] and members[1] and not members[0] & members[1]


def test_nothing_is_learned_from_groups_unless_that_is_asked_for(tmp_path: Path) -> None:
    dataset = load(patients(tmp_path), target="ill", groups="patient")
    assert [column.name for column in dataset.columns] == ["age", "dose"]
    assert "Left out 'patient': it names the groups." in dataset.notes


def test_a_column_of_groups_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'person' of groups in train.*'patient'"):
        load(patients(tmp_path), target="ill", groups="person")


def test_rows_and_groups_in_several_given_splits_are_counted() -> None:
    rows = [[number * 37 % 101 / 8, number % 7, f"g{number // 4}"] for number in range(80)]
    answers = ["a", "b"] * 40
    source = {"train": (rows[:60], answers[:60]), "test": (rows[50:], answers[50:])}
    dataset = load(source, groups="column_3")
    said = "10 of 30 test rows are the same as training or validation rows in every column"
    assert [text[: len(said)] for text in dataset.repeats] == [said]
    assert dataset.repeats[0] in dataset.notes
    assert any(text.startswith("3 groups stand in several splits") for text in dataset.notes)


def test_splits_without_repeats_say_nothing() -> None:
    rows = [[number * 37 % 101 / 8, number % 7] for number in range(80)]
    answers = ["a", "b"] * 40
    source = {"train": (rows[:60], answers[:60]), "test": (rows[60:], answers[60:])}
    assert load(source).repeats == ()
