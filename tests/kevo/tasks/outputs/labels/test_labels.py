"""Any number of labels at once as what is asked."""

import keras
import numpy as np
import pytest

from kevo.errors import DataError, ModelError
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.labels.output import Labels
from kevo.tasks.outputs.located import Located

LABELS = Labels.of(["round;red", "", "red"])


def test_labels_are_parted_by_semicolons() -> None:
    assert LABELS.names == ("red", "round")
    assert LABELS.parse(["round; red", "", "red;"]).tolist() == [[1, 1], [0, 0], [1, 0]]
    with pytest.raises(DataError, match="There are examples with 'blue'. Expected labels that the training"):
        LABELS.parse(["blue"])
    with pytest.raises(DataError, match="The training examples have 0 different labels"):
        Labels.of(["", ";"])


def test_each_label_has_a_probability_of_its_own() -> None:
    features = keras.Input((3,))
    model = keras.Model(features, LABELS.finish(features, regularizer=None))
    model.set_weights([np.zeros((3, 2)), np.array([0.0, 100.0])])
    assert np.asarray(model(np.zeros((1, 3)))).tolist() == [[0.5, 1.0]]


def test_the_loss_is_binary_cross_entropy() -> None:
    targets = LABELS.parse(["red", "round"])
    answers = LABELS.answers(targets, validation_targets=targets)
    assert float(answers.loss(targets, np.full((2, 2), 0.5, np.float32))) == pytest.approx(np.log(2))
    assert answers.score is not None
    right = np.asarray(answers.score.of_each(targets, np.array([[0.9, 0.1], [0.9, 0.9]], np.float32)))
    assert right.tolist() == [1.0, 0.5]


def test_strata_go_by_the_rarest_label_with_enough_examples() -> None:
    flags = np.zeros((100, 2), np.float32)
    flags[:60, 0] = 1
    flags[50:70, 1] = 1
    strata, names = LABELS.strata(flags)
    assert np.bincount(strata).tolist() == [30, 50, 20] and len(names) == 3
    assert set(strata[50:70].tolist()) == {2}
    flags[:, 1] = np.arange(100) < 3
    assert np.bincount(LABELS.strata(flags)[0]).tolist() == [40, 60]


def test_outputs_must_be_probabilities() -> None:
    with pytest.raises(ModelError, match="are no probabilities"):
        LABELS.check(np.array([[0.5, 1.5]]), "best.keras")


def test_a_prediction_in_a_line_and_as_json() -> None:
    first, second = LABELS.predictions(np.array([[0.25, 0.75], [0.1, 0.2]]), [Located(path="a.png")] * 2)
    assert first.line() == "round 0.750  a.png"
    assert second.line() == "none  a.png"
    assert first.to_json(top=1) == {"path": "a.png", "labels": ["round"], "probabilities": {"round": 0.75}}


def test_what_is_asked_can_be_read_again() -> None:
    assert parsing.output(LABELS.to_json()) == LABELS
    with pytest.raises(ValueError, match="no texts"):
        parsing.output({"labels": [1]})


def test_an_evaluation_in_words() -> None:
    targets = LABELS.parse(["red", "round", "red;round", ""])
    scored = LABELS.scored(LABELS.score(targets, targets), data="things", split="all", examples="pictures")
    lines = list(scored.lines())
    assert lines[0] == "things, all pictures: 4 pictures"
    assert lines[2].startswith("average precision     1.000")
    assert scored.to_json()["by_label"] == {"red": 1.0, "round": 1.0}
    assert scored.drawing.values == (("red", 1.0), ("round", 1.0))
