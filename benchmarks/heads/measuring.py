"""One measurement: heads on one frozen network, and which of them, or which mean of them, is best on other pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import in_its_own_process, machine
from tuners.genome import Genome

WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
BEST, FIRST = "the winner", "the first, linear and strongly regularized"
_MOST = (2, 4, 6, 8)
"""Means of so many heads are looked at."""
ALIKE: Mapping[int, str] = {num: f"the mean of {num} at most, labels no softer than the winner's" for num in _MOST}
ANY: Mapping[int, str] = {num: f"the mean of {num} at most" for num in _MOST}
WAYS = (BEST, FIRST, *ALIKE.values(), *ANY.values())
"""The names of all models that are compared: single heads, and means of several."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Pictures to learn.

    Args:
        title: What they are.
        path: Their place below the folder with the data.
        image_size: Side of the pictures that the network sees, in pixels.
        mirror: Whether it sees both sides.
    """

    title: str
    path: str
    image_size: int
    mirror: bool


SETS: Mapping[str, DataSet] = {
    "cats_vs_dogs": DataSet("cats and dogs, 288 px from both sides", "cats_vs_dogs", 288, True),
    "cifar10_subset": DataSet("5,000 pictures of CIFAR-10, 128 px", "cifar10_subset.zip", 128, False),
}
"""The data sets by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Accuracy and cross-entropy of single heads and of means, on pictures that were kept out of their choice.

    Args:
        name: A name of `SETS`.
        seed: Seed of the division of the pictures, of the genes and of the weights.
        num_heads: How many heads there were.
        num_equals: How many of them are within a standard error of the best.
        num_kept_out: The pictures that were kept out.
        accuracies: The accuracy of each of `WAYS`.
        losses: The cross-entropy of each.
        nums: How many heads each is the mean of.
        machine: Describes the machine.
    """

    name: str
    seed: int
    num_heads: int
    num_equals: int
    num_kept_out: int
    accuracies: dict[str, float]
    losses: dict[str, float]
    nums: dict[str, int]
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`."""

    name: str
    seed: int
    num_heads: int
    data: Path


def measure(job: Job) -> Measurement:
    """Trains all heads of one division in a process of its own."""
    return in_its_own_process(_measured, job)


def _measured(job: Job) -> Measurement:
    from kevo.tasks.images import datasets
    from kevo.tasks.images.pretrained_weights import Weights

    one = SETS[job.name]
    whole = datasets.load(str(job.data / one.path), seed=job.seed)
    return compare(
        whole,
        one,
        weights=Weights("mobilenet_v2", "file", job.data / WEIGHTS, 0.35),
        name=job.name,
        seed=job.seed,
        num_heads=job.num_heads,
    )


def compare(whole: Any, one: DataSet, *, weights: Any, name: str, seed: int, num_heads: int) -> Measurement:
    """Trains heads on three fifths of the training pictures, chooses by a fifth, and judges by another.

    Args:
        whole: The pictures. Of these only the training pictures are looked at.
        one: What the network sees of them.
        weights: Those of MobileNetV2 with a width of 0.35.
        name: As for `Measurement`.
        seed: As for `Measurement`.
        num_heads: As for `Measurement`.
    """
    import numpy as np

    from kevo.tasks.images import genes, networks, recipes, space
    from kevo.tasks.images.datasets import Split
    from kevo.tasks.images.inference import forward_pass
    from kevo.tasks.images.picture_copies import test_time_views
    from kevo.tasks.images.trainer import Trainer
    from kevo.tasks.outputs.classes.evaluation import accuracy, cross_entropy
    from kevo.tasks.outputs.classes.objectives import OBJECTIVES
    from kevo.training.effort import Effort
    from kevo.training.loop import Forward
    from tuners.genome import SearchSpace

    rng = np.random.default_rng(seed)
    fifth = len(whole.train) // 5
    judged, kept_out, learned = np.split(rng.permutation(len(whole.train)), [fifth, 2 * fifth])
    parts = {"train": learned, "validation": judged, "test": kept_out}
    splits = {
        part: Split(whole.train.pictures[np.sort(rows)], whole.train.labels[np.sort(rows)])
        for part, rows in parts.items()
    }
    dataset = dataclasses.replace(whole, **splits)
    heads = dataclasses.replace(space.preset("default"), families=("pretrained",), backbones=("mobilenet_v2",))
    search_space = SearchSpace.from_hyperparameters(
        genes.declare(heads, image_size=one.image_size, num_pictures=len(learned), alphas={"mobilenet_v2": [0.35]})
    )
    sides: Genome = {"augment": True, "augment/flip": "horizontal"} if one.mirror else {"augment": False}
    seen: Genome = {
        "pretrained/image_size": one.image_size,
        "pretrained/tuning": "frozen",
        "mirror": one.mirror,
        **sides,
    }
    first = search_space.default({**recipes.seeds(heads, image_size=one.image_size)[0], **seen})
    others = [search_space.sample(rng) for _ in range(num_heads - 1)]
    body = {gene: first[gene] for gene in first if gene.startswith(("mobilenet_v2/", "augment"))}
    body |= {gene: first[gene] for gene in ("backbone", "pretrained/summary", *seen) if gene in first}
    genomes: list[dict[str, Any]] = [dict(first), *({**_head(genome), **body} for genome in others)]
    trainer = Trainer(dataset, weights={("mobilenet_v2", 0.35): weights}, seed=seed)
    extractor = forward_pass(networks.feature_extractor(first, whole=networks.backbone(first, weights=weights)))
    views = [
        trainer.cache.features("test", first, network=lambda: extractor, weights=weights, copy=view)
        for view in test_time_views(first)
    ]
    chosen_by, judged_by = list[dict[str, float]](), []
    for genome in genomes:
        trained = trainer.train(genome, Effort(20))
        head = Forward(trained.network.get_layer("head"), dtype=np.float32)
        chosen_by.append(trained.metrics)
        judged_by.append(np.mean([np.concatenate(list(head.batches(view, 256))) for view in views], axis=0))
    objective = OBJECTIVES["accuracy"]
    best = max(metrics["val_accuracy"] for metrics in chosen_by)
    least = best - objective.margin(best, num_examples=fifth)
    equals = [place for place, metrics in enumerate(chosen_by) if metrics["val_accuracy"] >= least]
    equals.sort(key=lambda place: chosen_by[place]["val_cross_entropy"])
    softest = genomes[equals[0]]["label_smoothing"]
    alike = [place for place in equals if genomes[place]["label_smoothing"] <= softest]
    means = {BEST: equals[:1], FIRST: [0]}
    means |= {way: alike[:num] for num, way in ALIKE.items()} | {way: equals[:num] for num, way in ANY.items()}
    labels = dataset.test.labels
    outputs = {way: np.mean([judged_by[place] for place in places], axis=0) for way, places in means.items()}
    return Measurement(
        name=name,
        seed=seed,
        num_heads=num_heads,
        num_equals=len(equals),
        num_kept_out=len(labels),
        accuracies={way: float(accuracy(found, labels)) for way, found in outputs.items()},
        losses={way: float(cross_entropy(found, labels)) for way, found in outputs.items()},
        nums={way: len(places) for way, places in means.items()},
        machine=machine("tensorflow", "keras"),
    )


def _head(genome: Genome) -> Genome:
    """Returns a genome without the genes that decide which features its head sees."""
    return {gene: genome[gene] for gene in genome if not gene.startswith(("augment", "fine_tune/", "mobilenet_v2/"))}


def gains(rows: Sequence[Measurement], way: str, *, of_losses: bool = False) -> list[float]:
    """Returns by how much a way is above the winner in each division: in accuracy, or in cross-entropy."""
    values = [row.losses if of_losses else row.accuracies for row in rows]
    return [one[way] - one[BEST] for one in values]
