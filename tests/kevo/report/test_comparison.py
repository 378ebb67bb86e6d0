import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.errors import RunError
from kevo.report.comparison import Comparison, compare, mcnemar
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.runs.ownership import SIGNATURE, signed
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.outputs.classes.evaluation import evaluate
from kevo.tasks.outputs.forecasts import evaluation as forecasts
from tests.support.samples import CONV_GENOME
from tests.support.searches import record
from tests.support.series import GENOME

SETTINGS = kevo.Settings(max_trials=3, space="small")


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return datasets.load("digits")


def finished(folder: Path, dataset: ImageDataset, *, wrong: range, data: str = "digits", **changes: Any) -> Run:
    """A run whose model is wrong about some of the test pictures, without any training."""
    settings = dataclasses.replace(SETTINGS, **changes)
    kept = {"search": settings.to_json(), "data": data, "fingerprint": dataset.fingerprint(), "kevo": "0.1.0"}
    run = Run.create(folder, signed(kept))
    labels, names = dataset.test.labels, dataset.class_names
    predicted = labels.copy()
    predicted[list(wrong)] = (labels[list(wrong)] + 1) % len(names)
    probabilities = np.eye(len(names), dtype=np.float32)[predicted]
    scores = evaluate(probabilities, labels, class_names=names)
    run.append_trial(record("0", 0.9, is_paused=False))
    run.write_json(
        "result.json",
        SearchResult(
            run_folder=folder,
            model_path=folder / "best.keras",
            genome=dict(CONV_GENOME),
            words="",
            num_parameters=1000 + len(wrong),
            validation=scores,
            test=scores,
            trials_completed=1,
            trials_failed=0,
            seconds=75.0,
            interrupted=False,
        ).to_json(),
    )
    with run.replacing(layout.TEST_PREDICTIONS) as path:
        np.save(path, probabilities.astype(np.float16))
    return run


def rows(comparison: Comparison) -> dict[str, tuple[Any, ...]]:
    return {row.name: row.values for row in comparison.rows if not row.is_equal}


def shown(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["compare", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize(
    ("first", "second", "p_value"), [(6, 0, 2 / 2**6), (9, 2, 134 / 2**11), (3, 3, 1.0), (0, 0, 1.0)]
)
def test_mcnemar_by_hand(first: int, second: int, p_value: float) -> None:
    right = np.zeros(40, bool), np.zeros(40, bool)
    right[0][:first] = right[1][20 : 20 + second] = True
    right[0][39] = right[1][39] = True
    assert mcnemar(*right) == pytest.approx(p_value)
    # Twice the smaller tail of a fair coin.
    num, few = first + second, min(first, second)
    tail = sum(math.comb(num, heads) for heads in range(few + 1)) / 2**num
    assert p_value == pytest.approx(min(1.0, 2 * tail))


def test_what_differs(tmp_path: Path, digits: ImageDataset) -> None:
    first = finished(tmp_path / "a", digits, wrong=range(20))
    second = finished(tmp_path / "b", digits, wrong=range(15, 20), space="default", epochs=5)
    found = compare([first.path, second.path])
    differing = rows(found)
    assert differing["epochs"] == (20, 5) and differing["space"] == ("small", "default")
    assert differing["parameters"] == (1020, 1005)
    assert differing["optimizers"] == (("adam", "sgd"), ("adam", "adamw", "sgd", "rmsprop"))
    assert differing.keys().isdisjoint({"data", "state", "seed", "seconds", "winner", "weights"})
    assert found.refused == {} and found.notes == ()


def test_weights_differ_by_their_source_and_not_by_where_it_lies(tmp_path: Path, digits: ImageDataset) -> None:
    sources = ["none", "imagenet", "/here/small.h5", "/there/small.h5"]
    runs = [
        finished(tmp_path / str(place), digits, wrong=range(1), weights={"mobilenet_v2": source}).path
        for place, source in enumerate(sources)
    ]
    assert rows(compare(runs[:3]))["weights"] == (
        ["mobilenet_v2=none"],
        ["mobilenet_v2=imagenet"],
        ["mobilenet_v2=small.h5"],
    )
    assert "weights" not in rows(compare(runs[2:]))


def test_more_than_chance_or_not(tmp_path: Path, digits: ImageDataset) -> None:
    runs = [
        finished(tmp_path / str(number), digits, wrong=wrong)
        for number, wrong in enumerate([range(20), range(5), range(3, 10)])
    ]
    worst, close = compare([run.path for run in runs]).verdicts
    assert (worst.better, worst.other, worst.is_more_than_chance) == (1, 0, True)
    assert worst.p_value == pytest.approx(2 / 2**15)
    assert "Run 2 gets 15 test pictures right that run 1 gets wrong, and the other way round it is 0" in worst.words
    assert (close.better, close.other, close.is_more_than_chance) == (1, 2, False)
    assert close.p_value == pytest.approx(186 / 2**8) and "may be chance" in close.words


def test_without_predictions_only_intervals_are_compared(tmp_path: Path, digits: ImageDataset) -> None:
    runs = [finished(tmp_path / str(num), digits, wrong=range(num)) for num in (2, 4, 80)]
    np.save(runs[1].path / layout.TEST_PREDICTIONS, np.zeros((3, 3), np.float16))
    (runs[2].path / layout.TEST_PREDICTIONS).unlink()
    close, far = compare([run.path for run in runs]).verdicts
    assert close.is_more_than_chance is None and close.p_value is None and "1 and 2 overlap" in close.words
    assert far.is_more_than_chance is True and far.p_value is None and "do not overlap" in far.words


def test_of_errors_the_lower_is_better(tmp_path: Path) -> None:
    true = np.random.default_rng(0).normal(size=(60, 2))
    for name, error in (("far", 2.0), ("near", 0.1), ("nearer", 0.099)):
        scores = forecasts.evaluate(true + error * np.sign(np.sin(np.arange(120))).reshape(60, 2), true, scale=1.0)
        settings = kevo.Settings(task="series", max_trials=3)
        run = Run.create(tmp_path / name, signed({"search": settings.to_json(), "fingerprint": "same"}))
        run.append_trial(record("0", 0.9, is_paused=False))
        result = SearchResult(
            run_folder=run.path,
            model_path=run.path / "best.keras",
            genome=dict(GENOME),
            words="",
            num_parameters=10,
            validation=scores,
            test=scores,
            trials_completed=1,
            trials_failed=0,
            seconds=75.0,
            interrupted=False,
            task="series",
        )
        run.write_json("result.json", result.to_json())
    far, close = compare([tmp_path / name for name in ("far", "near", "nearer")]).verdicts
    assert (far.better, far.other, far.is_more_than_chance) == (2, 0, True) and "do not overlap" in far.words
    assert (close.better, close.other, close.is_more_than_chance) == (2, 1, None)


def test_predictions_of_another_model_are_not_believed(tmp_path: Path, digits: ImageDataset) -> None:
    first, second = (finished(tmp_path / str(num), digits, wrong=range(num)) for num in (2, 20))
    (second.path / layout.TEST_PREDICTIONS).write_bytes((first.path / layout.TEST_PREDICTIONS).read_bytes())
    (verdict,) = compare([first.path, second.path]).verdicts
    assert verdict.p_value is None


def test_pictures_may_be_elsewhere_now(tmp_path: Path, digits: ImageDataset) -> None:
    runs = [finished(tmp_path / str(num), digits, wrong=range(num), data="/nowhere").path for num in (2, 20)]
    (lost,) = compare(runs).verdicts
    assert lost.p_value is None and "--data" in lost.words
    (there,) = compare(runs, data="digits").verdicts
    assert there.p_value == pytest.approx(2 / 2**18)


def test_other_pictures_are_another_question(tmp_path: Path, digits: ImageDataset) -> None:
    other = datasets.load("digits", seed=1)
    runs = [finished(tmp_path / "a", digits, wrong=range(3)), finished(tmp_path / "b", other, wrong=range(90), seed=1)]
    (verdict,) = compare([run.path for run in runs]).verdicts
    assert verdict.is_more_than_chance is None and "different pictures" in verdict.words


def test_unfinished_and_damaged_runs_are_named(tmp_path: Path, digits: ImageDataset) -> None:
    whole = finished(tmp_path / "whole", digits, wrong=range(3))
    begun = Run.create(tmp_path / "begun", {"search": SETTINGS.to_json()})
    damaged = finished(tmp_path / "damaged", digits, wrong=range(4))
    (damaged.path / "result.json").write_text("{")
    strange = Run.create(tmp_path / "strange", {"search": {"epochs": "many"}, "pictures": 5, "kevo": ["x"]})
    nowhere = tmp_path / "nowhere"
    found = compare([whole.path, begun.path, damaged.path, strange.path, nowhere])
    assert found.verdicts == () and list(found.refused) == [str(nowhere)]
    notes = "\n".join(found.notes)
    assert "Run 2 has not ended" in notes and "Run 3: " in notes and "Run 4: " in notes
    assert rows(found)["test accuracy"][1:] == (None, None, None)
    text = shown(whole.path, begun.path, damaged.path, strange.path, nowhere)
    assert "Left out" in text and "kevo resume" in text


def test_nothing_to_compare_is_an_error(tmp_path: Path, digits: ImageDataset) -> None:
    alone = finished(tmp_path / "alone", digits, wrong=range(3)).path
    assert "Error: Only one of these" in shown(alone, tmp_path / "x", code=2)
    with pytest.raises(RunError, match="None of these"):
        compare([tmp_path, tmp_path / "x"])
    assert "Error: None of these" in shown(tmp_path, tmp_path / "x", code=2)
    assert "two runs" in shown(tmp_path, code=2)


@pytest.mark.parametrize("num", [2, 3, 5])
def test_the_table_fits_into_a_terminal(tmp_path: Path, digits: ImageDataset, num: int) -> None:
    strange = "<b>$x\x1b[2J\u202e\u732b" + "long " * 30
    runs = []
    for place in range(num):
        run = finished(tmp_path / f"{place} {strange[:40]}", digits, wrong=range(place), data=f"{place}{strange}")
        (run.path / "trials.jsonl").unlink()
        run.append_trial(record("0", 0.9, is_paused=False, genome={**CONV_GENOME, "optimizer": f"{place}{strange}"}))
        runs.append(run.path)
    text = shown(*runs)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    # The cat takes two places each time.
    assert max(len(line) + line.count("\u732b") for line in text.splitlines()) <= 80
    assert "parameters" in text and "1,001" in text and "max trials" not in text
    assert "max trials" in shown(*runs, "--all")


def test_data_that_somebody_else_names_is_not_read(tmp_path: Path, digits: ImageDataset) -> None:
    runs = [finished(tmp_path / str(number), digits, wrong=range(20 * number)) for number in (0, 1)]
    for run in runs:
        run.write_json("settings.json", {**run.settings, SIGNATURE: ""})
    (verdict,) = compare([run.path for run in runs]).verdicts
    assert verdict.p_value is None and "Say where they are: --data" in str(verdict)
    (verdict,) = compare([run.path for run in runs], data="digits").verdicts
    assert verdict.p_value is not None


def test_json(tmp_path: Path, digits: ImageDataset) -> None:
    runs = [finished(tmp_path / str(num), digits, wrong=range(num)).path for num in (2, 20)]
    found = json.loads(shown(*runs, tmp_path / "nowhere", "--json"))
    assert found["runs"] == [str(run) for run in runs] and list(found["refused"]) == [str(tmp_path / "nowhere")]
    values = {row["name"]: row["values"] for row in found["rows"]}
    assert values["max trials"] == [3, 3] and values["test accuracy"][0][0] > values["test accuracy"][1][0]
    assert found["verdicts"][0]["p_value"] == pytest.approx(2 / 2**18)
