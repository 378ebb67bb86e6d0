"""The epochs of a training, and the best of them."""

from kevo.objective import Objective
from kevo.training.history import History, num_best_epochs

OBJECTIVE = Objective("val_accuracy", "max", tie_breaker="val_loss")


def epochs(*accuracies: float) -> list[dict[str, float]]:
    return [{"val_accuracy": accuracy, "val_loss": 1.0} for accuracy in accuracies]


def test_the_best_epochs_of_each_stage_are_those_that_counted() -> None:
    stages = ["head", "head", "fine-tune", "fine-tune"]
    assert num_best_epochs(epochs(0.5, 0.6, 0.7, 0.6), stages, OBJECTIVE) == {"head": 2, "fine-tune": 1}
    assert num_best_epochs(epochs(0.6, 0.5, 0.4, 0.5), stages, OBJECTIVE) == {"head": 1, "fine-tune": 2}


def test_the_first_of_equal_epochs_is_the_best() -> None:
    history = History(OBJECTIVE)
    assert [history.add("train", epoch) for epoch in epochs(0.5, 0.5, 0.6, 0.4)] == [True, False, True, False]
    assert history.best == {"val_accuracy": 0.6, "val_loss": 1.0} and len(history) == 4
    assert history.add("train", {"val_accuracy": 0.6, "val_loss": 0.9}), "of equal accuracy the lower loss is better"


def test_each_stage_has_a_best_of_its_own() -> None:
    history = History(OBJECTIVE)
    for stage, epoch in zip(["head", "head", "fine-tune", "fine-tune"], epochs(0.9, 0.8, 0.5, 0.6), strict=True):
        history.add(stage, epoch)
    assert history.best["val_accuracy"] == 0.6
    assert (history.num_epochs("head"), history.num_epochs("fine-tune"), history.num_epochs("train")) == (2, 2, 0)


def test_before_the_first_epoch_nothing_is_best() -> None:
    assert History(OBJECTIVE).best == {} and len(History(OBJECTIVE)) == 0
