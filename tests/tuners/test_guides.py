"""What the guides of Keras Tuner at keras.io do, with `GeneticTuner` in the place of their tuners, on small data.

https://keras.io/guides/keras_tuner/getting_started/, .../custom_tuner/, .../tailor_the_search_space/ and
.../visualize_tuning/, each in words of our own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from tuners import GeneticTuner

RNG = np.random.default_rng(0)
X = RNG.random((64, 8, 8)).astype("float32")
Y = (X.mean(axis=(1, 2)) > 0.5).astype("int64")
VALIDATION = (X[:32], Y[:32])
pytestmark = [
    pytest.mark.long,
    # A callback of TensorBoard's writes with an interface that Keras has deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    keras.utils.set_random_seed(0)
    yield
    keras.backend.clear_session()


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.layers.Flatten()])
    for place in range(hp.Int("num_layers", 1, 3)):
        units = hp.Int(f"units_{place}", min_value=8, max_value=32, step=8)
        model.add(keras.layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(rate=0.25))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def tuner(model: Any, folder: Path, **options: Any) -> GeneticTuner:
    found = {"objective": "val_accuracy", "max_trials": 3, "directory": str(folder), "project_name": "guide", "seed": 0}
    return GeneticTuner(model, **{**found, **options})


def test_start_the_search_and_query_the_results(tmp_path: Path) -> None:
    build(keras_tuner.HyperParameters())
    search = tuner(build, tmp_path, executions_per_trial=2, overwrite=True)
    search.search_space_summary()
    search.search(X, Y, epochs=2, validation_data=VALIDATION, verbose=0)
    models = search.get_best_models(num_models=2)
    assert models[0].predict(X[:2], verbose=0).shape == (2, 2)
    models[0].summary()
    search.results_summary()
    best = search.get_best_hyperparameters(5)
    # Retrains with the whole data.
    model = build(best[0])
    assert model.fit(np.concatenate([X, X]), np.concatenate([Y, Y]), epochs=1, verbose=0).history["loss"]


class Tuned(keras_tuner.HyperModel):
    """Tunes the training too: whether to shuffle, and how the data are scaled."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return build(hp)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **arguments: Any) -> Any:
        x = x / hp.Choice("scale", [1.0, 2.0])
        return model.fit(x, y, shuffle=hp.Boolean("shuffle"), **arguments)


def test_tune_model_training(tmp_path: Path) -> None:
    search = tuner(Tuned(), tmp_path)
    search.search(X, Y, epochs=2, validation_data=VALIDATION, verbose=0)
    best = search.get_best_hyperparameters()[0]
    assert {"shuffle", "scale", "lr"} <= best.values.keys()
    model = Tuned().build(best)
    Tuned().fit(best, model, X, Y, epochs=1, verbose=0)


def test_a_built_in_metric_and_a_custom_one_as_the_objective(tmp_path: Path) -> None:
    class Wrong(keras.metrics.Metric):
        """The share of answers that are wrong."""

        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.wrong = self.add_weight(name="wrong", initializer="zeros")
            self.num = self.add_weight(name="num", initializer="zeros")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            is_wrong = keras.ops.not_equal(
                keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int64"),
                keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), "int64"),
            )
            self.wrong.assign_add(keras.ops.sum(keras.ops.cast(is_wrong, "float32")))
            self.num.assign_add(keras.ops.cast(keras.ops.shape(y_pred)[0], "float32"))

        def result(self) -> Any:
            return self.wrong / keras.ops.maximum(self.num, 1.0)

        def reset_state(self) -> None:
            self.wrong.assign(0.0)
            self.num.assign(0.0)

    def with_wrong(hp: keras_tuner.HyperParameters) -> keras.Model:
        model = build(hp)
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=[Wrong(name="wrong")])
        return model

    objective = keras_tuner.Objective("val_wrong", direction="min")
    search = tuner(with_wrong, tmp_path, objective=objective)
    search.search(X, Y, epochs=1, validation_data=VALIDATION, verbose=0)
    scores = [trial.score for trial in search.oracle.get_best_trials(3)]
    assert scores == sorted(scores) and 0 <= scores[0] <= 1


def test_the_fit_may_return_what_is_improved(tmp_path: Path) -> None:
    class Regressor(keras_tuner.HyperModel):
        def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
            return build(hp)

        def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, **arguments: Any) -> Any:
            model.fit(x, y, epochs=1, verbose=0)
            found, _ = model.evaluate(*VALIDATION, verbose=0)
            return {"metric_a": -found, "metric_b": found}

    search = tuner(Regressor(), tmp_path, objective=keras_tuner.Objective("metric_a", "max"))
    search.search(X, Y)
    assert len(search.oracle.get_best_trials(3)) == 3


def test_a_custom_training_loop_in_the_hypermodel(tmp_path: Path) -> None:
    import tensorflow as tf

    class Looped(keras_tuner.HyperModel):
        def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
            return build(hp)

        def fit(
            self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, callbacks: Any = None, **_: Any
        ) -> float:
            size = hp.Int("batch_size", 16, 32, step=16)
            batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(size)
            optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-4, 1e-2, sampling="log", default=1e-3))
            loss_of = keras.losses.SparseCategoricalCrossentropy()
            for callback in callbacks or ():
                callback.set_model(model)
            best = float("inf")
            for epoch in range(2):
                for pictures, labels in batches:
                    with tf.GradientTape() as tape:
                        loss = loss_of(labels, model(pictures, training=True))
                    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
                value = float(loss_of(VALIDATION[1], model(VALIDATION[0])))
                for callback in callbacks or ():
                    callback.on_epoch_end(epoch, logs={"my_metric": value})
                best = min(best, value)
            return best

    search = tuner(Looped(), tmp_path, objective=keras_tuner.Objective("my_metric", "min"))
    search.search(X, Y)
    best = search.get_best_hyperparameters()[0]
    assert best.get("batch_size") in (16, 32) and best.get("rate") > 0


def test_run_trial_is_overridden_for_any_black_box(tmp_path: Path) -> None:
    class Curve(GeneticTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            x = trial.hyperparameters.Float("x", min_value=-1.0, max_value=1.0)
            return x * x + 1

    search = Curve(max_trials=12, directory=str(tmp_path), project_name="curve", seed=0)
    search.search()
    assert abs(search.get_best_hyperparameters()[0].get("x")) < 0.5


def test_tailor_the_search_space(tmp_path: Path) -> None:
    fixed = keras_tuner.HyperParameters()
    fixed.Fixed("lr", 1e-3)
    search = tuner(build, tmp_path / "fixed", hyperparameters=fixed, tune_new_entries=True)
    search.search(X, Y, epochs=1, validation_data=VALIDATION, verbose=0)
    assert {trial.hyperparameters.get("lr") for trial in search.oracle.get_best_trials(3)} == {1e-3}

    only = keras_tuner.HyperParameters()
    only.Float("lr", 1e-4, 1e-2, sampling="log")
    search = tuner(build, tmp_path / "only", hyperparameters=only, tune_new_entries=False)
    search.search(X, Y, epochs=1, validation_data=VALIDATION, verbose=0)
    trials = [trial.hyperparameters for trial in search.oracle.get_best_trials(3)]
    # All but the learning rate keep their defaults.
    assert {(one.get("num_layers"), one.get("activation")) for one in trials} == {(1, "relu")}
    assert len({one.get("lr") for one in trials}) == 3

    search = tuner(build, tmp_path / "compiled", optimizer="sgd", loss="sparse_categorical_crossentropy")
    search.search(X, Y, epochs=1, validation_data=VALIDATION, verbose=0)
    assert isinstance(search.get_best_models()[0].optimizer, keras.optimizers.SGD)


def test_visualize_with_tensorboard(tmp_path: Path) -> None:
    search = tuner(build, tmp_path / "search", max_trials=2)
    callback = keras.callbacks.TensorBoard(str(tmp_path / "logs"))
    search.search(X, Y, epochs=1, validation_data=VALIDATION, verbose=0, callbacks=[callback])
    assert len(list((tmp_path / "logs").rglob("events.*"))) >= 2
