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


@pytest.mark.bar(15)
def test_a_long_search_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "LONG", NUM)
    with serving(tmp_path / "root") as (server, _):
        job = put_search(server, state="finished")
        place = server.searches.place(job)
        scores = [record(str(number), 0.1 * number, number=number) for number in range(NUM - 1)]
        run = put_run(server, job, (*scores, failed(NUM - 1)))
        write_result(run)
        first = Watched(job, place)
        status, candidates = first.status(), first.candidates()
        assert status is not None and len(candidates) == NUM and candidates[-1].metrics is None
        assert not summaries.is_missing(place.summary, place.run)
        # Whoever comes later takes it from there, and reads no record.
        with monkeypatch.context() as patch:
            patch.setattr(summaries, "in_brief", None)
            patch.setattr("kevo.service.watching.StatusReader", None)
            later = Watched(job, place)
            assert later.candidates() == candidates
            assert later.status() == dataclasses.replace(status, num_bytes=later.status().num_bytes)  # type: ignore[union-attr]
            assert [one.number for one in later.records(1, 3)] == [1, 2]
        # It is that of these files only.
        run.append_trial(record(str(NUM), 0.9, number=NUM))
        assert len(Watched(job, place).candidates()) == NUM + 1
        place.summary.write_text("half")
        found = Watched(job, place).status()
        assert found is not None and found.trials_completed == NUM
        assert len(json.loads(place.summary.read_text())["candidates"]) == NUM + 1
        assert os.stat(place.summary).st_mode & 0o777 == 0o600


def test_a_line_is_read_in_brief_also_where_a_gene_looks_like_its_end() -> None:
    one = record("a", 0.5, genome={"name": '", "history": [ ], "num_epochs": 3'}, num_epochs=1)
    line = json.dumps(one.to_json()).encode() + b"\n"
    found = summaries.in_brief(line, 7)
    assert found == (7, len(line), one.number, one.finished_at, {"val_accuracy": 0.5, "val_cross_entropy": 1.0})
