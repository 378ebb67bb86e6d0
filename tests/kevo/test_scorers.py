"""Objectives by name: a table's, scikit-learn's scorers, and functions."""

import numpy as np
import pytest
from sklearn import metrics

import kevo
from kevo import objective as objectives
from kevo import scorers
from kevo.errors import SettingsError
from kevo.tasks.outputs.classes import ranks
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.tasks.outputs.labels.objectives import OBJECTIVES as OF_LABELS
from kevo.tasks.outputs.numbers.objectives import OBJECTIVES as OF_NUMBERS

RNG = np.random.default_rng(0)
LABELS = RNG.integers(7, size=200)
PROBABILITIES = RNG.dirichlet(np.ones(7), size=200)


def margin(labels: np.ndarray, outputs: np.ndarray) -> float:
    return float(outputs[np.arange(len(labels)), labels].mean())


def test_scores_by_rank_are_those_of_scikit_learn() -> None:
    one_hot = np.eye(7)[LABELS]
    assert ranks.roc_auc(PROBABILITIES, LABELS) == pytest.approx(
        metrics.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr")
    )
    assert ranks.average_precision(PROBABILITIES, LABELS) == pytest.approx(
        metrics.average_precision_score(one_hot, PROBABILITIES)
    )
    assert ranks.top_5(PROBABILITIES, LABELS) == metrics.top_k_accuracy_score(LABELS, PROBABILITIES, k=5)
    predicted = PROBABILITIES.argmax(axis=1)
    assert ranks.balanced_accuracy(PROBABILITIES, LABELS) == pytest.approx(
        metrics.balanced_accuracy_score(LABELS, predicted)
    )


def test_thresholds_and_the_curve_of_two_classes() -> None:
    labels, chances = LABELS % 2, RNG.random(200)
    points = np.array(ranks.roc(chances, labels))
    assert points[0].tolist() == [1, 0, 0] and points[-1, 1:].tolist() == [1, 1]
    assert metrics.auc(points[:, 1], points[:, 2]) == pytest.approx(metrics.roc_auc_score(labels, chances))
    (at_half,) = (one for one in ranks.thresholds(chances, labels) if one["threshold"] == 0.5)
    said = chances >= 0.5
    assert at_half["precision"] == pytest.approx(metrics.precision_score(labels, said))
    assert at_half["recall"] == pytest.approx(metrics.recall_score(labels, said))
    assert at_half["specificity"] == pytest.approx(metrics.recall_score(1 - labels, ~said))
    assert at_half["f1"] == pytest.approx(metrics.f1_score(labels, said))


def test_classes_without_examples_do_not_count() -> None:
    of_two = np.where(LABELS < 3, 0, 4)
    kept = [ranks.roc_aucs(PROBABILITIES, of_two)[place] for place in (0, 4)]
    assert ranks.roc_auc(PROBABILITIES, of_two) == pytest.approx(np.mean(kept))
    assert ranks.roc_auc(PROBABILITIES, np.zeros(200, int)) == 0.5


@pytest.mark.parametrize("name", ["matthews_corrcoef", "f1_weighted", "neg_log_loss", "roc_auc_ovo"])
def test_scorers_of_classes(name: str) -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    expected = {
        "matthews_corrcoef": metrics.matthews_corrcoef(LABELS, predicted),
        "f1_weighted": metrics.f1_score(LABELS, predicted, average="weighted"),
        "neg_log_loss": -metrics.log_loss(LABELS, PROBABILITIES),
        "roc_auc_ovo": metrics.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovo"),
    }[name]
    one = OBJECTIVES[name]
    assert (one.metric, one.direction) == (f"val_{name}", "max")
    found = scorers.further(one, PROBABILITIES.astype(np.float32), LABELS)
    assert found == {name: pytest.approx(expected, abs=1e-5)}


def test_scorers_of_numbers_and_labels() -> None:
    numbers, true = RNG.normal(size=(50, 1)), RNG.normal(size=50)
    assert scorers.further(OF_NUMBERS["neg_max_error"], numbers, true) == {
        "neg_max_error": -metrics.max_error(true, numbers[:, 0])
    }
    flags, chances = RNG.integers(2, size=(50, 3)), RNG.random((50, 3))
    assert scorers.further(OF_LABELS["f1_micro"], chances, flags) == {
        "f1_micro": metrics.f1_score(flags, chances >= 0.5, average="micro")
    }


def test_what_training_computes_anyway_is_not_computed_again() -> None:
    assert scorers.further(OBJECTIVES["accuracy"], PROBABILITIES, LABELS) == {}
    assert list(OBJECTIVES) == ["accuracy", "macro_f1", "loss"]
    assert "top_5" in OBJECTIVES and "top_5" in OBJECTIVES.named
    assert "os.system" not in OBJECTIVES and "function:a.b" not in OBJECTIVES


def test_a_scorer_that_does_not_suit_is_refused_before_any_training() -> None:
    with pytest.raises(SettingsError, match="'f1' cannot judge .* multiclass"):
        scorers.check(OBJECTIVES["f1"], OBJECTIVES, size=7, targets=LABELS)
    scorers.check(OBJECTIVES["f1_macro"], OBJECTIVES, size=7, targets=LABELS)
    with pytest.raises(SettingsError, match="Unknown objective 'f_one'.*balanced_accuracy"):
        kevo.Settings(objective="f_one")


def test_a_function_trains_in_this_process_and_is_known_here_only(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = kevo.Settings(objective=margin, task="images")  # type: ignore[arg-type]
    assert (settings.objective, settings.workers) == ("function:margin", 0)
    (one,) = settings.objectives
    assert one.measure is not None
    assert one.measure(PROBABILITIES, LABELS) == pytest.approx(PROBABILITIES[np.arange(200), LABELS].mean())
    again = kevo.Settings.from_json(settings.to_json())
    assert again == settings
    monkeypatch.setattr(objectives, "_FUNCTIONS", {})
    with pytest.raises(SettingsError, match=r"Give it again: kevo.resume\(run, data, objective=...\)"):
        scorers.check(again.objectives[0], OBJECTIVES, size=7, targets=LABELS)
    with pytest.raises(SettingsError, match="in the search's own process. Received: 2 workers"):
        kevo.Settings(objective=margin, workers=2)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="has no name"):
        kevo.Settings(objective=lambda true, outputs: 0.0)  # type: ignore[arg-type]


def test_the_scorers_that_are_known_without_scikit_learn_are_scorers_of_its_own() -> None:
    suitable = [name for names in scorers.SCORERS.values() for name in names]
    assert set(suitable) <= set(metrics.get_scorer_names())
    for name in scorers.SCORERS["classification"]:
        scorers.check(OBJECTIVES[name], OBJECTIVES, size=7, targets=LABELS)
    for name in scorers.SCORERS["regression"]:
        scorers.check(OF_NUMBERS[name], OF_NUMBERS, size=1, targets=RNG.random(50))
