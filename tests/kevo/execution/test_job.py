"""What a worker does with a trial: how it is run, kept, and written."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kevo.engine.messages import TrialResult, TrialSpec
from kevo.execution.job import MODEL, OUTPUTS, TrialOutput, TrialWork, build
from kevo.execution.plain_scheduler import PlainScheduler
from kevo.execution.runner import FinishedTrial, TrialRunner
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.task_trainer import ImageTrainer
from kevo.training.effort import Effort
from tests.kevo.engine.test_scheduler import listener, scheduler
from tests.kevo.execution.test_runner import DONE, Stubborn, made_stubborn, trained
from tests.support.samples import CONV_GENOME
from tests.support.searches import SETTINGS
from tuners.execution.executor import Cause, UnfitError
from tuners.execution.foreman import BrokenError, Foreman
from tuners.execution.in_process import InProcess

SPEC = TrialSpec(trial_id="0", number=0, genome=CONV_GENOME, effort=Effort(1))


class Stub:
    """Runs trials as it is told."""

    def __init__(self, run: Callable[..., FinishedTrial]) -> None:
        self.run = run


def work(run: Callable[..., FinishedTrial]) -> TrialWork:
    return TrialWork(Stub(run))  # type: ignore[arg-type]


def perform(one: TrialWork, **options: Any) -> TrialOutput:
    return one.perform(SPEC.to_json(), earlier=None, progress=lambda *told: None, keep=options.get("keep", print))


def test_a_model_is_written_with_what_it_answers(tmp_path: Path) -> None:
    done = trained()
    assert done.trained is not None
    answers = np.full((4, 2), 0.5, np.float32)
    trained_one: Any = done.trained
    whole = dataclasses.replace(done, trained=dataclasses.replace(trained_one, outputs=answers))
    output = perform(work(lambda spec, **options: whole))
    assert TrialResult.from_json(output.result) == DONE and output.save(tmp_path) == output.result
    assert keras.models.load_model(tmp_path / MODEL, safe_mode=True).count_params() == 8
    stored = np.load(tmp_path / OUTPUTS)
    assert stored.dtype == np.float16 and (stored == answers).all()


def test_a_model_that_cannot_be_saved_fails_and_leaves_nothing(tmp_path: Path) -> None:
    result = TrialResult.from_json(TrialOutput(trained(Stubborn())).save(tmp_path))
    assert result.reason == "its model cannot be saved: RuntimeError: it does not say"
    assert not (tmp_path / OUTPUTS).exists()


def test_a_trial_under_way_is_kept_as_a_model_and_plain_values(tmp_path: Path) -> None:
    done = trained()
    assert done.trained is not None
    model = done.trained.deployable()

    def run(spec: TrialSpec, *, keep: Callable[..., None], **options: Any) -> FinishedTrial:
        assert spec == SPEC
        keep(model, [{"loss": 1.0}], ["train"], 2.5)
        return done

    kept = []

    def keep(save: Callable[[Path], object], values: dict[str, Any]) -> None:
        save(tmp_path)
        kept.append(values)

    perform(work(run), keep=keep)
    assert kept == [{"history": [{"loss": 1.0}], "stages": ["train"], "seconds": 2.5}]
    assert keras.models.load_model(tmp_path / MODEL, safe_mode=True).count_params() == 8


def test_processes_that_have_parted_are_no_failure_of_the_trial() -> None:
    def run(spec: TrialSpec, **options: Any) -> FinishedTrial:
        raise UnfitError("the processes have parted")

    with pytest.raises(UnfitError, match="the processes have parted"):
        perform(work(run))


def test_a_job_without_its_data_is_no_failure_of_a_trial(tmp_path: Path) -> None:
    given = {"arguments": {}, "is_mirrored": False, "is_spread": False, "share": None}
    with pytest.raises(OSError, match="nowhere"):
        build(data=str(tmp_path / "nowhere"), settings=SETTINGS.to_json(), folder=str(tmp_path), **given)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_full_disk_is_told_from_a_model_that_cannot_be_saved(
    dataset: ImageDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    is_full: bool,
) -> None:
    if not is_full:
        made_stubborn(monkeypatch, 0)
    folder = request.getfixturevalue("full_disk") if is_full else tmp_path
    one = scheduler(tmp_path, dataset, dataclasses.replace(SETTINGS, max_trials=1, epochs=1))
    executor = InProcess(TrialWork(TrialRunner(ImageTrainer(dataset, SETTINGS, {}))), folder)
    foreman = Foreman(PlainScheduler(one, shape=(48, 3)), executor)
    if is_full:
        with pytest.raises(BrokenError, match="No space left") as caught:
            foreman.run()
        assert caught.value.cause is Cause.DISK
    else:
        foreman.run()
    reasons = [one.reason for one in listener(one).records]
    assert reasons == ([] if is_full else ["its model cannot be saved: RuntimeError: it does not say"])
