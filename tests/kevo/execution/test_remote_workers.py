"""Workers from elsewhere: they join, are refused, get lost and come back, and the search ends with all its trials."""

import contextlib
import dataclasses
import functools
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import SettingsError, WorkerError
from kevo.execution import remote_pool, remote_worker
from kevo.execution.endpoint import Endpoint, seen_from_elsewhere, seen_from_here
from kevo.execution.scheduler_service import SchedulerService
from kevo.result import SearchResult
from kevo.runs import reader
from kevo.runs.folder import Run
from kevo.tasks.images.datasets import ImageDataset
from tests.kevo.engine.test_scheduler import DONE, scheduler
from tests.kevo.execution.test_local_workers import workers as local_workers
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

SMALL = dataclasses.replace(SETTINGS, max_trials=3, epochs=2, final_epochs=2, num_finalists=1)
SECRET = "of this test"


class Host(Diary):
    """A listener who starts workers with the command that is printed, and does something to those who train."""

    def __init__(self, num_workers: int, acts: Mapping[int, signal.Signals]) -> None:
        super().__init__()
        self.workers: list[subprocess.Popen[str]] = []
        self.trainers: dict[int, int] = {}
        self._num_workers = num_workers
        self._acts = dict(acts)

    def note(self, text: str) -> None:
        super().note(text)
        if match := re.match("Workers join with: kevo (.*), and the secret", text):
            self.command = shlex.split(match[1])
            self.workers += [started(*self.command) for _ in range(self._num_workers)]

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        super().trial_started(number, words, seconds_left, worker)
        self.trainers[number] = int(worker.split("-")[-2])

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if (act := self._acts.pop(number, None)) is not None:
            os.kill(self.trainers[number], act)


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kevo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KEVO_SECRET": SECRET, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    x, y = stripes(120)
    np.savez(tmp_path / "stripes.npz", x=x, y=y)
    return tmp_path / "stripes.npz"


def search(pictures: Path, host: Host, **changes: object) -> SearchResult:
    settings = dataclasses.replace(SMALL, **changes)
    run = pictures.parent / "run"
    try:
        return kevo.search(pictures, settings, out=run, listener=host, listen="127.0.0.1:0", secret=SECRET)
    except BaseException:
        for worker in host.workers:
            worker.kill()
        raise


def statuses(diary: Diary) -> list[tuple[int, str]]:
    return sorted((record.number, record.status) for record in diary.records)


@pytest.mark.long
def test_workers_that_are_refused_or_stopped_or_lost_harm_nobody(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_pool, "Server", functools.partial(remote_pool.Server, lease_seconds=8.0))
    others, guess = tmp_path / "others.npz", tmp_path / "guess"
    x, y = stripes(120, seed=1)
    np.savez(others, x=x, y=y)
    guess.write_text("a guess")
    refused = []

    class Doorkeeper(Host):
        def note(self, text: str) -> None:
            super().note(text)
            if text.startswith("Workers join with"):
                command, address, *_ = self.command
                guessing = [*self.command, "--secret-file", str(guess)]
                refused.append(CliRunner().invoke(main, guessing))
                secret = {"KEVO_SECRET": SECRET}
                refused.append(CliRunner(env=secret).invoke(main, [command, address, "--data", str(others)]))

        def trial_lost(self, number: int, reason: str) -> None:
            super().trial_lost(number, reason)
            if number == 0:
                # Who stood still comes back, and finds its candidate given up.
                os.kill(self.trainers[0], signal.SIGCONT)
            if number == 2:
                self.workers.append(started(*self.command, "--quiet", "--cache", "none"))

    host = Doorkeeper(2, {0: signal.SIGSTOP, 1: signal.SIGKILL, 2: signal.SIGINT})
    result = search(pictures, host, max_trials=2)
    assert [one.exit_code for one in refused] == [2, 2]
    assert "refused this worker: the secret is missing, or wrong" in refused[0].stderr
    assert f"Error: The pictures in {others} are not those of the search at 127.0.0.1" in refused[1].stderr
    assert statuses(host) == [(number, "completed") for number in range(3)] and result.model_path.is_file()
    silent = "nothing was heard of its worker any more"
    assert sorted(host.lost) == [(0, silent), (1, silent), (2, "its worker was stopped")]
    assert "The last worker is gone. The search waits for another one." in host.notes
    said = [worker.communicate(timeout=60) for worker in host.workers]
    assert sorted(worker.returncode for worker in host.workers) == [-signal.SIGKILL, 0, 130]
    (stopped,) = (words for worker, (_, words) in zip(host.workers, said, strict=True) if worker.returncode == 130)
    assert stopped.splitlines()[-1] == "Interrupted." and "Traceback" not in stopped
    assert said[-1] == ("", "")
    assert not (tmp_path / "run" / "work").exists()


class Line:
    """A way to a search by another loopback address, which can be cut: nothing is heard any more, nobody hangs up."""

    def __init__(self, to: str) -> None:
        host, _, port = to.rpartition(":")
        self._to = host, int(port)
        self._is_cut = threading.Event()
        self._ends: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.2", 0))
        self.address = f"127.0.0.2:{self._door.getsockname()[1]}"
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here = self._door.accept()[0]
                self._ends.append(here)
                if not self._is_cut.is_set():
                    there = socket.create_connection(self._to)
                    self._ends.append(there)
                    for ends in ((here, there), (there, here)):
                        threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._is_cut.is_set():
                    target.sendall(data)

    def cut(self) -> None:
        self._is_cut.set()

    def close(self) -> None:
        for end in (self._door, *self._ends):
            end.close()


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="there is but one loopback address")
def test_a_search_ends_though_a_worker_is_cut_off_in_the_middle_of_a_trial(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_pool, "Server", functools.partial(remote_pool.Server, lease_seconds=6.0))
    lines: list[Line] = []

    class Apart(Host):
        """Has one worker come straight, and one by a line that is cut when that worker trains."""

        cut_at: int | None = None

        def note(self, text: str) -> None:
            super().note(text)
            if text.startswith("Workers join with"):
                verb, address, *rest = self.command
                lines.append(Line(address))
                self.workers.append(started(verb, lines[0].address, *rest))

        def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            super().progress(number, stage, done, total, metrics)
            if self.cut_at is None and self.trainers[number] == self.workers[1].pid:
                self.cut_at = number
                lines[0].cut()

    host = Apart(1, {})
    try:
        result = search(pictures, host, max_trials=8, workers=0)
        near, far = host.workers
        assert near.wait(60) == 0 and result.model_path.is_file()
        # It still tries to reach a search that, for all that it can know, may come back.
        assert far.poll() is None
    finally:
        for worker in host.workers:
            worker.kill()
            worker.communicate()
        for line in lines:
            line.close()
    assert host.lost == [(host.cut_at, "nothing was heard of its worker any more")]
    assert host.cut_at is not None and host.trainers[host.cut_at] == near.pid
    assert statuses(host) == [(number, "completed") for number in range(9)]


@pytest.mark.long
def test_workers_of_this_machine_and_from_elsewhere_share_a_search(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_pool, "Server", functools.partial(remote_pool.Server, lease_seconds=120.0))

    class Shared(Host):
        """Has the first worker that trains wait until the other one does."""

        def __init__(self) -> None:
            super().__init__(1, {})
            self.names: set[str] = set()

        def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
            self.names.add(worker)
            mine = local_workers(os.getpid()) if "worker-0" in self.names else []
            theirs = [self.workers[0].pid] if self.names - {"worker-0"} else []
            for pid in mine + theirs:
                os.kill(pid, signal.SIGSTOP if len(self.names) == 1 else signal.SIGCONT)

    host = Shared()
    result = search(pictures, host, workers=1, max_trials=4, population=4)
    (guest,) = host.workers
    assert guest.wait(60) == 0 and result.model_path.is_file() and host.lost == []
    guest.communicate()
    assert len(host.names) == 2 and "worker-0" in host.names
    assert statuses(host) == [(number, "completed") for number in range(5)]


@pytest.mark.long
def test_a_worker_comes_back_to_a_chief_that_was_killed_and_hears_of_the_end_of_one_that_was_not(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, run = Host(0, {}), tmp_path / "run"
    options = ["--space", "small", "--max-trials", "2", "--population", "2", "--epochs", "2", "--workers", "0"]
    search = started("search", str(pictures), "--out", str(run), "--listen", "127.0.0.1:0", *options)
    assert search.stderr is not None
    for line in search.stderr:
        host.note(line)
        if "Workers join with" in line:
            break
    worker = started(*host.command)

    class Leaver(Diary):
        """Ends the search while its worker says nothing for a while."""

        is_ending = False

        def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
            if number == 2 and not self.is_ending:
                self.is_ending = True
                worker.send_signal(signal.SIGSTOP)
                (run / ".stop").touch()
                threading.Timer(2.0, worker.send_signal, [signal.SIGCONT]).start()

    try:
        trials = run / "trials.jsonl"
        until = time.monotonic() + 120
        while not trials.exists() and time.monotonic() < until:
            time.sleep(0.05)
        search.kill()
        search.wait()
        before = reader.read_trials(Run.open(run))
        diary = Leaver()
        result = kevo.resume(run, listener=diary, listen=host.command[1], secret=SECRET)
        # By itself it would wait for minutes.
        assert worker.wait(60) == 0
    finally:
        search.kill()
        worker.kill()
        search.communicate()
        worker.communicate()
    assert before and all(record.status == "completed" for record in before)
    assert reader.read_trials(Run.open(run))[: len(before)] == before
    numbers = {record.number for record in reader.read_trials(Run.open(run)) if not record.full_length}
    assert numbers == {0, 1} and diary.lost == []
    assert diary.is_ending and result.interrupted and result.model_path.is_file()


def test_a_worker_without_a_search_says_so() -> None:
    with pytest.raises(WorkerError, match="did not answer for 1 s"):
        remote_worker.join("127.0.0.1:1", data="digits", patience_seconds=1.0)


@pytest.fixture
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield f"127.0.0.1:{one.getsockname()[1]}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--listen", "0.0.0.0:8000"], "which other machines may reach, and no secret"),
        (["search", "--listen", "example.org:8000"], "which other machines may reach, and no secret"),
        (["search", "--listen", "8000"], "Expected a host and a port"),
        (["search", "--listen", "[::1]:99999"], "Expected a host and a port"),
        (["search", "--listen", "{taken}"], "Cannot listen at 127.0.0.1"),
        (["search", "--listen", "127.0.0.1:0", "--secret-file", "absent"], "absent is no file"),
        (["search", "--listen", "127.0.0.1:0", "--secret-file", "empty"], "empty holds no secret"),
        (["worker", "192.0.2.1:8000", "--data", "digits"], "which other machines may reach, and no secret"),
        (["worker", "127.0.0.1", "--data", "digits"], "Expected a host and a port"),
        (["worker", "127.0.0.1:8000"], "Missing option '--data'"),
    ],
)
def test_a_users_mistake_is_told_before_any_work(
    arguments: list[str], message: str, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEVO_SECRET", raising=False)
    Path("empty").write_text("\n")
    done = CliRunner().invoke(main, [argument.format(taken=taken) for argument in arguments])
    assert done.exit_code == 2 and message in done.stderr and done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_secret_comes_from_the_environment_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEVO_SECRET", "everybody's")
    assert Endpoint.at("0.0.0.0:8000", secret=None).secret == "everybody's"
    assert Endpoint.at("0.0.0.0:8000", secret="mine").secret == "mine"
    monkeypatch.setenv("KEVO_SECRET", "")
    with pytest.raises(SettingsError, match="no secret"):
        Endpoint.at("0.0.0.0:8000", secret=None)


def test_an_address_for_all_has_a_name_for_each() -> None:
    assert (seen_from_here("0.0.0.0:80"), seen_from_here("[::]:80")) == ("127.0.0.1:80", "[::1]:80")
    assert seen_from_elsewhere("0.0.0.0:80") == f"{socket.gethostname()}:80"
    assert seen_from_here("node-1:80") == seen_from_elsewhere("node-1:80") == "node-1:80"


@pytest.fixture
def service(tmp_path: Path, dataset: ImageDataset) -> SchedulerService:
    (tmp_path / "work").mkdir()
    return SchedulerService(scheduler(tmp_path, dataset), tmp_path / "work", shape=(48, 3), hello={"of": "this search"})


def asks(service: SchedulerService, number: int, worker: str = "guest") -> dict[str, Any]:
    return service.calls["next"](worker, {"search": service.search, "number": number}, b"")[0]


def finishes(service: SchedulerService, asked: Mapping[str, Any], outcome: Mapping[str, Any] = DONE.to_json()) -> None:
    service.calls["finish"]("guest", {"trial_id": asked["task"]["trial_id"], "outcome": outcome}, b"")


def test_who_has_not_heard_the_answer_gets_it_again(service: SchedulerService) -> None:
    first = asks(service, 1)
    assert asks(service, 1) == first and service.scheduler.trial_of("guest")
    finishes(service, first)
    assert asks(service, 2) != first


def test_who_came_for_another_search_gets_nothing(service: SchedulerService) -> None:
    hello, _ = service.calls["hello"]("guest", {}, b"")
    assert hello == {"of": "this search", "search": service.search}
    with pytest.raises(LookupError, match="another search"):
        service.calls["next"]("guest", {"search": "that one", "number": 1}, b"")
    assert not service.scheduler.trial_of("guest")


def test_a_worker_that_goes_is_no_failure_of_its_candidate(service: SchedulerService) -> None:
    first = asks(service, 0)
    for number in range(1, 5):
        assert service.calls["leave"]("guest", {}, b"") == ({"is_over": False}, b"")
        assert asks(service, number) == first
    assert "guest" in service.departed


@pytest.mark.parametrize(
    ("values", "payload"),
    [
        ({"name": "../../best.keras", "start": 0}, b"x"),
        ({"name": "model.keras", "start": -1}, b"x"),
        ({"name": "model.keras", "start": 4 * 1024**3}, b"x"),
        ({"name": "predictions.npy", "start": 1024}, bytes(2 * 48 * 3 + 1)),
    ],
)
def test_a_file_has_a_name_and_an_end(
    service: SchedulerService, values: dict[str, object], payload: bytes, tmp_path: Path
) -> None:
    trial_id = asks(service, 1)["task"]["trial_id"]
    with pytest.raises(ValueError, match="Got"):
        service.calls["file"]("guest", {"trial_id": trial_id, **values}, payload)
    assert list((tmp_path / "work").iterdir()) == []


def test_who_trains_nothing_sends_nothing_and_leaves_nothing(service: SchedulerService, tmp_path: Path) -> None:
    def send(worker: str) -> None:
        values = {"trial_id": service.scheduler.trial_of(worker), "name": "model.keras", "start": 0}
        service.calls["file"](worker, values, b"half a model")

    with pytest.raises(LookupError, match="no task"):
        send("stranger")
    for worker in ("first", "second", "third"):
        asks(service, 1, worker)
        send(worker)
        service.scheduler.lose(worker, "it is gone")
    assert len(list((tmp_path / "work").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"history": [{"val_accuracy": "much"}]},
        {"history": ["many"]},
        {"errors": {"a": -1.0}},
        {"metrics": {"val_accuracy": float("nan")}},
        {"num_parameters": "few"},
        {"unheard": "of"},
    ],
)
def test_an_outcome_that_is_none_is_refused_and_the_search_goes_on(
    service: SchedulerService, change: dict[str, object]
) -> None:
    asked = asks(service, 1)
    with pytest.raises(ValueError):
        finishes(service, asked, {**DONE.to_json(), **change})
    assert service.error is None and not service.scheduler.is_over
    finishes(service, asked)
    assert not service.scheduler.trial_of("guest")


def test_a_word_that_was_long_on_its_way_is_not_about_the_next_task(service: SchedulerService, tmp_path: Path) -> None:
    first = asks(service, 1)
    finishes(service, first)
    old, second = {"trial_id": first["task"]["trial_id"]}, asks(service, 2)
    said = {"stage": "train", "done": 1.0, "total": 2, "metrics": {}, "history": [], "stages": [], "seconds": 1.0}
    assert service.calls["tell"]("guest", {**old, **said}, b"")[0] == {"goes_on": False}
    assert service.calls["offer"]("guest", {**old, "outcome": DONE.to_json()}, b"")[0] == {"is_wanted": False}
    with pytest.raises(LookupError, match="no task"):
        service.calls["file"]("guest", {**old, "name": "model.keras", "start": 0}, b"a model")
    service.calls["keep"]("guest", {**old, **said}, b"")
    finishes(service, first)
    assert (
        service.scheduler.trial_of("guest") == second["task"]["trial_id"]
        and len(service.scheduler._archive.records) == 1
    )
    assert service.calls["tell"]("guest", {**said, "trial_id": second["task"]["trial_id"]}, b"")[0] == {"goes_on": True}


def test_a_search_whose_time_is_up_ends_without_a_worker(tmp_path: Path, dataset: ImageDataset) -> None:
    limited = dataclasses.replace(SETTINGS, max_time=60.0)
    assert not scheduler(tmp_path / "young", dataset, limited).is_over
    # The first worker may still train the first model.
    assert not scheduler(tmp_path / "old", dataset, limited, seconds=60.0).is_over
    assert scheduler(tmp_path / "older", dataset, limited, seconds=240.0).is_over
