import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial
from keras_tuner.src.distribute.oracle_client import OracleClient

from tuners import GeneticOracle, GeneticTuner, Settings
from tuners.remote import (
    SECRET_VARIABLE,
    ChiefLostError,
    ChiefRefusedError,
    Client,
    RemoteError,
    SearchOverError,
    Server,
)

ROOT = Path(__file__).parent.parent.parent
Serve = Callable[..., Server]
Connect = Callable[..., Client]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Toy(GeneticTuner):
    def __init__(self, value: Callable[[Any], Any], **kwargs: Any) -> None:
        self.value = value
        super().__init__(objective=keras_tuner.Objective("score", "min"), **{"seed": 0, **kwargs})

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        return {"score": self.value(trial)}


def parabola(trial: Trial) -> float:
    return (float(trial.hyperparameters.Float("x", -5, 5)) - 2) ** 2


def make_oracle(folder: Path, **kwargs: Any) -> GeneticOracle:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", -5, 5)
    defaults: dict[str, Any] = {
        "objective": keras_tuner.Objective("score", "min"),
        "max_trials": 6,
        "seed": 0,
        "hyperparameters": hp,
        "settings": Settings(surrogate=False, population_size=3, num_elites=1),
        "max_consecutive_failed_trials": 100,
        "max_retries_per_trial": 1,
    }
    oracle = GeneticOracle(**{**defaults, **kwargs})
    oracle.verbose = 0
    oracle._set_project_dir(str(folder), "project")
    return oracle


@pytest.fixture
def oracle(tmp_path: Path) -> GeneticOracle:
    return make_oracle(tmp_path)


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def serve(oracle: keras_tuner.Oracle, **kwargs: Any) -> Server:
        servers.append(Server(oracle, **kwargs))
        servers[-1].start()
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients = []

    def connect(server: Server, tuner_id: str = "worker", *, is_refused: bool = False, **kwargs: Any) -> Client:
        client = Client(server._oracle, address=server.address, tuner_id=tuner_id, **{"patience_seconds": 20, **kwargs})
        clients.append(client)
        if not is_refused:
            # It has given its first sign of life.
            until(lambda: tuner_id in server.workers)
        return client

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def as_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Makes this process a worker by Keras Tuner's variables."""

    def become(server: Server) -> None:
        host, _, port = server.address.rpartition(":")
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", host)
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", port)

    return become


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begins the work and returns what waits for its end: its result, or its error."""
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join() -> Any:
        thread.join(60)
        if not result:
            raise TimeoutError("hangs")
        if isinstance(result[0], BaseException):
            raise result[0]
        return result[0]

    return join


def end(client: Any, trial: Trial, score: float | None = 1.0, status: str = "COMPLETED", message: Any = None) -> None:
    if score is not None:
        client.update_trial(trial.trial_id, {"score": score})
    trial.status, trial.message = status, message
    client.end_trial(trial)


def work(client: Client, tuner_id: str = "worker") -> None:
    """Runs trials until the chief says that the search is over."""
    while (trial := client.create_trial(tuner_id)).status != "STOPPED":
        if trial.status == "RUNNING":
            end(client, trial, parabola(trial))
        else:
            time.sleep(0.02)


def statuses(oracle: GeneticOracle) -> list[str]:
    return [oracle.trials[trial_id].status for trial_id in oracle.end_order]


def test_tuners_search_together(
    tmp_path: Path, oracle: GeneticOracle, serve: Serve, as_worker: Callable[[Server], None]
) -> None:
    server = serve(oracle)
    as_worker(server)
    # Both have run a trial.
    both = threading.Barrier(2, timeout=60)
    runs: dict[str, int] = {}

    def run(name: str) -> None:
        def value(trial: Trial) -> float:
            runs[name] = runs.get(name, 0) + 1
            if runs[name] == 1:
                both.wait()
            return parabola(trial)

        # A worker that begins later removes nothing of the chief's.
        tuner = Toy(value, directory=str(tmp_path), project_name="project", tuner_id=name, overwrite=True)
        tuner.search(verbose=0)
        tuner.oracle.close()

    joins = [in_thread(partial(run, name)) for name in ("a", "b")]
    server.wait()
    for join in joins:
        join()
    assert server.workers == []
    assert statuses(oracle) == ["COMPLETED"] * 6
    assert sum(runs.values()) == 6
    # Nothing was rounded on its way.
    assert [trial.score for trial in oracle.trials.values()] == [parabola(trial) for trial in oracle.trials.values()]
    again = make_oracle(tmp_path)
    again.reload()
    assert statuses(again) == ["COMPLETED"] * 6


@pytest.mark.long
def test_chief_and_worker_by_keras_tuners_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
        return model

    def make() -> GeneticTuner:
        return GeneticTuner(build, "val_loss", max_trials=3, seed=0, directory=str(tmp_path))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    monkeypatch.setenv(SECRET_VARIABLE, "schlüssel")
    chief = make()
    join = in_thread(lambda: chief.search(verbose=0))

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker")
    worker = make()
    data = np.ones((8, 1), np.float32)
    worker.search(data, data, validation_data=(data, data), verbose=0)
    join()
    assert statuses(chief.oracle) == ["COMPLETED"] * 3
    best = chief.get_best_models()[0].evaluate(data, data, verbose=0)
    assert best == pytest.approx(chief.oracle.get_best_trials()[0].score, abs=1e-6)
    worker.oracle.patience_seconds = 0.5
    with pytest.raises(ChiefLostError, match="did not answer for 0.5 s"):
        worker.search(verbose=0)
    worker.oracle.close()


def test_a_chief_open_to_others_wants_a_secret_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "::")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "0")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=SECRET_VARIABLE):
        Toy(parabola, directory=str(tmp_path)).search(verbose=0)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.org:80", "localhost.example:1"])
def test_an_open_address_without_a_secret_is_refused(oracle: GeneticOracle, address: str) -> None:
    for secret in (None, ""):
        with pytest.raises(ValueError, match="no secret"):
            Server(oracle, address=address, secret=secret)
    Server(oracle, address=address, secret="s")


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.3.2.1:0", "[::1]:0", "localhost:0"])
def test_loopback_needs_no_secret(oracle: GeneticOracle, serve: Serve, connect: Connect, address: str) -> None:
    try:
        server = serve(oracle, address=address)
    except OSError as error:
        pytest.skip(str(error))
    client = connect(server)
    assert server.address.rpartition(":")[0] == address.rpartition(":")[0]
    assert client.create_trial("worker").hyperparameters.values.keys() == {"x"}


@pytest.mark.parametrize("address", ["127.0.0.1", ":80", "127.0.0.1:port", "127.0.0.1:65536", ""])
def test_what_is_no_address_is_named(oracle: GeneticOracle, address: str) -> None:
    with pytest.raises(ValueError, match="expected a host and a port"):
        Server(oracle, address=address)


def test_a_port_in_use_is_named(oracle: GeneticOracle, serve: Serve) -> None:
    server = serve(oracle)
    with pytest.raises(OSError, match=f"Cannot listen at {server.address}"):
        Server(oracle, address=server.address).start()


@pytest.mark.parametrize("secret", [None, "", "other", "secre", "secret "])
def test_without_the_secret_nothing_is_served(
    oracle: GeneticOracle, serve: Serve, connect: Connect, secret: str | None
) -> None:
    server = serve(oracle, secret="secret", calls={"extra": lambda tuner_id, values, payload: ({}, b"")})
    stranger = connect(server, "stranger", secret=secret, is_refused=True)
    requests: list[Callable[[], Any]] = [
        stranger.get_space,
        lambda: stranger.create_trial("stranger"),
        lambda: stranger.call("extra"),
        lambda: stranger.call("renew"),
    ]
    for request in requests:
        with pytest.raises(ChiefRefusedError, match="the secret is missing, or wrong"):
            request()
    assert (server.workers, oracle.trials) == ([], {})
    assert connect(server, secret="secret").create_trial("worker").status == "RUNNING"


def test_keras_tuners_own_client_is_served(
    oracle: GeneticOracle, serve: Serve, as_worker: Callable[[Server], None]
) -> None:
    as_worker(serve(oracle))
    client = OracleClient(oracle)
    assert [hp.name for hp in client.get_space().space] == ["x"]
    trial = client.create_trial("worker")
    end(client, trial, 0.5)
    assert (client.get_trial(trial.trial_id).score, client.get_best_trials()[0].trial_id) == (0.5, trial.trial_id)
    end(client, client.create_trial("worker"), None, "FAILED")
    assert statuses(oracle) == ["COMPLETED", "FAILED"]


def test_an_expired_lease_frees_the_trial(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    clock = Clock()
    server = serve(oracle, lease_seconds=1000, clock=clock)
    silent, other = connect(server, "silent"), connect(server, "other")
    trial = silent.create_trial("silent")
    silent.update_trial(trial.trial_id, {"score": 77.0})
    clock.now = 999
    other.get_space()
    assert server.expire() == []
    clock.now = 1001
    assert server.expire() == ["silent"]
    assert server.workers == ["other"]
    assert oracle.trials[trial.trial_id].message == "Worker silent gave no sign of life for 1000 s."
    again = other.create_trial("other")
    assert again.trial_id == trial.trial_id
    end(other, again, 3.0)
    assert (oracle.trials[trial.trial_id].status, oracle.trials[trial.trial_id].score) == ("COMPLETED", 3.0)
    # Any request registers it again.
    silent.get_space()
    assert server.workers == ["other", "silent"]
    # The second loss of a trial is its end.
    for name in ("one", "two"):
        trial = connect(server, name).create_trial(name)
        server.lose(name, f"{name} died")
    assert (trial.trial_id, oracle.trials[trial.trial_id].status) == (oracle.end_order[1], "FAILED")
    assert oracle.trials[trial.trial_id].message == "two died"


def test_a_worker_renews_its_lease_while_it_trains(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle, lease_seconds=0.6)
    client = connect(server)
    trial = client.create_trial("worker")
    renewed = server._leases._ends["worker"]
    # Many leases later.
    until(lambda: server.expire() != [] or server._leases._ends["worker"] > renewed + 2)
    assert server.workers == ["worker"]
    end(client, trial)
    client.close()
    until(lambda: server.expire() == ["worker"])


def test_a_trial_is_ended_once(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle)
    first, second = connect(server, "first"), connect(server, "second")
    trial = first.create_trial("first")
    end(first, trial, 1.0)
    for client in (first, second):
        end(client, trial, 0.25)
        end(client, trial, None, "INVALID")
    assert oracle.trials[trial.trial_id].metrics.get_history("score")[0].value == [1.0]
    assert (statuses(oracle), oracle.trials[trial.trial_id].score) == (["COMPLETED"], 1.0)


def test_a_worker_that_comes_back_keeps_its_trial(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    clock = Clock()
    server = serve(oracle, lease_seconds=1000, clock=clock)
    silent, other = connect(server, "silent"), connect(server, "other")
    trial = silent.create_trial("silent")
    clock.now = 2000
    server.expire()
    assert oracle._retry_queue == [trial.trial_id]
    silent.get_space()
    assert oracle._retry_queue == []
    assert other.create_trial("other").trial_id != trial.trial_id
    end(silent, trial, 2.0)
    ended = oracle.trials[trial.trial_id]
    assert (ended.status, ended.score, ended.message) == ("COMPLETED", 2.0, None)


def test_a_worker_that_was_given_up_does_not(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle)
    client = connect(server)
    trial = client.create_trial("worker")
    server.lose("worker", "killed")
    # As a sign of life would that was on its way.
    client.get_space()
    assert oracle._retry_queue == [trial.trial_id]
    # But if it has come to an end after all, that counts.
    end(client, trial, 4.0)
    assert (oracle._retry_queue, oracle.trials[trial.trial_id].score) == ([], 4.0)


@pytest.mark.parametrize(("status", "score"), [("COMPLETED", 5.0), ("FAILED", None), ("INVALID", 7.0)])
def test_a_trial_that_meanwhile_runs_elsewhere(
    oracle: GeneticOracle, serve: Serve, connect: Connect, status: str, score: float | None
) -> None:
    server = serve(oracle)
    late, other = connect(server, "late"), connect(server, "other")
    trial = late.create_trial("late")
    server.lose("late", "lost")
    again = other.create_trial("other")
    other.update_trial(trial.trial_id, {"score": 7.0})
    end(late, trial, 5.0 if status == "COMPLETED" else None, status, "its end")
    # The first end wins; a crash is none.
    assert statuses(oracle) == ([] if status == "INVALID" else [status])
    assert ("other" in oracle.ongoing_trials) == (status == "INVALID")
    end(other, again, 7.0)
    assert len(oracle.end_order) == 1
    assert oracle.trials[trial.trial_id].score == score
    assert other.create_trial("other").trial_id != trial.trial_id


def test_a_crash_is_retried_and_its_message_arrives(
    oracle: GeneticOracle, tmp_path: Path, serve: Serve, as_worker: Callable[[Server], None]
) -> None:
    server = serve(oracle)
    as_worker(server)
    runs: list[str] = []

    def value(trial: Trial) -> float:
        runs.append(trial.trial_id)
        if trial.trial_id == "1":
            raise MemoryError("no room")
        return float("nan") if trial.trial_id == "2" else parabola(trial)

    tuner = Toy(value, directory=str(tmp_path), project_name="worker")
    tuner.search(verbose=0)
    server.wait()
    tuner.oracle.close()
    assert [runs.count(str(number)) for number in range(6)] == [1, 2, 2, 1, 1, 1]
    failed = {trial_id: trial for trial_id, trial in oracle.trials.items() if trial.status == "FAILED"}
    assert sorted(failed) == ["1", "2"]
    assert failed["1"].message.splitlines()[0] == "MemoryError: no room"
    assert "Traceback" in failed["1"].message
    assert failed["2"].message == "Not a finite score: score is nan."


def test_calls_of_ones_own(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    def echo(tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return {"from": tuner_id, **values}, payload[::-1]

    def broken(tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        raise KeyError("what " * 10_000)

    server = serve(oracle, calls={"echo": echo, "broken": broken, "odd": lambda *_: ({"set": {1}}, b"")})
    client = connect(server, "Jürgen")
    assert client.call("echo") == ({"from": "Jürgen"}, b"")
    payload = os.urandom(4 << 20)
    assert client.call("echo", {"a": [1.5, None, "ü"]}, payload) == (
        {"from": "Jürgen", "a": [1.5, None, "ü"]},
        payload[::-1],
    )
    with pytest.raises(RemoteError, match="KeyError: 'what what"):
        client.call("broken")
    with pytest.raises(RemoteError, match="TypeError: .*set"):
        client.call("odd")
    with pytest.raises(RemoteError, match=r"Got the call 'other', expected one of \['broken', 'echo'"):
        client.call("other")
    with pytest.raises(RemoteError, match="larger"):
        client.call("echo", {}, bytes(6 << 20))
    assert client.call("echo", {"still": "there"}) == ({"from": "Jürgen", "still": "there"}, b"")


def test_errors_of_the_oracle_reach_the_worker_that_caused_them(
    oracle: GeneticOracle, serve: Serve, connect: Connect
) -> None:
    client = connect(serve(oracle))
    trial = client.create_trial("worker")
    with pytest.raises(RemoteError, match="Objective value missing"):
        client.update_trial(trial.trial_id, {"other": 1.0})
    with pytest.raises(RemoteError, match="no trial 'none'"):
        client.get_trial("none")
    with pytest.raises(RemoteError, match="no trial 'nonenone"):
        client.get_trial("none" * 5000)
    work(client)
    assert statuses(oracle) == ["COMPLETED"] * 6


def test_what_ends_a_search_ends_it_for_all(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    oracle = make_oracle(tmp_path, max_consecutive_failed_trials=2)
    server = serve(oracle)
    bad, good = connect(server, "bad"), connect(server, "good")
    running = good.create_trial("good")
    for _ in range(2):
        end(bad, bad.create_trial("bad"), None, "FAILED", "broken by design")
    assert bad.create_trial("bad").status == "STOPPED"
    join = in_thread(server.wait)
    end(good, running)
    assert good.create_trial("good").status == "STOPPED"
    with pytest.raises(RuntimeError, match="broken by design"):
        join()


def test_stop_ends_the_wait(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle, lease_seconds=1)
    client = connect(server)
    client.create_trial("worker")
    oracle.stop()
    join = in_thread(server.wait)
    client.close()
    join()
    assert server.workers == []
    # Also if nobody ever comes.
    in_thread(Server(oracle).wait)()


def test_the_trial_of_a_worker_that_is_gone_is_run_by_one_without_work(
    tmp_path: Path, serve: Serve, connect: Connect
) -> None:
    oracle = make_oracle(tmp_path, max_trials=2)
    server = serve(oracle, lease_seconds=1)
    lost, other = connect(server, "lost"), connect(server, "other")
    trial = lost.create_trial("lost")
    end(other, other.create_trial("other"))
    # There is no more to do, but there may be.
    assert other.create_trial("other").status == "IDLE"
    lost.close()
    joins = [in_thread(server.wait), in_thread(lambda: work(other, "other"))]
    for join in joins:
        join()
    assert sorted(oracle.end_order) == ["0", "1"]
    assert statuses(oracle) == ["COMPLETED"] * 2
    assert oracle._run_times[trial.trial_id] == 2


def test_wait_does_not_wait_for_a_worker_that_is_gone(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    oracle = make_oracle(tmp_path, max_trials=2, max_retries_per_trial=0)
    server = serve(oracle, lease_seconds=1)
    lost, other = connect(server, "lost"), connect(server, "other")
    trial = lost.create_trial("lost")
    lost.close()
    work(other, "other")
    in_thread(server.wait)()
    assert oracle.trials[trial.trial_id].status == "FAILED"
    assert oracle.ongoing_trials == {}


def test_a_generation_does_not_wait_for_a_worker_that_is_gone(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    settings = Settings(surrogate=False, population_size=3, num_elites=1, survival="generational")
    oracle = make_oracle(tmp_path, settings=settings, max_retries_per_trial=0)
    server = serve(oracle, lease_seconds=1)
    lost, other = connect(server, "lost"), connect(server, "other")
    lost.create_trial("lost")
    for _ in range(2):
        end(other, other.create_trial("other"))
    assert other.create_trial("other").status == "IDLE"
    lost.close()
    join = in_thread(server.wait)
    work(other, "other")
    join()
    assert sorted(statuses(oracle)) == ["COMPLETED"] * 5 + ["FAILED"]


def test_a_chief_that_restarts_takes_up_where_it_was(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    server = serve(make_oracle(tmp_path), lease_seconds=0.9)
    trains, reports = connect(server, "trains"), connect(server, "reports")
    trial, reported = trains.create_trial("trains"), reports.create_trial("reports")
    # The chief forgets it: what runs is not written down.
    reports.update_trial(reported.trial_id, {"score": 0.125})
    server.stop()
    asked = in_thread(lambda: trains.call("later"))
    oracle = make_oracle(tmp_path)
    oracle.reload()
    again = serve(oracle, address=server.address, lease_seconds=0.9, calls={"later": lambda *_: ({"is": "there"}, b"")})
    assert asked() == ({"is": "there"}, b"")
    # Their signs of life are enough.
    until(lambda: oracle.ongoing_trials.keys() == {"trains", "reports"})
    assert oracle._retry_queue == []
    reported.status = "COMPLETED"
    reports.end_trial(reported)
    end(trains, trial, 2.0)
    assert [oracle.trials[one.trial_id].score for one in (trial, reported)] == [2.0, 0.125]
    for name, client in (("trains", trains), ("reports", reports)):
        work(client, name)
    in_thread(again.wait)()
    assert statuses(oracle) == ["COMPLETED"] * 6
    assert set(oracle._run_times.values()) == {1}


def test_an_end_that_a_chief_heard_before_it_died_counts_once(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    server = serve(make_oracle(tmp_path))
    client = connect(server)
    trial = client.create_trial("worker")
    end(client, trial, 2.0)
    server.stop()
    oracle = make_oracle(tmp_path)
    oracle.reload()
    serve(oracle, address=server.address)
    client.end_trial(trial)
    assert (statuses(oracle), oracle._run_times[trial.trial_id]) == (["COMPLETED"], 1)


def test_a_crash_that_a_chief_heard_before_it_died_is_retried(tmp_path: Path, serve: Serve, connect: Connect) -> None:
    server = serve(make_oracle(tmp_path))
    client = connect(server)
    trial = client.create_trial("worker")
    end(client, trial, None, "INVALID")
    server.stop()
    oracle = make_oracle(tmp_path)
    oracle.reload()
    serve(oracle, address=server.address)
    # The worker claims it no more, and tells nothing new.
    client.get_space()
    client.end_trial(trial)
    assert (oracle._retry_queue, oracle._run_times[trial.trial_id]) == ([trial.trial_id], 1)


def test_a_chief_that_is_lost(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle)
    client = connect(server, patience_seconds=0.5)
    server.stop()
    message = f"The chief at {server.address} did not answer for 0.5 s"
    with pytest.raises(ChiefLostError, match=message):
        client.create_trial("worker")
    with pytest.raises(ChiefLostError, match=message):
        client.call("renew")
    assert issubclass(ChiefLostError, keras_tuner.errors.FatalError)


def test_workers_hear_of_the_end_whatever_they_are_at(oracle: GeneticOracle, serve: Serve, connect: Connect) -> None:
    server = serve(oracle, lease_seconds=0.6)
    trains = connect(server, "trains", patience_seconds=300)
    trial = trains.create_trial("trains")
    server.announce_end()
    until(lambda: trains._is_over)
    assert server.workers == []
    server.stop()
    # It knows, so it waits for nobody.
    with pytest.raises(SearchOverError, match=f"The search at {server.address} is over"):
        end(trains, trial)
    assert issubclass(SearchOverError, ChiefLostError)


def test_another_service_is_told_from_a_chief(oracle: GeneticOracle, connect: Connect) -> None:
    other = grpc.server(ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    client = Client(oracle, address=f"127.0.0.1:{port}", tuner_id="worker")
    with pytest.raises(ChiefRefusedError, match="no chief of this kind"):
        client.get_space()
    client.close()
    other.stop(None).wait()


WORKER = """
import os, sys, time
from pathlib import Path
import keras_tuner
from tuners import GeneticTuner

class Toy(GeneticTuner):
    def run_trial(self, trial, *args, **kwargs):
        Path(sys.argv[1], f"{self.tuner_id} runs {trial.trial_id}").touch()
        if self.tuner_id == "victim":
            time.sleep(600)
        while not any(Path(sys.argv[1]).glob("victim runs *")):
            time.sleep(0.05)
        return {"score": (trial.hyperparameters.Float("x", -5, 5) - 2) ** 2}

name = os.environ["KERASTUNER_TUNER_ID"]
tuner = Toy(objective=keras_tuner.Objective("score", "min"), directory=sys.argv[1], project_name=name)
tuner.search()
print("found", tuner.oracle.objective.name)
"""


@pytest.mark.long
def test_a_killed_process_loses_nothing(oracle: GeneticOracle, tmp_path: Path, serve: Serve) -> None:
    server = serve(oracle, lease_seconds=2, secret="shared")
    host, _, port = server.address.rpartition(":")
    known = {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, SECRET_VARIABLE: "shared"}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **known, "KERASTUNER_TUNER_ID": name, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        for name in ("victim", "survivor")
    }
    try:
        until(lambda: any(tmp_path.glob("victim runs *")), 120)
        processes["victim"].send_signal(signal.SIGKILL)
        processes["victim"].communicate()
        in_thread(server.wait)()
        out, error = processes["survivor"].communicate(timeout=60)
    finally:
        for process in processes.values():
            process.kill()
    assert processes["survivor"].returncode == 0, error
    assert "found score" in out
    assert statuses(oracle) == ["COMPLETED"] * 6
    (lost,) = (path.name.rpartition(" ")[2] for path in tmp_path.glob("victim runs *"))
    assert oracle._run_times[lost] == 2
    assert (tmp_path / f"survivor runs {lost}").exists()
    assert oracle.ongoing_trials == {}
