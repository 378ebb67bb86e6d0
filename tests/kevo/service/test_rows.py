"""A series and a table from an upload to a model in use, by a real server and real searches."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import series, tables
from tests.support.project import ROOT
from tests.support.serve_process import Process, wait

Start = Callable[..., Process]


def searched(server: Process, path: Path, **settings: Any) -> str:
    """Uploads a file, searches on it, and returns the address of the search."""
    data = server.client.put(f"/api/v1/data/{path.name}", content=path.read_bytes()).json()["id"]
    few = {"max_trials": 1, "epochs": 2, "final_epochs": 2, "num_finalists": 1, "space": "small"}
    asked = server.post("/searches", {"data": data, "settings": {**few, **settings}})
    assert asked.status_code == 201, asked.text
    address = f"/searches/{asked.json()['id']}"
    wait(lambda: server.get(address)["state"] in ("finished", "failed"))
    assert server.get(address)["state"] == "finished", server.get(address)["words"]
    return address


def asked(server: Process, address: str, path: Path, kind: str = "text/csv") -> Any:
    """What a model says of a file, as soon as it is loaded."""

    def answer() -> Any:
        found = server.client.post(
            f"/api/v1{address}/predict", content=path.read_bytes(), headers={"content-type": kind}
        )
        return None if found.status_code == 503 else found

    return wait(answer)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_series_is_searched_and_forecast(start: Start, tmp_path: Path) -> None:
    server = start()
    path = series.write_csv(tmp_path / "sales.csv")
    address = searched(server, path, task="series", target="sales", horizon=4)
    assert server.get(address)["result"]["test"]["mase"] > 0
    page = server.client.get(address).text
    # Its own headline, figure and sections.
    assert "MASE" in page and "Errors by step ahead" in page and 'id="exports"' not in page
    assert page.count('<polyline points="') >= 2 and "values of the test split in order of time" in page
    forecast = asked(server, address, path).json()
    assert [one["time"] for one in forecast["predictions"]] == ["2020-01-01", "2020-04-01", "2020-07-01", "2020-10-01"]
    assert any("weather" in one["text"] for one in forecast["notes"]) or forecast["notes"]
    run = tmp_path / "root" / "jobs" / address.rpartition("/")[2] / "run"
    command = [sys.executable, "-m", "kevo", "predict", str(run), str(path), "--json"]
    lines = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True).stdout.splitlines()
    by_hand = [json.loads(line)["value"] for line in lines]
    assert [one["value"] for one in forecast["predictions"]] == pytest.approx(by_hand, rel=1e-5)
    # The page that tries it does so without a script.
    assert f"{address}/try" in page and "Choose a .csv of the past" in server.client.get(f"{address}/try").text
    tried = server.client.post(f"{address}/try", files={"pictures": ("past.csv", path.read_bytes())})
    assert tried.status_code == 200 and "2020-10-01" in tried.text and "The next 4 values." in tried.text
    # What is no past of it is named with a reason, and without where it lay.
    short = tmp_path / "short.csv"
    short.write_text("\n".join(path.read_text().splitlines()[:4]))
    refused = asked(server, address, short)
    assert refused.status_code == 422 and "Expected the" in refused.json()["detail"]
    assert "/shm" not in refused.json()["detail"] and str(tmp_path) not in refused.json()["detail"]
    assert asked(server, address, short, "image/png").status_code == 422
    report = f"/api/v1{address}/report"
    wait(lambda: server.client.get(report).status_code == 200)
    assert "Forecast and true values" in server.client.get(report).text
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rows_of_a_table_are_predicted(start: Start, tmp_path: Path) -> None:
    server = start()
    path = tables.write_csv(tmp_path / "things.csv")
    address = searched(server, path, target="kind")
    rows = path.read_text().splitlines()
    some = tmp_path / "some.csv"
    some.write_text("\n".join(rows[:4]))
    answer = asked(server, address, some).json()
    assert [one["row"] for one in answer["predictions"]] == [1, 2, 3] and answer["skipped"] == []
    assert all(sum(one["probabilities"].values()) == pytest.approx(1) for one in answer["predictions"])
    tried = server.client.post(f"{address}/try", files={"pictures": ("some.csv", some.read_bytes())})
    assert tried.status_code == 200 and answer["predictions"][0]["label"] in tried.text
    # As many as can be told at once.
    some.write_text("\n".join([rows[0], *[rows[1]] * 10_001]))
    refused = asked(server, address, some)
    assert refused.status_code == 422 and "10,000 rows at most" in refused.json()["detail"]
    assert server.end(signal.SIGTERM) == 0
