"""The benchmark of search efficiency: its landscapes, peers, accounts, statistics and report."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import peers
import pytest
from efficiency_report import Measured, difference, draw, interval, resampled_means, tell
from landscapes import CELLS, MACRO, PROTOCOLS, Genome, Landscape, cells, macro, nk, trap
from peers import INNER_PARTS, PARTS, SEARCHERS, Search, Task, Training, aging_evolution, declare, local_search
from search_efficiency import collect, keep, main, play, read

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
SMALL = Task(num_values=(2,) * 6, rungs=(1,), budget=12)


def need(table: str) -> None:
    if not (DATA / table).exists():
        pytest.skip(f"{DATA / table} is missing")


def genomes(landscape: Landscape) -> list[Genome]:
    return list(np.ndindex(landscape.num_values))


def count_up(search: Search, num: int) -> list[Training]:
    """What a search asks for where every gene is best at its greatest value."""
    asked = [next(search)]
    while len(asked) < num:
        asked.append(search.send(float(sum(asked[-1].genome))))
    search.close()
    search.close()
    return asked


def scripted(*trainings: Training) -> Search:
    for training in trainings:
        _ = yield training


def row(seed: int, *steps: tuple[int, float], searcher: str = "kevo", landscape: str = "trap") -> Measured:
    return Measured(landscape, searcher, seed, budget=200, steps=steps, num_trainings=200, seconds=0.2)


def test_trap_by_hand() -> None:
    landscape = trap(seed=3, num_blocks=1)
    (best,) = (genome for genome in genomes(landscape) if landscape.regret[landscape.index(genome)] == 0)
    worth = {0: 2.0, 1: 1.0, 2: 0.0, 3: 3.0}
    for genome in genomes(landscape):
        num_right = sum(one == other for one, other in zip(genome, best, strict=True))
        assert landscape.seen[1][landscape.index(genome)] == worth[num_right]
        assert landscape.regret[landscape.index(genome)] == 3 - worth[num_right]


def test_trap_adds_its_blocks_up() -> None:
    landscape = trap(seed=0)
    assert landscape.seen[1].max() == 12
    # Of 8 patterns a block has one that is best, and one that is worth 2.
    assert (landscape.regret == 0).sum() == 1
    assert (landscape.regret == 1).sum() == 4


def test_the_best_is_drawn_anew_for_each_seed() -> None:
    assert len({int(trap(seed=seed).regret.argmin()) for seed in range(10)}) == 10
    assert len({int(nk(seed=seed).regret.argmin()) for seed in range(10)}) == 10


def test_nk_without_neighbors_is_a_sum_over_genes() -> None:
    landscape = nk(seed=1, num_genes=4, num_neighbors=0)
    seen = landscape.seen[1].reshape(3, 3, 3, 3)
    steps = [seen[1, 0, 0, 0] - seen[0, 0, 0, 0], seen[1, 2, 1, 0] - seen[0, 2, 1, 0]]
    assert steps[0] == pytest.approx(steps[1])
    assert landscape.regret.min() == 0
    assert landscape.regret.std() == pytest.approx(1)


def test_nk_with_neighbors_is_rugged() -> None:
    def num_peaks(landscape: Landscape) -> int:
        seen = landscape.seen[1].reshape(landscape.num_values)
        peaks = np.ones(seen.shape, bool)
        for gene in range(seen.ndim):
            peaks &= seen == seen.max(axis=gene, keepdims=True)
        return int(peaks.sum())

    assert num_peaks(nk(seed=0, num_neighbors=0)) == 1
    assert num_peaks(nk(seed=0, num_neighbors=2)) > 5


def test_macro_table() -> None:
    need(MACRO)
    exact, noisy = macro(DATA), macro(DATA, column=1)
    # As the paper's own table has it.
    assert exact.seen[1].max() == pytest.approx(93.127, abs=1e-3)
    assert exact.regret.min() == 0
    assert exact.regret.max() == pytest.approx(47.763, abs=1e-3)
    assert exact.seen[1][exact.index((0,) * 8)] == pytest.approx(45.363, abs=1e-3)
    assert exact.seen[1][exact.index((0,) * 7 + (1,))] == pytest.approx(64.223, abs=1e-3)
    np.testing.assert_array_equal(exact.regret, noisy.regret)
    assert 0 < np.abs(noisy.seen[1] - exact.seen[1]).mean() < 0.5


def test_cells_table() -> None:
    need(CELLS)
    landscape = cells(DATA, rungs=(12, 200))
    assert landscape.rungs == (12, 200)
    assert landscape.seen[200].max() == pytest.approx(94.373, abs=1e-3)
    largest = landscape.index(landscape.alone["the largest network"])
    assert landscape.seen[200][largest] == pytest.approx(93.76, abs=1e-3)
    assert landscape.seen[12][largest] == pytest.approx(69.078, abs=1e-3)
    assert landscape.seen[200][landscape.index((0, 3, 4, 2, 1, 3))] != landscape.seen[200][largest]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_builds(name: str) -> None:
    protocol = PROTOCOLS[name]
    if protocol.table:
        need(protocol.table)
    landscape = protocol.build(DATA, 1)
    assert landscape.regret.min() == 0
    assert {len(seen) for seen in landscape.seen.values()} == {len(landscape.regret)}
    assert len(landscape.regret) == np.prod(landscape.num_values)
    assert all(landscape.regret[landscape.index(genome)] > 0 for genome in landscape.alone.values())


@pytest.mark.parametrize("name", [name for name, searcher in SEARCHERS.items() if not searcher.rungs_only])
def test_every_searcher_plays(name: str) -> None:
    if SEARCHERS[name].is_missing:
        pytest.skip(f"{SEARCHERS[name].needs} is not installed")
    first, second = (count_up(SEARCHERS[name].start(SMALL, 0), 12) for _ in range(2))
    assert first == second
    assert {training.epochs for training in first} == {1}
    assert all(len(training.genome) == 6 and set(training.genome) <= {0, 1} for training in first)
    assert first != count_up(SEARCHERS[name].start(SMALL, 1), 12)


@pytest.mark.parametrize("part", [*PARTS, *INNER_PARTS])
def test_a_part_that_is_switched_off_is_missed(part: str) -> None:
    task = Task(num_values=(4,) * 6, rungs=(1,), budget=60)
    whole, lacking = (count_up(SEARCHERS[name].start(task, 0), 60) for name in ("kevo", part))
    assert whole != lacking
    assert whole == count_up(SEARCHERS["kevo"].start(task, 0), 60)


@pytest.mark.parametrize("name", ["kevo", "random", "hyperband"])
def test_oracles_leave_nothing_behind_and_print_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "_MEMORY", tmp_path)
    search = SEARCHERS[name].start(Task(num_values=(2,) * 6, rungs=(1, 4), budget=40), 0)
    next(search)
    assert len(list(tmp_path.rglob("trial.json"))) == 1
    search.send(1.0)
    search.close()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_seeds_of_the_random_search_do_not_overlap() -> None:
    first, second = (
        [training.genome for training in count_up(SEARCHERS["random"].start(SMALL, seed), 12)] for seed in (0, 6)
    )
    # Keras Tuner draws one value for each number that it counts up from its seed.
    assert first[1:] != second[:-1]


def test_space_is_one_of_words() -> None:
    hp = declare((3, 2))
    assert [type(choice.default) for choice in hp.space] == [str, str]
    assert [choice.values for choice in hp.space] == [["0", "1", "2"], ["0", "1"]]


def test_hyperband_climbs_from_rung_to_rung() -> None:
    task = Task(num_values=(5,) * 6, rungs=(12, 200), budget=2200)
    asked = count_up(SEARCHERS["hyperband"].start(task, 0), 30)
    assert {(one.initial_epoch, one.epochs) for one in asked} == {(0, 12), (12, 200), (0, 200)}
    low = {one.genome: sum(one.genome) for one in asked if one.epochs == 12}
    promoted = [one.genome for one in asked if one.initial_epoch == 12]
    assert {low[genome] for genome in promoted} <= set(sorted(low.values())[-len(promoted) :])


def test_ours_climbs_from_rung_to_rung() -> None:
    task = Task(num_values=(5,) * 6, rungs=(12, 200), budget=2200)
    asked = count_up(SEARCHERS["kevo"].start(task, 0), 95)
    steps = {(one.initial_epoch, one.epochs) for one in asked}
    assert {(0, 12), (12, 200)} <= steps
    assert {one.genome for one in asked if one.initial_epoch} <= {one.genome for one in asked if one.epochs == 12}
    assert {(one.initial_epoch, one.epochs) for one in count_up(SEARCHERS["full"].start(task, 0), 5)} == {(0, 200)}


def test_local_search_climbs_and_starts_anew() -> None:
    asked = [training.genome for training in count_up(local_search(SMALL, 0), 64)]
    assert len(set(asked)) == 64
    # From any genome, 6 bits are right after at most 6 climbs of at most 6 looks each.
    assert (1,) * 6 in asked[:37]
    with pytest.raises(StopIteration):
        search = local_search(Task((2,), (1,), 3), 0)
        next(search)
        for _ in range(3):
            search.send(0.0)


def test_aging_evolution_mutates_one_gene_of_the_young() -> None:
    asked = [
        training.genome for training in count_up(aging_evolution(SMALL, 0, population_size=10, sample_size=5), 300)
    ]
    for number, child in enumerate(asked[10:], start=10):
        distances = [sum(a != b for a, b in zip(child, one, strict=True)) for one in asked[number - 10 : number]]
        assert 1 in distances
    assert np.mean(asked[-100:]) > 0.7


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


def test_regret_after_so_many_epochs() -> None:
    one = row(0, (12, 3.0), (36, 1.0))
    assert np.isnan(one.regret(11))
    assert [one.regret(epochs) for epochs in (12, 35, 36, 200)] == [3.0, 3.0, 1.0, 1.0]


def test_intervals() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=400)
    low, high = interval(resampled_means(values))
    # The standard error is 0.1; its interval is 1.96 of them to either side.
    assert low == pytest.approx(values.mean() - 0.196, abs=0.03)
    assert high == pytest.approx(values.mean() + 0.196, abs=0.03)
    curves = resampled_means(np.stack([values, values + 1], axis=1))
    np.testing.assert_allclose(curves[:, 1] - curves[:, 0], 1)


def test_differences() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 10, size=50)
    first, second = hardness + rng.normal(0, 1, size=50), hardness + rng.normal(1, 1, size=50)
    mean, low, high = difference(first, second, is_paired=True)
    assert low < mean < high < 0
    # Without pairs the landscapes' hardness hides it.
    mean, low, high = difference(first, second, is_paired=False)
    assert low < 0 < high
    assert difference(first, first[:3] - 100, is_paired=False)[1] > 0


def test_measurements_are_kept(tmp_path: Path) -> None:
    rows = [row(1, (1, 2.0)), row(0, (1, 3.0), (9, 0.5))]
    for one in rows:
        keep(one, build=tmp_path)
    assert read("trap", "kevo", 200, build=tmp_path) == rows[::-1]
    assert read("trap", "kevo", 50, build=tmp_path) == []
    assert collect(tmp_path, num_evaluations=200) == {"trap": {"kevo": rows[::-1]}}


def test_short_trainings_alone_are_read_from_the_other_protocol(tmp_path: Path) -> None:
    short = Measured("cells", "random", 0, 2400, ((12, 5.0), (2196, 1.0), (2208, 0.0)), 200, 0.1)
    keep(short, build=tmp_path)
    keep(Measured("cells_budget", "random", 0, 2200, ((200, 4.0),), 11, 0.1), build=tmp_path)
    rows = collect(tmp_path, num_evaluations=200)["cells_budget"]
    assert [one.regret(2200) for one in rows["random"]] == [4.0]
    assert [one.regret(2200) for one in rows["random, 12 epochs each"]] == [1.0]


def test_report_and_figure(tmp_path: Path) -> None:
    measured = {
        "trap": {
            "kevo": [row(seed, (1, 4.0), (40, 1.0)) for seed in range(4)],
            "tpe": [row(seed, (1, 4.0), (60, 2.0), searcher="tpe") for seed in range(3)],
        }
    }
    report = tell(measured, figure="figure.png", alone={"trap": {"the default genome": 8.0}})
    assert "| kevo | 4 | 4.000 [4.000, 4.000] | 1.000 [1.000, 1.000] | 1.000 [1.000, 1.000] |" in report
    assert "| Deceptive trap | Optuna TPE | 50 | 50 | **-3.000 [-3.000, -3.000]** |" in report
    assert "| Deceptive trap | Optuna TPE | 50 | 100 | **-1.000 [-1.000, -1.000]** |" in report
    assert "| the default genome | | 8.000 |" in report
    draw(measured, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # What is not installed is left out, and so are tables that are missing.
    script = (
        "import runpy, sys; from importlib import util; real = util.find_spec; "
        "util.find_spec = lambda name, *more: None if name == 'optuna' else real(name, *more); "
        "sys.argv = sys.argv[1:]; sys.path.insert(0, 'benchmarks'); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    arguments = ["benchmarks/search_efficiency.py", "--data", str(tmp_path / "none"), "--build", str(tmp_path)]
    arguments += ["--only", "macro,trap", "--budget", "50", "--jobs", "1", "--searchers", "aging,tpe", "--seeds"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = run("2")
    assert done.returncode == 0, done.stderr
    assert "left out: macro (" in done.stderr
    assert "left out: tpe (optuna is not installed" in done.stderr
    assert "| aging evolution | 2 | " in done.stdout
    kept = tmp_path / "trap" / "aging.jsonl"
    before = kept.read_text()
    assert [json.loads(line)["seed"] for line in before.splitlines()] == [0, 1]

    # Measured once: the report alone is made again.
    monkeypatch.setattr(sys, "argv", [*arguments[:-2], "aging", "--seeds", "2"])
    main()
    assert capsys.readouterr().out == done.stdout
    assert kept.read_text() == before

    assert run("1", "--fresh").returncode == 0
    (line,) = map(json.loads, kept.read_text().splitlines())
    assert {**line, "seconds": 0} == {**json.loads(before.splitlines()[0]), "seconds": 0}


def test_command_refuses_unknown_names(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["search_efficiency.py", "--searchers", "ageing"])
    with pytest.raises(SystemExit):
        main()
    assert "Got 'ageing', expected one of: kevo," in capsys.readouterr().err
