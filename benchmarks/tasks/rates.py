"""How many candidates an hour: a whole search, and Keras Tuner's RandomSearch with the same space and data.

Keras Tuner trains each candidate with Keras's `fit`, as many epochs and with the same early stopping. The preparation
of the examples belongs to the genes: Keras Tuner makes it for each candidate, as a model does that reads raw examples.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.processes import in_its_own_process, machine
from benchmarks.tasks.measuring import SETS, Job

_EPOCHS, _PATIENCE = 20, 5
"""kevo's defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How many candidates both trained.

    Args:
        name: A name of `SETS`.
        minutes: The time that each had; a candidate that is under way then is trained to its end by Keras Tuner.
        seed: Seed of both searches.
        kevo: Candidates an hour of kevo.
        other: Those of Keras Tuner.
        kevo_best: Validation accuracy of kevo's winner.
        other_best: The best of Keras Tuner's candidates.
        machine: Describes the machine.
    """

    name: str
    minutes: float
    seed: int
    kevo: float
    other: float
    kevo_best: float
    other_best: float
    machine: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Rates:
        """Returns the rates from decoded JSON of their fields."""
        return cls(**values)


def measure(job: Job) -> Rates:
    """Searches twice, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        kevo, kevo_best = in_its_own_process(_kevo, job, Path(folder), time.monotonic())
    with tempfile.TemporaryDirectory() as folder:
        other, other_best = in_its_own_process(_random, job, folder, time.monotonic())
    return Rates(
        name=job.name,
        minutes=job.minutes,
        seed=job.seed,
        kevo=kevo,
        other=other,
        kevo_best=kevo_best,
        other_best=other_best,
        machine=machine(),
    )


def _kevo(job: Job, folder: Path, began: float) -> tuple[float, float]:
    import kevo

    one = SETS[job.name]
    settings = kevo.Settings(max_time=60 * job.minutes, options=one.options, seed=job.seed)
    result = kevo.search(job.data / one.path, settings, out=folder / "run", started=began)
    best = result.validation.value("accuracy")
    return 3600 * result.trials_completed / (time.monotonic() - began), float(best)


def _random(job: Job, folder: str, began: float) -> tuple[float, float]:
    import keras
    import keras_tuner
    import numpy as np

    import kevo
    from kevo.tasks.registry import choose
    from kevo.tasks.tables.stages import PreparedRows
    from kevo.tasks.texts.stages import PreparedTexts
    from tuners.genome import SearchSpace

    one = SETS[job.name]
    kind, _ = choose("auto", job.data / one.path, one.options)
    settings = kevo.Settings(task=kind.name, options=one.options, seed=job.seed, max_trials=1)
    dataset: Any = kind.load(job.data / one.path, settings)
    task: Any = kind.open(dataset, settings)
    genes = SearchSpace.from_hyperparameters(task.hyperparameters)
    prepared: Any = PreparedTexts if kind.inputs == "texts" else PreparedRows

    class Networks(keras_tuner.HyperModel):  # type: ignore[misc]
        """Builds and trains the networks of kevo's space by Keras's own means."""

        def build(self, hp: Any) -> Any:
            genome = genes.active(dict(hp.values))
            # Nothing is kept from one candidate to the next.
            self.examples = prepared(dataset)
            self.genome = genome
            model = self.examples.network(genome)
            steps = int(np.ceil(len(dataset.train) / int(genome["batch_size"])))
            rate = float(genome["sgd/learning_rate" if genome["optimizer"] == "sgd" else "learning_rate"])
            schedule: Any = rate
            if genome["schedule"] == "cosine":
                schedule = keras.optimizers.schedules.CosineDecay(rate, _EPOCHS * steps)
            own = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
            model.compile(
                own.get(str(genome["optimizer"]), keras.optimizers.RMSprop)(schedule),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            return model

        def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
            (train,), (validation,) = (self.examples.features(self.genome, split) for split in ("train", "validation"))
            return model.fit(
                train,
                dataset.labels("train"),
                validation_data=(validation, dataset.labels("validation")),
                batch_size=int(self.genome["batch_size"]),
                epochs=_EPOCHS,
                verbose=0,
                callbacks=[
                    *options.get("callbacks", ()),
                    keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=_PATIENCE),
                ],
            )

    class Timed(keras_tuner.RandomSearch):  # type: ignore[misc]
        """Begins no candidate when the time is up."""

        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            if time.monotonic() - began > 60 * job.minutes:
                self.oracle.max_trials = len(self.oracle.trials)

    tuner = Timed(
        Networks(),
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=100_000,
        hyperparameters=task.hyperparameters,
        tune_new_entries=False,
        allow_new_entries=False,
        seed=job.seed + 1,
        directory=folder,
        project_name="random",
    )
    tuner.search(verbose=0)
    done = [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]
    return 3600 * len(done) / (time.monotonic() - began), max(float(trial.score) for trial in done)
