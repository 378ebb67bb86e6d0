"""Candidates in columns are those that were read, in any order that is asked for."""

import json

from kevo.objective import Objective
from kevo.service.candidates import Candidate, Candidates, Scored, in_brief
from tests.support.searches import record

ACCURACY, LOSS = Objective("val_accuracy", "max"), Objective("val_cross_entropy", "min")
ROWS = [
    Candidate(0, 10, 0, 1.0, 1.0, 5, {"val_accuracy": 0.5}),
    Candidate(10, 5, 1, 2.0, 1.0, None, None),
    Candidate(15, 7, 2, 4.0, 2.0, 3, {"val_accuracy": 0.75, "val_cross_entropy": 0.2}),
    Candidate(22, 7, 0, 3.0, 0.5, 4, {"val_cross_entropy": 0.1}),
]


def candidates() -> Candidates:
    found = Candidates()
    for one in ROWS:
        found.append(one)
    return found


def test_they_are_what_was_added_also_after_they_were_written_down() -> None:
    found = candidates()
    assert list(found) == ROWS and len(found) == 4 and found[-1] == ROWS[-1]
    assert (found.num_bytes, found.last_time, Candidates().num_bytes, Candidates().last_time) == (29, 4.0, 0, 0.0)
    again = Candidates.from_json(json.loads(json.dumps(found.to_json()).replace("NaN", "null")))
    assert list(again) == ROWS and again.to_json().keys() == found.to_json().keys()


def test_they_are_put_in_order_and_chosen() -> None:
    found = candidates()
    assert list(found.places()) == [0, 1, 2, 3] and list(Candidates().places(order="best", objective=LOSS)) == []
    assert found.places(status="failed") == [1] and found.places(status="completed") == [0, 2, 3]
    # Those without that score come last, in the order in which they ended.
    assert found.places(order="best", objective=ACCURACY) == [2, 0, 1, 3]
    assert found.places(order="-best", objective=ACCURACY) == [0, 2, 1, 3]
    assert found.places(order="params") == [2, 3, 0, 1] and found.places(order="-params") == [0, 3, 2, 1]
    assert list(found.places(order="-ended")) == [3, 2, 1, 0] == list(found.places(order="-best"))
    assert found.places(order="best", objective=LOSS, status="completed") == [3, 2, 0]
    assert found.scored("val_cross_entropy") == [Scored(2, 4.0, 0.2), Scored(0, 3.0, 0.1)] and found.scored("f1") == []
    assert (found.place_of(0), found.place_of(1), found.place_of(7)) == (3, 1, None)


def test_a_line_is_read_in_brief_also_where_a_gene_looks_like_its_end() -> None:
    one = record("a", 0.5, genome={"name": '", "history": [ ], "num_epochs": 3'}, num_epochs=1)
    line = json.dumps(one.to_json()).encode() + b"\n"
    found = in_brief(line, 7)
    metrics = {"val_accuracy": 0.5, "val_cross_entropy": 1.0}
    assert found == (7, len(line), one.number, one.finished_at, one.seconds, one.num_parameters, metrics)
