"""Ablation of the genes of tables: pairs of networks that differ in one gene, scored on validation rows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process
from benchmarks.tasks.measuring import SETS, Job

_EPOCHS, _PATIENCE = 40, 10
CHANGES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "numbers: ranks": ("numbers", {"numbers": "quantile"}),
    "numbers: piecewise": ("numbers", {"numbers": "piecewise"}),
    "numbers: bins": ("numbers", {"numbers": "bins"}),
    "rare categories as one": ("least_rows", {"least_rows": 10}),
    "categories as 4 numbers": ("categories", {"categories": "embedding", "embedding/units": 4}),
    "pairs of categories": ("crosses", {"crosses": True}),
    "body: residual": ("bodies", {"body": "residual"}),
    "body: wide and deep": ("bodies", {"body": "wide_and_deep"}),
}
"""Each change by its name: the field of the space that offers it, and the genes that are set."""
_NETWORKS: Sequence[dict[str, Any]] = (
    {},
    {"num_layers": 1, "layer_1/units": 32, "l2": 1e-3},
    {"num_layers": 3, "dropout": 0.3, "learning_rate": 1e-3},
)
"""The networks that are changed, as genes that differ from the default."""
_ABOUT = """\
## What the genes of tables gain

Three networks (two layers of 64; one of 32, with L2; three of 64, with more dropout and a lower rate), each with one
gene changed at a time, up to 40 epochs. Gains are those of validation rows, on average over networks and seeds: of
accuracy or R2 in hundredths, in brackets the lowest and the highest of the seeds; and in how many of the pairs of
networks that differ in this gene the lowest validation loss is lower with it. Test rows were not looked at. Measured by
`python -m benchmarks.tasks --genes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """By how much each change raised the score and lowered the loss on one data set.

    Args:
        name: A name of `measuring.SETS`.
        seed: Seed of the splits and the trainings.
        scores: How much higher the score is with each change, for each network.
        losses: How much lower the loss is with each change, for each network.
    """

    name: str
    seed: int
    scores: dict[str, list[float]]
    losses: dict[str, list[float]]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Gains:
        """Returns the gains from decoded JSON of their fields."""
        return cls(**values)


def measure(job: Job) -> Gains:
    """Trains all networks for one data set and seed."""
    scores, losses = in_its_own_process(_gains, job)
    return Gains(name=job.name, seed=job.seed, scores=scores, losses=losses)


def _gains(job: Job) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    import kevo
    from kevo.tasks.outputs.classes.output import Classes
    from kevo.tasks.tables import space
    from kevo.tasks.tables.loading import load, suggested
    from kevo.tasks.tables.trainer import TableTrainer
    from kevo.training.effort import Effort
    from tuners.genome import SearchSpace

    one, whole = SETS[job.name], space.preset("wide")
    asks, _ = suggested(job.data / one.path, target=one.target)
    dataset = load(job.data / one.path, target=one.target, asks=asks, seed=job.seed)
    trainer = TableTrainer(dataset, kevo.Settings(options=one.options, seed=job.seed, task=asks))
    fitting = space.fitting(whole, dataset)
    genes = SearchSpace.from_hyperparameters(space.declare(whole, num_rows=len(dataset.train)))
    are_classes = isinstance(dataset.output, Classes)
    score, loss = ("val_accuracy", "val_cross_entropy") if are_classes else ("val_r2", "val_mse")

    def trained(changes: Mapping[str, Any]) -> tuple[float, float]:
        history = trainer.train(genes.default(changes), Effort(num_epochs=_EPOCHS, patience=_PATIENCE)).history
        return max(epoch[score] for epoch in history), min(epoch[loss] for epoch in history)

    plain = list(map(trained, _NETWORKS))
    scores: dict[str, list[float]] = {}
    losses: dict[str, list[float]] = {}
    for name, (field, changes) in CHANGES.items():
        if next(iter(changes.values())) in getattr(fitting, field):
            found = [trained({**network, **changes}) for network in _NETWORKS]
            scores[name] = [one[0] - other[0] for one, other in zip(found, plain, strict=True)]
            losses[name] = [other[1] - one[1] for one, other in zip(found, plain, strict=True)]
    return scores, losses


def report(rows: Sequence[Gains]) -> str:
    """Returns the section of the report; empty where nothing is measured."""
    if not rows:
        return ""
    names = [name for name in SETS if any(row.name == name for row in rows)]
    lines = [
        (change, *(_cell(change, [row for row in rows if row.name == name]) for name in names)) for change in CHANGES
    ]
    return f"{_ABOUT}\n\n{table(('change', *(SETS[name].title for name in names)), lines)}"


def _cell(change: str, rows: Sequence[Gains]) -> str:
    found = [row for row in rows if change in row.scores]
    if not found:
        return "means nothing there"
    means = [100 * statistics.fmean(row.scores[change]) for row in found]
    losses = [loss for row in found for loss in row.losses[change]]
    spread = f" ({min(means):+.1f} to {max(means):+.1f})" if len(means) > 1 else ""
    return f"{statistics.fmean(means):+.1f}{spread}; {sum(loss > 0 for loss in losses)} of {len(losses)}"
