import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from tuners import GeneticTuner, Settings

ROOT = Path(__file__).parent.parent.parent


class Toy(GeneticTuner):
    """Searches without a model."""

    def __init__(self, value: Callable[[Any], Any], **kwargs: Any) -> None:
        self.value = value
        super().__init__(**{"max_trials": 12, "seed": 0, "max_consecutive_failed_trials": 100, **kwargs})

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.value(trial.hyperparameters)


def parabola(hp: Any) -> float:
    return float((hp.Float("x", -5, 5) - 2) ** 2)


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(128, 4)).astype("float32")
    return x, (x[:, 0] > x[:, 1]).astype("int32")


def build_model(hp: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,))])
    kind = hp.Choice("kind", ["wide", "deep"])
    with hp.conditional_scope("kind", ["wide"]):
        if kind == "wide":
            model.add(keras.layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
    with hp.conditional_scope("kind", ["deep"]):
        if kind == "deep":
            for _ in range(2):
                model.add(keras.layers.Dense(hp.Int("units", 4, 6), activation="relu"))
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log", default=0.03)
    # So few steps take less time than to trace one.
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], run_eagerly=True)
    return model


@pytest.mark.parametrize(
    ("objective", "direction"), [("val_accuracy", "max"), pytest.param("val_loss", "min", marks=pytest.mark.long)]
)
def test_searches_a_keras_model(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], objective: str, direction: str
) -> None:
    tuner = GeneticTuner(
        build_model,
        objective=objective,
        max_trials=5,
        seed=0,
        settings=Settings(population_size=3, num_elites=1),
        directory=str(tmp_path),
        project_name="mine",
        overwrite=True,
    )
    # Both genes of the name `units` were found, the second by a build of its own.
    assert [hp.name for hp in tuner.oracle.get_space().space] == ["kind", "units", "rate", "units"]
    x, y = data
    tuner.search(x[:96], y[:96], validation_data=(x[96:], y[96:]), epochs=4, verbose=0)
    trials = tuner.oracle.get_best_trials(5)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 5
    scores = [trial.score for trial in trials]
    assert scores == sorted(scores, reverse=direction == "max")
    model = tuner.get_best_models()[0]
    loss, accuracy = model.evaluate(x[96:], y[96:], verbose=0)
    assert (accuracy if objective == "val_accuracy" else loss) == pytest.approx(scores[0], abs=1e-5)
    assert accuracy > 0.6
    assert (tmp_path / "mine" / "oracle.json").exists()


def test_takes_what_random_search_takes() -> None:
    import inspect

    theirs = inspect.signature(keras_tuner.RandomSearch).parameters
    ours = inspect.signature(GeneticTuner).parameters
    assert [name for name in ours if name in theirs] == list(theirs)
    assert {name: p.default for name, p in theirs.items()} == {name: ours[name].default for name in theirs}


def test_needs_a_hypermodel_or_a_run_trial(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hypermodel"):
        GeneticTuner(directory=str(tmp_path))


def test_the_same_seed_gives_the_same_search(tmp_path: Path) -> None:
    searches = []
    for name in ("a", "b"):
        tuner = Toy(parabola, directory=str(tmp_path), project_name=name)
        tuner.search(verbose=0)
        searches.append([trial.hyperparameters.values for trial in tuner.oracle.trials.values()])
    assert searches[0] == searches[1]
    assert len(searches[0]) == 12


def test_a_hypermodels_conditions_are_found_in_the_same_order_each_time(tmp_path: Path) -> None:
    def build(hp: Any) -> keras.Model:
        # What a build declares depends on values: random ones would find another space each time.
        if hp.Choice("first", list("abcdefgh")) == "a":
            hp.Int("only_a", 1, 3)
        kind = hp.Choice("kind", ["x", "y", "z"])
        for name in ("x", "y", "z"):
            with hp.conditional_scope("kind", [name]):
                units = hp.Int("units", 1, 40)
                assert (units is not None) == (kind == name)
        with hp.conditional_scope("kind", ["never"]):
            hp.Int("unreachable", 1, 4)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(loss="mse")
        return model

    spaces = {
        tuple(
            hp.name
            for hp in GeneticTuner(build, "loss", directory=str(tmp_path), project_name=str(n)).oracle.get_space().space
        )
        for n in range(3)
    }
    assert spaces == {("first", "only_a", "kind", "units", "units", "units", "unreachable")}


def test_goes_on_where_it_stopped_whatever_its_id(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    runs = []

    def value(hp: Any) -> float:
        runs.append(parabola(hp))
        if len(runs) == 1:
            raise Stop
        return runs[-1]

    # The very first trial is cut off.
    with pytest.raises(Stop):
        Toy(value, directory=str(tmp_path), tuner_id="mine").search(verbose=0)
    Toy(value, directory=str(tmp_path), tuner_id="mine", max_trials=4).search(verbose=0)
    assert len(runs) == 1 + 4
    tuner = Toy(value, directory=str(tmp_path), tuner_id="mine", seed=77)
    tuner.search(verbose=0)
    assert len(runs) == 1 + 12
    assert runs[0] == runs[1]
    assert tuner.oracle.seed == 0
    whole = Toy(parabola, directory=str(tmp_path), project_name="whole")
    whole.search(verbose=0)
    assert [trial.score for trial in whole.oracle.trials.values()] == runs[1:]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (RuntimeError("out of memory\nand more"), "FAILED", "RuntimeError: out of memory"),
        (ValueError(), "FAILED", "ValueError"),
        (SystemExit(3), "FAILED", "SystemExit: 3"),
        (keras_tuner.errors.FailedTrialError("too big"), "FAILED", "too big"),
    ],
)
def test_errors_fail_their_trial_only(
    tmp_path: Path, error: BaseException, status: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def value(hp: Any) -> float:
        if hp.Float("x", -5, 5) < 0:
            raise error
        return parabola(hp)

    tuner = Toy(value, directory=str(tmp_path))
    tuner.search(verbose=0)
    trials = list(tuner.oracle.trials.values())
    assert len(trials) == 12
    failed = [trial for trial in trials if trial.hyperparameters.values["x"] < 0]
    assert {trial.status for trial in failed} == {status}
    assert {trial.message.splitlines()[0] for trial in failed} == {reason}
    assert "Traceback" in failed[0].message
    assert {trial.status for trial in trials if trial not in failed} == {"COMPLETED"}
    assert capsys.readouterr().out.strip() == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_what_a_hypermodel_does_to_its_process_harms_its_trial_only(tmp_path: Path) -> None:
    code = """
import os, pathlib, sys, time
from tuners import GeneticTuner

class Trials(GeneticTuner):
    def run_trial(self, trial, **kwargs):
        act = trial.hyperparameters.Choice("act", ["print", "sleep", "fork", "exit"])
        x = trial.hyperparameters.Float("x", 0, 1)
        with pathlib.Path(sys.argv[1], "runs").open("a") as file:
            print(act, os.getpid(), file=file)
        if act == "print":
            print("words of a hypermodel")
        if act == "sleep":
            time.sleep(0.01)
        if act == "fork" and not os.fork():
            # As the child of a library would, or a careless one that goes on.
            sys.exit(0) if x < 0.5 else None
        if act == "exit":
            sys.exit(3)
        return x

tuner = Trials(max_trials=16, seed=0, max_consecutive_failed_trials=100, directory=sys.argv[1], project_name="all")
tuner.search(verbose=0)
print(*(f"{trial.hyperparameters['act']}={trial.status}" for trial in tuner.oracle.trials.values()), sep="\\n")
print("The end.")
"""
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *ended, end = [line for line in done.stdout.splitlines() if line != "words of a hypermodel"]
    assert end == "The end."
    assert len(ended) == 16 and set(ended) == {"print=COMPLETED", "sleep=COMPLETED", "fork=COMPLETED", "exit=FAILED"}
    # Nobody but the parent has run any trial, and each once.
    runs = [line.split() for line in (tmp_path / "runs").read_text().splitlines()]
    assert len(runs) == 16 and len({process for _, process in runs}) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), keras_tuner.errors.FatalValueError("no")])
def test_interrupts_and_fatal_errors_end_the_search(tmp_path: Path, error: BaseException) -> None:
    def value(hp: Any) -> float:
        raise error

    tuner = Toy(value, directory=str(tmp_path))
    with pytest.raises(type(error)):
        tuner.search(verbose=0)
    assert len(tuner.oracle.trials) == 1


def test_waits_without_a_busy_loop(tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", -5, 5)
    tuner = Toy(
        parabola,
        hyperparameters=hp,
        max_trials=6,
        settings=Settings(population_size=3, num_elites=1, survival="generational"),
        directory=str(tmp_path),
    )
    oracle = tuner.oracle
    elsewhere = oracle.create_trial("elsewhere")
    num_asked = 0
    create = oracle.create_trial
    first_wait = threading.Event()

    def counting(tuner_id: str) -> Any:
        nonlocal num_asked
        num_asked += 1
        trial = create(tuner_id)
        if trial.status == "IDLE":
            first_wait.set()
        return trial

    oracle.create_trial = counting

    def finish_later() -> None:
        first_wait.wait(60)
        time.sleep(1.0)
        oracle.update_trial(elsewhere.trial_id, {"default_objective": 0.0})
        elsewhere.status = "COMPLETED"
        oracle.end_trial(elsewhere)

    thread = threading.Thread(target=finish_later, daemon=True)
    thread.start()
    tuner.search(verbose=0)
    thread.join(60)
    assert len(oracle.trials) == 6
    # Five trials, the end, and a few questions in between: a busy loop would ask thousands of times.
    assert 6 < num_asked < 30


def test_stop_ends_a_search(tmp_path: Path) -> None:
    def value(hp: Any) -> float:
        if len(tuner.oracle.trials) == 3:
            tuner.oracle.stop()
        return parabola(hp)

    tuner = Toy(value, directory=str(tmp_path))
    tuner.search(verbose=0)
    assert len(tuner.oracle.get_best_trials(10)) == 3


def test_importing_the_package_loads_no_tensorflow() -> None:
    code = (
        "import sys, tuners, tuners.evolution; assert {'GeneticTuner', 'GeneticOracle'} <= set(dir(tuners));"
        "print(sorted({'tensorflow', 'keras', 'keras_tuner'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.long
def test_trains_under_a_distribution_strategy(tmp_path: Path) -> None:
    code = """
import sys
import keras, numpy as np, tensorflow as tf
from tuners import GeneticTuner

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

in_scope = []

def build_model(hp):
    in_scope.append(tf.distribute.get_strategy() is strategy)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 8)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
tuner = GeneticTuner(
    build_model, "val_loss", max_trials=2, seed=0, distribution_strategy=strategy, directory=sys.argv[1]
)
in_scope.clear()
tuner.search(x, x[:, :1], validation_data=(x, x[:, :1]), epochs=1, batch_size=16, verbose=0)
assert in_scope == [True, True]
print("replicas", strategy.num_replicas_in_sync, "completed", len(tuner.oracle.get_best_trials(5)))
print("predictions", tuner.get_best_models()[0].predict(x, verbose=0).shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert "replicas 2 completed 2\n" in done.stdout
    assert "predictions (32, 1)" in done.stdout


@pytest.mark.long
def test_promotions_go_on_from_the_weights_of_the_trial_before(tmp_path: Path) -> None:
    """A model that counts its epochs: each adds one to a weight, and the score is what it has come to."""

    class Counting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            weights = self.model.layers[-1]
            weights.set_weights([weights.get_weights()[0] + 1.0])
            assert logs is not None
            logs["val_count"] = float(weights.get_weights()[0].mean())

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.Float("x", -5, 5)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        # Descent that does not move, so that only the callback does.
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    tuner = GeneticTuner(
        build,
        keras_tuner.Objective("val_count", "max"),
        max_trials=9,
        seed=0,
        settings=Settings(population_size=3, num_elites=1, rungs=(1, 3)),
        directory=str(tmp_path),
    )
    data = np.ones((4, 1), np.float32)
    tuner.search(data, data, validation_data=(data, data), callbacks=[Counting()], verbose=0)
    trials = [tuner.oracle.trials[trial_id] for trial_id in tuner.oracle.end_order]
    assert {trial.status for trial in trials} == {"COMPLETED"}
    # Trained for as many epochs as its rung says, promoted or not.
    assert [trial.score for trial in trials] == [trial.hyperparameters.values["tuner/epochs"] for trial in trials]
    assert {trial.score for trial in trials} == {1.0, 3.0}


def test_children_may_inherit_the_weights_that_fit(tmp_path: Path) -> None:
    met: list[tuple[str | None, float, int]] = []

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        units = hp.Int("units", 1, 40)
        layers = keras.layers
        model = keras.Sequential([keras.Input((1,)), layers.Dense(3, kernel_initializer="zeros"), layers.Dense(units)])
        model.compile(keras.optimizers.SGD(0.0), lambda y_true, y_pred: keras.ops.mean(y_pred**2, axis=-1))
        return model

    class Inheriting(GeneticTuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            model = self._build_hypermodel(trial.hyperparameters)
            first = model.layers[0]
            parent = trial.hyperparameters.values.get("tuner/parent_id")
            met.append((parent, float(first.get_weights()[0].mean()), model.layers[1].units))
            first.set_weights([weights + 1.0 for weights in first.get_weights()])
            os.makedirs(self.get_trial_dir(trial.trial_id), exist_ok=True)
            model.save_weights(self._get_checkpoint_fname(trial.trial_id))
            return float(trial.hyperparameters["units"])

    settings = Settings(surrogate=False, population_size=2, num_elites=1, inherit=True)
    tuner = Inheriting(build, max_trials=8, seed=0, settings=settings, directory=str(tmp_path))
    tuner.search(verbose=0)
    assert {weight for parent, weight, _ in met if parent is None} == {0.0}
    # The second layer is of another size each time, the first one always fits.
    inherited = [weight for parent, weight, _ in met if parent is not None]
    assert inherited and all(weight >= 1.0 for weight in inherited)
    assert len({units for *_, units in met}) == len(met) == 8


@pytest.mark.long
def test_weights_are_inherited_where_the_data_tell_the_shape(tmp_path: Path) -> None:
    """A sequential model without an input has no weights before it meets its data."""
    begun: list[tuple[str | None, float]] = []

    class Beginning(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            begun.append((self.model.parent, sum(float(weight.mean()) for weight in self.model.get_weights())))

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.model.set_weights([weight + 1.0 for weight in self.model.get_weights()])

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.Float("x", -5, 5)
        model = keras.Sequential([keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(0.0), "mse")
        model.parent = hp.values.get("tuner/parent_id")
        return model

    settings = Settings(surrogate=False, population_size=2, num_elites=1, inherit=True)
    tuner = GeneticTuner(build, "val_loss", max_trials=5, seed=0, settings=settings, directory=str(tmp_path))
    data = np.ones((4, 1), np.float32)
    tuner.search(data, data, validation_data=(data, data), callbacks=[Beginning()], verbose=0)
    assert all((parent is None) == (weight == 0.0) for parent, weight in begun)
    assert len(begun) == 5 and max(weight for _, weight in begun) >= 1.0


def test_two_processes_do_not_search_in_one_folder(tmp_path: Path) -> None:
    first = Toy(parabola, directory=tmp_path)
    refused: list[str] = []

    def second(hp: Any) -> float:
        if not refused:
            # A second process stands where it would: it has locks of its own, as this second opening of the folder.
            other = Toy(parabola, directory=tmp_path, overwrite=False)
            for begin in (lambda: other.search(verbose=0), lambda: Toy(parabola, directory=tmp_path, overwrite=True)):
                with pytest.raises(RuntimeError, match="Another search is at work") as error:
                    begin()
                refused.append(str(error.value))
        return parabola(hp)

    first.value = second
    first.search(verbose=0)
    assert len(refused) == 2 and len(first.oracle.get_best_trials(100)) == 12


def test_trials_of_another_process_are_known_when_the_search_begins(tmp_path: Path) -> None:
    late = Toy(parabola, directory=tmp_path, overwrite=False)
    early = Toy(parabola, directory=tmp_path, overwrite=False)
    early.search(verbose=0)

    def never(hp: Any) -> float:
        raise AssertionError("trained twice")

    late.value = never
    late.search(verbose=0)
    assert [trial.score for trial in late.oracle.get_best_trials(100)] == [
        trial.score for trial in early.oracle.get_best_trials(100)
    ]


@pytest.mark.parametrize("error", [RuntimeError("lost"), keras_tuner.errors.FailedTrialError("lost")])
def test_a_first_trial_that_fails_before_it_declares_the_space_is_run_again(tmp_path: Path, error: Exception) -> None:
    runs: list[int] = []

    def value(hp: Any) -> float:
        runs.append(len(runs))
        if len(runs) < 3:
            raise error
        return parabola(hp)

    tuner = Toy(value, directory=tmp_path, max_consecutive_failed_trials=3)
    tuner.search(verbose=0)
    assert len(runs) == 14 and len(tuner.oracle.get_best_trials(100)) == 12


def test_a_search_that_never_declares_its_space_ends_with_an_error(tmp_path: Path) -> None:
    def value(hp: Any) -> float:
        raise RuntimeError("lost")

    tuner = Toy(value, directory=tmp_path, max_consecutive_failed_trials=3)
    with pytest.raises(RuntimeError, match="The last 3 trials have failed.*lost"):
        tuner.search(verbose=0)


def test_ranges_that_have_grown_are_said_when_a_search_is_taken_up(tmp_path: Path) -> None:
    def build(largest: int) -> Callable[[Any], keras.Model]:
        def model(hp: Any) -> keras.Model:
            hp.Float("rate", 0.1, 0.5)
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, largest))])

        return model

    options = {"objective": "val_loss", "max_trials": 2, "directory": tmp_path, "overwrite": False}
    GeneticTuner(build(4), **options)
    # Warnings are errors here.
    GeneticTuner(build(4), **options)
    with pytest.warns(
        UserWarning, match="goes on with the ranges that it began with. .* others now for 'units': start"
    ):
        tuner = GeneticTuner(build(9), **options)
    assert {one.name: getattr(one, "max_value", None) for one in tuner.oracle.get_space().space}["units"] == 4


def test_ranges_that_only_some_models_ask_for_are_compared_too(tmp_path: Path) -> None:
    def build(largest: int) -> Callable[[Any], keras.Model]:
        def model(hp: Any) -> keras.Model:
            kind = hp.Choice("kind", ["small", "large"])
            with hp.conditional_scope("kind", ["large"]):
                units = hp.Int("units", 2, largest) if kind == "large" else 1
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])

        return model

    options = {"objective": "val_loss", "max_trials": 2, "directory": tmp_path, "overwrite": False}
    GeneticTuner(build(4), **options)
    GeneticTuner(build(4), **options)
    with pytest.warns(UserWarning, match="others now for 'units': start"):
        GeneticTuner(build(9), **options)


def test_ranges_that_are_declared_in_run_trial_are_compared_as_trials_ask_for_them(tmp_path: Path) -> None:
    class Late(GeneticTuner):
        largest = 4

        def run_trial(self, trial: Any, **kwargs: Any) -> float:
            x = trial.hyperparameters.Int("x", 0, self.largest)
            if x > 0:
                trial.hyperparameters.Float("y", 0, self.largest)
            return float(x)

    def search(max_trials: int) -> GeneticTuner:
        tuner = Late(max_trials=max_trials, seed=1, directory=tmp_path, overwrite=False)
        tuner.search(verbose=0)
        return tuner

    search(4)
    search(6)
    Late.largest = 9
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        tuner = search(9)
    named = [word for one in warned for word in ("'x'", "'y'") if word in str(one.message)]
    assert named == ["'x'", "'y'"]
    assert all(trial.hyperparameters.values["x"] <= 4 for trial in tuner.oracle.trials.values())


@pytest.mark.parametrize("name", ["KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"])
def test_keras_tuners_own_chief_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "chief")
    with pytest.raises(RuntimeError, match=rf"^Received {name} in the environment.*GeneticTuner\(cluster='auto'\)"):
        GeneticTuner(max_trials=1, directory=tmp_path)
    assert not list(tmp_path.iterdir())
