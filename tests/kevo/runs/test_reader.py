"""The run folder as plain data: what is read, what is refused, and what is stepped over."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.runs import reader, trial_reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.tasks.outputs.classes.evaluation import Evaluation
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from tests.support import searches
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
            "num_judged": 10_000,
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
    surer = dataclasses.replace(
        trial_reader.read_trials(whole)[1], metrics={"val_accuracy": 0.85, "val_cross_entropy": 0.1}
    )
    whole.append_trial(surer)
    assert winner() == "2"
    ended(whole, genome={"family": "of none of them"})
    assert winner() == "1"
    ended(whole, genome=trial_reader.read_trials(whole)[0].genome)
    assert winner() == "0"
    (whole.path / "trials.jsonl").unlink()
    assert winner() is None


@pytest.mark.parametrize(("settings", "num"), [({}, None), ({"num_judged": 7}, 7), ({"num_judged": "7"}, None)])
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
