"""The trials of a run folder, line by line: what is read, what is refused, and what is put back."""

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kevo.errors import RunError
from kevo.objective import with_costs
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support import searches
from tests.support.records import FAILED, RECORD
from tests.support.samples import CONV_GENOME

ACCURACY = (OBJECTIVES["accuracy"],)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"seed": 0})


@pytest.mark.parametrize("links", [{"0008": "0006"}, {"0007": "0008", "0008": "0007"}, {"0007": "0007"}])
def test_a_line_that_continues_nothing_is_named(run: Run, links: dict[str, str]) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(replace(record, continues=links.get(record.trial_id)))
    with pytest.raises(RunError, match=r"Line \d of .*trials\.jsonl is damaged: trial \d+ continues trial \d+"):
        trial_reader.read_trials(run)


def test_trials_come_back(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    assert trial_reader.read_trials(Run.open(run.path)) == [RECORD, FAILED]


def test_trials_read_without_kevo(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    lines = (run.path / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial_id"] for line in lines] == ["0007", "0008"]
    assert json.loads(lines[0])["genome"] == RECORD.genome
    assert json.loads(lines[1])["reason"] == FAILED.reason


def test_no_trials_yet(run: Run) -> None:
    assert trial_reader.read_trials(run) == []


def test_the_last_word_counts(run: Run) -> None:
    again = replace(RECORD, fitness=0.9)
    for record in (RECORD, FAILED, again):
        run.append_trial(record)
    assert trial_reader.read_trials(run) == [again, FAILED]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_half_a_line_is_ignored_and_healed(run: Run, kept: int) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(record)
    path = run.path / "trials.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept])
    assert trial_reader.read_trials(run) == [RECORD]
    run.append_trial(FAILED)
    assert trial_reader.read_trials(run) == [RECORD, FAILED]
    assert path.read_bytes() == first + second


def test_half_a_first_line_is_healed(run: Run) -> None:
    (run.path / "trials.jsonl").write_bytes(b'{"number": 0, "reason": "\xc3')
    assert trial_reader.read_trials(run) == []
    run.append_trial(RECORD)
    assert trial_reader.read_trials(run) == [RECORD]


@pytest.mark.parametrize(
    "change",
    [
        {"trial_id": "../../elsewhere"},
        {"trial_id": ""},
        {"status": "running"},
        {"status": "failed"},
        {"fitness": None},
        {"fitness": "high"},
        {"genome": None},
        {"metrics": [1.0]},
        {"history": [None]},
        {"history": []},
        {"number": 1e999},
        {"seconds": 1e999},
    ],
)
def test_a_damaged_line_is_named(run: Run, change: dict[str, object]) -> None:
    run.append_trial(FAILED)
    with (run.path / "trials.jsonl").open("a") as file:
        file.write(json.dumps({**RECORD.to_json(), **change}) + "\n")
    with pytest.raises(RunError, match=r"Line 2 of .*trials\.jsonl is damaged"):
        trial_reader.read_trials(run)


def test_a_line_that_lacks_a_field_is_named(run: Run) -> None:
    values = RECORD.to_json()
    del values["seconds"]
    (run.path / "trials.jsonl").write_text(json.dumps(values) + "\n")
    with pytest.raises(RunError, match="'seconds' is missing"):
        trial_reader.read_trials(run)


def test_damaged_lines_are_set_aside_and_the_rest_counts(run: Run) -> None:
    def check(record: TrialRecord) -> None:
        if record.num_epochs == 77:
            raise KeyError("family")

    lines = [
        json.dumps(replace(RECORD, trial_id=trial_id, **changes).to_json())
        for trial_id, changes in [("1", {}), ("2", {"num_epochs": 77}), ("3", {"continues": "2"}), ("4", {})]
    ]
    (run.path / "trials.jsonl").write_text("\n".join([*lines, '{"half": ', ""]))
    records, problems = trial_reader.mend_trials(run, check=check)
    assert [problem.split(": ")[1] for problem in problems] == [
        "it has no 'family'. It is set aside in damaged/trials.jsonl, and the search goes on without that candidate.",
        "trial 3 continues trial 2, of which no line before it tells. It is set aside in damaged/trials.jsonl, and the "
        "search goes on without that candidate.",
        "Expecting value",
    ]
    assert [record.trial_id for record in records] == ["1", "4"]
    assert trial_reader.read_trials(run) == records
    assert (run.path / "damaged" / "trials.jsonl").read_text().splitlines() == [*lines[1:3], '{"half": ']
    assert trial_reader.mend_trials(run, check=check)[1] == []
    # What was set aside before stays.
    (run.path / "trials.jsonl").write_text("{}\n")
    trial_reader.mend_trials(run, check=check)
    assert sorted(path.name for path in (run.path / "damaged").iterdir()) == ["trials-2.jsonl", "trials.jsonl"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"genome": {**CONV_GENOME, "batch_size": 1e99}}, "words and ordinary numbers"),
        ({"genome": {**CONV_GENOME, "batch_size": math.nan}}, "words and ordinary numbers"),
        ({"genome": {**CONV_GENOME, "batch_size": [16]}}, "words and ordinary numbers"),
        (
            {"metrics": {"val_accuracy": 0.5}},
            "lacks one of the metrics params, val_accuracy, ",
        ),
        (
            {"metrics": {"val_accuracy": 0.5, "val_cross_entropy": math.nan, "params": 1.0}},
            "lacks one of the metrics params, val_accuracy, ",
        ),
        (
            {"metrics": {"val_accuracy": 0.5, "val_cross_entropy": 1.0}},
            "lacks one of the metrics params, val_accuracy, ",
        ),
        ({"history": [], "stages": []}, "lacks an epoch"),
        (
            {"history": [{"val_accuracy": 0.5}]},
            "lacks an epoch with the metrics val_acc",
        ),
        (
            {"history": [{"val_accuracy": math.inf, "val_cross_entropy": 1.0}]},
            "lacks an epoch with the metrics val_acc",
        ),
    ],
)
def test_a_record_that_nothing_can_be_made_of_is_refused(changes: dict[str, Any], reason: str) -> None:
    objectives = with_costs(ACCURACY[0], ["params"])
    good = searches.record("1", 0.5, metrics={"val_accuracy": 0.5, "val_cross_entropy": 1.0, "params": 1.0})
    trial_reader.check_record(good, objectives)
    trial_reader.check_record(searches.failed(2), objectives)
    with pytest.raises(ValueError, match=f"trial 1 .*{reason}"):
        trial_reader.check_record(dataclasses.replace(good, **changes), objectives)


def test_trials_are_read_on_from_where_they_were_read_last(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    one = trial_reader.TrialReader(run)
    assert one.update() == [] == one.records
    for trial_id in ("1", "2"):
        run.append_trial(searches.record(trial_id, 0.5))
    assert [trial.trial_id for trial in one.update()] == ["1", "2"]
    with (run.path / "trials.jsonl").open("a") as file:
        file.write('{"half a li')
    assert one.update() == []
    # The next one takes the place of that half.
    run.append_trial(searches.record("3", 0.5, continues="2"))
    assert [trial.trial_id for trial in one.update()] == ["3"]
    assert [trial.trial_id for trial in one.records] == ["1", "2", "3"]
    # Written anew, as where a search is resumed, it is read from its start.
    run.replace_trials([searches.record("1", 0.75)])
    assert [trial.fitness for trial in one.update()] == [0.75] and len(one.records) == 1


def test_trials_are_kept_in_brief_and_one_is_read_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    one = trial_reader.TrialReader(run, is_brief=True)
    whole = [searches.record(trial_id, 0.5) for trial_id in ("1", "2", "3")]
    for record in whole[:2]:
        run.append_trial(record)
    one.update()
    run.append_trial(whole[2])
    one.update()
    assert [(trial.genome, trial.history, trial.metrics) for trial in one.records] == [({}, [], whole[0].metrics)] * 3
    assert [one.whole(trial) for trial in one.records] == whole
    assert one.named(whole[0].genome) == {"1", "2", "3"} and one.named({}) == set()


@pytest.mark.parametrize("line", ["{}", json.dumps(searches.record("2", 0.5, continues="7").to_json())])
def test_a_damaged_line_is_named_by_its_number(line: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    one = trial_reader.TrialReader(run)
    run.append_trial(searches.record("1", 0.5))
    one.update()
    with (run.path / "trials.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=r"Line 2 of .* is damaged: .*(missing|continues trial 7)"):
        one.update()
