"""Searches wait, begin, stop, go on and are removed; what they are is told by their files."""

import contextlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kevo.cli.search import search
from kevo.errors import SearchFailedError
from kevo.runs import failure
from kevo.service import jobs, launching, register
from kevo.service.errands import Errand
from kevo.service.jobs import Job
from kevo.service.server import Server
from kevo.service.tokens import User
from kevo.system import versions
from tests.support.searches import SETTINGS, failed, record
from tests.support.serve_process import wait
from tests.support.serving import at_work, put_run, put_search, serving, write_result

Serving = tuple[Server, TestClient]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "root") as both:
        yield both


def test_a_search_waits_in_its_order(served: Serving) -> None:
    _, client = served
    first = client.post("/api/v1/searches", json={"data": "digits", "name": "first", "settings": {"max_trials": 4}})
    assert first.status_code == 201 and first.headers["location"] == f"/api/v1/searches/{first.json()['id']}"
    assert (first.json()["state"], first.json()["position"]) == ("queued", 1)
    assert first.json()["settings"] == {"max_trials": 4, "max_time": 24 * 3600.0}
    second = client.post("/api/v1/searches", json={"data": "digits"}).json()
    assert (second["name"], second["position"], second["settings"]) == ("digits", 2, {"max_time": 240.0})
    listed = client.get("/api/v1/searches").json()
    assert [one["id"] for one in listed["searches"]] == [second["id"], first.json()["id"]] and listed["total"] == 2
    assert client.get("/api/v1/searches?state=running").json() == {"searches": [], "total": 0, "next": None}
    assert [client.get(f"/api/v1/searches?owner={name}").json()["total"] for name in ("owner", "ada")] == [2, 0]


def test_the_same_key_is_the_same_search(served: Serving) -> None:
    _, client = served
    headers = {"idempotency-key": "once"}
    answers = [client.post("/api/v1/searches", json={"data": "digits"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"data": "digits", "settings": {"epochs": 0}}, 422, "settings.epochs"),
        ({"data": "digits", "settings": {"epochs": False}}, 422, "settings.epochs"),
        ({"data": "digits", "settings": {"cache": "/etc"}}, 422, "settings.cache"),
        ({"data": "digits", "settings": {"workers": 4}}, 422, "settings.workers"),
        ({"data": "digits", "settings": {"weights": {"vgg16": "/x"}}}, 422, "settings.weights"),
        ({"data": "digits", "settings": {"max_time": 1e6}}, 422, "86400 seconds at most"),
        ({"data": "digits", "settings": {"objective": "beauty"}}, 422, "settings.objective"),
        ({"data": "digits", "settings": {"num_finalists": 1001}}, 422, "settings.num_finalists"),
        ({"data": "digits", "settings": {"final_epochs": 0}}, 422, "settings.final_epochs"),
        ({"data": "digits", "settings": {"backbones": []}}, 422, "settings.backbones"),
        ({"data": "digits", "out": "/tmp"}, 422, "out"),
        ({"data": "digits", "name": "a\u0000b"}, 422, "name"),
        ({"data": "digits", "name": "x" * 10_000}, 422, "name"),
        ({"data": "/etc/passwd"}, 404, "no such data"),
        ({"data": "0123456789abcdef"}, 404, "no such data"),
        ({}, 422, "data"),
    ],
)
def test_what_is_no_search_is_refused(served: Serving, body: dict[str, object], status: int, words: str) -> None:
    server, client = served
    answer = client.post("/api/v1/searches", json=body)
    assert answer.status_code == status and words in answer.json()["detail"]
    assert server.searches.all_of(User("owner")) == []


def test_a_whole_number_may_have_a_point(served: Serving) -> None:
    _, client = served
    answer = client.post("/api/v1/searches", json={"data": "digits", "settings": {"epochs": 5.0, "max_time": 60}})
    assert answer.json()["settings"] == {"epochs": 5, "max_time": 60.0}
    assert client.post("/api/v1/searches", json={"data": "digits", "settings": {"epochs": 5.5}}).status_code == 422


def test_the_schema_says_what_may_be_set(served: Serving) -> None:
    _, client = served
    fields = client.get("/api/v1/settings").json()["schema"]["properties"]
    assert fields["epochs"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 10**6}
    assert set(fields) == {
        "max_time", "max_trials", "patience", "epochs", "final_epochs", "num_finalists", "backbones", "num_rungs",
        "inherit", "population", "space", "objective", "minimize",
        "max_params", "max_examples", "folds", "seed", "target", "task", "horizon", "window", "season",
    }  # fmt: skip


def test_a_queue_is_full_at_some_time(served: Serving) -> None:
    _, client = served
    answers = [client.post("/api/v1/searches", json={"data": "digits"}).status_code for _ in range(21)]
    assert answers == [201] * 20 + [429]


@pytest.mark.bar(10)
def test_users_take_turns(served: Serving) -> None:
    server, _ = served
    for name, owner in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b")]:
        server.searches.add(name=name, owner=owner, data="digits", data_name="digits", settings={})
    assert [job.name for job in server.searches.queued()] == ["a1", "b1", "a2", "b2", "a3"]


@pytest.mark.bar(10)
def test_what_waits_can_be_moved_among_ones_own(served: Serving) -> None:
    server, client = served
    known = {}
    for name, owner in [("a1", "owner"), ("b1", "b"), ("a2", "owner"), ("a3", "owner"), ("b2", "b")]:
        known[name], _ = server.searches.add(name=name, owner=owner, data="digits", data_name="digits", settings={})
    # As if two of them had come at the same instant.
    known["a3"].position = known["a2"].position
    address = f"/api/v1/searches/{known['a3'].id}"
    assert client.patch(address, json={"position": 1}).json()["position"] == 1
    assert [job.name for job in server.searches.queued()] == ["a3", "b1", "a1", "b2", "a2"]
    assert client.patch(address, json={"position": 2.0, "name": "moved"}).json()["name"] == "moved"
    assert [job.name for job in server.searches.queued()] == ["a1", "b1", "moved", "b2", "a2"]
    assert client.patch(address, json={"position": 99}).status_code == 200
    order = ["a1", "b1", "a2", "b2", "moved"]
    assert [job.name for job in server.searches.queued()] == order
    positions = [Job.read(server.root.search(job.id)).position for job in server.searches.queued()]
    assert positions == [job.position for job in server.searches.queued()]
    for body in ({"position": 0}, {"position": 1.5}, {"position": True}, {"place": 1}):
        assert client.patch(address, json=body).status_code == 422
    # What does not wait has no place, and keeps its name too.
    done = put_search(server, state="finished", name="done")
    refused = client.patch(f"/api/v1/searches/{done.id}", json={"position": 1, "name": "other"})
    assert refused.status_code == 409 and "is finished" in refused.json()["detail"] and done.name == "done"
    assert [job.name for job in server.searches.queued()] == order


def test_a_note_is_kept(served: Serving) -> None:
    server, client = served
    body = {"data": "digits", "note": "of the first camera\nagain"}
    made = client.post("/api/v1/searches", json=body).json()
    assert made["note"] == body["note"] and Job.read(server.root.search(made["id"])).note == body["note"]
    address = f"/api/v1/searches/{made['id']}"
    changed = client.patch(address, json={"note": ""}).json()
    assert (changed["note"], changed["name"]) == ("", "digits")
    for note in ("x" * 2001, "a\u0000b", "a\rb", 3):
        assert client.patch(address, json={"note": note}).status_code == 422
        assert client.post("/api/v1/searches", json={"data": "digits", "note": note}).status_code == 422


def test_what_waits_can_be_taken_out_and_put_in_again(served: Serving) -> None:
    server, client = served
    job = put_search(server)
    address = f"/api/v1/searches/{job.id}"
    assert client.post(f"{address}/stop").json()["state"] == "cancelled"
    assert client.post(f"{address}/stop").status_code == 409
    assert client.post(f"{address}/resume", json={"max_trials": 3}).json()["state"] == "queued"
    assert client.get(address).json()["settings"] == {"max_trials": 3}
    assert client.post(f"{address}/resume").status_code == 409


@pytest.mark.bar(6)
def test_a_search_that_still_tells_something_is_not_killed(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = served
    job = put_search(server)
    place = server.searches.place(job)
    run = put_run(server, job)
    killed: list[Path] = []
    monkeypatch.setattr(launching, "kill", killed.append)
    held = at_work(place)
    try:
        server.searches.set_state(job, jobs.RUNNING)
        job.started = job.created
        server.searches.stop(job)
        job.stop_asked = jobs.now() - 3000
        run.write_json("status.json", {"seconds": 1.0, "written_at": jobs.now(), "trainings": []})
        server.searches.tick()
        assert job.want == "stop" and killed == []
        silent = jobs.now() - 1000
        os.utime(run.path / "status.json", (silent, silent))
        server.searches.tick()
        assert job.want == "kill" and killed == [place.lock]
    finally:
        os.close(held)


@pytest.mark.bar(6)
def test_a_search_at_work_is_asked_to_stop_once(served: Serving) -> None:
    server, client = served
    job = put_search(server)
    place, address = server.searches.place(job), f"/api/v1/searches/{job.id}"
    run = put_run(server, job)
    held = at_work(place)
    job.started = jobs.now()
    try:
        with run.locked():
            run.write_json("status.json", {"seconds": 1.0, "written_at": jobs.now(), "trainings": [], "ended": None})
            server.searches.set_state(job, jobs.current_state(job, place))
            assert client.get(address).json()["state"] == "running"
            assert client.delete(address).status_code == 409
            assert client.post(f"{address}/stop").status_code == 202
            assert (run.path / ".stop").exists() and client.get(address).json()["state"] == "stopping"
            assert client.post(f"{address}/stop").status_code == 409
            assert client.post(f"{address}/stop", json={"now": True}).status_code == 202 and job.want == "kill"
            job.want = "stop"
        write_result(run, interrupted=True)
    finally:
        os.close(held)
    server.searches.tick()
    values = client.get(address).json()
    assert values["state"] == "stopped" and values["result"]["interrupted"] and values["result"]["run_folder"] == "."
    # It goes on from there, and says so to `kevo`.
    assert client.post(f"{address}/resume", json={"max_time": 60.0}).json()["state"] == "queued"
    assert jobs.command(job, place, "digits") == [
        "resume", "--data", "digits", "--max-time", "60.0s", "--", str(place.run)
    ]  # fmt: skip


def test_all_settings_reach_the_command(served: Serving) -> None:
    server, client = served
    settings = {"max_time": 60.5, "num_rungs": 2, "minimize": ["params", "bytes"], "max_params": 10**6, "space": "wide"}
    identity = client.post("/api/v1/searches", json={"data": "digits", "settings": settings}).json()["id"]
    job = server.searches.known[identity]
    found = jobs.command(job, server.searches.place(job), "-x.zip", weights={"vgg16": "/w"})
    given = " ".join(found)
    assert found[0] == "search" and given.endswith("-- -x.zip") and "--weights vgg16=/w --max-time 60.5s" in given
    assert "--rungs 2" in given
    # The command takes all of them.
    context = search.make_context("search", found[1:])
    assert (context.params["max_time"], context.params["num_rungs"]) == (60.5, 2)
    assert context.params["minimize"] == ("params", "bytes") and context.params["data"] == "-x.zip"


def test_only_backbones_whose_weights_are_there_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where Keras keeps what it has downloaded: nothing.
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    weights = {"mobilenet_v2": "/weights/of.h5", "vgg16": "none"}
    with serving(tmp_path / "root", weights=weights) as (server, client):
        assert client.get("/api/v1/settings").json()["backbones"] == ["mobilenet_v2", "vgg16"]
        for name in ("resnet50", "/etc/passwd", "nothing of the kind"):
            body = {"data": "digits", "settings": {"backbones": ["vgg16", name]}}
            refused = client.post("/api/v1/searches", json=body)
            assert (refused.status_code, refused.json()["field"]) == (422, "settings.backbones")
            assert "Expected `backbones` from: mobilenet_v2, vgg16." in refused.json()["detail"]
        body = {"data": "digits", "settings": {"backbones": ["mobilenet_v2"], "num_finalists": 2, "final_epochs": 30}}
        job = server.searches.known[client.post("/api/v1/searches", json=body).json()["id"]]
        given = jobs.command(job, server.searches.place(job), "digits", weights=weights)
        context = search.make_context("search", given[1:])
        assert context.params["weights"] == (("mobilenet_v2", "/weights/of.h5"),)
        assert (context.params["num_finalists"], context.params["final_epochs"]) == (2, 30)
        # What was downloaded is there without being named.
        job.settings["backbones"] = ["resnet50"]
        given = jobs.command(job, server.searches.place(job), "digits", weights=weights)
        assert given[3:5] == ["--weights", "resnet50=imagenet"] and "vgg16=none" not in given


@pytest.mark.parametrize(
    ("task", "expected"),
    [("images", ["vgg16=none", "Xception=none"]), ("segmentation", ["vgg16=none"]), ("tables", []), ("series", [])],
)
def test_the_weights_of_a_server_reach_the_searches_that_can_use_them(
    served: Serving, task: str, expected: list[str]
) -> None:
    server, _ = served
    job = put_search(server, state="queued")
    job.settings = {"task": task, "max_time": 60.0}
    given = jobs.command(job, server.searches.place(job), "data", weights={"vgg16": "none", "Xception": "none"})
    context = search.make_context("search", given[1:])
    assert [f"{name}={source}" for name, source in context.params["weights"]] == expected


def test_data_of_the_machine_is_searched_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    with serving(tmp_path / "root", data={"pets": tmp_path / "pets"}) as (server, client):
        assert client.get("/api/v1/data").json() == {"data": [], "total": 0, "next": None, "there": ["digits", "pets"]}
        values = client.post("/api/v1/searches", json={"data": "pets"}).json()
        job = server.searches.known[values["id"]]
        assert values["data_name"] == "pets" and server._source(job) == str(tmp_path / "pets")
        assert str(tmp_path) not in client.get(f"/searches/{job.id}").text
        assert "/searches/new?data=pets" in client.get("/data/new").text
        # An upload that is gone fails its search, and no other.
        job.data = "0123456789abcdef"
        server.searches.sessions.begin(job)
        assert server.searches.state(job) == "failed" and "not there any more" in job.words


def test_a_finished_one_goes_on_with_more_only(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    assert client.post(f"/api/v1/searches/{job.id}/resume").status_code == 409
    assert client.post(f"/api/v1/searches/{job.id}/resume", json={"max_trials": 2}).status_code == 202
    assert client.post(f"/api/v1/searches/{job.id}/resume", json={"max_time": 1e9}).status_code == 422


@pytest.mark.bar(5)
def test_events_of_an_ended_search_end(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    put_run(server, job, (record("0", 0.5), record("1", 0.75, number=1)))
    address = f"/api/v1/events?search={job.id}"
    told = client.get(address)
    assert told.headers["content-type"].startswith("text/event-stream")
    kinds = [line for line in told.text.splitlines() if line.startswith(("event", "id"))]
    assert kinds == [f"id: {job.id}:2:1", "event: snapshot", f"id: {job.id}:2:2", "event: bye"]
    # Whoever was cut off hears what was missed, and whoever heard all is told not to come back.
    again = client.get(address, headers={"last-event-id": f"{job.id}:1:7"}).text
    assert again.count("event: candidate") == 1 and '"number": 1' in again
    assert client.get(address, headers={"last-event-id": f"{job.id}:2:7"}).status_code == 204
    assert client.get(address, headers={"last-event-id": "nonsense"}).status_code == 200
    assert client.get("/api/v1/events?search=0123456789abcdef").status_code == 404


@pytest.mark.bar(19)
def test_removing_frees_what_it_says(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job)
    (run.path / "best.keras").write_bytes(b"x" * 100_000)
    answer = client.delete(f"/api/v1/searches/{job.id}")
    assert answer.status_code == 200 and answer.json()["bytes_freed"] > 100_000
    assert not server.searches.place(job).folder.exists()
    assert client.delete(f"/api/v1/searches/{job.id}").status_code == 404


@pytest.mark.bar(19)
def test_a_page_asks_before_it_removes(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    assert "cannot be undone" in client.get(f"/searches/{job.id}/delete").text
    assert server.searches.place(job).folder.exists()
    assert client.post(f"/searches/{job.id}/delete", follow_redirects=False).headers["location"] == "/"
    assert not server.searches.place(job).folder.exists()


@pytest.mark.bar(10)
def test_others_have_none_of_it(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    write_result(put_run(server, job))
    job.owner = "somebody else"
    for path in ("", "/log", "/files", "/files/best.keras", "/candidates", "/candidates/0", "/report"):
        assert client.get(f"/api/v1/searches/{job.id}{path}").status_code == 404
    assert client.get(f"/api/v1/events?search={job.id}").status_code == 404
    assert client.post(f"/api/v1/searches/{job.id}/predict", content=b"x").status_code == 404
    for method, path in (("DELETE", ""), ("POST", "/stop"), ("POST", "/resume")):
        assert client.request(method, f"/api/v1/searches/{job.id}{path}").status_code == 404
    for path in ("", "/candidates", "/try", "/report", "/delete"):
        assert client.get(f"/searches/{job.id}{path}").status_code == 404
    assert client.get("/api/v1/searches").json()["total"] == 0


@pytest.mark.bar(4)
def test_only_named_files_are_handed_out(served: Serving, tmp_path: Path) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job)
    write_result(run)
    address = f"/api/v1/searches/{job.id}/files"
    listed = [one["name"] for one in client.get(address).json()["files"]]
    assert listed == ["best.keras", "result.json", "settings.json", "model.zip"]
    whole = client.get(f"{address}/best.keras")
    assert whole.content == b"a model" and "attachment" in whole.headers["content-disposition"]
    assert client.get(f"{address}/best.keras", headers={"range": "bytes=2-4"}).content == b"mod"
    assert client.head(f"{address}/best.keras").headers["content-length"] == "7"
    assert client.head(address).status_code == 200
    result = client.get(f"{address}/result.json").text
    assert str(server.root.path) not in result and '"model_path": "jobs/' in result
    for name in ("job.json", "..%2fjob.json", "%2e%2e%2fjob.json", "status.json", ".lock", "labels.json"):
        assert client.get(f"{address}/{name}").status_code in (404, 405), name
    (run.path / "labels.json").symlink_to("/etc/passwd")
    assert client.get(f"{address}/labels.json").status_code == 404


def test_a_model_is_packed_with_what_stands_beside_it(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    address = f"/api/v1/searches/{job.id}/files"
    assert client.get(f"{address}/model.zip").status_code == 404
    run = put_run(server, job)
    write_result(run)
    (run.path / "model_card.md").write_text(f"It lies in {server.root.path}/jobs.")
    with zipfile.ZipFile(io.BytesIO(client.get(f"{address}/model.zip").content)) as archive:
        assert archive.namelist() == ["best.keras", "model_card.md"] and archive.read("best.keras") == b"a model"
        assert archive.read("model_card.md") == b"It lies in jobs."
    # A search that goes on has another model.
    (run.path / "best.keras").write_bytes(b"a better model")
    later = server.searches.place(job).packed.stat().st_mtime + 5
    os.utime(run.path / "best.keras", (later, later))
    sizes = {one["name"]: one["bytes"] for one in client.get(address).json()["files"]}
    packed = client.get(f"{address}/model.zip").content
    assert b"a better model" in packed and sizes["model.zip"] == len(packed)


def test_the_machine_is_looked_at_by_a_process_of_its_own(served: Serving) -> None:
    server, client = served
    server.errands._known["machine",] = Errand(("machine",), "done")
    said = f"Python            3.11 in {server.root.path}/x\nMemory            24 GB\n"
    said += "features          /srv/my cache/kevo/features, 5 MB\nshare             2 / 4 of it\n"
    (server.root.path / "machine.txt").write_text(said)
    values = client.get("/api/v1/machine").json()
    # Where the machine keeps something is nobody's business.
    assert {one["what"]: one["value"] for one in values["findings"]} == {
        "Python": "3.11 in x", "Memory": "24 GB", "features": "features, 5 MB", "share": "2 / 4 of it",
    }  # fmt: skip
    assert values["parallel"] == 1 and values["free_bytes"] > 0
    assert "24 GB" in client.get("/machine").text
    server.errands._known["machine",] = Errand(("machine",), "failed", "There is no TensorFlow.")
    assert "There is no TensorFlow." in client.get("/machine").text


@pytest.mark.bar(15)
def test_candidates_are_paged_and_read_once(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job, (record("0", 0.5), record("1", 0.75, number=1), failed(2)))
    address = f"/api/v1/searches/{job.id}/candidates"
    page = client.get(f"{address}?limit=2").json()
    assert [one["number"] for one in page["candidates"]] == [0, 1] and (page["total"], page["next"]) == (3, 2)
    assert "history" not in page["candidates"][0]
    assert client.get(f"{address}?after=2").json()["next"] is None
    only = {status: client.get(f"{address}?status={status}").json() for status in ("completed", "failed")}
    assert [one["number"] for one in only["completed"]["candidates"]] == [0, 1] and only["completed"]["total"] == 2
    assert [one["number"] for one in only["failed"]["candidates"]] == [2] and only["failed"]["next"] is None
    assert client.get(f"{address}?status=lost").status_code == 422
    assert client.get(f"{address}/1").json()["history"] and client.get(f"{address}/9").status_code == 404
    run.append_trial(record("3", 0.8, number=3))
    with (run.path / "trials.jsonl").open("a") as file:
        file.write("half a li")
    assert client.get(address).json()["total"] == 4


def test_candidates_are_had_in_several_orders(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    sizes = [(0.5, 300, 2.0), (0.9, 100, 3.0), (0.7, 200, 1.0)]
    records = [
        record(str(number), score, number=number, num_parameters=size, seconds=seconds)
        for number, (score, size, seconds) in enumerate(sizes)
    ]
    put_run(server, job, (failed(3), *records))
    address = f"/api/v1/searches/{job.id}/candidates"

    def numbers(query: str) -> list[int]:
        return [one["number"] for one in client.get(f"{address}?{query}").json()["candidates"]]

    assert numbers("sort=ended") == [3, 0, 1, 2] and numbers("sort=-ended") == [2, 1, 0, 3]
    # What has failed has neither a score nor a size, and comes last either way.
    assert numbers("sort=best") == [1, 2, 0, 3] and numbers("sort=-best") == [0, 2, 1, 3]
    assert numbers("sort=params") == [1, 2, 0, 3] and numbers("sort=-params") == [0, 2, 1, 3]
    assert numbers("sort=seconds&status=completed") == [2, 0, 1] and numbers("sort=-seconds&status=failed") == [3]
    assert numbers("sort=params&after=1&limit=2") == [2, 0]
    assert client.get(f"{address}?sort=beauty").status_code == 422


def test_searches_are_had_in_several_orders(served: Serving) -> None:
    server, client = served
    for name, state in (("b", "finished"), ("A", "failed"), ("c", "queued"), ("d", "finished")):
        put_search(server, name=name, state=state)

    def names(query: str) -> str:
        return "".join(one["name"] for one in client.get(f"/api/v1/searches?{query}").json()["searches"])

    assert names("") == names("sort=-created") == "dcAb" and names("sort=created") == "bAcd"
    assert names("sort=name") == "Abcd" and names("sort=-name") == "dcbA"
    # Of those in one state the newest comes first.
    assert names("sort=state") == "cdbA" and names("sort=-state") == "Adbc" and names("sort=data") == "dcAb"
    page = client.get("/api/v1/searches?sort=name&limit=3").json()
    assert (page["total"], page["next"]) == (4, 3) and names("sort=name&limit=3&after=3") == "d"
    assert client.get("/api/v1/searches?sort=-beauty").status_code == 422


def test_searches_that_improve_the_same_are_had_by_their_best(served: Serving) -> None:
    server, client = served
    scores = {"a": ("accuracy", 0.5), "b": ("accuracy", 0.9), "c": ("mase", 0.7), "d": ("mase", 0.2), "e": None}
    for name, score in scores.items():
        job = put_search(server, name=name, state="finished")
        if score is not None:
            direction = "min" if score[0] == "mase" else "max"
            job.best = {"objective": score[0], "direction": direction, "score": score[1]}

    def names(query: str) -> str:
        return "".join(one["name"] for one in client.get(f"/api/v1/searches?{query}").json()["searches"])

    refused = client.get("/api/v1/searches?sort=best")
    assert refused.status_code == 422 and "accuracy, mase" in refused.json()["detail"]
    assert names("sort=best&objective=accuracy") == "ba" and names("sort=-best&objective=accuracy") == "ab"
    assert names("sort=best&objective=mase") == "dc" and names("objective=beauty&sort=best") == ""
    # Its name alone tells one from the other; what has no score comes last.
    for job in server.searches.all_of(User("owner")):
        if job.name in ("c", "d"):
            server.searches.remove(job)
    assert names("sort=best") == "bae" and names("sort=-best") == "abe"


def test_how_good_a_search_is_is_known_when_it_has_ended(served: Serving) -> None:
    server, _ = served
    job = put_search(server)
    put_run(server, job, (record("0", 0.5), record("1", 0.75, number=1)))
    job.started = jobs.now()
    with server.searches.lock:
        server.searches.sessions.end(job, server.searches.place(job))
    best = {"objective": "accuracy", "direction": "max", "score": 0.75}
    assert job.best == best and Job.read(server.root.search(job.id)).best == best


@pytest.mark.bar(15)
def test_only_some_searches_are_kept_in_memory(served: Serving) -> None:
    server, client = served
    first = put_search(server, state="finished", name="the first")
    put_run(server, first, (record("0", 0.5),))
    for _ in range(register.MOST_WATCHED + 5):
        put_search(server, state="finished")
    assert len(server.searches._watched) == register.MOST_WATCHED and first.id not in server.searches._watched
    # What is not kept is read again.
    assert client.get(f"/api/v1/searches/{first.id}/candidates").json()["total"] == 1


def verdict(server: Server, job: Job, exit_code: int | None = None) -> tuple[str, str]:
    return jobs.verdict(job, server.searches.place(job), exit_code)


def test_how_it_ended_is_told_by_its_files(served: Serving) -> None:
    server, _ = served
    job = put_search(server)
    place = server.searches.place(job)
    job.started = jobs.now() - 5
    assert verdict(server, job, -9) == verdict(server, job) == ("lost", "")
    place.log.write_text("1797 pictures\n\nError: There is no such path.\n\n")
    assert verdict(server, job, 2) == verdict(server, job) == ("failed", "There is no such path.")
    assert verdict(server, job, 130)[0] == "stopped"
    place.log.write_text("")
    run = put_run(server, job)
    assert verdict(server, job) == ("lost", "")
    with pytest.raises(SearchFailedError), failure.written(run):
        raise SearchFailedError("No candidate could be trained.")
    assert verdict(server, job, 1) == verdict(server, job) == ("failed", "No candidate could be trained.")
    write_result(run, interrupted=True)
    assert verdict(server, job)[0] == "stopped"
    write_result(run)
    assert verdict(server, job)[0] == "finished"
    # What an earlier session left says nothing of this one.
    job.started = jobs.now() + 60
    assert verdict(server, job, -9)[0] == "lost"


@pytest.mark.bar(8)
def test_a_search_that_is_lost_goes_on_by_itself_but_not_for_ever(served: Serving) -> None:
    server, client = served
    job = put_search(server)
    for losses in (1, 2, 3):
        job.started, job.ended = jobs.now(), None
        server.searches.set_state(job, "running")
        server.searches.tick()
        assert job.losses == losses
        assert client.get(f"/api/v1/searches/{job.id}").json()["state"] == ("queued" if losses < 3 else "failed")
    assert "3 times in a row" in job.words


def test_a_search_tells_of_its_sessions_and_which_kevo_began_it(
    served: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    job = put_search(server)
    assert (job.kevo, job.sittings) == ("", [])
    assert "Sessions" not in client.get(f"/searches/{job.id}").text
    # Both sessions end without a word.
    monkeypatch.setattr(launching, "start", lambda *_, **__: subprocess.Popen([sys.executable, "-c", ""]))
    for _ in range(2):
        with server.searches.lock:
            server.searches.sessions.begin(job)
            assert job.sittings[-1]["ended"] is None
        # The server looks after its searches by itself.
        wait(lambda: job.sittings[-1]["ended"] is not None and server.searches.state(job) == jobs.QUEUED)
    first, second = client.get(f"/api/v1/searches/{job.id}").json()["sittings"]
    assert first["began"] <= first["ended"] <= second["began"] <= second["ended"]
    with server.searches.lock:
        kept = Job.read(server.root.search(job.id))
    assert (kept.kevo, kept.sittings) == (versions.KEVO, [first, second])
    page = client.get(f"/searches/{job.id}?lang=es").text
    assert "Sesiones (2)" in page and f"kevo {versions.KEVO}." in page and page.count("<time ") == 4


def test_a_search_tells_of_the_limits_that_it_had(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="stopped")
    run, address = put_run(server, job), f"/searches/{job.id}"
    (only,) = client.get(f"/api/v1{address}").json()["limits"]
    assert only == {"until": None, "max_time": None, "max_trials": SETTINGS.max_trials, "patience": None}
    assert "Limits of before" not in client.get(address).text
    run.replace_search_settings(SETTINGS.extended(max_time=600.0, seconds=20.0, num_trials=3))
    before, now = client.get(f"/api/v1{address}").json()["limits"]
    assert before["max_trials"] == only["max_trials"] and abs(before["until"] - jobs.now()) < 600
    assert now == {**only, "max_time": 620.0, "max_trials": None}
    page = client.get(f"{address}?lang=es").text
    assert "Límites anteriores (1)" in page and f"{SETTINGS.max_trials} candidatos como máximo" in page
    assert "ahora: 10 min 20 s" in " ".join(page.split())


@pytest.mark.bar(8)
def test_a_server_finds_everything_as_it_was(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, _):
        alive, gone, done = (put_search(server, name=name) for name in ("alive", "gone", "done"))
        put_search(server, name="waiting")
        for job in (alive, gone, done):
            job.started = jobs.now() - 1
            server.searches.keep(job)
        write_result(put_run(server, done))
        held = at_work(server.searches.place(alive))
    try:
        with serving(tmp_path / "root") as (server, _):
            server.searches.tick()
            states = {job.name: server.searches.state(job) for job in server.searches.all_of(User("owner"))}
            assert states == {"waiting": "queued", "alive": "starting", "gone": "queued", "done": "finished"}
            # What was lost keeps its place.
            assert [job.name for job in server.searches.queued()] == ["gone", "waiting"]
    finally:
        os.close(held)


def test_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, _):
        job = put_search(server)
        (server.searches.place(job).folder / "job.json").write_text("[]")
    with serving(tmp_path / "root") as (server, client):
        assert server.searches.all_of(User("owner")) == [] and client.get("/").status_code == 200
        assert (server.root.searches / job.id).is_dir()


@contextlib.contextmanager
def lasting(folder: Path, lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a lock and does not end by itself."""
    arguments = ["serve", "--root", str(folder / "root"), "--port", "0", "--paused"]
    child = launching.start(arguments, folder=folder, lock=lock, log=folder / "log")
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.bar(8)
def test_a_process_holds_the_lock_as_long_as_it_lives(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", tmp_path / "said"
    assert not launching.is_alive(lock)
    with lasting(tmp_path, lock):
        assert launching.is_alive(lock)
    assert not launching.is_alive(lock)
    child = launching.start(["runs", "--", str(tmp_path)], folder=tmp_path, lock=lock, log=log)
    assert child.wait() == 0 and not launching.is_alive(lock)
    assert log.read_text().startswith("run ")


def test_a_process_can_be_killed_by_its_lock_alone(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    lock = tmp_path / "link" / "lock"
    with lasting(tmp_path, lock) as child:
        launching.kill(lock)
        assert child.wait() == -9 and not launching.is_alive(lock)


def test_a_process_that_leads_no_session_is_no_search(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as held:
        # As a server holds it for the moment in which it starts a search: to kill its session would be too much.
        child = subprocess.Popen(["sleep", "60"], pass_fds=(held.fileno(),))
    try:
        assert list(launching.holders(lock)) == []
    finally:
        child.kill()
        child.wait()


def test_a_log_moves_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("a\x1b[2Jb\x07\tñ\u202e\n\n".encode() + b"\xff last \r\n")
    assert jobs.tail(tmp_path / "log") == "a?[2Jb?\tñ\u202e\n\n\ufffd last ?\n"
    assert "\u202e" not in jobs.last_line(tmp_path / "log")
    assert jobs.tail(tmp_path / "none") == "" and len(jobs.tail(tmp_path / "log", 8)) < 9


def test_a_log_tells_of_states_too(served: Serving) -> None:
    server, client = served
    job = put_search(server)
    address = f"/api/v1/searches/{job.id}"
    links = client.get(address).json()["links"]
    assert links.pop("events") == f"/api/v1/events?search={job.id}"
    # There is nothing to report yet.
    answers = {name: client.get(path).status_code for name, path in links.items()}
    assert {name for name, status in answers.items() if status != 200} == {"report", "figures"}
    log = server.searches.place(job).log
    with log.open("a") as file:
        file.write("Error: There is no such path.\n")
    client.post(f"{address}/stop")
    lines = client.get(f"{address}/log").text.splitlines()
    assert lines[0].endswith("] queued") and lines[-1].endswith("] cancelled")
    # What the search itself has said last is found all the same.
    assert jobs.last_line(log) == "Error: There is no such path."


def test_the_end_of_a_log_is_as_long_as_is_asked_for(served: Serving) -> None:
    server, client = served
    job = put_search(server)
    server.searches.place(job).log.write_text("first\nsecond\nthird\n")
    address = f"/api/v1/searches/{job.id}/log"
    assert client.get(address).text == "first\nsecond\nthird\n"
    # Half a line is not shown.
    assert client.get(f"{address}?tail=15").text == "second\nthird\n"
    assert client.get(f"{address}?tail=0").status_code == 422
