"""Trains the same candidates with and without a strategy, and prints what came of them.

Run by a test in a process of its own: logical devices must be there before TensorFlow begins.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys

import tensorflow as tf


def main() -> None:
    """Prints losses and accuracies as JSON; models are saved under the name that is given."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    import kevo
    from kevo.tasks.images import datasets, networks
    from kevo.tasks.images.inference import predict
    from kevo.tasks.images.pretrained_weights import Weights
    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Effort
    from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome, stripes
    from tests.support.searches import SETTINGS, Diary

    dataset = datasets.load(stripes(195))
    weights = {("mobilenet_v2", 0.35): Weights(backbone="mobilenet_v2", source="none", alpha=0.35)}
    tuned = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu", **FINE_TUNED), "mobilenet_v2/alpha": 0.35}
    conv = {**CONV_GENOME, "conv/batch_norm": False, "conv/l2": 1e-3}
    # Two strategies in one process would take each other's sums for their own.
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    class Interrupting(Diary):
        """Presses Ctrl-C in the second candidate."""

        def trial_started(self, number: int, *told: object) -> None:
            if number == 1:
                os.kill(os.getpid(), signal.SIGINT)

    found = []
    for name, genome in (("conv", conv), ("tuned", tuned)):
        for strategy in (None, mirrored):
            trained = Trainer(dataset, weights=weights, strategy=strategy).train(genome, Effort(6))
            model = networks.deployable(trained.network)
            model.save(sys.argv[1])
            both = [
                predict(one, dataset.validation.pictures) for one in (model, tf.keras.models.load_model(sys.argv[1]))
            ]
            accuracy, loaded = (float((one.argmax(axis=1) == dataset.validation.labels).mean()) for one in both)
            losses = [epoch["loss"] for epoch in trained.history]
            found.append({"name": name, "losses": losses, "accuracy": accuracy, "loaded": loaded})
    settings = dataclasses.replace(SETTINGS, max_trials=2, num_finalists=1)
    run = pathlib.Path(sys.argv[1]).with_name("run")
    diary = Diary()
    kevo.search(stripes(195), settings, out=run, listener=Interrupting(), distribution_strategy=mirrored)
    result = kevo.resume(run, stripes(195), listener=diary, distribution_strategy=mirrored)
    whole = {"name": "search", "devices": diary.openings[0].devices, "trials": result.trials_completed}
    print(json.dumps([*found, whole]))


if __name__ == "__main__":
    main()
