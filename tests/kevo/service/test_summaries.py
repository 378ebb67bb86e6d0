"""What is kept of a long search that has ended."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from kevo.service import summaries
from kevo.service.watching import Watched
from tests.support.searches import failed, record
from tests.support.serving import put_run, put_search, serving, write_result

NUM = 6


@pytest.mark.bar(14, 15)
def test_a_long_search_is_read_once_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Records of half a megabyte.
    long = {"history": [{"val_accuracy": 0.5, "val_cross_entropy": 1.0}] * 2500, "stages": ["train"] * 2500}
    with serving(tmp_path / "root") as (server, _):
        job = put_search(server, state="finished")
        place = server.searches.place(job)
        scores = [record(str(number), 0.1 * number, number=number, **long) for number in range(NUM - 1)]
        run = put_run(server, job, (*scores, failed(NUM - 1)))
        write_result(run)
        assert summaries.is_missing(place.summary, place.run)
        # The server itself reads no record but those of a page.
        with monkeypatch.context() as patch:
            patch.setattr("kevo.service.watching.in_brief", None)
            patch.setattr("kevo.service.watching.StatusReader", None)
            first = Watched(job, place)
            status, candidates = first.status(), list(first.candidates())
            assert status is not None and status.trials_completed == NUM - 1 and status.best is not None
            assert len(candidates) == NUM and candidates[-1].metrics is None
            assert not summaries.is_missing(place.summary, place.run)
            # Whoever comes later takes it from there.
            patch.setattr(summaries, "make", None)
            later = Watched(job, place)
            assert list(later.candidates()) == candidates
            assert later.status() == dataclasses.replace(status, num_bytes=later.status().num_bytes)  # type: ignore[union-attr]
            assert [one.number for one in later.records(1, 3)] == [1, 2]
        # It is that of these files only.
        run.append_trial(record(str(NUM), 0.9, number=NUM))
        assert len(Watched(job, place).candidates()) == NUM + 1
        place.summary.write_text("half")
        found = Watched(job, place).status()
        assert found is not None and found.trials_completed == NUM
        assert len(json.loads(place.summary.read_text())["candidates"]["offsets"]) == NUM + 1
        assert os.stat(place.summary).st_mode & 0o777 == 0o600
        # Where it cannot be written the search is read here.
        run.append_trial(record(str(NUM + 1), 0.9, number=NUM + 1))
        monkeypatch.setattr(summaries, "make", lambda path, run: None)
        found = Watched(job, place).status()
        assert found is not None and found.trials_completed == NUM + 1


@pytest.mark.bar(15)
def test_a_search_at_work_is_not_summed_up(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, _):
        job = put_search(server)
        run = put_run(server, job, (record("0", 0.5),))
        with run.locked():
            summaries.write(tmp_path / "summary.json", run.path)
        assert not (tmp_path / "summary.json").exists()
        summaries.write(tmp_path / "summary.json", run.path)
        assert (tmp_path / "summary.json").exists()
