"""The objectives of a search for a classifier."""

import numpy as np

from kevo.tasks.outputs.classes.answers import measure
from kevo.tasks.outputs.classes.objectives import OBJECTIVES


def test_every_objective_reads_metrics_that_are_measured() -> None:
    measured = measure(np.array([[0.9, 0.1], [0.6, 0.4]], np.float32), np.array([0, 1]))
    assert {name for one in OBJECTIVES.values() for name in one.metrics} == measured.keys()


def test_a_share_has_the_margin_of_a_share_and_a_loss_none() -> None:
    margins = {name: one.margin(0.5, num_examples=100) for name, one in OBJECTIVES.items()}
    assert margins == {"accuracy": 0.05, "macro_f1": 0.05, "loss": 0.0}
