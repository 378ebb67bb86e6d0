"""What is asked of a table, and which of its columns say it already."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.errors import DataError, SettingsError
from kevo.tasks.registry import choose
from kevo.tasks.tables.loading import load, suggested
from tests.support.tables import write_csv


def table(path: Path, *, num_rows: int = 120) -> Path:
    """Writes passengers: `alive` is the class in words, `again` spells it in several ways, `fare_cents` is the fare."""
    rng = np.random.default_rng(0)
    lines = ["passenger_id,age,alive,again,fare_cents,fare,survived"]
    numbers = rng.permutation(1000)[:num_rows]
    for row in range(num_rows):
        age, fare, survived = int(rng.integers(1, 80)), rng.integers(500, 9000) / 100, row % 2
        again = ["no", "NO", "yes", "YES"][2 * survived + row // 2 % 2]
        alive = ["no", "yes"][survived]
        lines.append(f"{numbers[row]},{age},{alive},{again},{fare * 100:.0f},{fare:.2f},{survived}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("values", "asks", "words"),
    [
        (["a", "b"] * 10, "classification", ""),
        ([0, 1] * 10, "classification", ""),
        ([3, 4, 5, 6] * 5, "classification", "4 different whole numbers, and each is a class"),
        (list(range(30)), "regression", "30 different numbers: amounts, for regression"),
        ([0.5, 1.0] * 10, "regression", "2 different numbers: amounts"),
        (["1", "2", "x"] * 10, "classification", ""),
    ],
)
def test_the_target_tells_what_is_asked(values: list[Any], asks: str, words: str) -> None:
    x = np.random.default_rng(0).normal(size=(len(values), 2))
    found, note = suggested((x, values))
    assert found == asks
    assert words in note and ("--task" in note) == bool(words)


def test_what_is_said_counts_more_than_the_target(tmp_path: Path) -> None:
    path = table(tmp_path / "ship.csv")
    names = {task: choose(task, path, {"target": "survived"})[0].name for task in ("auto", "regression", "tables")}
    assert names == {"auto": "tables", "regression": "table-regression", "tables": "tables"}
    assert choose("auto", path, {"target": "fare"})[0].name == "table-regression"
    with pytest.raises(SettingsError, match="The task 'multilabel' is not to be had for rows. Expected one of: class"):
        choose("multilabel", path, {"target": "fare"})
    with pytest.raises(SettingsError, match="Unknown task 'detection'"):
        kevo.Settings(task="detection")


def test_columns_that_say_the_class_are_left_out_and_named(tmp_path: Path) -> None:
    path = table(tmp_path / "ship.csv")
    found = load(path, target="survived")
    assert {"alive", "again", "passenger_id"} <= set(found.unused)
    notes = " ".join(found.notes)
    assert "Left out 'alive', 'again': each of its values belongs to one class: it repeats the target." in notes
    assert "Left out 'passenger_id': it is called as identifiers are, and all its numbers differ." in notes
    kept = load(path, target="survived", keep=["alive", "passenger_id"])
    assert {"alive", "passenger_id"} <= {column.name for column in kept.columns}
    with pytest.raises(DataError, match="There is no column 'dead' to keep"):
        load(path, target="survived", keep=["dead"])


def test_columns_that_say_the_number_are_left_out_and_named(tmp_path: Path) -> None:
    found = load(table(tmp_path / "ship.csv"), target="fare", asks="regression")
    assert "fare_cents" in found.unused
    assert "Left out 'fare_cents': its numbers lie on a line with the target's: it repeats the target." in found.notes
    assert found.summary().endswith("(76 train, 24 validation*, 20 test*; * from train)")
    assert "'fare' " in found.summary()


def test_a_missing_number_is_named_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The target 'weight' is '' in row 4. Expected a finite number in every row"):
        load(write_csv(tmp_path / "things.csv"), target="weight", asks="regression")


def test_options_of_the_command_reach_the_table(tmp_path: Path) -> None:
    path = table(tmp_path / "ship.csv")
    settings = kevo.Settings(task="tables", options={"target": "survived", "keep": "alive, again"})
    columns = {column.name for column in settings.kind.load(path, settings).columns}
    assert {"alive", "again"} <= columns
