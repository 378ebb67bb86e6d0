import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from PIL import Image

from kevo.objective import Objective
from kevo.report import plots
from kevo.runs import ranking
from kevo.runs.records import TrialRecord
from kevo.tasks.outputs.classes.objectives import OBJECTIVES
from kevo.tasks.pages import Bars, CountMatrix, Lines
from kevo.tasks.registry import kind_of

KIND = kind_of("images")


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


def minutes(records: list[TrialRecord], name: str = "accuracy") -> Figure:
    objective = OBJECTIVES[name]
    scored = [
        record
        if record.fitness is None
        else replace(record, metrics={"val_cross_entropy": 0.0, objective.metric: record.fitness})
        for record in records
    ]
    winners = list(ranking.winners(scored, [objective], num_judged=None))
    return plots.fitness_by_minute(scored, objective=objective, winners=winners)


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
        plots.learning_curves(trial(0, history=SEARCH[0].history[:1], stages=["train"]), kind=KIND),
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
    # The legend has the upper fifth.
    assert axes.get_ylim()[1] == 1.25 * 33


def test_learning_curves() -> None:
    accuracy, loss = plots.learning_curves(SEARCH[0], kind=KIND).axes
    assert lines(accuracy)["training"] == ([1, 2, 3], [0.5, 0.7, 0.9])
    assert lines(accuracy)["validation"] == ([1, 2, 3], [0.4, 0.6, 0.8])
    assert lines(loss)["training"] == ([1, 2, 3], [1.5, 0.9, 0.3])
    assert lines(loss)["validation"] == ([1, 2, 3], [1.6, 1.1, 0.7])
    assert lines(loss)["fine-tune starts"][0] == [2.5, 2.5]


def test_learning_curves_leave_out_what_is_missing() -> None:
    history = [{"loss": 2.0, "val_cross_entropy": math.nan}, {"loss": 1.0}]
    accuracy, loss = plots.learning_curves(trial(0, history=history, stages=["train", "train"]), kind=KIND).axes
    assert lines(accuracy) == {} and words(accuracy) == ["No accuracy was recorded"]
    assert lines(loss) == {"training": ([1, 2], [2.0, 1.0])}


def confusion(counts: list[list[int]], names: list[str]) -> Figure:
    return plots.task_figure(CountMatrix("confusion", "Confusion matrix", "", tuple(map(tuple, counts)), tuple(names)))


def test_bars_have_a_name_and_a_length_each() -> None:
    drawing = Bars("importance", "Importance", "", "accuracy lost", (("age", 0.2), (HOSTILE, -0.1)))
    (axes,) = plots.task_figure(drawing).axes
    assert [bar.get_width() for bar in axes.patches] == [0.2, -0.1]
    assert axes.get_yticklabels()[0].get_text() == "age" and axes.get_xlabel() == "accuracy lost"


def test_lines_lie_over_the_same_steps() -> None:
    drawing = Lines("forecast", "Forecast", "", "Step", "Value", (("true", (3.0, 5.0)), (HOSTILE, (4.0, 4.5))))
    (axes,) = plots.task_figure(drawing).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3.0, 5.0], [4.0, 4.5]]
    assert all(line.get_xdata().tolist() == [1, 2] for line in axes.lines)
    assert axes.get_legend().get_texts()[0].get_text() == "true" and axes.get_ylabel() == "Value"


@pytest.mark.parametrize("num_classes", [2, 20])
def test_confusion_matrix_counts_and_colors(num_classes: int) -> None:
    counts = np.arange(num_classes**2).reshape(num_classes, num_classes)
    names = [f"class {number}" for number in range(num_classes)]
    axes, _ = confusion(counts.tolist(), names).axes
    assert words(axes) == [str(count) for count in counts.ravel()]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    np.testing.assert_allclose(axes.images[0].get_array(), counts / counts.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("num_classes", "num_named"), [(100, 100), (250, 84)])
def test_confusion_matrix_of_many_classes(num_classes: int, num_named: int) -> None:
    names = [str(number) for number in range(num_classes)]
    axes, _ = confusion(np.eye(num_classes, dtype=int).tolist(), names).axes
    assert words(axes) == []
    labels = {tick: label.get_text() for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    assert len(labels) == num_named
    assert all(names[int(tick)] == label for tick, label in labels.items())


def test_confusion_matrix_of_a_class_without_pictures() -> None:
    axes, _ = confusion([[0, 0], [1, 3]], ["a", "b"]).axes
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0, 0], [0.25, 0.75]]


def test_parameters_against_score() -> None:
    (axes,) = plots.parameters_against_score([*SEARCH, trial(7, fitness=0.8)], kind=KIND).axes
    drawn = {str(dots.get_label()): np.asarray(dots.get_offsets()).tolist() for dots in axes.collections}
    assert drawn == {
        "conv stack": [[1000, 0.2], [2000, 0.6], [4000, 0.5], [6000, 0.95], [8000, 0.8]],
        "fine-tuned backbone": [[5000, 0.9]],
    }
    assert lines(axes)["Pareto front"] == ([1000, 2000, 5000, 6000], [0.2, 0.6, 0.9, 0.95])
    # What is as good as no model is the smallest, and no achievement.
    for level, sizes in ((0.2, [2000, 5000, 6000]), (0.99, [1000, 2000, 5000, 6000])):
        (axes,) = plots.parameters_against_score(SEARCH, kind=KIND, level=level).axes
        assert lines(axes)["Pareto front"][0] == sizes
    assert axes.get_xscale() == "log"


def test_families_keep_their_color() -> None:
    def color(records: list[TrialRecord]) -> list[float]:
        (axes,) = plots.parameters_against_score(records, kind=KIND).axes
        (dots,) = (dots for dots in axes.collections if dots.get_label() == "fine-tuned backbone")
        return np.asarray(dots.get_facecolor())[0].tolist()

    assert color(SEARCH) == color([SEARCH[4]])


@pytest.mark.parametrize("records", [[], [FAILED]])
def test_nothing_completed_says_so(records: list[TrialRecord]) -> None:
    for figure in (
        plots.fitness_by_generation(records, objective=OBJECTIVES["accuracy"]),
        minutes(records),
        plots.parallel_coordinates(records, objective=OBJECTIVES["accuracy"]),
        plots.parameters_against_score(records, kind=KIND),
        plots.front_of(records, front=[], objectives=[OBJECTIVES["accuracy"], Objective("params", "min")]),
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
        kind=KIND,
        drawings=[CountMatrix("confusion", "Confusion matrix", "", ((5, 1), (0, 4)), tuple(class_names))],
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
    # As the terminal and the report number candidates; that of the second would lie on that of the first.
    assert words(axes) == ["4", "1"]


def test_each_cost_has_axes_of_its_own(tmp_path: Path) -> None:
    objectives = [OBJECTIVES["accuracy"], Objective("params", "min"), Objective("seconds", "min")]
    params, seconds = plots.front_of(COSTLY, front=FRONT, objectives=objectives).axes
    assert (params.get_xscale(), seconds.get_xscale()) == ("log", "linear")
    assert seconds.get_xlabel() == "Seconds of training"
    # In seconds the best is the fastest too, and beats the two that are unbeaten by parameters.
    assert lines(params)["front"] == ([1000, 20_000, 21_000], [0.5, 0.9, 0.91])
    assert lines(seconds)["front"] == ([4], [0.91])
    assert lines(seconds)["front, by other costs"] == ([5, 6], [0.5, 0.9])
    assert words(seconds) == ["4", "2", "1"]
    path = plots.save_front(tmp_path, FRONT, front=FRONT, objectives=objectives)
    with Image.open(path) as picture:
        assert path == tmp_path / "plots" / "front.png" and picture.width > picture.height


def test_fitness_by_minute() -> None:
    (axes,) = minutes(SEARCH).axes
    drawn = lines(axes)
    assert drawn["candidates"] == ([0, 20, 60, 80], [0.2, 0.6, 0.5, 0.9])
    assert drawn["finalists"] == ([100], [0.95])
    assert drawn["best so far"] == ([0, 20, 60, 80, 100], [0.2, 0.6, 0.6, 0.9, 0.95])
    assert axes.get_xlabel() == "Seconds of search"


@pytest.mark.parametrize(("seconds", "label", "last"), [(600.0, "Minutes", 10.0), (18_000.0, "Hours", 5.0)])
def test_time_is_counted_in_what_suits(seconds: float, label: str, last: float) -> None:
    records = [trial(0), trial(1, finished_at=seconds)]
    (axes,) = minutes(records, "loss").axes
    assert axes.get_xlabel() == f"{label} of search"
    assert lines(axes)["best so far"][0][-1] == last


def test_the_far_worse_do_not_take_the_room() -> None:
    records = [trial(number, fitness=0.9 + number / 1000) for number in range(50)]
    far = [trial(50, fitness=0.1), trial(51, fitness=0.2)]
    (axes,) = minutes([*records, *far]).axes
    assert axes.get_ylim()[0] > 0.8
    assert lines(axes)["2 far worse"][0] == [50 * 20 / 60, 51 * 20 / 60]
    losses = [replace(record, fitness=1 - (record.fitness or 0)) for record in [*records, *far]]
    (axes,) = minutes(losses, "loss").axes
    assert axes.get_ylim()[1] < 0.2 and len(lines(axes)["2 far worse"][0]) == 2


def test_gene_importance() -> None:
    (axes,) = plots.gene_importance({"head/l2": 0.7, "optimizer": 0.298, "mirror": 0.002}).axes
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.298, 0.002]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["head L2", "optimizer", "mirror"]
    assert words(axes) == ["70%", "30%", "<1%"]
    (axes,) = plots.gene_importance({}).axes
    assert len(axes.patches) == 0 and words(axes)[0].startswith("Too few candidates")


def gened(number: int, fitness: float | None, **changes: Any) -> TrialRecord:
    genome = {"family": "conv", "batch": [16, 32, 64][number % 3], "rate": 10.0 ** -(number % 12)}
    return trial(number, fitness=fitness, genome={**genome, **({"size": 96} if number % 2 else {})}, **changes)


def test_parallel_coordinates() -> None:
    records = [*(gened(number, number / 24) for number in range(24)), gened(24, None), gened(25, 9.0, full_length=True)]
    (axes,) = plots.parallel_coordinates(records, objective=OBJECTIVES["accuracy"]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["batch", "rate", "Validation\naccuracy"]
    candidates = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3 and line.get_alpha()]
    assert len(candidates) == 24
    # The worst is drawn first, with all of a logarithmic scale between the largest and the smallest rate.
    heights = [np.asarray(line.get_ydata()).tolist() for line in candidates]
    assert [height[-1] for height in heights] == pytest.approx([number / 23 for number in range(24)])
    assert [height[1] for height in heights[:12]] == pytest.approx([1 - number / 11 for number in range(12)])


def test_parallel_coordinates_show_who_lacks_a_gene() -> None:
    records = [gened(number, 0.5) for number in range(6)]
    mixed = [
        replace(record, genome={**record.genome, "size": 96 + 32 * place}) for place, record in enumerate(records[:2])
    ]
    (axes,) = plots.parallel_coordinates([*mixed, *records[2:5:2]], objective=OBJECTIVES["loss"], genes=["size"]).axes
    lowest = [min(np.asarray(line.get_ydata())) for line in axes.lines if line.get_alpha()]
    assert sum(height < -0.05 for height in lowest) == 2
    assert "not there" in words(axes) and "96" in words(axes) and "128" in words(axes)


FAMILY = [
    trial(0, fitness=0.5, origin="seed", genome={"family": "conv", "batch": 16, "l2": 0.1}),
    trial(1, fitness=0.6, origin="random", genome={"family": "conv", "batch": 32, "l2": 0.2}),
    trial(2, generation=1, fitness=0.7, origin="crossover", parents=("0001", "0000"), genome={"batch": 32, "l2": 0.3}),
    trial(3, generation=1, fitness=0.4, origin="mutation", parents=("0000",), genome={"family": "conv"}),
    trial(4, generation=2, fitness=0.8, origin="mutation", parents=("0002", "0001"), genome={"batch": 32, "l2": 0.3}),
    trial(5, generation=2, fitness=0.9, origin="final", parents=("0004",), genome={"batch": 32, "l2": 0.3, "$x": True}),
]


def heights(figure: Figure) -> dict[str, float]:
    """Where the first words of each candidate stand."""
    return {
        text.get_text(): text.get_position()[1] for text in figure.axes[0].texts if re.match(r"\d+: 0", text.get_text())
    }


def test_family_tree() -> None:
    figure = plots.family_tree(FAMILY, winner=FAMILY[5], kind=KIND)
    places = heights(figure)
    assert places.keys() == {"1: 0.5", "2: 0.6", "3: 0.7", "5: 0.8", "6: 0.9"}
    assert places["1: 0.5"] == places["2: 0.6"] > places["3: 0.7"] > places["5: 0.8"] > places["6: 0.9"]
    told = words(figure.axes[0])
    assert "conv" in told
    assert "generation 0, one to begin with" in told and "generation 2, trained to the end" in told
    assert "genes: 1 from 2, 0 from 1" in told
    assert "L2: 0.2 → 0.3" in told and "$x: none → yes" in told
    # Two parents of one, two of another, one of the winner; the way past candidate 3 has a stop beside it.
    assert sorted(len(np.asarray(line.get_xdata())) for line in figure.axes[0].lines) == [2, 2, 2, 2, 4]


def test_words_stay_in_their_boxes() -> None:
    wide = {f"a long name of a gene that {name}": 0 for name in ("is cut off", "is cut off too")}
    records = [trial(0, genome=wide), trial(1, parents=("0000",), genome=dict.fromkeys(wide, 123456789))]
    figure = plots.family_tree(records, winner=records[1], kind=KIND)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    box = min(patch.get_window_extent().width for patch in axes.patches)
    assert all(text.get_window_extent().width <= box for text in axes.texts if "gene" in text.get_text())


def test_family_tree_of_many_shows_the_nearest() -> None:
    records = [
        trial(number, parents=tuple(f"{other:04d}" for other in range(max(number - 3, 0), number)))
        for number in range(200)
    ]
    figure = plots.family_tree(records, winner=records[-1], kind=KIND)
    assert heights(figure).keys() == {f"{number}: 0.5" for number in range(185, 201)}
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert len(dotted) == 3
    assert max(figure.get_size_inches()) < 20


def test_family_tree_does_not_believe_in_circles() -> None:
    first = trial(0, parents=("0001", "0000", "nobody"), genome={"family": "conv"})
    second = trial(1, parents=("0000", "0001"), genome={"family": "$\\frac{" + "long " * 50}, origin="<b>")
    assert heights(plots.family_tree([first, second], winner=second, kind=KIND)).keys() == {"1: 0.5", "2: 0.5"}
    assert heights(plots.family_tree([], winner=first, kind=KIND)).keys() == {"1: 0.5"}


HOSTILE = '<script>alert("x")</script>&\x00\x1b[2J$\\frac{"\u202e'


def hostile_figures() -> list[Figure]:
    strange = [
        trial(number, genome={"family": HOSTILE, HOSTILE: [HOSTILE], "rate": value}, stages=["head", HOSTILE, "x"])
        for number, value in enumerate([math.nan, math.inf, 10**400, -1.5, "$x$", True, {}])
    ]
    return [
        plots.fitness_by_generation(strange, objective=OBJECTIVES["accuracy"]),
        minutes(strange),
        plots.parameters_against_score(strange, kind=KIND),
        plots.learning_curves(strange[0], kind=KIND),
        plots.gene_importance({HOSTILE: 1.0}),
        plots.parallel_coordinates(strange, objective=OBJECTIVES["accuracy"]),
        plots.family_tree(strange, winner=replace(strange[-1], parents=("0000", "0003"), origin=HOSTILE), kind=KIND),
        confusion([[1, 2], [3, 4]], [HOSTILE, "b" * 300]),
    ]


@pytest.mark.filterwarnings("error")
def test_svg_can_stand_in_a_page() -> None:
    elements = [plots.svg(figure) for figure in hostile_figures()]
    ids: list[str] = []
    for element in elements:
        root = ElementTree.fromstring(element)
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and element.startswith("<svg")
        assert root.get("width") == "100%" and root.get("height") is None and root.get("viewBox")
        assert {one.tag.rpartition("}")[2] for one in root.iter()}.isdisjoint(
            {"script", "style", "metadata", "foreignObject"}
        )
        assert "<text" in element
        own = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
        addresses = re.findall(r"url\(([^)]*)\)|href=\"([^\"]*)", element)
        targets = {one or other for one, other in addresses}
        assert {target.removeprefix("#") for target in targets if not target.startswith("data:image/png")} <= set(own)
        ids += own
    assert len(ids) == len(set(ids))
    assert any("&lt;script&gt;" in element for element in elements)


@pytest.mark.filterwarnings("error")
def test_png_of_anything() -> None:
    for figure in hostile_figures():
        assert plots.png(figure).startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_svg() -> None:
    first, second = (plots.svg(plots.seconds_by_generation(SEARCH)) for _ in range(2))
    assert first == second


def test_a_notebook_shows_figures() -> None:
    figure = plots.seconds_by_generation(SEARCH)
    assert figure._repr_png_().startswith(b"\x89PNG")
