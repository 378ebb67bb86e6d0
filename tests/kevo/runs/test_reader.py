"""The run folder as plain data: what is read, what is refused, and what is stepped over."""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.errors import RunError
from kevo.objective import with_costs
from kevo.runs import reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support import searches
from tests.support.records import FAILED, RECORD
from tests.support.samples import CONV_GENOME

ACCURACY = (OBJECTIVES["accuracy"],)
SCORES = Evaluation(
    num_examples=10,
    accuracy=0.9,
    macro_f1=0.9,
    cross_entropy=0.3,
    precision={"cat": 1.0, "dog": 0.8},
    recall={"cat": 0.8, "dog": 1.0},
    support={"cat": 5, "dog": 5},
    confusion=[[4, 1], [0, 5]],
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"seed": 0})


@pytest.fixture
def whole(tmp_path: Path) -> Run:
    """The folder of a search that has ended, with four trials, two of which are about as good."""
    run = Run.create(
        tmp_path / "whole",
        {
            "kevo": "0.1.0",
            "data": "digits",
            "started": "2026-01-02T03:04:05+00:00",
            "versions": {"tensorflow": "2.99.1"},
            "fingerprint": "0123abcd",
            "num_validation": 10_000,
            "search": kevo.Settings(max_trials=12).to_json(),
        },
    )
    run.write_labels(["cat", "dog"])
    for number, (accuracy, loss) in enumerate([(0.5, 1.0), (0.85, 0.9), (0.9, 0.8)]):
        one = searches.record(str(number), accuracy, number=number, finished_at=float(number), is_paused=False)
        # What no two genomes have in common.
        genome = {**CONV_GENOME, "learning_rate": 0.01 * (1 + number)}
        metrics = {"val_accuracy": accuracy, "val_cross_entropy": loss}
        run.append_trial(dataclasses.replace(one, genome=genome, metrics=metrics))
    run.append_trial(searches.failed(3))
    return run


def ended(run: Run, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "run_folder": run.path,
        "model_path": run.path / "best.keras",
        "genome": dict(CONV_GENOME),
        "words": "conv stack",
        "num_parameters": 1234567,
        "validation": SCORES,
        "test": SCORES,
        "trials_completed": 3,
        "trials_failed": 1,
        "seconds": 75.0,
        "interrupted": False,
    }
    outcome = Outcome(**{**values, **changes})
    run.write_json("result.json", outcome.to_json())
    return outcome


@pytest.mark.parametrize("links", [{"0008": "0006"}, {"0007": "0008", "0008": "0007"}, {"0007": "0007"}])
def test_a_line_that_continues_nothing_is_named(run: Run, links: dict[str, str]) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(replace(record, continues=links.get(record.trial_id)))
    with pytest.raises(RunError, match=r"Line \d of .*trials\.jsonl is damaged: trial \d+ continues trial \d+"):
        reader.read_trials(run)


def test_trials_come_back(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    assert reader.read_trials(Run.open(run.path)) == [RECORD, FAILED]


def test_trials_read_without_kevo(run: Run) -> None:
    run.append_trial(RECORD)
    run.append_trial(FAILED)
    lines = (run.path / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial_id"] for line in lines] == ["0007", "0008"]
    assert json.loads(lines[0])["genome"] == RECORD.genome
    assert json.loads(lines[1])["reason"] == FAILED.reason


def test_no_trials_yet(run: Run) -> None:
    assert reader.read_trials(run) == []


def test_the_last_word_counts(run: Run) -> None:
    again = replace(RECORD, fitness=0.9)
    for record in (RECORD, FAILED, again):
        run.append_trial(record)
    assert reader.read_trials(run) == [again, FAILED]


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_half_a_line_is_ignored_and_healed(run: Run, kept: int) -> None:
    for record in (RECORD, FAILED):
        run.append_trial(record)
    path = run.path / "trials.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:kept])
    assert reader.read_trials(run) == [RECORD]
    run.append_trial(FAILED)
    assert reader.read_trials(run) == [RECORD, FAILED]
    assert path.read_bytes() == first + second


def test_half_a_first_line_is_healed(run: Run) -> None:
    (run.path / "trials.jsonl").write_bytes(b'{"number": 0, "reason": "\xc3')
    assert reader.read_trials(run) == []
    run.append_trial(RECORD)
    assert reader.read_trials(run) == [RECORD]


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
        reader.read_trials(run)


def test_a_line_that_lacks_a_field_is_named(run: Run) -> None:
    values = RECORD.to_json()
    del values["seconds"]
    (run.path / "trials.jsonl").write_text(json.dumps(values) + "\n")
    with pytest.raises(RunError, match="'seconds' is missing"):
        reader.read_trials(run)


def test_damaged_lines_are_set_aside_and_the_rest_counts(run: Run) -> None:
    def check(record: TrialRecord) -> None:
        if record.num_epochs == 77:
            raise KeyError("family")

    lines = [
        json.dumps(replace(RECORD, trial_id=trial_id, **changes).to_json())
        for trial_id, changes in [("1", {}), ("2", {"num_epochs": 77}), ("3", {"continues": "2"}), ("4", {})]
    ]
    (run.path / "trials.jsonl").write_text("\n".join([*lines, '{"half": ', ""]))
    records, problems = reader.mend_trials(run, check=check)
    assert [problem.split(": ")[1] for problem in problems] == [
        "it has no 'family'. It is set aside in damaged/trials.jsonl, and the search goes on without that candidate.",
        "trial 3 continues trial 2, of which no line before it tells. It is set aside in damaged/trials.jsonl, and the "
        "search goes on without that candidate.",
        "Expecting value",
    ]
    assert [record.trial_id for record in records] == ["1", "4"]
    assert reader.read_trials(run) == records
    assert (run.path / "damaged" / "trials.jsonl").read_text().splitlines() == [*lines[1:3], '{"half": ']
    assert reader.mend_trials(run, check=check)[1] == []
    # What was set aside before stays.
    (run.path / "trials.jsonl").write_text("{}\n")
    reader.mend_trials(run, check=check)
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
    reader.check_record(good, objectives)
    reader.check_record(searches.failed(2), objectives)
    with pytest.raises(ValueError, match=f"trial 1 .*{reason}"):
        reader.check_record(dataclasses.replace(good, **changes), objectives)


def test_all_that_a_run_folder_says(whole: Run) -> None:
    outcome = ended(whole)
    (whole.path / "best.keras").write_bytes(b"no model")
    known = reader.read(whole.path)
    assert (known.run_folder, known.state, known.damages) == (whole.path, "finished", ())
    assert known.outcome == outcome and known.search == kevo.Settings(max_trials=12)
    assert (known.data, known.fingerprint, known.kevo_version) == ("digits", "0123abcd", "0.1.0")
    assert (known.started, known.versions) == ("2026-01-02T03:04:05+00:00", {"tensorflow": "2.99.1"})
    assert (known.class_names, known.name, known.seconds) == (("cat", "dog"), "digits", 75.0)
    assert (known.model_bytes, known.keras_version, known.num_judged) == (8, "", 10)
    assert [one.trial_id for one in known.records] == [one.trial_id for one in known.evolved] == ["0", "1", "2", "3"]
    assert [one.trial_id for one in known.rivals] == ["2", "1", "0"]
    assert [one.trial_id for one in known.failed] == ["3"]
    assert known.describe(CONV_GENOME) == known.kind.describe(CONV_GENOME)
    assert known.describe({"family": "of its own"}) == '{"family": "of its own"}'


def test_a_search_at_work_or_broken_off_has_no_outcome_yet(whole: Run) -> None:
    assert reader.read(whole.path).state == "interrupted" and reader.read_outcome(whole) is None
    with whole.locked():
        known = reader.read(whole.path)
    assert (known.state, known.outcome, known.seconds, known.num_judged) == ("running", None, 2.0, 10_000)
    assert known.class_names == ("cat", "dog") and known.model_bytes is None
    ended(whole, interrupted=True)
    assert reader.read(whole.path).state == "interrupted"


def test_the_winner_is_the_one_that_won_or_would_win_now(whole: Run) -> None:
    def winner() -> str | None:
        won = reader.read(whole.path).winner
        return None if won is None else won.trial_id

    assert winner() == "2"
    # With ten examples a lead of 0.05 is none, and the one with the lower loss would win.
    surer = dataclasses.replace(reader.read_trials(whole)[1], metrics={"val_accuracy": 0.85, "val_cross_entropy": 0.1})
    whole.append_trial(surer)
    assert winner() == "2"
    ended(whole, genome={"family": "of none of them"})
    assert winner() == "1"
    ended(whole, genome=reader.read_trials(whole)[0].genome)
    assert winner() == "0"
    (whole.path / "trials.jsonl").unlink()
    assert winner() is None


@pytest.mark.parametrize(("settings", "num"), [({}, None), ({"num_validation": 7}, 7), ({"num_validation": "7"}, None)])
def test_how_many_examples_decide_may_be_unknown(settings: dict[str, Any], num: int | None, run: Run) -> None:
    assert reader.num_judged(settings, None) == num
    assert reader.num_judged(settings, ended(run)) == 10


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("trials.jsonl", lambda content: content.replace(b"\n", b'\n{"number": 1}\nno JSON\n', 1), "Line 2 of trials"),
        ("trials.jsonl", lambda content: b"[" * 100_000 + b"\n" + content, "Line 1 of trials"),
        (
            "trials.jsonl",
            lambda content: content.replace(b'"batch_size": 16', b'"batch_size": 1e99', 1),
            "trial 0 must be",
        ),
        ("result.json", lambda content: content.replace(b'"support"', b'"supper"'), "result.json"),
        ("result.json", lambda content: content.replace(b'"num_examples": ', b'"num_examples": 9'), "result.json"),
        ("result.json", lambda content: content.replace(b'"images"', b'"dreams"'), "result.json is damaged"),
        ("result.json", lambda content: b"[]", "result.json"),
        ("labels.json", lambda content: b'{"a": 1}', "labels.json"),
        ("labels.json", lambda content: b'["cat", 1]', "labels.json"),
        ("settings.json", lambda content: content.replace(b'"max_trials": 12', b'"max_trials": "x"'), "settings.json"),
    ],
)
def test_what_is_damaged_is_named_and_stepped_over(
    name: str, change: Callable[[bytes], bytes], words: str, whole: Run
) -> None:
    ended(whole)
    content = (whole.path / name).read_bytes()
    assert change(content) != content
    (whole.path / name).write_bytes(change(content))
    known = reader.read(whole.path)
    assert any(words in damage for damage in known.damages)
    assert len(known.records) >= 3 and known.winner is not None
    assert (known.outcome is None) == (name == "result.json")


def test_what_cannot_be_read_is_named(whole: Run) -> None:
    (whole.path / "trials.jsonl").unlink()
    (whole.path / "trials.jsonl").mkdir()
    known = reader.read(whole.path)
    assert known.records == () and "Cannot read" in known.damages[0] and "trials.jsonl" in known.damages[0]


def test_trials_are_read_on_from_where_they_were_read_last(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    one = reader.TrialReader(run)
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
    one = reader.TrialReader(run, is_brief=True)
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
    one = reader.TrialReader(run)
    run.append_trial(searches.record("1", 0.5))
    one.update()
    with (run.path / "trials.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=r"Line 2 of .* is damaged: .*(missing|continues trial 7)"):
        one.update()
