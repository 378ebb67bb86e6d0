"""What `GeneticTuner` tells of its trials: a table, fronts, importance, figures, a page, a notebook's view."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import keras_tuner
import pytest

from tuners import GeneticTuner, figures, history, report


class Toy(GeneticTuner):
    """Searches without a model."""

    def __init__(self, value: Callable[[Any], Any], folder: Path, **kwargs: Any) -> None:
        self.value = value
        given = {"max_trials": 12, "seed": 0, "max_consecutive_failed_trials": 100, "project_name": "toy", **kwargs}
        super().__init__(directory=str(folder), **given)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return self.value(trial.hyperparameters)


def parabola(hp: Any) -> float:
    x = hp.Float("x", -5, 5)
    hp.Choice("<b>$y$</b>", ["a", "b"])
    if x < -3:
        raise RuntimeError("too <small>\nand more")
    return float((x - 2) ** 2)


def several(hp: Any) -> dict[str, float]:
    x, y = hp.Float("x", 0, 1), hp.Float("y", 0, 1)
    return {"quality": x, "cost": x * x + y, "time": 1 - x + y}


OBJECTIVES = [keras_tuner.Objective("quality", "max"), keras_tuner.Objective("cost", "min")]
THREE = [*OBJECTIVES, keras_tuner.Objective("time", "min")]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    tuner = Toy(parabola, tmp_path_factory.mktemp("single"), max_trials=30)
    tuner.search(verbose=0)
    return tuner


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    tuner = Toy(several, tmp_path_factory.mktemp("several"), objective=THREE)
    tuner.search(verbose=0)
    return tuner


def test_every_trial_is_a_row(single: Toy) -> None:
    rows = history.rows(single.oracle)
    assert len(rows) == len(single.oracle.trials) == 30
    for row in rows:
        assert row["status"] == ("failed" if row["x"] < -3 else "completed")
        assert row["score"] == (None if row["x"] < -3 else pytest.approx((row["x"] - 2) ** 2))
        assert row["reason"] == ("RuntimeError: too <small>" if row["x"] < -3 else None)
        assert row["seconds"] >= 0 and row["generation"] >= 0
    assert rows[0]["origin"] == "seed" and rows[0]["parents"] == ""
    bred = [row for row in rows if row["origin"] == "crossover"]
    assert bred and all(len(row["parents"].split(", ")) == 2 for row in bred)


def test_the_table_is_pandas_where_that_is_installed(single: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert single.trials() == history.rows(single.oracle)
    monkeypatch.delitem(sys.modules, "pandas")
    pandas = pytest.importorskip("pandas")
    assert isinstance(single.trials(), pandas.DataFrame) and len(single.trials()) == 30


def test_what_decides_the_score_matters(single: Toy) -> None:
    shares = single.importance()
    assert next(iter(shares)) == "x" and shares["x"] > 0.9


def test_failed_trials_say_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuner = Toy(parabola, tmp_path)
    tuner.search(verbose=0)
    lines = capsys.readouterr().err.splitlines()
    failed = [row for row in history.rows(tuner.oracle) if row["status"] == "failed"]
    assert failed and lines == [f"Trial {row['trial']} failed: RuntimeError: too <small>" for row in failed]
    assert "Traceback" in tuner.oracle.trials[failed[0]["trial"]].message


def test_each_panel_draws_its_own_front(exchange: Toy) -> None:
    rows = history.rows(exchange.oracle)
    panels = exchange.plot_front().axes
    assert len(panels) == 2
    for axes, cost in zip(panels, ("cost", "time"), strict=True):
        (line,) = (line for line in axes.get_lines() if line.get_label() == "front of these two")
        drawn = {(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}
        unbeaten = {
            (row[cost], row["quality"])
            for row in rows
            if not any(
                other[cost] <= row[cost]
                and other["quality"] >= row["quality"]
                and (other[cost], other["quality"]) != (row[cost], row["quality"])
                for other in rows
            )
        }
        assert drawn == unbeaten
    assert {one.trial_id for one in exchange.front()} == {one.trial_id for one in exchange.oracle.front()}


def test_one_objective_has_no_front_to_draw(single: Toy) -> None:
    with pytest.raises(ValueError, match="one objective only"):
        single.plot_front()
    assert [one.trial_id for one in single.front()] == [single.oracle.get_best_trials()[0].trial_id]


def test_the_line_of_the_best_never_falls_back(single: Toy) -> None:
    (line,) = (one for one in single.plot_fitness().axes[0].get_lines() if one.get_label() == "best so far")
    values = list(line.get_ydata())
    assert values == sorted(values, reverse=True) and values[-1] == single.oracle.get_best_trials()[0].score


@pytest.mark.parametrize("name", ["single", "exchange"])
def test_the_page_tells_all_and_runs_nothing(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tuner = request.getfixturevalue(name)
    written = tuner.report(tmp_path / "page.html")
    text = written.read_text()
    assert history.summary(tuner.oracle) in text
    # Fitness and importance; or, of few trials with several objectives, fitness and the front.
    assert text.count("<svg") == 2
    # Names and reasons come from a hypermodel.
    assert "<b>" not in text and "too <small>" not in text and "<script" not in text
    for figure in re.findall("<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(figure)
    assert all(f">{trial_id}</td>" in text for trial_id in tuner.oracle.trials)


def test_a_search_says_in_a_line_how_far_it_is(single: Toy, tmp_path: Path) -> None:
    best = single.oracle.get_best_trials()[0]
    assert repr(single).startswith(f"<Toy in {single.project_dir}: 30 of at most 30 trials have ended, ")
    assert repr(single).endswith(f"the best is {best.trial_id} with default_objective {best.score:.4g}>")
    assert best.trial_id in single._repr_html_() and "<table>" in single._repr_html_()
    empty = Toy(parabola, tmp_path)
    assert "0 of at most 12 trials have ended" in repr(empty)
    assert "0 of at most 12" in empty._repr_html_() and empty.report().name == "report.html"
    assert figures.svg(empty.plot_fitness()).startswith("<svg") and empty.importance() == {}
    assert report.table([]) == "<div><table><tr></tr></table></div>"


def test_patience_ends_a_search_and_a_search_that_is_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def flat(hp: Any) -> float:
        hp.Float("x", 0, 1)
        return 1.0

    tuner = Toy(flat, tmp_path, patience=4)
    tuner.search(verbose=0)
    assert len(tuner.oracle.trials) == 5 and "nothing new" not in capsys.readouterr().out
    again = Toy(flat, tmp_path, patience=4)
    again.search()
    assert len(again.oracle.trials) == 5
    assert capsys.readouterr().out.splitlines()[-1] == "The last 4 trials have brought nothing new."
    more = Toy(flat, tmp_path, patience=6)
    more.search(verbose=0)
    assert len(more.oracle.trials) == 7


def test_no_trial_begins_when_the_time_is_up(tmp_path: Path) -> None:
    clock = iter(range(1000))
    tuner = Toy(parabola, tmp_path, max_trials=100, max_time=30)
    tuner.oracle.deadline._clock = lambda: next(clock)
    tuner.search(verbose=0)
    num = len(tuner.oracle.trials)
    assert 1 <= num < 100
    assert tuner.oracle.ending == "The 30 seconds of `max_time` are over."
    # The next session has this time anew.
    tuner.search(verbose=0)
    assert num < len(tuner.oracle.trials) < 100
