"""Which children begin with their parent's weights, for how long they train, and what is written down of it."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.engine import inheritance
from kevo.engine.messages import TrialSpec
from kevo.engine.scheduler import Scheduler
from kevo.tasks.images.datasets import ImageDataset
from kevo.training.effort import Effort
from tests.support.schedulers import DONE, METRICS, evolved, listener, scheduler, taken_up
from tests.support.searches import SETTINGS, record

INHERIT = dataclasses.replace(SETTINGS, max_trials=20, epochs=10, population=4, inherit=True)
SAVE = functools.partial(Path.write_text, data="a model")


def finish(one: Scheduler, **changes: Any) -> None:
    """Ends what runs, better than all before it: its model is kept, and it breeds."""
    metrics = {**METRICS, "val_accuracy": 0.5 + 0.01 * len(one._archive.records)}
    one.finish("a", dataclasses.replace(DONE, metrics=metrics, history=(metrics,), **changes), save=SAVE)


def until_one_inherits(one: Scheduler) -> TrialSpec:
    while isinstance(task := one.next("a"), TrialSpec) and task.inherits is None:
        finish(one)
    assert isinstance(task, TrialSpec)
    return task


def test_a_child_trains_for_a_part_of_the_time_at_a_lower_rate() -> None:
    effort = inheritance.shortened(Effort(20, 50.0))
    assert (effort.num_epochs, effort.seconds, round(effort.rate, 3)) == (6, 15.0, 0.333)
    assert inheritance.shortened(Effort(1)).num_epochs == 1


def test_a_child_begins_with_the_model_of_its_first_parent(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, INHERIT)
    task = until_one_inherits(one)
    parent = one._archive.records[task.inherits or ""]
    assert task.parent == parent.genome and task.effort.num_epochs == 3
    assert task.inherits == one.oracle.parents_of(task.trial_id)[0]
    model = one.running.model_for("a")
    assert model is not None and model.stem == parent.trial_id and model.is_file()
    assert listener(one).started[-1].endswith(f"with the weights of candidate {parent.number + 1}")
    assert TrialSpec.from_json(task.to_json()) == task
    finish(one, inherited=0.75)
    record = one._archive.records[task.trial_id]
    assert (record.inherits, record.inherited_share) == (task.inherits, 0.75)
    assert record.lineage_epochs == parent.lineage_epochs + 1


def test_every_fourth_candidate_is_a_control_at_full_length(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, INHERIT)
    begun = []
    while isinstance(task := one.next("a"), TrialSpec):
        begun.append(task)
        finish(one)
    children = [task for task in begun if task.trial_id in one.oracle.trials and one.oracle.parents_of(task.trial_id)]
    controls = [task for task in children if one.oracle.individual_of(task.trial_id).number % 4 == 0]
    heirs = [task for task in children if task.inherits is not None]
    assert controls and all(task.inherits is None and task.effort.num_epochs == 10 for task in controls)
    assert len(heirs) > len(children) / 2 and all(task.effort.num_epochs == 3 for task in heirs)
    finals = [task for task in begun if task.trial_id not in one.oracle.trials]
    assert finals and not any(task.inherits for task in finals)
    assert sum(" began with their parent's weights" in note for note in listener(one).notes) == 1


def test_without_models_nothing_is_inherited_and_that_is_said(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, INHERIT)
    while isinstance(task := one.next("a"), TrialSpec):
        assert task.inherits is None
        one.finish("a", DONE)
    assert any(note.startswith("Nothing was inherited") for note in listener(one).notes)


def test_what_broke_off_goes_on_as_it_began(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, INHERIT)
    task = until_one_inherits(one)
    one.keep("a", save=SAVE, history=[METRICS], stages=["train"], seconds=3.0)
    (one._archive.folder.path / "checkpoints" / f"{task.inherits}.keras").unlink()
    again = taken_up(one)
    found = until_one_inherits(again)
    assert (found.trial_id, found.inherits, found.parent) == (task.trial_id, task.inherits, task.parent)
    assert found.effort == task.effort and len(found.history) == 1
    model = again.running.model_for("a")
    assert model is not None and model.parent.name == "unfinished"


def test_what_broke_off_goes_on_without_the_record_of_its_parent(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, INHERIT)
    task = until_one_inherits(one)
    one.keep("a", save=SAVE, history=[METRICS], stages=["train"], seconds=3.0)
    kept = one._archive.folder.path / "unfinished" / f"{task.trial_id}.json"
    kept.write_text(kept.read_text().replace(f'"inherits": "{task.inherits}"', '"inherits": "lost"'))
    again = taken_up(one)
    found = again.next("a")
    assert isinstance(found, TrialSpec)
    assert (found.trial_id, found.inherits, len(found.history)) == (task.trial_id, None, 1)


def test_a_winner_that_inherited_goes_on_with_all_examples_and_begins_no_short_training_anew(
    tmp_path: Path, dataset: ImageDataset
) -> None:
    trained = {"is_paused": False, "history": [METRICS] * 3, "stages": ["train"] * 3, "planned_epochs": 3}
    one = evolved(tmp_path, dataset, INHERIT, seconds=0.0)
    one._archive.add(record("1", 0.9, inherits="0", inherited_epochs=10, **trained), save=SAVE)
    final = one._finals.refit()
    assert final is not None and final.continues is not None and final.continues.trial_id == "1"
    assert final.effort.refit == {"train": 3}
    # Its last training is expected to take as long as one from scratch does.
    assert one._budget.full_length_seconds(final.continues, one._archive.records) == pytest.approx(
        2.0 * 10 / 3 * 6 / 10
    )


@pytest.mark.parametrize(("inherit", "num"), [(False, 8), (True, 12)])
def test_models_of_those_that_breed_are_kept(tmp_path: Path, dataset: ImageDataset, inherit: bool, num: int) -> None:
    settings = dataclasses.replace(INHERIT, population=12, num_finalists=1, inherit=inherit)
    one = scheduler(tmp_path, dataset, settings)
    for _ in range(15):
        assert isinstance(one.next("a"), TrialSpec)
        finish(one)
    assert len(list((tmp_path / "run" / "checkpoints").glob("*.keras"))) == num


def test_without_the_option_nothing_is_inherited(tmp_path: Path, dataset: ImageDataset) -> None:
    one = scheduler(tmp_path, dataset, dataclasses.replace(INHERIT, inherit=False))
    while isinstance(task := one.next("a"), TrialSpec):
        assert task.inherits is None and not kevo.Settings().inherit
        finish(one)
