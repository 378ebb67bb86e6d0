import builtins
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import kevo
from kevo import result as results
from kevo.errors import RunError
from kevo.report.tables import Table, table
from kevo.result import SearchResult
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Ensemble, EnsembleMember, FrontMember
from kevo.tasks.outputs.classes.evaluation import Evaluation
from tests.support.samples import CONV_GENOME
from tests.support.searches import Diary, record

SCORES = Evaluation(
    num_examples=10,
    accuracy=0.9,
    macro_f1=0.9,
    cross_entropy=0.3,
    precision={"cat": 1.0, "<b>\x1b[2J": 0.8},
    recall={"cat": 0.8, "<b>\x1b[2J": 1.0},
    support={"cat": 5, "<b>\x1b[2J": 5},
    confusion=[[4, 1], [0, 5]],
)
PLOTS = [name for name in dir(SearchResult) if name.startswith("plot_")]


def found(folder: Path, **changes: Any) -> SearchResult:
    values: dict[str, Any] = {
        "run_folder": folder,
        "model_path": folder / "best.keras",
        "genome": dict(CONV_GENOME),
        "words": "conv stack <i>\x1b[31m",
        "num_parameters": 1234567,
        "validation": SCORES,
        "test": SCORES,
        "trials_completed": 7,
        "trials_failed": 1,
        "seconds": 75.0,
        "interrupted": False,
    }
    return SearchResult(**{**values, **changes})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished run that was never trained."""
    run = Run.create(tmp_path / "run", {"search": kevo.Settings(max_trials=3).to_json(), "data": "digits"})
    for number, accuracy in enumerate([0.5, 0.9, 0.7]):
        run.append_trial(
            record(str(number), accuracy, number=number, is_paused=False, origin="seed", finished_at=float(number))
        )
    run.write_json("result.json", found(run.path).to_json())
    return run


@pytest.fixture
def searched(climbed: tuple[SearchResult, Diary]) -> SearchResult:
    return climbed[0]


def test_a_search_says_where_each_candidate_comes_from(searched: SearchResult) -> None:
    records = {one.trial_id: one for one in trial_reader.read_trials(Run.open(searched.run_folder))}
    origins = {one.origin for one in records.values()}
    assert (
        {"seed", "promotion", "final"} <= origins <= {"seed", "random", "crossover", "mutation", "promotion", "final"}
    )
    for one in records.values():
        assert set(one.parents) <= records.keys()
        assert len(one.parents) in {"crossover": (1, 2), "seed": (0,), "random": (0,)}.get(one.origin, (1,))
        if one.origin == "promotion":
            (parent,) = one.parents
            assert records[parent].is_paused and records[parent].genome == one.genome
        if one.origin == "final":
            assert one.full_length and one.trial_id == f"{one.parents[0]}-full"


def test_what_a_search_handed_over_is_found_again(searched: SearchResult, tmp_path: Path) -> None:
    assert results.open(searched.run_folder) == searched
    assert SearchResult.from_json(json.loads(json.dumps(searched.to_json()))) == searched
    moved = searched.run_folder.rename(tmp_path / "elsewhere")
    try:
        again = kevo.SearchResult.open(moved)
        assert again.model_path == moved / "best.keras"
        assert again.best_model.count_params() == searched.num_parameters
        assert again.report(tmp_path / "page.html").read_text().lstrip().startswith("<!")
    finally:
        moved.rename(searched.run_folder)


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_a_figure(run: Run, name: str) -> None:
    figure = getattr(results.open(run.path), name)()
    assert isinstance(figure, Figure) and figure._repr_png_().startswith(b"\x89PNG")


def test_there_is_a_plot_of_everything() -> None:
    assert {name.removeprefix("plot_") for name in PLOTS} == {
        *("fitness", "minutes", "learning_curves", "confusion", "parameters"),
        *("importance", "family_tree", "parallel", "front"),
    }


def test_trials_are_a_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without_pandas(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    trials = results.open(run.path).trials
    assert type(trials) is Table
    assert [row["fitness"] for row in trials] == [0.5, 0.9, 0.7]
    assert [row["number"] for row in trials] == [1, 2, 3]
    assert trials[1]["trial_id"] == "1" and trials[1]["origin"] == "seed" and trials[1]["optimizer"] == "adam"
    first, *rows, last = repr(trials).splitlines()
    assert first.split()[:3] == ["number", "trial_id", "generation"] and len(rows) == 3
    assert "more columns" in last and max(map(len, repr(trials).splitlines())) <= 120


def test_trials_are_a_data_frame_where_pandas_is(run: Run) -> None:
    pandas = pytest.importorskip("pandas")
    trials = results.open(run.path).trials
    assert isinstance(trials, pandas.DataFrame)
    assert trials.loc[trials.fitness.idxmax(), "trial_id"] == "1"


def test_a_table_shows_what_fits_and_obeys_nobody() -> None:
    rows = Table({"<b>": f"\x1b[2J<script>{number}", "long": "x" * 99} for number in range(30))
    assert "\x1b" not in repr(rows) and repr(rows).endswith("... 10 more rows")
    html = rows._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;29" not in html and html.count("<tr>") == 21
    assert repr(Table()) == "" and len(table([])) == 0


def test_a_result_reads_well(run: Run) -> None:
    result = results.open(run.path)
    text, html = repr(result), result._repr_html_()
    assert "accuracy 0.9000, 0.5958 to 0.9821 with a confidence of 95 %, on 10 pictures" in text
    assert "1,234,567 parameters" in text and "7 candidates completed, 1 failed, in 1 min 15 s" in text
    assert "\x1b" not in text + html and "<i>" not in html and "&lt;i&gt;" in html


def test_no_word_is_divided_where_lines_are_short(run: Run) -> None:
    result = results.open(run.path)
    lines = result.summary(columns=60).splitlines()
    # A path alone may be longer, and stands in a line of its own.
    assert all(len(line) <= 60 or "/" in line.split()[-1] for line in lines) and len(lines) == 6
    words = [word for line in result.summary().splitlines() for word in line.split()]
    assert [word for line in lines for word in line.split()] == words


def test_files_are_those_of_the_run_folder_wherever_the_result_says_they_are(run: Run) -> None:
    member = FrontMember("0", {}, "words", {}, Path("/etc/passwd"))
    together = Ensemble((EnsembleMember("0", 1.0, "words"),), 1, SCORES, SCORES, Path("../../ensemble.keras"))
    strange = found(Path("/elsewhere"), model_path=Path("/etc/best.keras"), front=(member,), ensemble=together)
    run.write_json("result.json", strange.to_json())
    result = results.open(run.path)
    assert result.run_folder == run.path and result.model_path == run.path / "best.keras"
    assert result.front[0].model_path == run.path / "checkpoints" / "passwd"
    assert result.ensemble is not None and result.ensemble.model_path == run.path / "ensemble.keras"
    assert "1 models that no other beats" in repr(result) and "ensemble" in repr(result)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.pop("words"), "damaged"),
        (lambda values: values.update(surprise=1), "damaged"),
        (lambda values: values["test"].update(accuracy="high"), "damaged"),
        (lambda values: values.update(front=5), "damaged"),
    ],
    ids=["lacking", "more", "no number", "no front"],
)
def test_a_damaged_result_is_named(run: Run, change: Any, match: str) -> None:
    values = found(run.path).to_json()
    change(values)
    run.write_json("result.json", values)
    with pytest.raises(RunError, match=match):
        results.open(run.path)


def test_a_search_without_a_result_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    os.remove(run.path / "result.json")
    with pytest.raises(RunError, match="kevo resume"):
        results.open(run.path)
    with pytest.raises(RunError, match="no run folder"):
        results.open(tmp_path / "nowhere")


def test_without_its_candidates_a_result_says_so(run: Run) -> None:
    os.remove(run.path / "trials.jsonl")
    result = results.open(run.path)
    assert len(result.trials) == 0
    assert result.plot_confusion() and result.plot_front() and result.plot_importance()
    for plot in (result.plot_family_tree, result.plot_learning_curves):
        with pytest.raises(RunError, match=r"trials\.jsonl"):
            plot()


def test_kevo_loads_nothing_to_draw_with() -> None:
    code = "import sys, kevo, kevo.report.tables; print({'matplotlib', 'pandas', 'rich'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_changes_make_another_result(run: Run) -> None:
    result = results.open(run.path)
    assert dataclasses.replace(result, interrupted=True) != result
    assert "interrupted" in repr(dataclasses.replace(result, interrupted=True))
