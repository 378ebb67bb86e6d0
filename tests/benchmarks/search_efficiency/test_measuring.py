from pathlib import Path

import numpy as np

from benchmarks.search_efficiency.landscapes import Landscape
from benchmarks.search_efficiency.measurements import Measurement
from benchmarks.search_efficiency.measuring import collect, play, read, results_file
from benchmarks.search_efficiency.searches import Search, Training
from tests.benchmarks.search_efficiency.samples import row


def keep(build: Path, one: Measurement) -> None:
    results_file(build, one.landscape, one.searcher).append(one)


def scripted(*trainings: Training) -> Search:
    for training in trainings:
        _ = yield training


def test_choice_is_the_best_of_the_longest_trainings() -> None:
    # Ten genomes; after 2 epochs, 9 looks best, after 10 epochs it is worse than 4.
    landscape = Landscape(
        num_values=(10,),
        seen={2: np.arange(10.0), 10: np.array([0, 1, 2, 3, 9, 4, 5, 6, 7, 8.0])},
        regret=9 - np.array([0, 1, 2, 3, 9, 4, 5, 6, 7, 8.0]),
    )
    search = scripted(
        Training((9,), 2),
        Training((3,), 2),
        Training((3,), 10, 2),
        Training((9,), 10, 2),
        Training((4,), 10),
        Training((5,), 10),
    )
    steps, num_trainings, seconds = play(landscape, search, budget=30)
    # 2 + 2 + 8 + 8 + 10 epochs; the last training does not fit.
    assert steps == ((2, 1.0), (12, 6.0), (20, 1.0), (30, 0.0))
    assert num_trainings == 5
    assert seconds > 0


def test_equals_do_not_replace_the_choice() -> None:
    landscape = Landscape(num_values=(2,), seen={1: np.zeros(2)}, regret=np.array([1.0, 0.0]))
    steps, _, _ = play(landscape, scripted(Training((0,), 1), Training((1,), 1)), budget=5)
    assert steps == ((1, 1.0),)


def test_measurements_are_kept(tmp_path: Path) -> None:
    rows = [row(1, (1, 2.0)), row(0, (1, 3.0), (9, 0.5))]
    for one in rows:
        keep(tmp_path, one)
    assert read(tmp_path, "trap", "kevo", 200) == rows[::-1]
    assert read(tmp_path, "trap", "kevo", 50) == []
    assert collect(tmp_path, num_evaluations=200) == {"trap": {"kevo": rows[::-1]}}


def test_short_trainings_alone_are_read_from_the_other_protocol(tmp_path: Path) -> None:
    short = Measurement("cells", "random", 0, 2400, ((12, 5.0), (2196, 1.0), (2208, 0.0)), 200, 0.1)
    keep(tmp_path, short)
    keep(tmp_path, Measurement("cells_budget", "random", 0, 2200, ((200, 4.0),), 11, 0.1))
    rows = collect(tmp_path, num_evaluations=200)["cells_budget"]
    assert [one.regret(2200) for one in rows["random"]] == [4.0]
    assert [one.regret(2200) for one in rows["random, 12 epochs each"]] == [1.0]
