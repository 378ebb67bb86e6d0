import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from PIL import Image

from kevo import plots
from kevo.objectives import OBJECTIVES, Objective
from kevo.runs import TrialRecord


def trial(number: int, *, generation: int = 0, fitness: float | None = 0.5, **changes: Any) -> TrialRecord:
    history = [
        {"accuracy": 0.5, "loss": 1.5, "val_accuracy": 0.4, "val_cross_entropy": 1.6},
        {"accuracy": 0.7, "loss": 0.9, "val_accuracy": 0.6, "val_cross_entropy": 1.1},
        {"accuracy": 0.9, "loss": 0.3, "val_accuracy": 0.8, "val_cross_entropy": 0.7},
    ]
    completed = fitness is not None
    record = TrialRecord(
        number=number,
        trial_id=f"{number:04d}",
        generation=generation,
        genome={"family": "conv"},
        status="completed" if completed else "failed",
        fitness=fitness,
        metrics={"val_accuracy": fitness} if completed else {},
        history=history if completed else [],
        stages=["head", "head", "fine-tune"] if completed else [],
        num_epochs=3 if completed else 0,
        seconds=10.0 + number,
        num_parameters=1000 * (number + 1) if completed else None,
        reason=None if completed else "out of memory",
        finished_at=20.0 * number,
    )
    return replace(record, **changes)


FAILED = trial(9, fitness=None)
SEARCH = [
    trial(0, fitness=0.2),
    trial(1, fitness=0.6),
    trial(2, fitness=None),
    trial(3, generation=2, fitness=0.5),
    trial(4, generation=2, fitness=0.9, genome={"family": "pretrained"}),
    trial(5, generation=2, fitness=0.95, full_length=True),
]


def lines(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in axes.lines
    }


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("objective", "best"), [("accuracy", [0.6, 0.9]), ("loss", [0.2, 0.5])])
def test_fitness_by_generation(objective: str, best: list[float]) -> None:
    (axes,) = plots.fitness_by_generation(SEARCH, objective=OBJECTIVES[objective]).axes
    drawn = lines(axes)
    assert drawn["candidates"] == ([0, 0, 2, 2], [0.2, 0.6, 0.5, 0.9])
    for label, (first, last) in {"best": best, "mean": [0.4, 0.7]}.items():
        generations, values = drawn[label]
        assert generations == [0, 1, 2]
        assert values == pytest.approx([first, math.nan, last], nan_ok=True)


@pytest.mark.parametrize(
    ("objective", "label"),
    [("accuracy", "Validation accuracy"), ("macro_f1", "Validation macro F1"), ("loss", "Validation cross entropy")],
)
def test_fitness_says_what_it_is(objective: str, label: str) -> None:
    (axes,) = plots.fitness_by_generation(SEARCH, objective=OBJECTIVES[objective]).axes
    assert axes.get_ylabel() == label


def test_one_generation_has_one_whole_number() -> None:
    for figure in (
        plots.fitness_by_generation(SEARCH[:2], objective=OBJECTIVES["accuracy"]),
        plots.seconds_by_generation(SEARCH[:2]),
        plots.learning_curves(trial(0, history=SEARCH[0].history[:1], stages=["train"])),
    ):
        axes = figure.axes[0]
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert len(ticks) == 1 and ticks[0] == round(ticks[0])


def test_seconds_by_generation() -> None:
    (axes,) = plots.seconds_by_generation(SEARCH).axes
    completed, failed = (bars for bars in axes.containers if isinstance(bars, BarContainer))
    assert [bar.get_x() + bar.get_width() / 2 for bar in completed] == pytest.approx([0, 2])
    assert [bar.get_height() for bar in completed] == [10 + 11, 13 + 14]
    assert [bar.get_height() for bar in failed] == [12, 0]
    assert [bar.get_y() for bar in failed] == [21, 27]


def test_learning_curves() -> None:
    accuracy, loss = plots.learning_curves(SEARCH[0]).axes
    assert lines(accuracy)["training"] == ([1, 2, 3], [0.5, 0.7, 0.9])
    assert lines(accuracy)["validation"] == ([1, 2, 3], [0.4, 0.6, 0.8])
    assert lines(loss)["training"] == ([1, 2, 3], [1.5, 0.9, 0.3])
    assert lines(loss)["validation"] == ([1, 2, 3], [1.6, 1.1, 0.7])
    assert lines(loss)["fine-tune starts"][0] == [2.5, 2.5]


def test_learning_curves_leave_out_what_is_missing() -> None:
    history = [{"loss": 2.0, "val_cross_entropy": math.nan}, {"loss": 1.0}]
    accuracy, loss = plots.learning_curves(trial(0, history=history, stages=["train", "train"])).axes
    assert lines(accuracy) == {} and words(accuracy) == ["No accuracy was recorded"]
    assert lines(loss) == {"training": ([1, 2], [2.0, 1.0])}


@pytest.mark.parametrize("num_classes", [2, 20])
def test_confusion_matrix_counts_and_colors(num_classes: int) -> None:
    counts = np.arange(num_classes**2).reshape(num_classes, num_classes)
    names = [f"class {number}" for number in range(num_classes)]
    axes, _ = plots.confusion_matrix(counts.tolist(), class_names=names).axes
    assert words(axes) == [str(count) for count in counts.ravel()]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    np.testing.assert_allclose(axes.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("num_classes", "num_named"), [(100, 100), (250, 84)])
def test_confusion_matrix_of_many_classes(num_classes: int, num_named: int) -> None:
    names = [str(number) for number in range(num_classes)]
    axes, _ = plots.confusion_matrix(np.eye(num_classes, dtype=int).tolist(), class_names=names).axes
    assert words(axes) == []
    labels = {tick: label.get_text() for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    assert len(labels) == num_named
    assert all(names[int(tick)] == label for tick, label in labels.items())


def test_confusion_matrix_of_a_class_without_pictures() -> None:
    axes, _ = plots.confusion_matrix([[0, 0], [1, 3]], class_names=["a", "b"]).axes
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0, 0], [0.25, 0.75]]


def test_parameters_against_accuracy() -> None:
    (axes,) = plots.parameters_against_accuracy([*SEARCH, trial(7, fitness=0.8)]).axes
    drawn = {str(dots.get_label()): np.asarray(dots.get_offsets()).tolist() for dots in axes.collections}
    assert drawn == {
        "conv": [[1000, 0.2], [2000, 0.6], [4000, 0.5], [6000, 0.95], [8000, 0.8]],
        "pretrained": [[5000, 0.9]],
    }
    assert lines(axes)["Pareto front"] == ([1000, 2000, 5000, 6000], [0.2, 0.6, 0.9, 0.95])
    assert axes.get_xscale() == "log"


def test_families_keep_their_color() -> None:
    def color(records: list[TrialRecord]) -> list[float]:
        (axes,) = plots.parameters_against_accuracy(records).axes
        (dots,) = (dots for dots in axes.collections if dots.get_label() == "pretrained")
        return np.asarray(dots.get_facecolor())[0].tolist()

    assert color(SEARCH) == color([SEARCH[4]])


@pytest.mark.parametrize("records", [[], [FAILED]])
def test_nothing_completed_says_so(records: list[TrialRecord]) -> None:
    for figure in (
        plots.fitness_by_generation(records, objective=OBJECTIVES["accuracy"]),
        plots.parameters_against_accuracy(records),
    ):
        assert words(figure.axes[0]) == ["No candidate completed"]
    (axes,) = plots.seconds_by_generation(records).axes
    assert words(axes) == ([] if records else ["No candidate was trained"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("records", "class_names"),
    [
        (SEARCH, ["cat", "dog"]),
        ([trial(0, metrics={}, history=[], stages=[])], ["a name far too long to stand beside a row", "$5 & $^$"]),
        ([FAILED], ["\u732b", "not\nUTF-8 \udcff"]),
    ],
    ids=["search", "no metrics", "all failed"],
)
def test_save_all_writes_pictures(tmp_path: Path, records: list[TrialRecord], class_names: list[str]) -> None:
    paths = plots.save_all(
        tmp_path,
        records,
        objective=OBJECTIVES["accuracy"],
        winner=records[0],
        confusion=[[5, 1], [0, 4]],
        class_names=class_names,
    )
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert [path.stem for path in paths] == ["fitness", "seconds", "learning_curves", "confusion", "parameters"]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG" and min(picture.size) > 500
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10


def costly(number: int, accuracy: float, params: float, seconds: float, **changes: Any) -> TrialRecord:
    metrics = {"val_accuracy": accuracy, "params": params, "seconds": seconds}
    return trial(number, fitness=accuracy, metrics=metrics, **changes)


COSTLY = [
    costly(0, 0.5, 1000, 5),
    costly(1, 0.9, 20_000, 6),
    costly(2, 0.4, 30_000, 9),
    costly(3, 0.91, 21_000, 4),
    FAILED,
]
FRONT = [COSTLY[3], COSTLY[1], COSTLY[0]]


def test_the_front_stands_out_from_all_others() -> None:
    objectives = [OBJECTIVES["accuracy"], Objective("params", "min")]
    (axes,) = plots.front_of(COSTLY, front=FRONT, objectives=objectives).axes
    drawn = lines(axes)
    assert drawn["front"] == ([1000, 20_000, 21_000], [0.5, 0.9, 0.91])
    assert drawn["candidates"] == ([30_000], [0.4])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Parameters", "Validation accuracy")
    assert axes.get_xscale() == "log"
    # The name of the second would lie on that of the first.
    assert words(axes) == ["0003", "0000"]


def test_each_cost_has_axes_of_its_own(tmp_path: Path) -> None:
    objectives = [OBJECTIVES["accuracy"], Objective("params", "min"), Objective("seconds", "min")]
    params, seconds = plots.front_of(COSTLY, front=FRONT, objectives=objectives).axes
    assert (params.get_xscale(), seconds.get_xscale()) == ("log", "linear")
    assert seconds.get_xlabel() == "Seconds of training"
    assert [line.get_linestyle() for axes in (params, seconds) for line in axes.lines] == ["None"] * 4
    assert words(seconds) == ["0003", "0001", "0000"]
    path = plots.save_front(tmp_path, FRONT, front=FRONT, objectives=objectives)
    with Image.open(path) as picture:
        assert path == tmp_path / "plots" / "front.png" and picture.width > picture.height
