"""An upgrade under a server that runs is told as such, and no file is called damaged for it."""

import shutil
from pathlib import Path

import pytest

from kevo.service import jobs, upgrade
from kevo.service.tokens import User
from tests.support.serving import put_run, put_search, serving, write_result


def test_a_server_that_is_older_than_its_files_asks_to_be_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "kevo"
    (package / "runs").mkdir(parents=True)
    shutil.copy(Path(jobs.__file__), package / "runs" / "reader.py")
    monkeypatch.setattr(upgrade, "_FOLDER", package)
    monkeypatch.setattr(upgrade, "_SECONDS", -1.0)
    with serving(tmp_path / "root") as (server, client):
        job = put_search(server)
        run = put_run(server, job)
        write_result(run)
        job.started = job.created
        result = (run.path / "result.json").read_text()
        (run.path / "result.json").write_text(result.replace('"words"', '"phrases"'))
        assert "Restart" not in client.get("/").text and not client.get("/api/v1/machine").json()["must_restart"]
        (package / "runs" / "reader.py").write_text("# Another version.")
        server.searches.sessions.end(job, server.searches.place(job))
        found = client.get(f"/api/v1/searches/{job.id}").json()
        assert found["state"] == "failed" and found["words"] == upgrade.RESTART
        page = client.get(f"/searches/{job.id}").text
        assert upgrade.RESTART in page and "damaged" not in page
        assert client.get("/api/v1/machine").json()["must_restart"]
        (run.path / "result.json").write_text(result)
    # The next server can read it.
    with serving(tmp_path / "root") as (server, client):
        (job,) = server.searches.all_of(User("owner"))
        assert server.searches.state(job) == "finished" and job.words == ""
