"""The objectives of a search for a classifier."""

from kevo.tasks.outputs.classes.objectives import OBJECTIVES


def test_a_share_has_the_margin_of_a_share_and_a_loss_none() -> None:
    margins = {name: one.margin(0.5, num_examples=100) for name, one in OBJECTIVES.items()}
    assert margins == {"accuracy": 0.05, "macro_f1": 0.05, "loss": 0.0}
