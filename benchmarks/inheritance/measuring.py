"""One measurement: a parent, and its mutants trained with its weights and without."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import in_its_own_process, machine

_PICTURES = "cifar10_subset.zip"
NUM_PICTURES = 2000
"""So many of the training pictures are learned from."""
LONG, SHORT = 6, 2
"""Epochs of a full training, and of a short one."""
WAYS: Mapping[str, str] = {
    "full": f"{LONG} epochs from scratch",
    "again": "the same with another seed: as far as ranks agree at all",
    "short": f"{SHORT} epochs from scratch",
    "inherited": f"{SHORT} epochs with the parent's weights",
    "untrained": "with the parent's weights, before any training",
}
"""How each child is trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One parent and its children.

    Args:
        seed: Seed of the mutants, of weights and of the order.
        children: How many there are.
        parent: The parent's validation accuracy after a full training.
        accuracies: The children's validation accuracies, by the names in `WAYS`, in the same order.
        shares: The share of each child's weights that it inherits.
        machine: Describes the machine.
    """

    seed: int
    children: int
    parent: float
    accuracies: dict[str, list[float]]
    shares: list[float]
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)

    def tau(self, way: str) -> float:
        """Returns Kendall's rank correlation (tau-b) between a way to train children and their full training."""
        from scipy.stats import kendalltau

        return float(kendalltau(self.accuracies[way], self.accuracies["full"]).statistic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`."""

    seed: int
    children: int
    data: Path


def measure(job: Job) -> Measurement:
    """Trains one parent and its children in a process of its own."""
    return in_its_own_process(_trained, job)


def _trained(job: Job) -> Measurement:
    import keras
    import numpy as np

    from kevo.tasks.images import datasets, genes, morphing, networks
    from kevo.tasks.images.space import PRESETS
    from kevo.tasks.images.trainer import Trainer
    from kevo.training.effort import Earlier, Effort
    from tuners.genome import SearchSpace
    from tuners.operators.mutation import typed

    dataset = datasets.load(str(job.data / _PICTURES), seed=0)
    space = dataclasses.replace(
        PRESETS["default"],
        families=("conv",),
        conv_image_sizes=(32,),
        num_blocks=(3, 2),
        filters=(16, 8, 32, 64),
        kernel_sizes=(3, 5),
        block_poolings=("max",),
        early_pooling=(True,),
        batch_norm=(True,),
        activations=("relu",),
        conv_summaries=("average",),
        optimizers=("adam",),
        mirror=(False,),
    )
    search_space = SearchSpace.from_hyperparameters(
        genes.declare(space, image_size=32, num_pictures=NUM_PICTURES, alphas={})
    )
    rng = np.random.default_rng(job.seed)
    parent = search_space.default({})
    found: dict[str, dict[str, Any]] = {}
    while len(found) < job.children:
        child = search_space.repair(rng, typed(rng, parent, space=search_space, rate=0.1))
        if any(child.get(name) != parent.get(name) for name in child if name.startswith("conv/")):
            found.setdefault(str(sorted(child.items())), child)

    def trained(genome: Any, num_epochs: int, *, seed: int, model: Path | None = None) -> Any:
        effort = Effort(num_epochs=num_epochs, patience=num_epochs, num_examples=NUM_PICTURES)
        earlier = None if model is None else Earlier(model, (), ())
        return Trainer(dataset, weights={}, seed=seed).train(genome, effort, earlier=earlier)

    def accuracy(model: keras.Model) -> float:
        outputs = model.predict(dataset.validation.pictures, batch_size=250, verbose=0)
        return float(np.mean(outputs.argmax(axis=1) == dataset.validation.labels))

    first = trained(parent, LONG, seed=job.seed)
    weights = first.network.get_weights()
    accuracies: dict[str, list[float]] = {name: [] for name in WAYS}
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for child in found.values():
            # What the trainer has built before is gone by now.
            old, new = (networks.conv_network(genome, output=dataset.output) for genome in (parent, child))
            old.set_weights(weights)
            shares.append(morphing.inherit(parent, old, child, new, rng=rng))
            model = Path(folder, "child.keras")
            deployed = networks.deployable(new)
            deployed.save(model)
            accuracies["untrained"].append(accuracy(deployed))
            for name, length, seed, start in (
                ("full", LONG, job.seed, None),
                ("again", LONG, job.seed + 1000, None),
                ("short", SHORT, job.seed, None),
                ("inherited", SHORT, job.seed, model),
            ):
                accuracies[name].append(trained(child, length, seed=seed, model=start).metrics["val_accuracy"])
    return Measurement(
        seed=job.seed,
        children=job.children,
        parent=first.metrics["val_accuracy"],
        accuracies=accuracies,
        shares=shares,
        machine=machine("tensorflow", "keras"),
    )
