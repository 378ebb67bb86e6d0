"""Weights by gradients and by evolution: the same networks, on the same splits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.support.numbers import median
from benchmarks.support.pages import table
from benchmarks.support.processes import in_its_own_process, machine
from benchmarks.tasks.measuring import SETS, Job

_EPOCHS, _PATIENCE = 40, 10
_UNITS, _COMPONENTS = 16, 128
_NETWORK: Mapping[str, Any] = {"num_layers": 1, "layer_1/units": _UNITS}
_SPLITS = ("train", "validation", "test")
_EVOLVED = {"optimizer": "evolution", "learning_rate": 0.003, "evolution/spread": 0.05}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "gradients": {"optimizer": "adam", "learning_rate": 0.003},
    "evolution": {**_EVOLVED, "evolution/grow": False},
    "evolution, growing": {**_EVOLVED, "evolution/grow": True},
}
"""How weights are found, as genes."""
_HAND_UNITS = 64
"""The width of the network by hand."""
_ABOUT = f"""\
## Weights that evolve

One network with one hidden layer of {_UNITS} units, whose weights are found in three ways on the same splits: by
gradients (Adam), by evolution, and by evolution while hidden units join one after the other; each for up to {_EPOCHS}
epochs with the same early stopping, and the best epoch on the validation examples is kept. Of texts it sees
{_COMPONENTS} principal components of TF-IDF, of tables standardized columns. Beside it stand a linear model, of texts
on all of TF-IDF, and a network by hand on the same input: {_HAND_UNITS} units, dropout, Keras's Adam. What stands for
single words does not count as weights: it is not trained. Test accuracy; medians over seeds, in brackets the lowest and
the highest. Seconds are those of a whole training, tracing included, on two cores, beside other work. Measured by
`python -m benchmarks.tasks --evolved`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolved:
    """The scores and times of one network on one data set, its weights found in several ways.

    Args:
        name: A name of `measuring.SETS`.
        seed: Seed of the splits and the trainings.
        scores: The test accuracy in each of the `WAYS`.
        seconds: How long each took.
        num_weights: How many weights were found.
        reference: The test accuracy of the linear model.
        by_hand: That of the network by hand.
        hand_weights: How many weights that has, those of single words aside.
        machine: Describes the machine.
    """

    name: str
    seed: int
    scores: dict[str, float]
    seconds: dict[str, float]
    num_weights: int
    reference: float
    by_hand: float
    hand_weights: int
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Evolved:
        """Returns the measurement from decoded JSON of its fields."""
        return cls(**values)


def measure(job: Job) -> Evolved:
    """Trains all networks for one data set and seed."""
    values = in_its_own_process(measure_texts if SETS[job.name].target is None else measure_rows, job)
    return Evolved(name=job.name, seed=job.seed, machine=machine("tensorflow", "keras"), **values)


def measure_texts(job: Job) -> dict[str, Any]:
    """Measures texts in this process; returns the fields of `Evolved` but for the first."""
    import kevo
    from kevo.tasks.texts import references, space
    from kevo.tasks.texts.loading import load
    from kevo.tasks.texts.stages import PreparedTexts
    from kevo.tasks.texts.trainer import TextTrainer
    from tuners.genome import SearchSpace

    dataset = load(job.data / SETS[job.name].path, seed=job.seed)
    texts = PreparedTexts(dataset)
    declared = space.declare(space.preset("evolved"), num_texts=len(dataset.train))
    genome = SearchSpace.from_hyperparameters(declared).default({"bag/units": _COMPONENTS, **_NETWORK})
    trainer = TextTrainer(dataset, kevo.Settings(seed=job.seed, task="texts"), texts=texts)
    reference = references.fit(dataset, seed=job.seed)[-1]
    # What comes out of the components, so that the network by hand needs no words either.
    front = front_of(texts.network(genome))
    inputs = {split: front.predict(texts.features(genome, split)[0], verbose=0) for split in _SPLITS}
    return _measured(job, dataset, trainer, genome, inputs, reference, lambda: texts.features(genome, "test")[0])


def measure_rows(job: Job) -> dict[str, Any]:
    """Measures the rows of a table; see `measure_texts`."""
    import kevo
    from kevo.tasks.tables import references, space
    from kevo.tasks.tables.loading import load
    from kevo.tasks.tables.stages import PreparedRows
    from kevo.tasks.tables.trainer import TableTrainer
    from tuners.genome import SearchSpace

    one = SETS[job.name]
    dataset = load(job.data / one.path, target=one.target, asks="classification", seed=job.seed)
    declared = space.declare(space.preset("evolved"), num_rows=len(dataset.train))
    genome = SearchSpace.from_hyperparameters(declared).default(_NETWORK)
    settings = kevo.Settings(options=one.options, seed=job.seed, task="tables")
    rows = PreparedRows(dataset)
    reference = references.fit(dataset, seed=job.seed)[-1]
    inputs = {split: rows.features(genome, split)[0] for split in _SPLITS}
    return _measured(job, dataset, TableTrainer(dataset, settings), genome, inputs, reference, lambda: inputs["test"])


def front_of(network: Any) -> Any:
    """Returns the part of a network for texts that is not trained: tokens in, components out."""
    import keras

    (normalization,) = [one for one in network.layers if isinstance(one, keras.layers.Normalization)]
    return keras.Model(network.inputs, normalization.output)


def _measured(
    job: Job, dataset: Any, trainer: Any, genome: Any, inputs: Any, reference: Any, test: Callable[[], Any]
) -> dict[str, Any]:
    import keras
    import numpy as np
    from keras import layers

    from kevo.training.effort import Effort

    def score(model: Any, examples: Any) -> float:
        outputs = np.asarray(model.predict(examples, verbose=0))
        return float(dataset.output.score(outputs, dataset.test.labels).value("accuracy"))

    scores: dict[str, float] = {}
    seconds: dict[str, float] = {}
    num_weights = 0
    for name, genes in WAYS.items():
        began = time.perf_counter()
        trained = trainer.train({**genome, **genes}, Effort(num_epochs=_EPOCHS, patience=_PATIENCE))
        seconds[name] = time.perf_counter() - began
        scores[name] = score(trained.network, test())
        num_weights = sum(int(np.prod(one.shape)) for one in trained.network.trainable_weights)
    keras.utils.set_random_seed(job.seed)
    shape = keras.Input(inputs["train"].shape[1:])
    hidden = layers.Dropout(0.2)(layers.Dense(_HAND_UNITS, activation="relu")(shape))
    model = keras.Model(shape, dataset.output.finish(hidden, regularizer=None))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(
        inputs["train"],
        dataset.train.labels,
        validation_data=(inputs["validation"], dataset.validation.labels),
        epochs=_EPOCHS,
        callbacks=[keras.callbacks.EarlyStopping(patience=_PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    return {
        "scores": scores,
        "seconds": seconds,
        "num_weights": num_weights,
        "reference": float(reference.test.value("accuracy")),
        "by_hand": score(model, inputs["test"]),
        "hand_weights": model.count_params(),
    }


def report(rows: Sequence[Evolved]) -> str:
    """Returns the section of the report; empty where nothing is measured."""
    if not rows:
        return ""
    lines = []
    for name in dict.fromkeys(row.name for row in rows):
        found = [row for row in rows if row.name == name]
        linear = "TF-IDF + logistic regression" if SETS[name].target is None else "logistic regression"
        for way in WAYS:
            price = median(row.seconds[way] / row.seconds["gradients"] for row in found)
            lines.append(
                (
                    SETS[name].title,
                    way,
                    str(len(found)),
                    f"{found[0].num_weights:,}",
                    _spread([row.scores[way] for row in found]),
                    f"{median(row.scores[way] - row.scores['gradients'] for row in found):+.3f}",
                    f"{median(row.seconds[way] for row in found):.1f}",
                    f"{price:.1f}",
                )
            )
        lines.append(
            (SETS[name].title, linear, str(len(found)), "-", _spread([row.reference for row in found]), "", "", "")
        )
        by_hand = _spread([row.by_hand for row in found])
        lines.append((SETS[name].title, "by hand", str(len(found)), f"{found[0].hand_weights:,}", by_hand, "", "", ""))
    head = ("data", "weights by", "seeds", "weights", "test accuracy", "to gradients", "seconds", "times as long")
    return f"{_ABOUT}\n\n{table(head, lines)}"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
