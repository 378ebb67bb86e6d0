"""The curve of a search rises with each new best, and stays small however long the search is."""

from kevo.objective import Objective
from kevo.service.candidates import Candidate, Candidates
from kevo.service.pages import charts

ACCURACY = Objective("val_accuracy", "max")
LOSS = Objective("val_cross_entropy", "min")


def candidates(*scores: float | None, metric: str = "val_accuracy") -> Candidates:
    found = Candidates()
    for number, score in enumerate(scores):
        found.append(Candidate(0, 0, number, 10.0 * (number + 1), 1.0, 5, None if score is None else {metric: score}))
    return found


def test_nothing_is_drawn_before_the_first_score() -> None:
    assert charts.curve(candidates(), ACCURACY) is None and charts.curve(candidates(None, None), ACCURACY) is None


def test_each_new_best_is_a_step() -> None:
    curve = charts.curve(candidates(0.5, None, 0.4, 0.75, 0.75), ACCURACY)
    assert curve is not None and (curve.low, curve.high, curve.until) == (0.5, 0.75, "50.0 s")
    assert curve.rows == ((1, "10.0 s", 0.5), (4, "40.0 s", 0.75))
    bottom, top = charts.HEIGHT - 28, 12
    xs = [round(charts.LEFT + (charts.WIDTH - charts.LEFT - 12) * seconds / 50) for seconds in (10, 40, 50)]
    assert curve.line == f"{xs[0]},{bottom} {xs[1]},{bottom} {xs[1]},{top} {xs[2]},{top}"
    # What is poorer than everything on the line has no place.
    assert len(curve.dots) == 3


def test_the_lower_the_better_where_a_loss_is_improved() -> None:
    curve = charts.curve(candidates(0.5, 0.2, 0.9, metric="val_cross_entropy"), LOSS)
    assert curve is not None and [score for _, _, score in curve.rows] == [0.5, 0.2]
    assert charts.curve(candidates(0.5), LOSS) is None


def test_a_single_score_is_a_line() -> None:
    curve = charts.curve(candidates(0.5), ACCURACY)
    assert curve is not None and curve.low == curve.high == 0.5 and len(curve.dots) == 1


def test_a_long_search_has_a_small_drawing() -> None:
    curve = charts.curve(candidates(*(number / 20_000 for number in range(20_000))), ACCURACY)
    assert curve is not None and len(curve.rows) == 100 and curve.rows[-1][0] == 20_000
    assert len(curve.line) < 20_000 and len(curve.dots) <= 1000


def test_several_searches_share_their_axes() -> None:
    first, second = candidates(0.5, 0.75), candidates(0.25, 0.5, 0.6, 1.0)
    found = charts.together([("a", first, ACCURACY), ("b", second, ACCURACY)])
    assert found is not None and (found.low, found.high, found.until) == (0.5, 1.0, "40.0 s")
    assert [(name, last) for name, _, last in found.lines] == [("a", 0.75), ("b", 1.0)]
    bottom, top = charts.HEIGHT - 28, 12
    x = [round(charts.LEFT + (charts.WIDTH - charts.LEFT - 12) * seconds / 40) for seconds in (10, 20, 40)]
    middle = round(bottom - (bottom - top) / 2)
    assert found.lines[0][1] == f"{x[0]},{bottom} {x[1]},{bottom} {x[1]},{middle} {x[2]},{middle}"
    # What is below the axis stays on it.
    assert found.lines[1][1].startswith(f"{x[0]},{bottom} ") and found.lines[1][1].endswith(f"{x[2]},{top}")
    assert charts.together([("a", first, ACCURACY), ("b", second, LOSS)]) is None
    assert charts.together([("a", first, ACCURACY), ("b", candidates(), ACCURACY)]) is None
    assert charts.together([("a", first, ACCURACY), ("b", second, None)]) is None
