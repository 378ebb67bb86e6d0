"""Long trainings of U-Nets by hand: how they go on, their rates, and their rows in the report."""

import json
from pathlib import Path

import pytest

from benchmarks.tasks import long_unet
from benchmarks.tasks.long_unet import RATE, LongTraining
from tests.support.masks import small_dataset


@pytest.mark.long
def test_a_training_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_unet, "_KEPT_EVERY", -1.0)
    dataset = small_dataset()
    model, first = long_unet.train(dataset, width=2, seconds=1e-9, seed=0, folder=tmp_path)
    assert [steps for steps, _ in first] == [1]
    seconds = json.loads((tmp_path / "progress.json").read_text())["seconds"]
    again, curve = long_unet.train(dataset, width=2, seconds=seconds + 1e-9, seed=0, folder=tmp_path)
    # The optimizer counts on, and what was better stays.
    assert curve[:1] == first and [steps for steps, _ in curve] == [1, 2]
    assert again.count_params() == model.count_params()


def test_rates_rise_for_a_short_while_and_fall_to_nothing() -> None:
    assert long_unet.rate(0.0) == pytest.approx(RATE / 10)
    assert long_unet.rate(0.02) == RATE and long_unet.rate(0.51) == pytest.approx(RATE / 2)
    assert long_unet.rate(1.0) == pytest.approx(0.0, abs=1e-12)


def test_the_report_tells_steps_and_the_best_look() -> None:
    row = LongTraining(
        name="chase_db1",
        network="full",
        minutes=30.0,
        seed=0,
        dice=0.75,
        num_parameters=31_000_000,
        num_steps=300,
        curve=[[100, 0.5], [200, 0.8], [300, 0.7]],
        machine="2 cores",
    )
    *_, line = long_unet.report([row]).splitlines()
    assert line.endswith("| 30 | 0 | full | 31,000,000 | 300 | 0.800 after 200 | 0.750 |")
    assert long_unet.report([]) == ""
