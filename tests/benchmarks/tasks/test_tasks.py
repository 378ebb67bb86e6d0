"""kevo on tables, beside cheap models: the report, and what is measured."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.results import ResultsFile
from benchmarks.tasks import __main__ as tasks
from benchmarks.tasks import evolving, families, measuring, refits
from benchmarks.tasks.evolving import Evolved
from benchmarks.tasks.families import Family
from benchmarks.tasks.genes import Gains
from benchmarks.tasks.measuring import HandNetwork, Measurement
from benchmarks.tasks.rates import Rates
from benchmarks.tasks.refits import Refits
from benchmarks.tasks.report import report
from tests.support.tables import write_csv


def measured(kevo: float, seed: int = 0, **changes: object) -> Measurement:
    values = {
        "name": "auto_mpg",
        "minutes": 1.0,
        "ensemble": kevo,
        "references": {"Trees": 0.8, "Line": 0.7 + seed / 10},
        "by_hand": 0.5,
        "num_candidates": 9,
        "seconds": 60.0,
        "machine": "2 cores",
        **changes,
    }
    return Measurement(kevo=kevo, seed=seed, **values)  # type: ignore[arg-type]


def test_the_better_reference_of_each_seed_counts() -> None:
    *_, line = report([measured(0.9, 0), measured(0.7, 1), measured(0.85, 2)]).strip().splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        measuring.SETS["auto_mpg"].title,
        "R2",
        "1",
        "3",
        "0.850 (0.700 to 0.900)",
        "0.850 (0.700 to 0.900)",
        "Trees 0.800 (0.800 to 0.800); Line 0.800 (0.700 to 0.900)",
        "0.500 (0.500 to 0.500)",
        "-0.050",
    ]


def test_of_errors_the_lowest_reference_counts() -> None:
    *_, line = report([measured(0.5, name="airline_passengers")]).strip().splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert (cells[1], cells[4], cells[-1]) == ("MASE", "0.500", "+0.200")


def test_candidates_an_hour_are_compared_within_a_seed() -> None:
    rates = [
        Rates(
            name="rt_polarity",
            minutes=1.5,
            seed=seed,
            kevo=kevo,
            other=other,
            kevo_best=0.78,
            other_best=0.75,
            machine="2 cores",
        )
        for seed, (kevo, other) in enumerate([(600.0, 60.0), (400.0, 100.0), (500.0, 25.0)])
    ]
    *_, line = report([measured(0.9)], rates).strip().splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [measuring.SETS["rt_polarity"].title, "1.5", "3", "500", "60", "10.0", "0.780", "0.750"]


def test_gains_are_means_over_networks_and_seeds() -> None:
    gains = [
        Gains(
            name="auto_mpg",
            seed=seed,
            scores={"numbers: bins": [score, score + 0.02]},
            losses={"numbers: bins": [1.0, -1.0]},
        )
        for seed, score in enumerate([0.01, -0.03])
    ]
    lines = report([measured(0.9)], gains=gains).splitlines()
    assert "| numbers: bins | +0.0 (-2.0 to +2.0); 2 of 4 |" in lines
    assert "| pairs of categories | means nothing there |" in lines


def test_networks_for_masks_are_shown_with_their_sizes(tmp_path: Path) -> None:
    networks = {
        "U-Net by hand": HandNetwork(score=0.5, num_parameters=31_049_409, num_steps=70),
        "smaller U-Net by hand": HandNetwork(score=0.75, num_parameters=1_550_000, num_steps=900),
    }
    results = ResultsFile(tmp_path / "results.jsonl", Measurement.from_json, key=lambda row: row.seed)
    results.append(measured(0.7, name="chase_db1", networks=networks, num_parameters=310_000))
    lines = report(results.read()).strip().splitlines()
    title = measuring.SETS["chase_db1"].title
    assert lines[-3:] == [
        f"| {title} | 1 | 0 | kevo | 310,000 | 1.0 % | - | 0.700 |",
        f"| {title} | 1 | 0 | U-Net by hand | 31,049,409 | 100.0 % | 70 | 0.500 |",
        f"| {title} | 1 | 0 | smaller U-Net by hand | 1,550,000 | 5.0 % | 900 | 0.750 |",
    ]
    assert "## Masks" not in report([measured(0.9)])


def test_families_of_networks_for_masks_are_shown_with_their_front() -> None:
    rows = [
        Family(
            name="shapes",
            variant=variant,
            minutes=2.0,
            seed=0,
            dice=0.75,
            num_parameters=3_000,
            num_candidates=4,
            front=front,
            machine="2 cores",
        )
        for variant, front in (("backbone", []), ("small", [[3000.0, 0.75], [900.0, 0.5]]))
    ]
    *_, first, second = families.report(rows).splitlines()
    title = families.TITLES["shapes"]
    assert first == f"| {title} | 2 | 0 | on MobileNetV2 0.35 | 3,000 | 4 | 0.750 | - |"
    assert second.endswith("| from scratch, with few parameters | 3,000 | 4 | 0.750 | 900: 0.500; 3,000: 0.750 |")
    assert families.report([]) == "" and "## Masks: U-Nets from scratch" in report([measured(0.9)], compared=rows)


def test_made_shapes() -> None:
    found = families.shapes_of(1)
    assert [len(pictures) for pictures, _ in found.values()] == [16, 8, 64]
    pictures, masks = found["train"]
    assert all(0.005 < mask.mean() < 0.3 for mask in masks) and masks.max() == 1
    again, _ = families.shapes_of(1)["train"]
    np.testing.assert_array_equal(again, pictures)


def test_boards_are_pictures_or_rows(tmp_path: Path) -> None:
    path = tmp_path / "boards.npz"
    fields = np.arange(3 * 42, dtype=np.uint8).reshape(3, 6, 7) % 3
    np.savez(path, boards=fields, best_column=np.arange(3), split=np.array(["train", "train", "test"]))
    found = measuring.boards(path)
    assert {name: one[0].shape for name, one in found.items()} == {"test": (1, 6, 7, 3), "train": (2, 6, 7, 3)}
    np.testing.assert_array_equal(found["test"][0].argmax(axis=3), fields[2:])
    assert found["train"][0].sum(axis=3).tolist() == np.full((2, 6, 7), 255).tolist()
    np.testing.assert_array_equal(measuring.boards(path, as_rows=True)["train"][0], fields[:2].reshape(2, 42))


def test_each_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[tuple[str, float, int]]()

    def measure(job: measuring.Job) -> Measurement:
        begun.append((job.name, job.minutes, job.seed))
        return measured(0.5, job.seed, name=job.name, minutes=job.minutes)

    monkeypatch.setattr(tasks, "measure", measure)
    monkeypatch.setattr(tasks, "RATES", tmp_path / "rates.jsonl")
    monkeypatch.setattr(tasks, "GENES", tmp_path / "genes.jsonl")
    monkeypatch.setattr(tasks, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(tasks, "REPORT", tmp_path / "tasks.md")
    assert tasks.main(["--sets", "titanic"]) == 1, "nothing is measured"
    given = ["--sets", "titanic,auto_mpg", "--minutes", "2", "--seeds", "0", "1", "--write"]
    assert tasks.main(given) == tasks.main(given) == 0
    assert begun == [(name, 2.0, seed) for seed in (0, 1) for name in ("titanic", "auto_mpg")]
    assert (tmp_path / "tasks.md").read_text().count("| 2 | 2 | 0.500 (0.500 to 0.500) |") == 2


def test_weights_by_evolution_stand_beside_those_by_gradients() -> None:
    def row(seed: int, evolved: float) -> Evolved:
        scores = {"gradients": 0.8, "evolution": evolved, "evolution, growing": 0.7}
        return Evolved(
            name="rt_polarity",
            seed=seed,
            scores=scores,
            seconds={"gradients": 2.0, "evolution": 20.0 + seed, "evolution, growing": 10.0},
            num_weights=2098,
            reference=0.75,
            by_hand=0.74,
            hand_weights=8386,
            machine="2 cores",
        )

    text = evolving.report([row(0, 0.79), row(1, 0.77), row(2, 0.81)])
    title = measuring.SETS["rt_polarity"].title
    assert f"| {title} | evolution | 3 | 2,098 | 0.790 (0.770 to 0.810) | -0.010 | 21.0 | 10.5 |" in text
    assert f"| {title} | by hand | 3 | 8,386 | 0.740 (0.740 to 0.740) |" in text
    assert f"| {title} | TF-IDF + logistic regression | 3 | - | 0.750" in text
    assert evolving.report([]) == ""
    assert text.strip() in report([measured(0.9)], evolved=[row(0, 0.79), row(1, 0.77), row(2, 0.81)])


@pytest.mark.long
def test_weights_are_measured_on_a_small_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "titanic").mkdir()
    write_csv(tmp_path / "titanic" / "titanic.csv")
    monkeypatch.setitem(measuring.SETS, "titanic", measuring.DataSet("T", "titanic/titanic.csv", "accuracy", "kind"))
    found = evolving.measure_rows(measuring.Job(name="titanic", minutes=1, seed=0, data=tmp_path))
    assert found["scores"].keys() == found["seconds"].keys() == evolving.WAYS.keys()
    assert all(0.5 < score <= 1 for score in found["scores"].values())
    assert found["num_weights"] < found["hand_weights"]


def test_each_way_to_refit_is_compared_with_its_like() -> None:
    def row(seed: int, gain: float) -> Refits:
        scores = {
            refits.ONCE: [0.5, 0.6],
            refits.SEVERAL: [0.5 + gain, 0.7],
            "refit": [0.8],
            "the mean of four": [0.8 + gain],
            "the mean of eight": [0.9],
        }
        seconds = {way: 1.0 + place for place, way in enumerate(scores)}
        return Refits(name="auto_mpg", seed=seed, scores=scores, seconds=seconds)

    rows = [row(0, 0.1), row(1, -0.1)]
    title = measuring.SETS["auto_mpg"].title
    assert refits.report(rows).splitlines()[-5:] == [
        f"| {title} | 2 | rows pass once in an epoch | 0.550 |  |  | 1.0 |",
        f"| {title} | 2 | several times | 0.600 | +0.050 | 3 of 4 | 2.0 |",
        f"| {title} | 2 | refit | 0.800 |  |  | 1.0 |",
        f"| {title} | 2 | the mean of four | 0.800 | +0.000 | 1 of 2 | 1.3 |",
        f"| {title} | 2 | the mean of eight | 0.900 | +0.100 | 2 of 2 | 1.7 |",
    ]
    assert refits.report([]) == "" and refits.report(rows) in report([measured(0.9)], refitted=rows)


@pytest.mark.long
def test_refits_are_measured_on_a_small_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "titanic").mkdir()
    write_csv(tmp_path / "titanic" / "titanic.csv")
    monkeypatch.setitem(measuring.SETS, "titanic", measuring.DataSet("T", "titanic/titanic.csv", "accuracy", "kind"))
    monkeypatch.setattr(refits, "_NUM_NETWORKS", 5)
    monkeypatch.setattr(refits, "_NUM_REFIT", 1)
    scores, seconds = refits.measure_rows(measuring.Job(name="titanic", minutes=1, seed=0, data=tmp_path))
    assert {way: len(found) for way, found in scores.items()} == {
        refits.ONCE: 5,
        refits.SEVERAL: 5,
        "refit": 1,
        "the mean of four": 1,
        "the mean of eight": 1,
    }
    assert seconds["the mean of eight"] == pytest.approx(8 * seconds["refit"])
    assert all(0 <= score <= 1 for found in scores.values() for score in found)
