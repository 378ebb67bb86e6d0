"""The pages of comparisons and of scores on other data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from kevo.runs.folder import Run
from kevo.service import measuring
from kevo.service.server import Server
from tests.support.searches import record
from tests.support.serving import pets, put_run, put_search, result_json, serving, write_result
from tests.support.tables import write_csv

Serving = tuple[Server, TestClient]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "root") as both:
        yield both


def ended(server: Server, name: str, score: float) -> Any:
    job = put_search(server, state="finished", name=name)
    write_result(put_run(server, job, (record("0", 0.4), record("1", score, number=1, finished_at=9.0))))
    return job


def test_searches_are_shown_side_by_side(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = served
    first, second = ended(server, "first <b>", 0.7), ended(server, "second", 0.8)
    address = f"/compare?ids={first.id}&ids={second.id}"
    listed = client.get("/").text
    assert f'value="{first.id}"' in listed and "Compare the chosen" in listed
    rows = [
        {"group": "settings", "name": "epochs", "values": [1, 2], "words": ["1", "2"], "is_equal": False},
        {"group": "settings", "name": "seed", "values": [0, 0], "words": ["0", "0"], "is_equal": True},
    ]
    verdict = {"words": "2 is better by more than chance."}
    values = {"rows": rows, "verdicts": [verdict], "notes": ["A note."], "refused": {}}
    answers = [("running", None), ("failed", "Why."), ("done", values), ("done", values)]
    monkeypatch.setattr(measuring, "compared", lambda *_: answers.pop(0))
    waiting = client.get(address)
    assert waiting.status_code == 202 and 'http-equiv="refresh"' in waiting.text
    failed = client.get(address)
    assert failed.status_code == 409 and "Why." in failed.text
    page = client.get(address).text
    assert "2 is better by more than chance." in page and "epochs" in page and "first &lt;b&gt;" in page
    assert ">seed<" not in page and page.count("<polyline") == 4
    assert ">seed<" in client.get(f"{address}&everything=true").text
    assert client.get(f"/compare?ids={first.id}").status_code == 422 and client.get("/compare").status_code == 422
    assert client.get(f"/compare?ids={first.id}&ids=0123456789abcdef").status_code == 404


def test_scores_on_other_data_are_shown_as_the_task_shows_them(
    served: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = served
    job = ended(server, "pets", 0.7)
    upload = client.put("/api/v1/data/others.zip", content=pets()).json()["id"]
    table = write_csv(tmp_path / "houses.csv", 40).read_bytes()
    rows = client.put("/api/v1/data/houses.csv", content=table).json()["id"]
    address = f"/searches/{job.id}/measure"
    asked = client.get(address).text
    assert "others.zip" in asked and "houses.csv" not in asked and "digits" in asked
    states: list[tuple[str, Any]] = [("queued", None), ("failed", "The classes differ.")]
    scores = result_json(Run.open(server.searches.place(job).run))["test"]
    states.append(("done", {"model": "x", "split": "all", "is_familiar": False, **scores}))
    states.append(("done", {"something": 0.25}))
    monkeypatch.setattr(measuring, "evaluated", lambda *_: states.pop(0))
    assert client.get(f"{address}?data={upload}").status_code == 202
    assert "The classes differ." in client.get(f"{address}?data={upload}&split=all").text
    page = client.get(f"{address}?data={upload}").text
    assert 'class="headline"' in page and 'class="matrix"' in page and "cross entropy" in page
    assert "0.25" in client.get(f"{address}?data=digits").text
    assert client.get(f"{address}?data={rows}").status_code == 409
    assert client.get(f"{address}?data=none").status_code == 404
    assert client.get(f"{address}?data=digits&split=some").status_code == 422
