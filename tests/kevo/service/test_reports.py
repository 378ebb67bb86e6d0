"""Reports and figures are made when they are asked for, and anew when that is asked for."""

from pathlib import Path

import pytest

from kevo.service.errands import Errand
from tests.support.searches import record
from tests.support.serving import put_run, put_search, serving, write_result


@pytest.mark.parametrize("what", ["report", "figures"])
def test_it_is_made_anew_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with serving(tmp_path / "root") as (server, client):
        job = put_search(server, state="finished")
        write_result(put_run(server, job, (record("0", 0.5),)))
        place = server.searches.place(job)
        if what == "report":
            place.report.write_text("<h1>As it was</h1>")
        else:
            place.figures.mkdir()
            (place.figures / "progress.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        begun: list[Errand] = []

        def begin(key: tuple[str, ...], arguments: list[str], **options: object) -> None:
            begun.append(Errand(key, "running"))
            server.errands._known[key] = begun[-1]

        monkeypatch.setattr(server.errands, "begin", begin)
        address = f"/api/v1/searches/{job.id}/{what}"
        assert client.get(address).status_code == 200 and not begun
        for _ in range(2):
            answer = client.get(f"{address}?fresh=1")
            assert (answer.status_code, answer.headers["location"], len(begun)) == (202, address, 1)
        # Whoever waits for it does not get the one before.
        assert client.get(address).status_code == 202
        begun[-1].state, begun[-1].words = "failed", "No memory."
        refused = client.get(address)
        assert refused.status_code == 409 and "No memory. Try again with ?fresh=1." in refused.json()["detail"]
        if what == "figures":
            assert client.get(f"{address}/progress?fresh=1").headers["location"] == address
        else:
            assert client.get(f"{address}?fresh=1").status_code == 202
        assert len(begun) == 2
        begun[-1].state = "done"
        assert client.get(address).status_code == 200
        # The page that waits loads itself again without beginning anew.
        page = f"/searches/{job.id}/{what}"
        answer = client.get(f"{page}?fresh=1", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"], len(begun)) == (303, page, 3)
        assert client.get(page).status_code == 202 and len(begun) == 3
