"""The model in other formats is offered only where it is of the model as it is now."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kevo.service import exports
from kevo.service.errands import Errand
from kevo.service.server import Server
from tests.support.serving import put_run, put_search, serving, write_result


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, TestClient]]:
    with serving(tmp_path / "root") as both:
        yield both


def test_what_can_be_asked_for_is_a_file() -> None:
    each = ("{}.tflite", "{}-int8.tflite", "{}.onnx")
    assert {name.format(model) for name in each for model in ("best", "ensemble")} == set(exports.KINDS)
    assert "best.tflite" in exports.available()


def test_an_export_is_offered_as_long_as_it_is_of_this_model(served: tuple[Server, TestClient]) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job)
    write_result(run)
    address = f"/api/v1/searches/{job.id}/exports"
    assert client.get(address).json() == {
        "exports": [],
        # There is no ensemble.
        "offered": [name for name in exports.available() if name.startswith("best")],
    }
    path = exports.path_of(server, job, "best.tflite")
    path.parent.mkdir()
    path.write_bytes(b"an export")
    path.with_name("best.tflite.json").write_text('{"num_bytes": 9, "path": "/secret", "latency": 0.5}')
    (one,) = client.get(address).json()["exports"]
    assert one == {"name": "best.tflite", "state": "done", "bytes": 9, "num_bytes": 9, "latency": 0.5}
    assert client.get(f"{address}/best.tflite").content == b"an export"
    assert f'href="{address}/best.tflite"' in client.get(f"/searches/{job.id}").text
    # It is there already.
    assert client.post(address, json={"format": "tflite"}).json()["exports"] == [one]
    later = path.stat().st_mtime + 60
    os.utime(run.path / "best.keras", (later, later))
    assert client.get(address).json()["exports"] == [] and client.get(f"{address}/best.tflite").status_code == 404


def test_others_are_refused(served: tuple[Server, TestClient]) -> None:
    server, client = served
    job = put_search(server, state="stopped")
    address = f"/api/v1/searches/{job.id}/exports"
    assert client.post(address, json={"format": "tflite"}).status_code == 409
    for wrong in (
        *({"format": name} for name in ("../job.json", "keras", "savedmodel", "")),
        {"format": "onnx", "quantize": "int8"},
        {"format": "tflite", "model": "../job.json"},
        {"name": "best.tflite"},
        {},
    ):
        assert client.post(address, json=wrong).status_code == 422, wrong
    for name in ("best.tflite", "best.tflite.json", "..%2fjob.json"):
        assert client.get(f"{address}/{name}").status_code == 404
    assert client.post(f"/searches/{job.id}/exports", data={"name": "x"}).status_code == 422


def test_a_failed_one_says_why_and_can_be_tried_again(served: tuple[Server, TestClient]) -> None:
    server, client = served
    job = put_search(server, state="finished")
    write_result(put_run(server, job))
    key = ("export", job.id, "best.tflite")
    server.errands._known[key] = Errand(key, "failed", f"Cannot read {server.root.path}/jobs/x <b>")
    page = client.get(f"/searches/{job.id}").text
    assert "best.tflite: failed" in page and "Cannot read jobs/x &lt;b&gt;" in page
    server.errands._known[key] = Errand(key, "running")
    assert 'http-equiv="refresh"' in client.get(f"/searches/{job.id}").text
    server.errands.drop(key)
    assert server.errands.get(key) is not None
    server.errands.forget(job.id)
    assert server.errands.get(key) is None


def test_an_ensemble_is_written_where_there_is_one(
    served: tuple[Server, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job)
    write_result(run)
    address = f"/api/v1/searches/{job.id}/exports"
    assert client.post(address, json={"format": "tflite", "model": "ensemble"}).status_code == 409
    (run.path / "ensemble.keras").write_bytes(b"an ensemble")
    assert {"best.tflite", "ensemble.tflite", "ensemble-int8.tflite"} <= set(client.get(address).json()["offered"])
    assert "<option>ensemble.tflite</option>" in client.get(f"/searches/{job.id}").text
    begun = []
    monkeypatch.setattr(server.errands, "begin", lambda key, arguments, **options: begun.append((key, arguments)))
    asked = {"format": "tflite", "quantize": "int8", "model": "ensemble"}
    assert client.post(address, json=asked).status_code == 202
    ((key, arguments),) = begun
    assert key == ("export", job.id, "ensemble-int8.tflite")
    assert " ".join(arguments) == (
        "export --format tflite --quantize int8 --model ensemble --out exports/ensemble-int8.tflite -- run"
    )
    # It is as new as its own model, whatever becomes of the other one.
    path = exports.path_of(server, job, "ensemble.tflite")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"an export")
    later = path.stat().st_mtime + 60
    os.utime(run.path / "best.keras", (later, later))
    assert exports.is_current(server, job, "ensemble.tflite")
    os.utime(run.path / "ensemble.keras", (later, later))
    assert not exports.is_current(server, job, "ensemble.tflite")
