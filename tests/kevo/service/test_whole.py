"""A real server, a real search: killed, adopted, stopped, gone on with, used."""

import base64
import contextlib
import dataclasses
import fcntl
import functools
import io
import json
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from PIL import Image

from benchmarks.serve_pages.making import make, records
from kevo.runs import layout, status
from kevo.runs.folder import Run
from kevo.service import jobs, launching
from kevo.service.jobs import Job
from tests.support.project import ROOT
from tests.support.serve_process import Process, listening, search_process, search_processes, servers, wait
from tests.support.serving import png

Start = Callable[..., Process]
SLOWER = 4
"""So much slower than a bar's own number this machine may be."""


def asked_when_ready(server: Process, address: str, picture: bytes) -> httpx2.Response:
    """What a model says of a picture; on a busy machine it is not loaded at once, and the server says so."""
    while (answer := server.client.post(address, content=picture)).status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
    return answer


@pytest.mark.bar(6, 8, 13, 18)
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_search_from_its_begin_to_its_use(tmp_path: Path, start: Start) -> None:
    server = start()
    settings = {"max_trials": 60, "max_time": 600, "epochs": 2, "space": "small", "seed": 1}
    search = server.post("/searches", {"data": "digits", "settings": settings}).json()["id"]
    waiting = server.post("/searches", {"data": "digits", "name": "waits"}).json()
    wait(lambda: server.get(f"/searches/{waiting['id']}")["position"] == 1)
    lock = tmp_path / "root" / "jobs" / search / "lock"

    def state() -> str:
        return str(server.get(f"/searches/{search}")["state"])

    def num_candidates() -> int:
        return int(server.get(f"/searches/{search}/candidates")["total"])

    # The server is killed; the search is not, and the next server finds it.
    wait(lambda: num_candidates() >= 1)
    before = search_process(lock)
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    server = start()
    assert search_process(lock) == before and state() == "running"
    assert server.get(f"/searches/{waiting['id']}")["state"] == "queued"
    known = num_candidates()
    # The search is killed; it goes on by itself, with every candidate.
    launching.kill(lock)
    wait(lambda: search_processes(lock) - {before})
    wait(lambda: state() == "running" and num_candidates() > known)
    assert server.get(f"/searches/{waiting['id']}")["state"] == "queued"
    # It is stopped, and keeps the best.
    with listening(server, search) as heard:
        asked = time.monotonic()
        assert server.post(f"/searches/{search}/stop").status_code == 202
        assert server.post(f"/searches/{search}/stop").status_code == 409
        seconds = server.get(f"/searches/{search}")["status"]["seconds"]
        wait(lambda: state() == "stopped")
    assert time.monotonic() - asked < SLOWER * 60
    # By its own clock: a search looks every now and then whether it is asked to stop.
    ended = server.get(f"/searches/{search}/candidates?limit=500")["candidates"]
    assert [one["number"] for one in ended if one["finished_at"] - one["seconds"] > seconds + 5] == []
    kinds = [line.removeprefix("event: ") for line in heard if line.startswith("event: ")]
    assert kinds[0] == "snapshot" and kinds[-1] == "bye" and {"state"} <= set(kinds)
    result = server.get(f"/searches/{search}")
    assert result["result"]["interrupted"] and result["result"]["test"]["accuracy"] > 0.3
    assert str(tmp_path) not in json.dumps(result)
    # The next one begins; nothing that was said holds a token.
    wait(lambda: server.get(f"/searches/{waiting['id']}")["state"] == "starting")
    assert server.post(f"/searches/{waiting['id']}/stop").status_code == 202
    assert server.post(f"/searches/{waiting['id']}/stop", {"now": True}).status_code == 202
    wait(lambda: server.get(f"/searches/{waiting['id']}")["state"] == "stopped")
    # Its model predicts as the command does, and others can load it.
    picture = tmp_path / "picture.png"
    picture.write_bytes(png((20, 200, 90), side=8))
    predicted = asked_when_ready(server, f"/api/v1/searches/{search}/predict", picture.read_bytes())
    assert predicted.status_code == 200, predicted.text
    (one,) = predicted.json()["predictions"]
    run = tmp_path / "root" / "jobs" / search / "run"
    command = [sys.executable, "-m", "kevo", "predict", str(run), str(picture), "--json"]
    by_hand = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    assert one["label"] == by_hand["label"]
    assert one["probabilities"] == pytest.approx(by_hand["probabilities"], abs=1e-5)
    many = [("pictures", ("a.png", picture.read_bytes())), ("pictures", ("text.jpg", b"no picture"))]
    both = server.client.post(f"/api/v1/searches/{search}/predict?top=1", files=many).json()
    assert [one["name"] for one in both["predictions"]] == ["a.png"] and len(
        both["predictions"][0]["probabilities"]
    ) == 1
    assert [(one["name"], one["reason"]) for one in both["skipped"]] == [("text.jpg", "is text and no picture")]
    drawn = server.client.post(f"/api/v1/searches/{search}/predict?grad_cam=true", content=picture.read_bytes())
    assert drawn.status_code == 200, drawn.text
    (drawing,) = drawn.json()["predictions"]
    assert drawing["label"] == one["label"] and base64.b64decode(drawing["grad_cam"]).startswith(b"\x89PNG")
    page = server.client.post(f"/searches/{search}/try", files=many)
    assert page.status_code == 200 and "a.png" in page.text and "is text and no picture" in page.text
    tensor = {"name": "x", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [20, 200, 90] * 64}
    inferred = server.client.post(f"/v2/models/{search}/infer", json={"id": "7", "inputs": [tensor]}).json()
    (output,) = inferred["outputs"]
    names = output["parameters"]["class_names"]
    assert inferred["id"] == "7" and output["shape"] == [1, 10] and names == [str(digit) for digit in range(10)]
    assert dict(zip(names, output["data"], strict=True)) == pytest.approx(by_hand["probabilities"], abs=1e-5)
    assert server.client.get(f"/v2/models/{search}").json()["outputs"][0]["shape"] == [-1, 10]
    assert server.client.get(f"/v2/models/{search}/ready").json()["ready"] is True
    downloaded = tmp_path / "best.keras"
    downloaded.write_bytes(server.client.get(f"/api/v1/searches/{search}/files/best.keras").content)
    loads = "import keras, sys; sys.path.clear(); print(keras.models.load_model(sys.argv[1]).output_shape)"
    shown = subprocess.run([sys.executable, "-c", loads, str(downloaded)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "(None, 10)"
    # Another format is written and compared with the model.
    exports = f"/searches/{search}/exports"
    assert server.post(exports, {"format": "tflite"}).status_code == 202
    (export,) = wait(lambda: [one for one in server.get(exports)["exports"] if one["state"] in ("done", "failed")])
    assert export["state"] == "done", export["words"]
    written = server.client.get(f"/api/v1{exports}/best.tflite").content
    assert len(written) == export["bytes"] and b"TFL3" in written[:16]
    # The report is made when it is asked for, and may do nothing but be looked at.
    report = f"/api/v1/searches/{search}/report"
    assert server.client.get(report).status_code == 202
    wait(lambda: server.client.get(report).status_code == 200)
    answer = server.client.get(f"/searches/{search}/report")
    assert answer.headers["content-security-policy"].startswith("sandbox") and str(tmp_path) not in answer.text
    # The server has loaded nothing heavy for all that.
    assert psutil.Process(server.child.pid).memory_info().rss < 150e6
    # It goes on for longer, with what it had; the server ends while somebody listens.
    limits = {"max_trials": 2}
    assert server.post(f"/searches/{search}/resume", limits).status_code == 202
    known = num_candidates()
    wait(lambda: state() == "running")
    with listening(server, search) as heard:
        wait(lambda: any("snapshot" in line for line in heard))
        assert server.end(signal.SIGTERM) == 0
    assert "event: bye" in heard
    said = server.log.read_text()
    assert "Traceback" not in said and server.token not in said
    server = start()
    wait(lambda: state() == "finished")
    assert num_candidates() > known
    assert server.get(f"/searches/{search}/candidates?limit=500")["candidates"][: len(ended)] == ended
    assert server.end(signal.SIGINT) == 0


@pytest.mark.bar(13, 18)
@pytest.mark.long
def test_a_server_that_only_predicts(tmp_path: Path, start: Start) -> None:
    import keras

    layers = [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, "softmax")]
    keras.Sequential(layers).save(tmp_path / "best.keras")
    (tmp_path / "labels.json").write_text('["cat", "dog"]')
    server = start("--only-predict", f"pets={tmp_path / 'best.keras'}")
    picture = png((20, 200, 90), side=8)
    answer = asked_when_ready(server, "/api/v1/models/pets/predict", picture)
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["predictions"]
    assert set(one["probabilities"]) == {"cat", "dog"} and sum(one["probabilities"].values()) == pytest.approx(1)
    assert server.client.get("/v2/models/pets").json()["outputs"][0]["parameters"]["class_names"] == ["cat", "dog"]
    # A picture of hundreds of millions of pixels is refused, and the server has not held it.
    content = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(content, "PNG")
    answer = server.client.post("/api/v1/models/pets/predict", content=content.getvalue())
    assert answer.status_code == 422 and "pixels" in answer.json()["detail"]
    assert psutil.Process(server.child.pid).memory_info().rss < 150e6
    assert server.client.get("/").status_code == 404
    assert "kevo serves pets at" in server.log.read_text() and "token add NAME" in server.log.read_text()
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.bar(2)
@pytest.mark.long
def test_it_is_refused_where_others_could_reach_it_without_a_token_of_the_owner_s(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kevo", "serve", "--root", str(tmp_path / "root"), "--port", "0"]
    done = subprocess.run([*command, "--host", "0.0.0.0"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--token-file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.long
def test_one_server_has_a_folder(tmp_path: Path, start: Start) -> None:
    first = start()
    command = [sys.executable, "-m", "kevo", "serve", "--root", str(tmp_path / "root"), "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Another kevo serve is at work" in done.stderr
    assert first.end(signal.SIGTERM) == 0


@pytest.mark.bar(5)
@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_events_of_a_search_are_heard_once(tmp_path: Path, start: Start) -> None:
    server = start()
    settings = {"max_trials": 4, "epochs": 2, "space": "small"}
    search = server.post("/searches", {"data": "digits", "settings": settings}).json()["id"]
    # Whoever is cut off after the second candidate comes back with what it heard last.
    heard: list[tuple[str, str]] = []
    headers: dict[str, str] = {}
    while heard[-1:] != [("bye", "")]:
        with server.client.stream("GET", f"/api/v1/events?search={search}", headers=headers) as answer:
            assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
            identity = kind = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    identity = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = json.loads(value)
                    about = data.get("state", "") if kind == "state" else str(data.get("number", ""))
                    heard.append((kind, about if kind in ("state", "candidate") else ""))
                    headers = {"last-event-id": identity}
                    if len([one for one in heard if one[0] == "candidate"]) == 2 and kind == "candidate":
                        break
    assert heard[0] == ("snapshot", "")
    candidates = [about for kind, about in heard if kind == "candidate"]
    # The model that a search begins with is one too.
    assert len(candidates) == server.get(f"/searches/{search}/candidates")["total"] >= 4
    assert len(set(candidates)) == len(candidates)
    states = [about for kind, about in heard if kind == "state"]
    assert states[-1] == "finished" and "running" in states
    # To an ended search nobody comes back.
    again = server.client.get(f"/api/v1/events?search={search}", headers=headers)
    assert again.status_code == 204
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.bar(7)
@pytest.mark.long
def test_streams_end_with_the_server(tmp_path: Path, start: Start) -> None:
    server = start("--paused")
    search = server.post("/searches", {"data": "digits"}).json()["id"]
    with listening(server, search) as first, listening(server, search) as second, listening(server, search) as third:
        wait(lambda: all(any("snapshot" in line for line in heard) for heard in (first, second, third)))
        assert server.end(signal.SIGTERM) == 0
    assert all("event: bye" in heard for heard in (first, second, third))
    assert "Traceback" not in server.log.read_text()


def has_more_than(server: Process, search: str, num: int) -> bool:
    """Whether a search has more candidates than some number."""
    return int(server.get(f"/searches/{search}/candidates")["total"]) > num


@pytest.mark.bar(8)
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_server_and_search_are_killed_at_any_instant(tmp_path: Path, start: Start) -> None:
    rng = random.Random(0)
    server = start()
    settings = {"max_trials": 500, "max_time": 3600, "epochs": 1, "space": "small"}
    search = server.post("/searches", {"data": "digits", "settings": settings}).json()["id"]
    waiting = [server.post("/searches", {"data": "digits", "name": name}).json()["id"] for name in ("b", "a")]
    lock = tmp_path / "root" / "jobs" / search / "lock"
    known = 0
    for instant in range(10):
        wait(functools.partial(launching.is_alive, lock))
        if instant % 2:
            # Three times in a row without a further candidate would be enough.
            wait(functools.partial(has_more_than, server, search, known))
        time.sleep(rng.uniform(0, 8))
        if instant % 3 != 1:
            assert server.end(signal.SIGKILL) == -signal.SIGKILL
        if instant % 3 != 2:
            launching.kill(lock)
        if instant % 3 != 1:
            server = start()
        found = server.get(f"/searches/{search}/candidates")["total"]
        assert found >= known
        known = found
        assert len(search_processes(lock)) <= 1
        # A search that goes on keeps its place before those that wait, and these keep theirs.
        listed = {one["id"]: one for one in server.get("/searches")["searches"]}
        assert listed[search]["state"] != "failed"
        first = listed[search]["position"] or 0
        assert [listed[name]["position"] for name in waiting] == [first + 1, first + 2]
    for name in (*waiting, search):
        server.post(f"/searches/{name}/stop", {"now": True})
    wait(lambda: not launching.is_alive(lock))
    assert server.end(signal.SIGTERM) == 0


def seconds_of(server: Process, path: str) -> float:
    """How long a page takes."""
    began = time.perf_counter()
    assert server.client.get(path).status_code == 200
    return time.perf_counter() - began


@pytest.mark.bar(14, 15)
@pytest.mark.long
def test_many_searches_and_candidates_take_little_memory(tmp_path: Path, start: Start) -> None:
    search = make(tmp_path / "root", num_searches=300, num_candidates=20_000)
    server = start("--paused")
    for path in (
        "/",
        "/?page=15",
        f"/searches/{search}",
        f"/searches/{search}/candidates?page=400",
        "/?state=finished",
    ):
        page = server.client.get(path)
        # However many there are, a page is one page.
        assert page.status_code == 200 and len(page.content) < 60_000
    for number in range(100):
        assert server.client.get(f"/?page={number % 15 + 1}").status_code == 200
    for path in ("/", f"/searches/{search}"):
        # After the first time, which was above.
        assert statistics.median(seconds_of(server, path) for _ in range(5)) < SLOWER * 0.3
    assert psutil.Process(server.child.pid).memory_info().rss < 120e6
    assert server.end(signal.SIGTERM) == 0


@contextlib.contextmanager
def seeming_at_work(place: Path) -> Iterator[Run]:
    """A search of thousands of candidates whose locks are held, and whose status is told, as its process does."""
    job = Job.read(place)
    job.state, job.started, job.ended = jobs.QUEUED, jobs.now(), None
    job.write(place)
    (place / "run" / layout.RESULT).unlink()
    run = Run.open(place / "run")
    with (place / "lock").open("w") as file, run.locked():
        fcntl.flock(file, fcntl.LOCK_EX)
        tell(run, 9.0)
        yield run


def tell(run: Run, seconds: float) -> None:
    """Writes what a search at work writes twice a second."""
    ended = status.Ended(num_bytes=run.num_trial_bytes, completed=18_000, failed=2_000)
    status.write(run, (), seconds=seconds, ended=ended, sizes=status.Sizes(0, 0), phase=("evolving", "evolves"))


@pytest.mark.bar(15)
@pytest.mark.long
def test_a_long_search_at_work_is_told_soon_and_costs_little(tmp_path: Path, start: Start) -> None:
    search = make(tmp_path / "root", num_searches=300, num_candidates=20_000)
    with seeming_at_work(tmp_path / "root" / "jobs" / search) as run:
        server = start("--paused")
        assert server.get(f"/searches/{search}")["state"] == "running"
        heard: list[tuple[float, str]] = []

        def listen() -> None:
            with (
                contextlib.suppress(httpx2.TransportError),
                server.client.stream("GET", f"/api/v1/events?search={search}") as answer,
            ):
                heard.extend((time.monotonic(), line) for line in answer.iter_lines() if line.startswith("event: "))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        wait(lambda: heard)
        lags = []
        process = psutil.Process(server.child.pid)
        before, began = process.cpu_times(), time.monotonic()
        for number in range(20_000, 20_006):
            told = sum(line == "event: candidate" for _, line in heard)
            run.append_trial(dataclasses.replace(records(1)[0], number=number, trial_id=str(number)))
            at = time.monotonic()
            for _ in range(4):
                time.sleep(0.5)
                tell(run, 9.0 + number)
            wait(lambda told=told: sum(line == "event: candidate" for _, line in heard) > told)
            lags.append([then for then, line in heard if line == "event: candidate"][-1] - at)
        after = process.cpu_times()
        # Of a core, while somebody listens to a search that tells something twice a second.
        share = (after.user + after.system - before.user - before.system) / (time.monotonic() - began)
        print(f"event lag {statistics.median(lags):.2f} s, at most {max(lags):.2f} s; {100 * share:.1f} % of a core")
        assert statistics.median(lags) < 2 and max(lags) < SLOWER * 2
        assert share < 0.05
    server.child.kill()
    thread.join(60)


@pytest.mark.long
def test_nothing_is_left_of_a_server_whose_test_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), servers(tmp_path) as start:
        server = start("--paused")
        raise RuntimeError
    assert server.child.returncode == -signal.SIGKILL and server.client.is_closed
