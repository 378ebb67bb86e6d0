"""Comparisons and scores on other data are found out by processes of their own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from kevo.service.errands import Errand
from kevo.service.server import Server
from tests.support.serving import put_run, put_search, serving, write_result
from tests.support.tables import write_csv

Serving = tuple[Server, TestClient]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "root") as both:
        yield both


@pytest.fixture
def asked(served: Serving, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of errands, each of which is done at once and answers with where it worked."""
    commands: list[list[str]] = []

    def begin(key: tuple[str, ...], arguments: list[str], *, folder: Path, output: Path) -> Errand:
        commands.append(arguments)
        output.write_text(f'{{"worked": "{folder}/x"}}')
        served[0].errands._known[key] = Errand(key, "done")
        return Errand(key)

    monkeypatch.setattr(served[0].errands, "begin", begin)
    return commands


def two(server: Server) -> tuple[Any, Any]:
    jobs = [put_search(server, state="finished") for _ in range(2)]
    for job in jobs:
        write_result(put_run(server, job))
    return jobs[0], jobs[1]


def test_searches_are_compared_until_a_model_changes(served: Serving, asked: list[list[str]]) -> None:
    server, client = served
    first, second = two(server)
    address = f"/api/v1/compare?ids={first.id},{second.id}"
    assert client.get(address).status_code == 202
    assert asked == [["compare", "--json", "--", f"{first.id}/run", f"{second.id}/run"]]
    assert client.get(address).json() == {"worked": "jobs/x"} and len(asked) == 1
    model = server.searches.place(second).run / "best.keras"
    os.utime(model, (model.stat().st_mtime + 9, model.stat().st_mtime + 9))
    assert client.get(address).status_code == 202 and len(asked) == 2


def test_a_model_is_scored_on_other_data(served: Serving, asked: list[list[str]]) -> None:
    server, client = served
    job, _ = two(server)
    address = f"/api/v1/searches/{job.id}/evaluate"
    assert client.post(address, json={"data": "digits", "split": "test"}).status_code == 202
    assert asked == [["evaluate", "--json", "--split", "test", "--", "run/best.keras", "digits"]]
    assert client.post(address, json={"data": "digits", "split": "test"}).status_code == 200
    server.errands._known["evaluate", job.id, "digits", "all"] = Errand(("x",), "failed", f"{server.root.path}/x broke")
    failed = client.post(address, json={"data": "digits", "split": "all"})
    assert failed.status_code == 409 and failed.json()["detail"] == "x broke"


def test_a_table_is_no_list_of_pictures_on_the_server(served: Serving, asked: list[list[str]], tmp_path: Path) -> None:
    server, client = served
    job, other = two(server)
    rows = write_csv(tmp_path / "rows.csv").read_bytes()
    sent = client.put("/api/v1/data/rows.csv", content=rows, headers={"content-type": "text/csv"})
    assert sent.status_code == 201
    data = {"data": sent.json()["id"]}
    refused = client.post(f"/api/v1/searches/{job.id}/evaluate", json=data)
    assert refused.status_code == 409 and "rows.csv holds a table" in refused.json()["detail"]
    assert asked == []
    other.settings["target"] = "kind"
    assert client.post(f"/api/v1/searches/{other.id}/evaluate", json=data).status_code == 202
    assert len(asked) == 1


def test_what_cannot_be_measured_is_refused(served: Serving) -> None:
    server, client = served
    first, second = two(server)
    none = put_search(server)
    address = f"/api/v1/searches/{first.id}/evaluate"
    assert client.post(address, json={"data": "/etc/hosts"}).status_code == 404
    assert client.post(address, json={"data": "digits", "split": "some"}).status_code == 422
    assert client.post(f"/api/v1/searches/{none.id}/evaluate", json={"data": "digits"}).status_code == 409
    second.owner = "somebody else"
    for ids, status in (
        (first.id, 422),
        (f"{first.id},{first.id}", 422),
        (f"{first.id},../x", 422),
        (f"{first.id},{none.id}", 409),
        (f"{first.id},{second.id}", 404),
    ):
        assert client.get(f"/api/v1/compare?ids={ids}").status_code == status
