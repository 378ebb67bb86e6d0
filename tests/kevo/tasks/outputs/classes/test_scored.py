"""How a classifier did, in lines and as JSON."""

import json

import numpy as np

from kevo.tasks.outputs.classes.evaluation import evaluate
from kevo.tasks.outputs.classes.scored import ScoredClasses
from kevo.tasks.protocols.dataset import Skipped


def scored(num_classes: int, *, split: str = "test") -> ScoredClasses:
    labels = np.arange(2 * num_classes) % num_classes
    names = [f"class {number}" for number in range(num_classes)]
    scores = evaluate(np.eye(num_classes)[labels], labels, class_names=names)
    return ScoredClasses("things", split, scores, "rows", skipped=(Skipped("a.csv", "is empty"),))


def test_lines_name_the_examples() -> None:
    lines = list(scored(2).lines())
    assert lines[0] == "things, the test split: 4 rows"
    assert next(scored(2, split="all").lines()) == "things, all rows: 4 rows"
    assert "class    rows  precision  recall     F1" in lines
    assert "sensitivity        1.000  (of class 1, the positive class, found)" in lines
    assert lines[-3:] == [
        "true \\ predicted  class 0  class 1",
        *(f"class {row}           {2 - 2 * row:>7}  {2 * row:>7}" for row in (0, 1)),
    ]


def test_many_classes_have_no_matrix_in_letters() -> None:
    assert any(line.startswith("true") for line in scored(12).lines())
    assert not any(line.startswith("true") for line in scored(13).lines())


def test_sensitivity_needs_two_classes() -> None:
    assert not any(line.startswith("sensitivity") for line in scored(3).lines())


def test_json_holds_all_scores() -> None:
    values = json.loads(json.dumps(scored(2).to_json()))
    assert (values["data"], values["split"], values["is_familiar"], values["num_examples"]) == (
        "things",
        "test",
        False,
        4,
    )
    assert values["balanced_accuracy"] == values["sensitivity"] == values["f1"]["class 0"] == 1.0
    assert values["skipped"] == [{"path": "a.csv", "reason": "is empty"}]


def test_the_confusion_matrix_has_names() -> None:
    found = scored(2).drawing
    assert (found.counts, found.names) == (((2, 0), (0, 2)), ("class 0", "class 1"))
