"""Trains the same candidates with and without another process, and prints what came of them.

Run by a test in a process of its own, as process 0 of `TF_CONFIG`; the other one is `kevo search`.
"""

import json
import sys


def main() -> None:
    """Prints losses and accuracies as JSON."""
    from kevo.execution.multiworker.launch import leading
    from kevo.tasks.images import datasets
    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Effort
    from tests.support.samples import CONV_GENOME

    dataset = datasets.load("digits")
    given = {"settings": {"seed": 0}, "fingerprint": dataset.fingerprint()}
    conv = {**CONV_GENOME, "conv/image_size": 8, "conv/batch_norm": False, "conv/l2": 1e-3, "batch_size": 64}
    # Whatever is random in training has a state of its own.
    changed = {**conv, "head/dropout": 0.1, "augment": True, "augment/flip": "none", "augment/rotation": 0.05}
    changed |= {"augment/zoom": 0.0, "augment/translation": 0.0, "augment/contrast": 0.0, "conv/batch_norm": True}
    found = []
    with leading(given) as leader:
        for genome, one in ((conv, None), (conv, leader), (changed, leader)):
            trained = Trainer(dataset, weights={}, leader=one).train(genome, Effort(3))
            losses = [epoch["loss"] for epoch in trained.history]
            hits = round(trained.metrics["val_accuracy"] * len(dataset.validation))
            found.append({"losses": losses, "hits": hits})
        leader.end()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
