"""Run folders that the command made are shown to the owner, stopped and gone on with, and otherwise left alone."""

from pathlib import Path

from kevo.runs.folder import Run
from kevo.service import jobs
from kevo.service.tokens import TokenFile, User
from tests.support.searches import SETTINGS, record
from tests.support.serving import serving, write_result


def test_what_the_command_made_is_shown_and_can_be_gone_on_with(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    done = Run.create(runs / "done", {"search": SETTINGS.to_json(), "data": str(tmp_path / "pets.zip")})
    done.append_trial(record("0", 0.5))
    write_result(done)
    (runs / "no-run").mkdir()
    (runs / "a-link").symlink_to(done.path)
    with serving(tmp_path / "root", runs=(runs,)) as (server, client):
        (search,) = client.get("/api/v1/searches").json()["searches"]
        assert (search["name"], search["data_name"], search["state"]) == ("done", "pets.zip", "finished")
        assert search["is_foreign"] and search["result"]["words"] == "conv stack"
        address = f"/api/v1/searches/{search['id']}"
        whole = client.get(address)
        assert str(tmp_path) not in whole.text and client.get(f"{address}/candidates").json()["total"] == 1
        page = client.get(f"/searches/{search['id']}").text
        assert "The command made this search" in page and "/delete" not in page and 'id="name"' not in page
        # It is not the server's: neither its name nor its files.
        assert client.patch(address, json={"name": "mine"}).status_code == 409
        assert client.patch(address, json={"note": "of the first camera"}).json()["note"] == "of the first camera"
        assert client.delete(address).status_code == 409 and done.path.is_dir()
        token = TokenFile(server.root.tokens).add("other")
        other = {"authorization": f"Bearer {token}"}
        assert client.get(address, headers=other).status_code == 404
        # One that is at work counts for no place in the queue, and is asked to stop.
        later = Run.create(runs / "later", {"search": SETTINGS.to_json(), "data": "digits"})
        server.searches._searched_at = -1e9
        with later.locked():
            server.searches.tick()
            job = next(job for job in server.searches.all_of(User("owner")) if job.name == "later")
            assert server.searches.state(job) == jobs.RUNNING and server.searches.num_alive() == 0
            assert client.post(f"/api/v1/searches/{job.id}/stop").json()["state"] == "stopping"
            assert (later.path / ".stop").exists()
            assert client.post(f"/api/v1/searches/{job.id}/stop", json={"now": True}).status_code == 409
        server.searches.tick()
        assert server.searches.state(job) == jobs.STOPPED
        assert client.post(f"/api/v1/searches/{job.id}/resume", json={"max_trials": 2}).status_code == 202
        arguments = jobs.command(job, server.searches.place(job), "")
        assert arguments == ["resume", "--max-trials", "2", "--", str(later.path)]
        server.searches.tick()
        assert server.searches.state(job) == jobs.QUEUED
    with serving(tmp_path / "root", runs=(runs,)) as (server, client):
        states = {job.name: server.searches.state(job) for job in server.searches.all_of(User("owner"))}
        assert states == {"done": "finished", "later": "queued"}
        assert client.get("/").status_code == 200
        assert client.get(address).json()["note"] == "of the first camera"
