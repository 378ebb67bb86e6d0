"""A number as what is asked."""

import keras
import numpy as np
import pytest

from kevo.errors import DataError, ModelError
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.numbers.output import Numbers

VALUES = np.array([10.0, 20.0, 30.0, 40.0], np.float32)
NUMBERS = Numbers.of("weight", VALUES)
PRICES = np.exp(np.linspace(0, 6, 61), dtype=np.float32)
SKEWED = Numbers.of("price", PRICES, may_be_log=True)


def test_the_last_layer_brings_numbers_to_their_unit() -> None:
    features = keras.Input((3,))
    model = keras.Model(features, NUMBERS.finish(features, regularizer=None))
    model.set_weights([np.zeros((3, 1)), np.ones(1)])
    expected = VALUES.mean() + VALUES.std()
    assert np.asarray(model(np.zeros((2, 3)))).ravel() == pytest.approx([expected] * 2)


def test_errors_count_in_standard_deviations() -> None:
    answers = NUMBERS.answers(VALUES, validation_targets=VALUES)
    assert answers.targets.shape == (4, 1)
    off = answers.targets + np.float32(VALUES.std() / 2)
    # Half of the square, as far as an error is small.
    assert float(answers.loss(answers.targets, off)) == pytest.approx(0.125, rel=1e-4)
    assert answers.score is None


def test_a_constant_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="'weight' has the same value in all training examples: 3"):
        Numbers.of("weight", np.full(5, 3.0))


def test_texts_are_no_numbers() -> None:
    assert NUMBERS.parse(["1.5", "-2e3"]).tolist() == [1.5, -2000.0]
    for text in ("", "heavy", "nan", "inf", "1e39", "1_000"):
        with pytest.raises(DataError, match=f"The target 'weight' is '{text}' in row 2"):
            NUMBERS.parse(["1", text])


def test_strata_are_parts_of_equal_frequency() -> None:
    labels, names = NUMBERS.strata(np.arange(100.0))
    assert np.bincount(labels).tolist() == [20] * 5
    assert len(names) == 5
    # Nearly all are the same, and few examples are not divided at all.
    often, names = NUMBERS.strata(np.array([0.0] * 95 + [1.0] * 5))
    assert set(often.tolist()) == set(range(len(names)))
    assert NUMBERS.strata(VALUES)[1] == ("numbers of part 1",)


def test_outputs_must_be_finite() -> None:
    assert NUMBERS.are_valid(np.array([[1.0], [-5.0]]))
    with pytest.raises(ModelError, match="An output of best.keras is no finite number"):
        NUMBERS.check(np.array([[np.nan]]), "best.keras")


def test_a_prediction_in_a_line_and_as_json() -> None:
    (found,) = NUMBERS.predictions(np.array([[12.5]]), [Located(path="new.csv", row=3)])
    assert found.line() == "12.5  new.csv row 3"
    assert found.to_json() == {"path": "new.csv", "row": 3, "value": 12.5}


def test_what_is_asked_can_be_read_again() -> None:
    for one in (NUMBERS, SKEWED, Classes(("a", "b"))):
        assert parsing.output(one.to_json()) == one
    for values in ({"number": {"name": "a", "mean": "x", "deviation": 1}}, {"number": {"name": "a"}}, {}):
        with pytest.raises((LookupError, ValueError)):
            parsing.output(values)


def test_a_spread_of_nothing_is_no_output() -> None:
    with pytest.raises(ValueError, match="no finite mean and deviation"):
        Numbers.from_json({"name": "a", "mean": 0.0, "deviation": 0.0})


def test_a_linear_model_learns_numbers_of_one_scale() -> None:
    found = NUMBERS.linear_targets(VALUES)
    assert found.shape == (4, 1)
    assert (found.mean(), found.std()) == pytest.approx((0, 1))


def test_an_evaluation_in_words() -> None:
    scores = NUMBERS.score(VALUES.reshape(-1, 1) + 1, VALUES)
    scored = NUMBERS.scored(scores, data="cars", split="test", examples="rows")
    lines = list(scored.lines())
    assert lines[0] == "cars, the test split: 4 rows"
    assert lines[2].startswith("R2                   0.9920  (95 % interval ")
    assert scored.to_json()["mae"] == 1.0
    assert scored.drawing.points[0] == (10.0, 11.0)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(VALUES, id="even"),
        pytest.param(np.append(PRICES, 0.0), id="not all positive"),
        pytest.param(np.array([1e-30] + [1.0] * 20 + [2.0] * 3), id="logarithms are more skewed"),
    ],
)
def test_other_numbers_are_learned_as_they_are(values: np.ndarray) -> None:
    assert not Numbers.of("weight", values, may_be_log=True).is_log
    assert not Numbers.of("price", PRICES).is_log


def test_a_skewed_target_is_learned_as_its_logarithm() -> None:
    assert SKEWED.is_log
    assert (SKEWED.mean, SKEWED.deviation) == pytest.approx((3, np.linspace(0, 6, 61).std()))
    assert SKEWED.summary() == "'price' 20.09 times or divided by 5.82"
    features = keras.Input((3,))
    model = keras.Model(features, SKEWED.finish(features, regularizer=None))
    model.set_weights([np.zeros((3, 1)), np.ones(1)])
    outputs = np.asarray(model(np.zeros((2, 3)))).ravel()
    assert outputs == pytest.approx([np.exp(SKEWED.mean + SKEWED.deviation)] * 2)
    # However far beyond what it has seen, its answers stay finite.
    model.set_weights([np.zeros((3, 1)), np.full(1, 1e6)])
    assert np.asarray(model(np.zeros((1, 3)))).item() == pytest.approx(np.exp(SKEWED.mean + 4 * SKEWED.deviation))


def test_errors_of_logarithms_count_in_their_deviations() -> None:
    answers = SKEWED.answers(PRICES, validation_targets=PRICES)
    off = answers.targets * np.float32(np.exp(SKEWED.deviation / 2))
    assert float(answers.loss(answers.targets, off)) == pytest.approx(0.125, rel=1e-4)
    # Rows that were not looked at when this was decided may have any number.
    assert np.isfinite(float(answers.loss(np.array([[0.0], [-5.0]], np.float32), off[:2])))
    found = SKEWED.linear_targets(PRICES)
    assert (found.mean(), found.std()) == pytest.approx((0, 1), abs=1e-6)


def test_models_of_earlier_versions_can_be_read() -> None:
    assert Numbers.from_json({"name": "weight", "mean": 25.0, "deviation": NUMBERS.deviation}) == NUMBERS
