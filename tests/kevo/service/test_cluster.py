"""Searches of a server train on a Ray cluster, and its pages say how one more machine joins."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kevo.service import jobs
from kevo.service.jobs import Job, Place
from tests.support.project import ROOT
from tests.support.ray_nodes import two_nodes
from tests.support.serve_process import Process, wait

pytest.importorskip("ray")


def test_a_search_is_told_where_to_train(tmp_path: Path) -> None:
    job = Job(id="0" * 16, name="pets", owner="owner", data="digits", data_name="digits")
    place = Place(tmp_path)
    begun = jobs.command(job, place, "digits", cluster="head:6379")
    assert begun == ["search", "--out", str(place.run), "--cluster", "head:6379", "--", "digits"]
    place.run.mkdir()
    (place.run / "settings.json").write_text("{}")
    assert jobs.command(job, place, "digits", cluster="head:6379")[:3] == ["resume", "--cluster", "head:6379"]
    assert "--cluster" not in jobs.command(job, place, "digits")


@pytest.mark.long
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, address: str) -> None:
    there = ["--cluster", address]
    commands = (
        ["serve", "--root", str(tmp_path / "root"), "--port", "0", *there],
        ["search", "digits", "--out", str(tmp_path / "run"), *there],
    )
    done = [
        subprocess.run(
            [sys.executable, "-m", "kevo", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
        )
        for command in commands
    ]
    served, searched = (one.stderr.splitlines()[-1] for one in done)
    # In the words of the command that would train there.
    assert [one.returncode for one in done] == [2, 2] and served == searched and served.startswith("Error: ")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_search_trains_on_the_cluster_of_its_server(tmp_path: Path, start: Callable[..., Process]) -> None:
    with two_nodes() as cluster:
        server = start("--cluster", cluster.address)
        settings = {"max_trials": 2, "epochs": 2, "space": "small"}
        search = server.post("/searches", {"data": "digits", "settings": settings}).json()["id"]
        joining = f"ray start --address={cluster.address}"
        wait(lambda: server.get(f"/searches/{search}")["state"] == "running")
        assert joining in server.client.get(f"/searches/{search}").text
        assert server.get("/machine")["joining"] == joining and joining in server.client.get("/machine").text
        wait(lambda: server.get(f"/searches/{search}")["state"] == "finished")
        assert joining not in server.client.get(f"/searches/{search}").text
        log = server.client.get(f"/api/v1/searches/{search}/log").text
        assert "a cluster of 2 machines, room for 2 workers" in log
        found = wait(lambda: server.get("/machine")["findings"])
        assert found[0]["value"].startswith(cluster.address)
        assert server.end(signal.SIGTERM) == 0
