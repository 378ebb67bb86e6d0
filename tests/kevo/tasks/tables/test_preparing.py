"""Raw columns as a network sees them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.encoding import NUM_HASHES, PLAIN, Encoding, plan
from kevo.tasks.tables.loading import load
from kevo.tasks.tables.preparing import prepare, preprocessing
from tests.support.tables import small_dataset

NUMBERS = ["standardize", "quantile", "piecewise", "bins"]


def prepared(dataset: TableDataset, numbers: str, how: Encoding = PLAIN, **changes: Any) -> np.ndarray:
    """The training rows, with columns replaced by `changes`."""
    inputs = {**dataset.inputs(dataset.train), **changes}
    return prepare(preprocessing(dataset, how._replace(numbers=numbers)), dataset.columns, inputs)


def numbers_only(values: Any, labels: Any = None) -> TableDataset:
    values = np.asarray(values, float)
    labels = np.arange(len(values)) % 2 if labels is None else labels
    return load({"train": (values, labels), "validation": (values, labels), "test": (values, labels)})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> TableDataset:
    return small_dataset(tmp_path_factory.mktemp("table"))


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("least_rows", [1, 50])
def test_features_are_finite_and_as_many_as_announced(dataset: TableDataset, numbers: str, least_rows: int) -> None:
    how = Encoding(numbers, least_rows, crosses=True)
    found = prepared(dataset, numbers, how)
    assert found.shape == (len(dataset.train), plan(dataset, how).features.size)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_standardized_numbers_are_those_of_scikit_learn() -> None:
    values = np.random.default_rng(0).normal([5, -1000], [2, 300], (50, 2))
    expected = StandardScaler().fit_transform(values)
    np.testing.assert_allclose(prepared(numbers_only(values), "standardize"), expected, atol=1e-4)


def test_categories_are_those_of_scikit_learn(dataset: TableDataset) -> None:
    found = prepared(dataset, "standardize")
    inputs = dataset.inputs(dataset.train)
    # Behind two numbers and the gaps of one stand the codes and then the texts.
    np.testing.assert_array_equal(found[:, 3:6], OneHotEncoder().fit_transform(inputs["grade"]).toarray())
    np.testing.assert_array_equal(found[:, 6:], OneHotEncoder().fit_transform(inputs["color"]).toarray())


def test_a_missing_number_is_the_median_and_is_said_to_be_missing(dataset: TableDataset) -> None:
    weight = dataset.inputs(dataset.train)["weight"]
    middle = np.nanmedian(weight).astype(np.float32)
    found = prepared(dataset, "standardize")
    filled = prepared(dataset, "standardize", weight=np.where(np.isnan(weight), middle, weight))
    np.testing.assert_array_equal(found[:, 0], filled[:, 0])
    np.testing.assert_array_equal(found[:, 2], np.isnan(weight)[:, 0])
    assert not filled[:, 2].any()


def test_ranks_keep_the_order_and_spread_evenly() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=(500, 1)))
    found = prepared(numbers_only(values), "quantile")[:, 0]
    assert (np.argsort(found, kind="stable") == np.argsort(values[:, 0])).all()
    assert abs(found.mean()) < 0.01
    assert found.std() == pytest.approx(1, abs=0.02)
    assert (found.min(), found.max()) == pytest.approx((-(3**0.5), 3**0.5), abs=1e-3)


def test_the_rank_of_a_frequent_value_is_in_the_middle_of_its_rows() -> None:
    values = np.concatenate([np.zeros(300), np.linspace(1, 2, 100)]).reshape(-1, 1)
    found = prepared(numbers_only(values), "quantile")[:, 0]
    assert found[:300] == pytest.approx(np.full(300, (0.375 - 0.5) * 12**0.5), abs=0.06)


def test_a_number_fills_the_parts_below_it() -> None:
    values = np.arange(81.0).reshape(-1, 1) / 4
    found = prepared(numbers_only(values), "piecewise")
    assert found.shape == (81, 8)
    np.testing.assert_allclose(found[0], np.zeros(8))
    np.testing.assert_allclose(found[25], [1, 1, 0.5, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(found[80], np.ones(8))
    np.testing.assert_allclose(found.sum(axis=1), values[:, 0] / 2.5, atol=1e-5)


def test_a_number_is_in_one_bin() -> None:
    values = np.arange(80.0).reshape(-1, 1) / 4
    found = prepared(numbers_only(values), "bins")
    np.testing.assert_array_equal(found.sum(axis=0), np.full(8, 10))
    assert (found.argmax(axis=1) == np.arange(80) // 10).all()


def test_frequent_numbers_make_fewer_parts() -> None:
    rare = np.array([0.0] * 95 + [7.0] * 5).reshape(-1, 1)
    np.testing.assert_array_equal(prepared(numbers_only(rare), "bins"), np.eye(2)[[0] * 95 + [1] * 5])
    np.testing.assert_array_equal(prepared(numbers_only(rare), "piecewise"), rare / 7)


def rare_categories() -> TableDataset:
    """Texts and codes, of which some are rare, and a gap."""
    texts = ["a"] * 30 + ["b"] * 8 + ["c", "d"]
    codes = [1.0] * 20 + [2.0] * 17 + [3.0, 4.0, None]
    x = np.array([texts, codes], object).T
    y = np.arange(40) % 2
    return load({"train": (x, y), "validation": (x, y), "test": (x, y)})


def test_rare_categories_share_an_input_with_unknown_ones() -> None:
    dataset = rare_categories()
    unknown = np.array(["e"] * 40, object).reshape(-1, 1)
    how = Encoding(least_rows=5)
    found = prepared(dataset, "standardize", how)
    # Codes: rare, 1, 2; missing. Texts: rare, a, b.
    np.testing.assert_array_equal(found[[0, 20, 37, 38, 39], :4], np.eye(4)[[1, 2, 0, 0, 3]])
    np.testing.assert_array_equal(found[[0, 30, 38, 39], 4:], np.eye(3)[[1, 2, 0, 0]])
    odd = prepared(dataset, "standardize", how, column_1=unknown, column_2=np.full((40, 1), 9.0, np.float32))
    np.testing.assert_array_equal(odd, np.tile([1, 0, 0, 0, 1, 0, 0], (40, 1)))
    assert prepared(dataset, "standardize").shape == (40, 4 + 1 + 4)


def test_of_rare_categories_alone_the_most_frequent_has_its_own() -> None:
    assert plan(rare_categories(), Encoding(least_rows=100)).values == {"column_1": ("a",), "column_2": (1.0,)}


def test_each_pair_of_categories_has_its_number(dataset: TableDataset) -> None:
    how = Encoding(crosses=True)
    found = prepared(dataset, "standardize", how)
    inputs = dataset.inputs(dataset.train)
    assert plan(dataset, how).features.num_pairs == 1
    pairs = {
        (color, grade): number
        for color, grade, number in zip(inputs["color"][:, 0], inputs["grade"][:, 0], found[:, -1], strict=True)
    }
    # Four colors, a missing one included, and three grades: no two pairs share a number here.
    assert len(pairs) == len(set(pairs.values())) == 12
    assert all(0 <= number < NUM_HASHES and number == int(number) for number in pairs.values())
    assert all(
        pairs[color, grade] == number
        for color, grade, number in zip(inputs["color"][:, 0], inputs["grade"][:, 0], found[:, -1], strict=True)
    )


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_number_that_is_constant_or_missing_in_training_is_harmless(numbers: str) -> None:
    train = np.array([[1.0, np.nan, number] for number in np.linspace(0, 1, 40)])
    train[0, :2] = 2.0, 3.0
    dataset = numbers_only(train)
    assert np.isfinite(prepared(dataset, numbers)).all()
    gone = np.full((40, 1), np.nan, np.float32)
    assert np.isfinite(prepared(dataset, numbers, column_1=gone, column_2=gone, column_3=gone)).all()


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_odd_numbers_give_finite_features(dataset: TableDataset, numbers: str, value: float) -> None:
    odd = np.full((len(dataset.train), 1), value, np.float32)
    assert np.isfinite(prepared(dataset, numbers, weight=odd, grade=odd, noise=odd)).all()


def test_what_training_has_not_seen_is_all_zeros(dataset: TableDataset, tmp_path: Path) -> None:
    shape = len(dataset.train), 1
    found = prepared(
        dataset, "standardize", color=np.full(shape, "purple", object), grade=np.full(shape, 7, np.float32)
    )
    assert not found[:, 3:].any()


def test_a_category_may_have_any_text() -> None:
    texts = ["", "[UNK]", "[UNK]_", "größe ☃", "a\nb", " a"]
    x = np.array([[text, "x" if place % 4 else "y"] for place, text in enumerate(texts * 8)], object)
    y = np.arange(48) % 2
    dataset = load({"train": (x, y), "validation": (x, y), "test": (x, y)})
    found = prepared(dataset, "standardize")
    assert (found[:, :6].argmax(axis=1) == [sorted(texts).index(text) for text in texts * 8]).all()
    assert (found[:, :6].sum(axis=1) == 1).all()


def test_whoever_watches_may_end_a_pass(dataset: TableDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from kevo.tasks.tables.preparing import forward, input_names

    monkeypatch.setattr("kevo.tasks.tables.preparing._VALUES_AT_ONCE", 40)
    inputs = dataset.inputs(dataset.validation)
    named = {name: inputs[column.name] for name, column in input_names(dataset.columns).items()}
    seen: list[int] = []
    model = preprocessing(dataset, PLAIN)
    forward(model, named, watch=lambda: seen.append(1))
    assert len(seen) == -(-len(dataset.validation) // 10)
    with pytest.raises(KeyboardInterrupt):
        forward(model, named, watch=lambda: (_ for _ in ()).throw(KeyboardInterrupt))
