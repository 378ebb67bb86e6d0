"""Records of finished trials, as a run folder keeps them."""

from dataclasses import replace

from kevo.runs.records import TrialRecord

RECORD = TrialRecord(
    number=0,
    trial_id="0007",
    generation=2,
    genome={"family": "conv", "conv/num_blocks": 3, "learning_rate": 1e-3, "flip": True},
    status="completed",
    fitness=0.875,
    metrics={"val_accuracy": 0.875, "val_loss": 0.4},
    history=[{"val_accuracy": 0.5, "val_loss": 1.1}, {"val_accuracy": 0.875, "val_loss": 0.4}],
    stages=["head", "fine-tune"],
    num_epochs=2,
    seconds=3.5,
    num_parameters=1234,
    finished_at=12.25,
)
FAILED = replace(
    RECORD, number=1, trial_id="0008", status="failed", fitness=None, num_parameters=None, reason='out of "memory"\nü'
)
