"""Trains the same candidates with and without another process, and prints what came of them.

Run by a test in a process of its own, with a folder for its files.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Prints losses and accuracies as JSON."""
    import kevo
    from kevo.execution.multiworker.launch import leading
    from kevo.tasks.images import datasets
    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Effort
    from tests.support.samples import CONV_GENOME

    dataset = datasets.load("digits")
    folder = Path(sys.argv[1])
    dataset.write(folder / "data")
    conv = {**CONV_GENOME, "conv/image_size": 8, "conv/batch_norm": False, "conv/l2": 1e-3, "batch_size": 64}
    # Whatever is random in training has a state of its own.
    changed = {**conv, "head/dropout": 0.1, "augment": True, "augment/flip": "none", "augment/rotation": 0.05}
    changed |= {"augment/zoom": 0.0, "augment/translation": 0.0, "augment/contrast": 0.0, "conv/batch_norm": True}
    found = []
    settings = kevo.Settings(task="images").to_json()
    with leading(data=str(folder / "data"), settings=settings, folder=str(folder)) as leader:
        for genome, one in ((conv, None), (conv, leader), (changed, leader)):
            trained = Trainer(dataset, weights={}, leader=one).train(genome, Effort(3))
            losses = [epoch["loss"] for epoch in trained.history]
            hits = round(trained.metrics["val_accuracy"] * len(dataset.validation))
            found.append({"losses": losses, "hits": hits})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
