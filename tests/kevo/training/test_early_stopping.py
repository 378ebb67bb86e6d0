"""When a stage of training ends early."""

from kevo.objective import Objective
from kevo.training.early_stopping import EarlyStopping

OBJECTIVE = Objective("val_accuracy", "max", tie_breaker="val_loss")


def test_epochs_without_gain_are_counted_in_a_row() -> None:
    stopping = EarlyStopping(OBJECTIVE)
    counts = []
    for loss, is_best in ((1.0, True), (1.1, False), (1.2, False), (1.3, True), (1.4, False)):
        stopping.record({"val_loss": loss}, is_best=is_best)
        counts.append(stopping.num_without_gain)
    assert counts == [0, 1, 2, 0, 1]


def test_a_tie_breaker_that_still_falls_is_a_gain() -> None:
    stopping = EarlyStopping(OBJECTIVE)
    counts = []
    for loss in (1.0, 0.9, 0.95, 0.8):
        stopping.record({"val_loss": loss}, is_best=False)
        counts.append(stopping.num_without_gain)
    assert counts == [0, 0, 1, 0]


def test_without_a_tie_breaker_only_the_best_gain() -> None:
    stopping = EarlyStopping(Objective("val_loss", "min"))
    for is_best in (True, False, False):
        stopping.record({"val_loss": 1.0}, is_best=is_best)
    assert stopping.num_without_gain == 2


def test_it_is_due_after_so_many_epochs_without_gain() -> None:
    stopping = EarlyStopping(OBJECTIVE)
    due = []
    for _ in range(4):
        stopping.record({"val_loss": 1.0}, is_best=False)
        due.append((stopping.is_due(2), stopping.is_due(None)))
    assert due == [(False, False), (False, False), (True, False), (True, False)]
