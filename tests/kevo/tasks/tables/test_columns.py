"""What kind a column is, and what becomes of its values."""

import math

import numpy as np
import pytest

from kevo.tasks.tables.columns import Column, Raw, count_missing, decide, encode, is_missing, parse, typed

LABELS = np.arange(100) % 2
WORDS = [f"word {number}" for number in range(100)]


@pytest.mark.parametrize("text", ["", "  ", "NA", "n/a", "NaN", "None", "null"])
def test_missing(text: str) -> None:
    assert is_missing(text)
    assert math.isnan(parse(text) or 0.0)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), (" -2.5 ", -2.5), ("1e3", 1000.0), ("1_000", None), ("1,5", None), ("x", None)]
)
def test_parse(text: str, number: float | None) -> None:
    assert parse(text) == number


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999"])
def test_an_infinite_number_is_missing(text: str) -> None:
    assert math.isnan(parse(text) or 0.0)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ([str(number / 7) for number in range(100)], "number"),
        ([str(number % 3) for number in range(100)], "code"),
        ([str(number % 2 + (number == 7)) for number in range(100)], "code"),
        ([str(number // 2 % 2) for number in range(100)], "number"),
        ([f"{number % 3}.5" for number in range(100)], "number"),
        ([str(number % 6) for number in range(100)], "number"),
        (["abc"[number % 3] for number in range(100)], "category"),
        (["yes" if number % 3 else "" for number in range(100)], "category"),
        (np.linspace(0, 1, 100), "number"),
        (np.arange(100) % 5 * 1.0, "code"),
    ],
)
def test_kinds(raw: Raw, kind: str) -> None:
    assert decide(raw, LABELS) == (kind, "")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (["7"] * 100, "same value"),
        (["x"] * 100, "same value"),
        (np.ones(100), "same value"),
        (["", "NA"] * 50, "empty"),
        (np.full(100, np.nan), "empty"),
        (WORDS, "identifies the rows"),
        ([str(number) for number in range(5, 105)], "counts the rows"),
        ([*WORDS[:60], *WORDS[:40]], "60 different"),
        (["dead" if label else "alive" for label in LABELS], "repeats the target"),
        ([str(label) for label in LABELS], "repeats the target"),
        (LABELS * 1.0, "repeats the target"),
    ],
)
def test_columns_that_are_left_out(raw: Raw, words: str) -> None:
    kind, note = decide(raw, LABELS)
    assert kind is None
    assert words in note


def test_a_few_texts_among_numbers_count_as_missing() -> None:
    raw = [str(number / 7) for number in range(96)] + ["?"] * 4
    assert decide(raw, LABELS) == ("number", "4 of its values are no numbers and count as missing")
    values = typed(raw, "number")
    assert values.dtype == np.float32
    assert np.isnan(values[96:]).all() and np.isfinite(values[:96]).all()


def test_more_texts_among_numbers_are_categories() -> None:
    assert decide([str(number % 9) for number in range(95)] + ["?"] * 5, LABELS).kind == "category"


def test_a_column_that_differs_from_the_target_once_is_kept() -> None:
    raw = ["dead" if label else "alive" for label in LABELS]
    assert decide(["alive" if place == 1 else text for place, text in enumerate(raw)], LABELS).kind == "category"


def test_numbers_that_float32_cannot_hold_are_missing() -> None:
    assert np.isnan(typed(["1e300", "-1e300", "1e30"], "number")).tolist() == [True, True, False]


def test_numbers_as_texts() -> None:
    assert typed(np.array([1.0, np.nan, 2.5]), "category").tolist() == ["1.0", "", "2.5"]


def test_missing_values_are_counted() -> None:
    assert count_missing(["a", "", "nan"]) == 2
    assert count_missing(np.array([1.0, np.nan])) == 1


def test_categories_become_positions() -> None:
    column = Column("color", "category", ("", "blue", "red"))
    assert encode(np.array(["red", "green", "", "blue"], object), column).tolist() == [3, 0, 1, 2]


def test_the_unknown_text_is_no_category() -> None:
    assert Column("a", "category", ("x",)).unknown == "[UNK]"
    assert Column("a", "category", ("[UNK]", "[UNK]_")).unknown == "[UNK]__"


@pytest.mark.parametrize(
    ("column", "num_features"),
    [
        (Column("a", "number"), 1),
        (Column("a", "number", has_gaps=True), 2),
        (Column("a", "code", (1.0, 2.0, 3.0)), 3),
        (Column("a", "category", ("x", "y")), 2),
    ],
)
def test_number_of_features(column: Column, num_features: int) -> None:
    assert column.num_features == num_features
