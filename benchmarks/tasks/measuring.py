"""One measurement: test scores of kevo, its references and a network by hand on the same splits of one data set."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.support.processes import in_its_own_process, machine

_T = TypeVar("_T")
_EPOCHS, _PATIENCE, _BATCH_SIZE = 200, 20, 32
"""Of the training by hand."""
_NUM_WORDS, _WORDS_PER_TEXT, _WORD_UNITS = 10_000, 60, 32
"""Of the network for texts by hand."""
SMALLER_UNET = "smaller U-Net by hand"
_SMALLER = 4
"""A smaller U-Net by hand has a quarter of the channels."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Examples to learn.

    Args:
        title: What they are.
        path: Their place below the folder with the data.
        score: The score that counts; higher is better, but for `mase`.
        target: The column that is predicted; `None` for texts in files by class, for boards, and for masks.
        task: The task, where the data do not tell.
        num_known: So many texts are known beside those of the test split, which stays whole; `None` for all.
        has_vectors: Whether kevo is given the word vectors of the job.
        further: Other options of the search.
    """

    title: str
    path: str
    score: str
    target: str | None = None
    task: str = "auto"
    num_known: int | None = None
    has_vectors: bool = False
    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_lower_better(self) -> bool:
        """Whether a lower score is better."""
        return self.score == "mase"

    @property
    def options(self) -> dict[str, str]:
        """The options of a search."""
        return {**({} if self.target is None else {"target": self.target}), **self.further}

    def source(self, data: Path, *, seed: int) -> Any:
        """Returns the first argument of `kevo.search`: a path, or a mapping of arrays or texts.

        Args:
            data: The folder with the data.
            seed: Seed of which texts are known, where that is not all.
        """
        if self.num_known is not None:
            return few_texts(data / self.path, self.num_known, seed=seed)
        return boards(data / self.path, as_rows=True) if self.path.endswith(".npz") else data / self.path


SETS: Mapping[str, DataSet] = {
    "titanic": DataSet("Titanic, 891 rows", "titanic/titanic.csv", "accuracy", "survived"),
    "telco_churn": DataSet("Telco churn, 7,043 rows", "telco_churn/telco_churn.csv", "accuracy", "Churn"),
    "auto_mpg": DataSet("Auto MPG, 398 rows", "auto_mpg/mpg.csv", "r2", "mpg"),
    "rt_polarity": DataSet("rt_polarity, 10,662 sentences of reviews", "rt_polarity", "accuracy"),
    "rt_polarity_vectors": DataSet("rt_polarity, with word vectors", "rt_polarity", "accuracy", has_vectors=True),
    "rt_polarity_few": DataSet("rt_polarity, 1,200 sentences known", "rt_polarity", "accuracy", num_known=1200),
    "rt_polarity_few_vectors": DataSet(
        "rt_polarity, 1,200 sentences known, with word vectors",
        "rt_polarity",
        "accuracy",
        num_known=1200,
        has_vectors=True,
    ),
    "airline_passengers": DataSet(
        "airline passengers, 144 months", "time_series/airline_passengers.csv", "mase", "passengers", "series"
    ),
    "seattle_weather": DataSet(
        "Seattle weather, 1,461 days, 3 ahead",
        "time_series/seattle-weather.csv",
        "mase",
        "temp_max",
        "series",
        further={"time": "date", "horizon": "3"},
    ),
    "connect4": DataSet("Connect-4, 22,000 boards", "connect4/connect4.npz", "accuracy"),
    "chase_db1": DataSet("CHASE_DB1, 28 retinas", "chase_db1", "dice", task="segmentation"),
}


def boards(path: Path, *, as_rows: bool = False) -> dict[str, Any]:
    """Reads boards with their best column, in the splits that they have.

    Args:
        path: An `.npz` of `boards`, shape (n, 6, 7), with 0 for an empty field, 1 and 2 for the players; `best_column`,
            shape (n,); and `split`, shape (n,).
        as_rows: Whether to return a table with a column for each field instead of pictures with a channel for each of
            the three values.

    Returns:
        A pair of boards and best columns for each split.
    """
    import numpy as np

    with np.load(path, allow_pickle=False) as found:
        fields, best, split = found["boards"], found["best_column"], found["split"]
    kinds = np.unique(fields)
    shown = fields.reshape(len(fields), -1).astype(np.float64) if as_rows else _channels(fields, kinds)
    return {str(name): (shown[split == name], best[split == name]) for name in np.unique(split)}


def few_texts(path: Path, num_known: int, *, seed: int) -> dict[str, tuple[list[str], list[str]]]:
    """Returns some of the texts that are not in the test split, as `train`, and all of those in it, as `test`.

    Args:
        path: Where the texts are.
        num_known: How many.
        seed: Seed of the test split, and of which others are known.
    """
    import numpy as np

    from kevo.tasks.texts.loading import load

    whole = load(path, seed=seed)
    names = whole.class_names
    texts = [*whole.train.texts, *whole.validation.texts]
    labels = np.concatenate([whole.train.labels, whole.validation.labels])
    chosen = np.random.default_rng(seed).permutation(len(texts))[:num_known].tolist()
    return {
        "train": ([texts[place] for place in chosen], [names[labels[place]] for place in chosen]),
        "test": ([*whole.test.texts], [names[label] for label in whole.test.labels]),
    }


def _channels(fields: Any, kinds: Any) -> Any:
    import numpy as np

    return np.uint8(255) * (fields[..., None] == kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandNetwork:
    """The test score and the size of a network that was made by hand.

    Args:
        score: Its test score.
        num_parameters: Its size.
        num_steps: How many batches it learned from.
    """

    score: float
    num_parameters: int
    num_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of one measurement.

    Args:
        name: A name of `SETS`.
        minutes: The time that kevo had.
        seed: Seed of the splits, the search and the training by hand.
        kevo: Test score of the best single model.
        ensemble: Test score of the ensemble; that of the single model where there is none.
        references: Test score of each reference.
        by_hand: Test score of the network by hand.
        num_candidates: How many candidates kevo trained.
        seconds: How long kevo took.
        machine: Describes the machine.
        num_parameters: Size of the best single model; 0 where it was not kept.
        networks: Networks by hand by their names; only of masks.
    """

    name: str
    minutes: float
    seed: int
    kevo: float
    ensemble: float
    references: dict[str, float]
    by_hand: float
    num_candidates: int
    seconds: float
    machine: str
    num_parameters: int = 0
    networks: dict[str, HandNetwork] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measurement:
        """Returns the measurement from decoded JSON of its fields."""
        networks = {name: HandNetwork(**one) for name, one in values.get("networks", {}).items()}
        return cls(**{**values, "networks": networks})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A measurement that is still to be made; the fields are those of `Measurement`.

    Args:
        data: The folder with the data.
        vectors: A file of word vectors, for the sets that have them.
    """

    name: str
    minutes: float
    seed: int
    data: Path
    vectors: Path | None = None


def measure(job: Job) -> Measurement:
    """Searches, and trains a network by hand on the same splits, each in a process of its own."""
    one = SETS[job.name]
    networks: dict[str, HandNetwork] = {}
    with tempfile.TemporaryDirectory() as folder:
        if one.task == "segmentation":
            values, references, networks = _at_the_same_time(job, Path(folder))
            by_hand = networks[SMALLER_UNET].score
        else:
            values = in_its_own_process(_searched, job, Path(folder), time.monotonic())
            other = _beside_boards if job.name == "connect4" else _beside_texts
            beside = other if one.target is None else _beside_series if one.task == "series" else _beside
            by_hand, references = in_its_own_process(beside, job)
    return Measurement(
        name=job.name,
        minutes=job.minutes,
        seed=job.seed,
        by_hand=by_hand,
        references=references,
        machine=machine("tensorflow", "keras"),
        networks=networks,
        **values,
    )


def _at_the_same_time(job: Job, folder: Path) -> tuple[dict[str, Any], dict[str, float], dict[str, HandNetwork]]:
    """Runs a search and trains a U-Net by hand at the same time, each on one core, so that load slows both alike.

    Returns:
        What `_searched` and `_beside_masks` do.
    """
    with ThreadPoolExecutor() as threads:
        beside = threads.submit(in_its_own_process, _on_a_core, -1, _beside_masks, job)
        values = in_its_own_process(_on_a_core, 0, _searched, job, folder, time.monotonic())
        return values, *beside.result()


def _on_a_core(place: int, function: Callable[..., _T], *arguments: Any) -> _T:
    """Calls a function on one core, by its place among those of this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[place]})
    return function(*arguments)


def _searched(job: Job, folder: Path, began: float) -> dict[str, Any]:
    import kevo

    one = SETS[job.name]
    options = one.options
    if one.has_vectors:
        options["vectors"] = str(job.vectors)
    settings = kevo.Settings(
        task="texts" if one.has_vectors else one.task, max_time=60 * job.minutes, options=options, seed=job.seed
    )
    result = kevo.search(one.source(job.data, seed=job.seed), settings, out=folder / "run", started=began)
    best = float(result.test.value(one.score))
    return {
        "kevo": best,
        "ensemble": best if result.ensemble is None else float(result.ensemble.test.value(one.score)),
        "num_candidates": result.trials_completed,
        "seconds": result.seconds,
        "num_parameters": result.num_parameters,
    }


def _beside(job: Job) -> tuple[float, dict[str, float]]:
    """Trains what a person with some practice would write first, 64-32, dropout, Adam, early stopping; and references.

    The network sees the same prepared columns as kevo's networks with standardized numbers. A search trains the same
    references, unless its time is very short.

    Returns:
        The test score of the network, and of each reference by its name.
    """
    import keras
    import numpy as np
    from keras import layers

    from kevo.tasks.outputs.classes.output import Classes
    from kevo.tasks.tables import references
    from kevo.tasks.tables.encoding import PLAIN
    from kevo.tasks.tables.loading import load, suggested
    from kevo.tasks.tables.stages import PreparedRows

    one = SETS[job.name]
    keras.utils.set_random_seed(job.seed)
    asks, _ = suggested(job.data / one.path, target=one.target)
    dataset = load(job.data / one.path, target=one.target, asks=asks, seed=job.seed)
    rows = PreparedRows(dataset)
    train, validation, test = (
        rows.prepared(PLAIN, split) for split in (dataset.train, dataset.validation, dataset.test)
    )
    inputs = keras.Input(train.shape[1:])
    x = inputs
    for units in (64, 32):
        x = layers.Dropout(0.2)(layers.Dense(units, activation="relu")(x))
    model = keras.Model(inputs, dataset.output.finish(x, regularizer=None))
    is_of_classes = isinstance(dataset.output, Classes)
    loss: Any = "sparse_categorical_crossentropy" if is_of_classes else "mse"
    model.compile("adam", loss)
    model.fit(
        train,
        dataset.train.labels,
        validation_data=(validation, dataset.validation.labels),
        epochs=_EPOCHS,
        batch_size=_BATCH_SIZE,
        callbacks=[keras.callbacks.EarlyStopping(patience=_PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    outputs = np.asarray(model.predict(test, verbose=0))
    found = references.fit(dataset, seed=job.seed)
    by_hand = dataset.output.score(outputs, dataset.test.labels).value(one.score)
    return float(by_hand), {model.name: float(model.test.value(one.score)) for model in found}


def _beside_texts(job: Job) -> tuple[float, dict[str, float]]:
    """Trains what Keras's tutorials write for texts, a mean of word vectors and a dense layer; and the references."""
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers

    from kevo.tasks.texts import references
    from kevo.tasks.texts.loading import load

    one = SETS[job.name]
    keras.utils.set_random_seed(job.seed)
    dataset = load(one.source(job.data, seed=job.seed), seed=job.seed)
    reads = layers.TextVectorization(_NUM_WORDS, output_sequence_length=_WORDS_PER_TEXT)
    reads.adapt(tf.constant(dataset.train.texts))
    train, validation, test = (
        np.asarray(reads(tf.constant(split.texts))) for split in (dataset.train, dataset.validation, dataset.test)
    )
    inputs = keras.Input((_WORDS_PER_TEXT,), dtype="int64")
    x = layers.Embedding(_NUM_WORDS, _WORD_UNITS, mask_zero=True)(inputs)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling1D()(layers.Dropout(0.2)(x)))
    model = keras.Model(inputs, dataset.output.finish(x, regularizer=None))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(
        train,
        dataset.train.labels,
        validation_data=(validation, dataset.validation.labels),
        epochs=_EPOCHS,
        batch_size=_BATCH_SIZE,
        callbacks=[keras.callbacks.EarlyStopping(patience=_PATIENCE // 4, restore_best_weights=True)],
        verbose=0,
    )
    by_hand = dataset.output.score(np.asarray(model.predict(test, verbose=0)), dataset.test.labels).value(one.score)
    found = references.fit(dataset, seed=job.seed)
    return float(by_hand), {model.name: float(model.test.value(one.score)) for model in found}


def _beside_series(job: Job) -> tuple[float, dict[str, float]]:
    """Trains what Keras's tutorials write for series, an LSTM on standardized windows; and the references."""
    import keras
    import numpy as np
    from keras import layers

    import kevo
    from kevo.tasks.series import references
    from kevo.tasks.series.loading import load
    from kevo.tasks.series.options import arguments

    one = SETS[job.name]
    keras.utils.set_random_seed(job.seed)
    options = kevo.Settings(task=one.task, options=one.options)
    dataset = load(job.data / one.path, **arguments(options))
    known = dataset.train.series[: int(dataset.train.firsts[-1]) + dataset.train.horizon]
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    (x, y), (x_val, y_val), (x_test, _) = (
        ((split.inputs - mean) / deviation, (split.labels - mean[0]) / deviation[0])
        for split in (dataset.train, dataset.validation, dataset.test)
    )
    model = keras.Sequential([keras.Input(x.shape[1:]), layers.LSTM(32), layers.Dense(y.shape[1])])
    model.compile("adam", "mse")
    model.fit(
        x,
        y,
        validation_data=(x_val, y_val),
        epochs=_EPOCHS,
        batch_size=_BATCH_SIZE,
        callbacks=[keras.callbacks.EarlyStopping(patience=_PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    outputs = np.asarray(model.predict(x_test, verbose=0)) * deviation[0] + mean[0]
    by_hand = dataset.output.score(outputs, dataset.test.labels).value(one.score)
    return float(by_hand), {model.name: float(model.test.value(one.score)) for model in references.fit(dataset)}


def _beside_boards(job: Job) -> tuple[float, dict[str, float]]:
    """Trains two conv layers and a dense one on the boards at their own size; and the references of tables."""
    import keras
    import numpy as np
    from keras import layers

    from kevo.tasks.tables import references
    from kevo.tasks.tables.loading import load

    path = job.data / SETS[job.name].path
    keras.utils.set_random_seed(job.seed)
    (train, answers), validation, (test, expected) = (boards(path)[split] for split in ("train", "validation", "test"))
    inputs = keras.Input(train.shape[1:])
    x = layers.Rescaling(1 / 255)(inputs)
    for _ in range(2):
        x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.2)(layers.Dense(128, activation="relu")(layers.Flatten()(x)))
    model = keras.Model(inputs, layers.Dense(7, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(
        train,
        answers,
        validation_data=validation,
        epochs=_EPOCHS,
        batch_size=_BATCH_SIZE,
        callbacks=[keras.callbacks.EarlyStopping(patience=_PATIENCE // 4, restore_best_weights=True)],
        verbose=0,
    )
    by_hand = np.mean(np.asarray(model.predict(test, verbose=0)).argmax(axis=1) == expected)
    found = references.fit(load(boards(path, as_rows=True), seed=job.seed), seed=job.seed)
    middle = float(np.mean(expected == 3))
    return float(by_hand), {"Middle column": middle, **{one.name: float(one.test.value("accuracy")) for one in found}}


def _beside_masks(job: Job) -> tuple[dict[str, float], dict[str, HandNetwork]]:
    """Trains the smaller U-Net by hand for as long as kevo searches; and the references.

    Returns:
        The test score of each reference by its name, and the networks by theirs.
    """
    import numpy as np

    from benchmarks.tasks import unets
    from kevo.tasks.masks import references
    from kevo.tasks.masks.loading import load

    one = SETS[job.name]
    dataset = load(job.data / one.path, seed=job.seed)
    trained = unets.train(dataset, width=unets.WIDTH // _SMALLER, seconds=60 * job.minutes, seed=job.seed)
    outputs = np.asarray(trained.model.predict(dataset.test.pictures, batch_size=1, verbose=0))
    network = HandNetwork(
        score=float(dataset.output.score(outputs, dataset.test.labels).value(one.score)),
        num_parameters=trained.model.count_params(),
        num_steps=trained.num_steps,
    )
    found = references.fit(dataset, seed=job.seed)
    return {model.name: float(model.test.value(one.score)) for model in found}, {SMALLER_UNET: network}
