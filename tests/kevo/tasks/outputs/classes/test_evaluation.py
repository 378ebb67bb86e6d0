"""Scores of a classifier."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from kevo.tasks.outputs.classes import evaluation, ranks
from kevo.tasks.outputs.classes.evaluation import Evaluation, evaluate


def test_worked_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    scores = evaluate(probabilities, np.array([0, 1, 1, 1]), class_names=["cat", "dog"])
    assert scores.accuracy == 0.75
    assert scores.confusion == [[1, 0], [1, 2]]
    assert scores.precision == {"cat": 0.5, "dog": 1.0}
    assert scores.recall == {"cat": 1.0, "dog": pytest.approx(2 / 3)}
    assert scores.support == {"cat": 1, "dog": 3}
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert scores.cross_entropy == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "cross_entropy"])
def test_a_score_alone_is_that_of_an_evaluation(name: str) -> None:
    # The last class is neither there nor predicted.
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(4), size=100) @ np.eye(4, 5), rng.integers(0, 4, 100)
    whole = evaluate(probabilities, labels, class_names=list("abcde"))
    assert getattr(evaluation, name)(probabilities, labels) == pytest.approx(getattr(whole, name))


def test_a_class_that_is_never_predicted_nor_present_counts_as_zero() -> None:
    scores = evaluate(np.array([[0.5, 0.3, 0.2]]), np.array([0]), class_names=["a", "b", "c"])
    assert scores.precision == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert scores.macro_f1 == pytest.approx(1 / 3)


def test_classes_that_are_never_predicted_are_named() -> None:
    def told(confusion: list[list[int]]) -> list[str]:
        pairs = [(true, other) for true in (0, 1) for other in (0, 1) for _ in range(confusion[true][other])]
        labels, predicted = np.array(pairs).T
        scores = evaluate(np.eye(2)[predicted], labels, class_names=["ok", "rare"])
        return evaluation.remarks(scores, examples="pictures")

    assert told([[19, 1], [2, 3]]) == told([[5, 0], [0, 1]]) == []
    assert told([[20, 0], [1, 0]]) == [
        "Never predicted on the test split: 'rare'. The objective macro_f1 counts every class the same (--objective "
        "macro_f1); more pictures of the rare classes help most."
    ]


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), size=300)
    labels = rng.integers(0, 5, size=300)
    scores = evaluate(probabilities, labels, class_names=list("abcde"))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(labels, probabilities.argmax(1), average="macro"))
    assert scores.cross_entropy == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-6)


def test_certainty_in_the_wrong_class_stays_finite() -> None:
    assert np.isfinite(evaluate(np.array([[1.0, 0.0]]), np.array([1]), class_names=["a", "b"]).cross_entropy)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_everything_agrees_with_scikit_learn(num_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"class {index}" for index in range(num_classes)]
    labels = rng.choice(num_classes, p=rng.dirichlet(np.ones(num_classes)), size=200)
    labels[:num_classes] = np.arange(num_classes)
    probabilities = 0.6 * rng.dirichlet(np.ones(num_classes), size=200) + 0.4 * np.eye(num_classes)[labels]
    scores, predicted = evaluate(probabilities, labels, class_names=names), probabilities.argmax(axis=1)
    assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert scores.macro_precision == pytest.approx(
        metrics.precision_score(labels, predicted, average="macro", zero_division=0)
    )
    assert scores.macro_recall == pytest.approx(metrics.recall_score(labels, predicted, average="macro"))
    assert list(scores.f1) == names
    assert list(scores.f1.values()) == pytest.approx(metrics.f1_score(labels, predicted, average=None))
    assert np.mean(list(scores.f1.values())) == pytest.approx(scores.macro_f1)
    if num_classes == 2:
        assert scores.sensitivity == pytest.approx(metrics.recall_score(labels, predicted, pos_label=1))
        assert scores.specificity == pytest.approx(metrics.recall_score(labels, predicted, pos_label=0))
    else:
        assert scores.sensitivity is scores.specificity is None


@pytest.mark.parametrize(("hits", "num"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 9), (965, 1000), (1, 100_000)])
def test_the_interval_is_wilsons(hits: int, num: int) -> None:
    labels = np.zeros(num, np.int64)
    predicted = np.eye(2)[(np.arange(num) >= hits).astype(np.int64)]
    interval = evaluate(predicted, labels, class_names=["a", "b"]).interval
    theirs = binomtest(hits, num).proportion_ci(0.95, method="wilson")
    assert interval == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= interval[0] <= hits / num <= interval[1] <= 1


@pytest.mark.parametrize(("hits", "is_chance"), [(30, True), (62, True), (67, True), (71, False), (100, False)])
def test_what_is_no_better_than_the_most_frequent_class_is_chance(hits: int, is_chance: bool) -> None:
    labels = np.array([0] * 40 + [1] * 60)
    # Right for the first `hits` examples, counted from the last one.
    predicted = np.where(np.arange(100) >= 100 - hits, labels, 1 - labels)
    scores = evaluate(np.eye(2)[predicted], labels, class_names=["cat", "dog"])
    assert scores.accuracy == hits / 100 and scores.most_frequent == ("dog", 0.6)
    assert scores.is_chance == is_chance == (scores.interval[0] <= 0.6)


@pytest.mark.parametrize(("hits", "num"), [(2, 2), (1, 2), (3, 3), (4, 4), (2, 4), (3, 4)])
def test_a_handful_of_examples_casts_no_doubt_on_what_is_right(hits: int, num: int) -> None:
    labels = np.arange(num) % 2
    predicted = np.where(np.arange(num) < hits, labels, 1 - labels)
    scores = evaluate(np.eye(2)[predicted], labels, class_names=["cat", "dog"])
    # Four right answers are enough to tell them from guesses.
    assert scores.is_chance == (hits < num)


def test_a_class_without_pictures_does_not_count_for_the_balanced_accuracy() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = evaluate(np.eye(3)[[0, 2, 1, 1]], labels, class_names=["a", "b", "c"])
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        theirs = metrics.balanced_accuracy_score(labels, [0, 2, 1, 1])
    assert scores.balanced_accuracy == theirs == 0.75
    assert scores.macro_recall == 0.5
    assert scores.f1["c"] == 0.0


def test_sensitivity_needs_pictures_of_the_second_class() -> None:
    scores = evaluate(np.eye(2)[[0, 1]], np.array([0, 0]), class_names=["well", "ill"])
    assert scores.sensitivity is None
    assert scores.specificity == 0.5


def test_what_is_written_is_as_before_and_comes_back() -> None:
    scores = evaluate(np.eye(2)[[0, 1, 1]], np.array([0, 1, 0]), class_names=["a", "b"])
    written = dataclasses.asdict(scores)
    assert set(written) == {
        *("num_examples", "accuracy", "macro_f1", "cross_entropy", "precision", "recall", "support", "confusion"),
        "further",
    }
    again = Evaluation(**json.loads(json.dumps(written)))
    assert again == scores
    assert again.interval == scores.interval
    assert again.f1 == scores.f1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0.5, 0.5], [1.0, 0.0]], True),
        ([[0.496, 0.499]], True),
        ([[0.7, 0.7]], False),
        ([[-1.0, 2.0]], False),
        ([[np.nan, 1.0]], False),
    ],
)
def test_probabilities_are_from_nothing_and_sum_to_one(rows: list[list[float]], expected: bool) -> None:
    assert evaluation.are_probabilities(np.array(rows)) is expected


@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 2, 2)])
def test_probabilities_must_fit_the_labels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have the shape"):
        evaluation.cross_entropy(np.ones(shape), np.array([0, 1]))


def test_an_answer_without_a_model_is_known() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    shares = np.array([0.5, 0.3, 0.2])
    scores = evaluate(np.eye(3)[labels], labels, class_names=list("abc"))
    same = evaluate(np.tile(shares, (100, 1)), labels, class_names=list("abc"))
    for metric in ("accuracy", "macro_f1", "cross_entropy"):
        assert scores.uninformed(metric) == pytest.approx(same.value(metric))
    for metric, score in (("balanced_accuracy", ranks.balanced_accuracy), ("roc_auc", ranks.roc_auc)):
        assert scores.uninformed(metric) == pytest.approx(score(np.tile(shares, (100, 1)), labels))
    assert scores.uninformed("params") is None
