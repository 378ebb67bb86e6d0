import json
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial

from tuners import GeneticOracle, SearchSpace, Settings
from tuners.durable_files import write_json

# What is tested here holds for any settings; these cost next to nothing.
PLAIN = Settings(population_size=4, num_elites=1, surrogate=False)


def declare() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    hp.Float("x", -4, 4)
    with hp.conditional_scope("kind", ["a"]):
        hp.Int("n", 1, 4)
    with hp.conditional_scope("kind", ["b"]):
        hp.Int("n", 5, 8)
        hp.Boolean("flag")
    return hp


def score(values: dict[str, Any]) -> float:
    return (values["x"] - 1) ** 2 + abs(values["n"] - 7)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., GeneticOracle]:
    def make(**kwargs: Any) -> GeneticOracle:
        defaults: dict[str, Any] = {
            "objective": keras_tuner.Objective("score", "min"),
            "max_trials": 100,
            "seed": 0,
            "hyperparameters": declare(),
            "settings": PLAIN,
            "max_consecutive_failed_trials": 1000,
        }
        oracle = GeneticOracle(**{**defaults, **kwargs})
        oracle.verbose = 0
        oracle.use_folder(tmp_path / "project")
        return oracle

    return make


def run_trial(oracle: GeneticOracle, value: Callable[[dict[str, Any]], float] = score, tuner: str = "t") -> Trial:
    trial = oracle.create_trial(tuner)
    if trial.status == "RUNNING":
        end(oracle, trial, value(trial.hyperparameters.values))
    return trial


def end(oracle: GeneticOracle, trial: Trial, value: float) -> None:
    oracle.update_trial(trial.trial_id, {"score": value})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def fail(oracle: GeneticOracle, tuner: str = "t", status: str = "FAILED") -> Trial:
    trial = oracle.create_trial(tuner)
    trial.status, trial.message = status, "broken"
    oracle.end_trial(trial)
    return trial


def values(oracle: GeneticOracle) -> list[dict[str, Any]]:
    return [oracle.trials[trial_id].hyperparameters.values for trial_id in oracle.start_order]


@pytest.mark.parametrize("direction", ["min", "max"])
def test_both_directions_find_the_optimum(make: Callable[..., GeneticOracle], direction: str) -> None:
    sign = 1 if direction == "min" else -1
    oracle = make(objective=keras_tuner.Objective("score", direction))
    for _ in range(80):
        run_trial(oracle, lambda genome: sign * score(genome))
    best, second = oracle.get_best_trials(2)
    assert abs(best.score) < 0.1
    assert abs(best.score) <= abs(second.score)
    assert oracle.create_trial("t").status == "RUNNING"
    individual = oracle.individual_of(best.trial_id)
    assert individual.fitness == -sign * best.score
    assert oracle.generation_of(best.trial_id) == individual.generation > 0


def test_values_are_active_ones_of_the_space_whatever_shares_a_name(make: Callable[..., GeneticOracle]) -> None:
    oracle = make()
    space = SearchSpace.from_hyperparameters(declare())
    for _ in range(30):
        run_trial(oracle)
    assert all(space.contains(genome) for genome in values(oracle))
    assert {genome["kind"] for genome in values(oracle)} == {"a", "b"}
    assert len({json.dumps(genome) for genome in values(oracle)}) == 30


def test_seed_zero_is_a_seed(make: Callable[..., GeneticOracle]) -> None:
    searches = []
    for seed in (0, 0, 1, np.int64(1)):
        oracle = make(seed=seed)
        for _ in range(12):
            run_trial(oracle)
        assert oracle.get_state()["seed"] == seed
        searches.append(values(oracle))
        json.dumps(oracle.get_state())
    assert searches[0] == searches[1] != searches[2] == searches[3]
    assert make(seed=None).seed is not None


@pytest.mark.parametrize("settings", [PLAIN, Settings(population_size=4)], ids=["plain", "surrogate"])
@pytest.mark.parametrize("num", [0, 3, 13])
def test_state_to_json_and_back_goes_on_alike(make: Callable[..., GeneticOracle], num: int, settings: Settings) -> None:
    whole = make(settings=settings)
    for _ in range(num):
        run_trial(whole)
    state = json.loads(json.dumps(whole.get_state()))
    trials = {trial_id: Trial.from_state(trial.get_state()) for trial_id, trial in whole.trials.items()}
    copy = make(seed=99, settings=settings)
    copy.trials = trials
    copy.set_state(state)
    assert [copy.individual_of(trial_id) for trial_id in copy.trials] == [
        whole.individual_of(trial_id) for trial_id in whole.trials
    ]
    for _ in range(10):
        run_trial(whole), run_trial(copy)
    assert values(copy) == values(whole)
    assert all({"generation", "origin", "parents"} <= record.keys() for record in state["individuals"].values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_failures(make: Callable[..., GeneticOracle], value: float) -> None:
    oracle = make()
    for number in range(40):
        run_trial(oracle, lambda genome, number=number: value if number % 2 else score(genome))
    odd = [trial for trial_id, trial in oracle.trials.items() if oracle.individual_of(trial_id).number % 2]
    assert {trial.status for trial in odd} == {"FAILED"}
    assert {trial.score for trial in odd} == {None}
    assert odd[0].message.startswith("Not a finite score: score is")
    individuals = [oracle.individual_of(trial_id) for trial_id in oracle.trials]
    parents = {parent for one in individuals for parent in one.parents}
    assert parents and all(parent % 2 == 0 for parent in parents)
    assert {trial.status for trial in oracle.get_best_trials(40)} == {"COMPLETED"}
    assert len(oracle.get_best_trials(40)) == 20


def test_nan_is_run_again_where_allowed_and_the_new_score_counts(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_retries_per_trial=1)
    first = run_trial(oracle, lambda genome: math.nan)
    assert first.status == "INVALID"
    again = oracle.create_trial("t")
    assert again.trial_id == first.trial_id
    # Keras Tuner ignores what a run returns where metrics are there already.
    assert not again.metrics.exists("score")
    end(oracle, again, 0.5)
    assert (again.status, again.score, again.message) == ("COMPLETED", 0.5, None)
    assert oracle.individual_of(again.trial_id).fitness == -0.5


def test_retries_end(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_retries_per_trial=2)
    ids = [fail(oracle, status="INVALID").trial_id for _ in range(4)]
    assert ids == ["000", "000", "000", "001"]
    assert [oracle.trials[trial_id].status for trial_id in ("000", "001")] == ["FAILED", "INVALID"]
    assert oracle.end_order == ["000"]


def test_a_trial_whose_worker_is_gone_is_taken_back(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_retries_per_trial=1)
    trial = oracle.create_trial("t")
    for counts, num_runs in ((False, 0), (True, 1), (False, 1)):
        oracle.take_back(trial.trial_id, "it died", counts=counts)
        assert (oracle.num_runs(trial.trial_id), trial.status, trial.message) == (num_runs, "INVALID", "it died")
        again = oracle.create_trial("other")
        assert again.trial_id == trial.trial_id and again.status == "RUNNING" and len(oracle.ongoing_trials) == 1
    oracle.take_back(trial.trial_id, "it died again")
    assert trial.status == "FAILED" and oracle.create_trial("other").trial_id != trial.trial_id


def test_parents_are_named_by_their_trials(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(settings=replace(PLAIN, inherit=True))
    trials = [run_trial(oracle) for _ in range(12)]
    assert [one.number for one in oracle.individuals] == list(range(12))
    born = {trial.trial_id: oracle.parents_of(trial.trial_id) for trial in trials}
    first = {trial.trial_id: trial.hyperparameters.values.get("tuner/parent_id") for trial in trials}
    assert any(born.values()) and first == {child: next(iter(parents), None) for child, parents in born.items()}


def test_no_padding_with_failed_trials(make: Callable[..., GeneticOracle]) -> None:
    oracle = make()
    fail(oracle)
    assert oracle.get_best_trials(1) == []
    done = run_trial(oracle)
    assert oracle.get_best_trials(5) == [done]


def test_failures_in_a_row_end_the_search_and_leave_no_lock(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make(max_consecutive_failed_trials=2)
    fail(oracle)
    run_trial(oracle)
    fail(oracle)
    with pytest.raises(RuntimeError, match="The last 2 trials have failed.*broken"):
        fail(oracle)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(oracle.get_best_trials(3)), daemon=True)
    thread.start()
    thread.join(30)
    assert [len(trials) for trials in found] == [1]
    # All of it was saved before the error, so that a resumed search does not run the last trial again.
    resumed = make(max_consecutive_failed_trials=2)
    resumed.reload()
    assert [trial.status for trial in resumed.trials.values()] == ["FAILED", "COMPLETED", "FAILED", "FAILED"]
    assert resumed.create_trial("t").trial_id == "004"


def test_errors_inside_leave_no_lock(make: Callable[..., GeneticOracle]) -> None:
    oracle = make()
    trial = oracle.create_trial("t")
    with pytest.raises(ValueError, match="Objective value missing"):
        oracle.update_trial(trial.trial_id, {"other": 1.0})
    thread = threading.Thread(target=lambda: end(oracle, trial, 1.0), daemon=True)
    thread.start()
    thread.join(30)
    assert trial.status == "COMPLETED"


def test_waits_for_a_generation_that_runs_elsewhere(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(settings=replace(PLAIN, survival="generational"))
    slow = oracle.create_trial("slow")
    for _ in range(3):
        run_trial(oracle)
    assert [oracle.create_trial("t").status for _ in range(3)] == ["IDLE"] * 3
    end(oracle, slow, 0.0)
    assert oracle.generation_of(run_trial(oracle).trial_id) == 1


def test_does_not_wait_for_a_worker_that_died(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(settings=replace(PLAIN, survival="generational", min_patience=0.0, patience=0.0))
    lost = oracle.create_trial("dead")
    for _ in range(20):
        assert run_trial(oracle).status == "COMPLETED"
    assert oracle.individual_of(lost.trial_id).status == "pending"


def test_parallel_workers_never_get_the_same_genome(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_trials=60, settings=Settings(population_size=8))
    errors: list[BaseException] = []

    def work(tuner: str) -> None:
        try:
            while run_trial(oracle, tuner=tuner).status != "STOPPED":
                pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"t{i}",), daemon=True) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(oracle.trials) == len({json.dumps(genome, sort_keys=True) for genome in values(oracle)}) == 60
    assert {trial.status for trial in oracle.trials.values()} == {"COMPLETED"}
    assert oracle.ongoing_trials == {}


def test_threads_that_ask_at_once_never_get_the_same_genome(make: Callable[..., GeneticOracle]) -> None:
    num_threads, num_rounds = 8, 5
    oracle = make(max_trials=None, settings=Settings())
    at_once = threading.Barrier(num_threads, timeout=60)

    def work(number: int) -> list[str]:
        genomes = []
        for round_ in range(num_rounds):
            at_once.wait()
            trial = oracle.create_trial(f"t{number}")
            genomes.append(json.dumps(trial.hyperparameters.values, sort_keys=True))
            end(oracle, trial, number + round_)
        return genomes

    with ThreadPoolExecutor(num_threads) as pool:
        found = [genome for genomes in pool.map(work, range(num_threads)) for genome in genomes]
    assert len(found) == len(set(found)) == num_threads * num_rounds


def test_stop_hands_out_nothing_more(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_retries_per_trial=3)
    running = oracle.create_trial("other")
    fail(oracle, status="INVALID")
    oracle.stop()
    assert [oracle.create_trial(tuner).status for tuner in ("t", "new", "t")] == ["STOPPED"] * 3
    end(oracle, running, 1.0)
    assert running.status == "COMPLETED"
    assert oracle.create_trial("other").status == "STOPPED"
    # Keras Tuner's chief waits until this is empty.
    assert oracle.tuner_ids == set()


def test_small_space_stops_when_exhausted(make: Callable[..., GeneticOracle]) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("flag", [True, False])
    with hp.conditional_scope("flag", [True]):
        hp.Int("n", 1, 3)
    oracle = make(hyperparameters=hp)
    while (trial := run_trial(oracle, lambda genome: 0.0)).status == "COMPLETED":
        pass
    assert trial.status == "STOPPED"
    assert sorted(genome.get("n", 0) for genome in values(oracle)) == [0, 1, 2, 3]


def test_space_may_grow_during_the_search(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(hyperparameters=None)
    for number in range(12):
        trial = oracle.create_trial("t")
        trial.hyperparameters.Int("units", 1, 9)
        if number >= 5:
            trial.hyperparameters.Choice("act", ["relu", "elu"], default="elu")
        end(oracle, trial, abs(trial.hyperparameters["units"] - 6))
    assert values(oracle)[0] == {"units": 1}
    assert oracle.individual_of("003").genome["act"] == "elu"
    assert {genome.get("act") for genome in values(oracle)[6:]} >= {"relu"}


OBJECTIVES = [keras_tuner.Objective("loss", "min"), keras_tuner.Objective("gain", "max")]


def measure(oracle: GeneticOracle, num: int) -> None:
    for _ in range(num):
        trial = oracle.create_trial("t")
        x = trial.hyperparameters.values["x"]
        oracle.update_trial(trial.trial_id, {"loss": x * x, "gain": x})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_several_objectives(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(objective=OBJECTIVES)
    measure(oracle, 30)
    xs = sorted({float(genome["x"]) for genome in values(oracle)})
    # The first objective says which is best.
    assert oracle.get_best_trials(1)[0].score == min(x * x for x in xs)
    # Left of the least loss, both objectives get worse.
    lowest = min(xs, key=abs)
    front = {float(trial.hyperparameters["x"]) for trial in oracle.front()}
    assert front == {x for x in xs if x >= lowest and not any(y > x and y * y <= x * x for y in xs)}
    assert len(front) >= 3


def test_several_objectives_weighed_into_one(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(objective=OBJECTIVES, settings=Settings(weights=(1.0, 4.0)))
    measure(oracle, 30)
    best = oracle.get_best_trials(1)[0].hyperparameters["x"]
    assert -best * best + 4 * best == max(4 * x - x * x for x in (genome["x"] for genome in values(oracle)))
    # The greatest sum, 4, lies at 2.
    assert abs(best - 2) < 0.5
    with pytest.raises(ValueError, match="Got 1 weights for 2 objectives"):
        make(objective=OBJECTIVES, settings=Settings(weights=(1.0,)))


def test_an_objective_that_is_missing_fails_the_trial(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(objective=OBJECTIVES)
    trial = oracle.create_trial("t")
    oracle.update_trial(trial.trial_id, {"loss": 1.0})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert (trial.status, trial.message) == ("FAILED", "Not a finite score: gain is None.")


def test_rungs_speak_the_words_of_keras_tuner(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(max_trials=40, settings=Settings(population_size=4, num_elites=1, rungs=(2, 6, 18)))
    for _ in range(40):
        trial = oracle.create_trial("t")
        values = trial.hyperparameters.values
        source = values.get("tuner/trial_id")
        if source is None:
            assert (values["tuner/epochs"], values["tuner/initial_epoch"]) == (2, 0)
        else:
            before = oracle.get_trial(source).hyperparameters.values
            assert values["tuner/initial_epoch"] == before["tuner/epochs"] < values["tuner/epochs"]
            assert values["x"] == before["x"]
        end(oracle, trial, abs(values["x"]) + 1 / values["tuner/epochs"])
    last = [oracle.trials[trial_id].hyperparameters.values["tuner/epochs"] for trial_id in oracle.end_order[-3:]]
    assert last == [18, 18, 18]
    # Longer trainings come first, whatever the shorter ones showed.
    epochs = [trial.hyperparameters.values["tuner/epochs"] for trial in oracle.get_best_trials(40)]
    assert epochs == sorted(epochs, reverse=True)


def test_seeds_and_what_is_feasible(make: Callable[..., GeneticOracle]) -> None:
    oracle = make(seeds=[{"x": 3.0}], feasible=lambda genome: float(genome["x"]) > 0)
    for _ in range(12):
        trial = oracle.create_trial("t")
        end(oracle, trial, 0.0)
    assert values(oracle)[0]["x"] == 3.0
    assert all(float(genome["x"]) > 0 for genome in values(oracle))


def read(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_files_of_trials_win_over_an_older_oracle_file(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    project = tmp_path / "project"
    oracle = make()
    run_trial(oracle)
    running = oracle.create_trial("t")
    old = read(project / "oracle.json")
    end(oracle, running, 1.0)
    run_trial(oracle)
    fail(oracle)
    open_trial = oracle.create_trial("t")
    write_json(str(project / "oracle.json"), old)

    resumed = make()
    resumed.reload()
    assert resumed.start_order == ["000", "001", "002", "003", "004"]
    assert resumed.end_order == ["000", "001", "002", "003"]
    assert [trial.status for trial in resumed.trials.values()] == [
        *["COMPLETED"] * 3,
        "FAILED",
        "RUNNING",
    ]
    assert [resumed.individual_of(i) for i in resumed.start_order] == [
        oracle.individual_of(i) for i in oracle.start_order
    ]
    again = resumed.create_trial("t")
    assert again.trial_id == open_trial.trial_id
    end(resumed, again, 2.0)
    end(oracle, open_trial, 2.0)
    # Exactly once.
    assert resumed.create_trial("t").hyperparameters.values == oracle.create_trial("t").hyperparameters.values


def test_a_half_written_file_does_no_harm(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make()
    run_trial(oracle)
    # A trial that was only created is not forced to the disk: a power cut may leave an empty file.
    (tmp_path / "project" / "trial_002").mkdir()
    (tmp_path / "project" / "trial_002" / "trial.json").write_text("\0\0")
    for name in ("oracle.json.tmp", "trial_000/trial.json.tmp", "trial_001"):
        path = tmp_path / "project" / name
        path.write_text('{"trial_id": "0') if path.suffix else path.mkdir()
    resumed = make()
    resumed.reload()
    assert resumed.create_trial("t").hyperparameters.values == oracle.create_trial("t").hyperparameters.values


def test_what_a_power_cut_took_is_proposed_again(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make()
    run_trial(oracle)
    proposed = [oracle.create_trial(f"worker {number}").hyperparameters.values for number in range(3)]
    # Of three that were only created, the disk had the last one alone.
    for number in (1, 2):
        (tmp_path / "project" / f"trial_{number:03d}" / "trial.json").write_text("")
    resumed = make()
    resumed.reload()
    assert [resumed.create_trial(f"worker {number}").hyperparameters.values for number in range(3)] == proposed


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(str(path), {"a": 1})
    with pytest.raises(TypeError):
        write_json(str(path), {"a": object()})
    assert read(path) == {"a": 1}


def test_missing_trial_folders_are_told(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make()
    for _ in range(3):
        run_trial(oracle)
    (tmp_path / "project" / "trial_001" / "trial.json").unlink()
    with pytest.raises(RuntimeError, match="Got 2 trials, but some are missing.*restore.*overwrite=True"):
        make().reload()


def test_another_oracles_project_is_refused(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    other = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("score", "min"), hyperparameters=declare())
    other.verbose = 0
    other._set_project_dir(str(tmp_path), "project")
    other.save()
    with pytest.raises(
        RuntimeError, match="project/oracle.json.*not one of GeneticOracle.*project_name.*overwrite=True"
    ):
        make().reload()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("oracle.json", '{"seed": 1', "damaged.*Expecting"),
        ("oracle.json", None, "damaged.*No such file"),
        ("trial_001/trial.json", '{"trial_id": "0', "damaged.*Unterminated string"),
        ("trial_001/trial.json", "[]", ".*not one of GeneticOracle"),
        ("trial_001/trial.json", b"\xff\xfe", "damaged.*codec"),
    ],
)
def test_a_damaged_file_is_named(
    make: Callable[..., GeneticOracle], tmp_path: Path, name: str, content: str | bytes | None, reason: str
) -> None:
    oracle = make()
    for _ in range(3):
        run_trial(oracle)
    path = tmp_path / "project" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RuntimeError, match=f"project/{name} is {reason}.*Restore it.*overwrite=True"):
        make().reload()


def test_a_trial_of_another_search_is_named(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make()
    for _ in range(3):
        run_trial(oracle)
    project = tmp_path / "project"
    path = project / "trial_001" / "trial.json"
    content = read(path)
    path.write_text(json.dumps({name: value for name, value in content.items() if name != "individual"}))
    with pytest.raises(RuntimeError, match="trial_001/trial.json is damaged, or not .* it has no 'individual'"):
        make().reload()
    path.write_text((project / "trial_000" / "trial.json").read_text())
    with pytest.raises(RuntimeError, match="trial_001/trial.json is .* it is trial 000's, in the folder of another"):
        make().reload()


def test_what_a_trial_writes_does_not_grow(
    make: Callable[..., GeneticOracle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[tuple[str, int]] = []
    os_replace = os.replace

    def watched(source: str, path: str) -> None:
        replaced.append((str(Path(path).relative_to(tmp_path / "project")), os.path.getsize(source)))
        os_replace(source, path)

    monkeypatch.setattr(os, "replace", watched)
    oracle = make(max_trials=None, hyperparameters=plain())
    for _ in range(120):
        run_trial(oracle, lambda genome: genome["x"])
    assert [name for name, _ in replaced if name == "oracle.json"] == ["oracle.json"]
    names = [name for name, _ in replaced if name != "oracle.json"]
    assert names == [f"trial_{number:04}/trial.json" for number in range(120) for _ in range(2)]
    sizes = [size for name, size in replaced if name != "oracle.json"]
    # Numbers have some digits more or less, and are written with as many as they need.
    assert max(sizes[20::2]) <= 1.1 * max(sizes[:20:2])
    assert max(sizes[21::2]) <= 1.1 * max(sizes[1:20:2])


def plain() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Float("x", -4, 4)
    hp.Choice("kind", ["a", "b"])
    return hp


def test_the_disk_is_waited_for_where_a_result_would_be_lost(
    make: Callable[..., GeneticOracle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    paths = [tmp_path / "project" / f"trial_{number:03}" / "trial.json" for number in range(3)]
    oracle = make()
    oracle.save()
    synced.clear()
    trials = [oracle.create_trial(f"t{number}") for number in range(3)]
    assert synced == []
    running = [path.stat().st_ino for path in paths]

    def with_folders(path: Path, file: int) -> list[int]:
        """A file is of no use where its name or that of its folder is missing."""
        return [file, path.parent.stat().st_ino, path.parents[1].stat().st_ino]

    end(oracle, trials[1], 1.0)
    # The others too: a result is of no use where a trial born before it is missing.
    assert synced == [
        *with_folders(paths[0], running[0]),
        *with_folders(paths[2], running[2]),
        *with_folders(paths[1], paths[1].stat().st_ino),
    ]
    end(oracle, trials[0], 1.0)
    assert synced[9:] == with_folders(paths[0], paths[0].stat().st_ino)


def test_the_oracles_file_is_written_where_the_space_has_grown(
    make: Callable[..., GeneticOracle], tmp_path: Path
) -> None:
    path = tmp_path / "project" / "oracle.json"
    oracle = make(hyperparameters=plain())
    oracle.save()
    first = path.stat()
    for number in range(6):
        trial = oracle.create_trial("t")
        if number == 3:
            assert path.stat() == first
            trial.hyperparameters.Int("late", 1, 3)
        end(oracle, trial, trial.hyperparameters["x"])
    assert [gene["config"]["name"] for gene in read(path)["hyperparameters"]["space"]] == ["x", "kind", "late"]
    grown = path.stat()
    assert grown.st_ino != first.st_ino
    run_trial(oracle, lambda genome: genome["x"])
    assert path.stat() == grown
    # Whoever asks for it gets it, even after somebody took it away.
    path.unlink()
    oracle.save()
    assert read(path)["seed"] == 0


def test_best_trials_are_the_best_whenever_asked(make: Callable[..., GeneticOracle], tmp_path: Path) -> None:
    oracle = make()
    for number in range(30):
        if number % 7 == 4:
            fail(oracle)
        else:
            # Rounded, so that some are equal; the elder is then the better one.
            run_trial(oracle, lambda genome: round(score(genome)))
        done = [trial for trial in oracle.trials.values() if trial.status == "COMPLETED"]
        assert oracle.get_best_trials(100) == sorted(done, key=lambda trial: trial.score)
    resumed = make()
    resumed.reload()
    best = [[trial.trial_id for trial in one.get_best_trials(9)] for one in (oracle, resumed)]
    assert best[0] == best[1]


def test_elapsed_time_goes_on(make: Callable[..., GeneticOracle], capsys: pytest.CaptureFixture[str]) -> None:
    oracle = make()
    oracle.verbose = 1
    run_trial(oracle)
    assert "Total elapsed time" in capsys.readouterr().out
    resumed = make()
    resumed.reload()
    assert resumed._display.search_start == oracle._display.search_start is not None
    resumed.verbose = 1
    run_trial(resumed)
    assert "Total elapsed time" in capsys.readouterr().out
