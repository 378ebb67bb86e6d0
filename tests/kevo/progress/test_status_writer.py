"""What a search at work writes for `kevo status`."""

import dataclasses
import json
import time
from pathlib import Path

from click.testing import CliRunner, Result

import kevo
from kevo.cli import main
from kevo.progress import SearchStarted
from kevo.progress.status_writer import StatusWriter
from kevo.runs import status
from kevo.runs.folder import Run
from kevo.runs.status import Status, Training
from kevo.tasks.images.describe import describe
from tests.support.searches import SETTINGS, Diary, failed, record

LIMITED = dataclasses.replace(SETTINGS, max_time=600.0)


def run_folder(path: Path, settings: kevo.Settings = LIMITED) -> Run:
    return Run.create(path / "run", {"search": settings.to_json()})


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def awaited(run: Run, number: int) -> Status:
    """What is told of a search as soon as it tells that it trains so many candidates."""
    until = time.monotonic() + 20
    while len((found := status.read(run.path)).trainings) != number and time.monotonic() < until:
        time.sleep(0.02)
    return found


def awaited_points(run: Run, num: int) -> Training:
    """The only training of a search as soon as its curve has so many points."""
    until = time.monotonic() + 20
    while not ((found := status.read(run.path).trainings) and len(found[0].curve) == num):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found[0]


def left_without_phase(run: Run) -> bool:
    found = status.read(run.path)
    return found.phase is None and found.phase_words == ""


def test_a_search_at_work_tells_what_it_is_at(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    diary = Diary()
    with run.locked(), StatusWriter(run, diary, seconds=lambda: 100.0) as publisher:
        assert "nothing trains: the search begins" in command("status", run.path).stdout
        for num in (2, 3):
            publisher.skipped("pictures", "is a PDF", num)
        publisher.phase_began("finals", "final training 2 of 3")
        until = time.monotonic() + 20
        while status.read(run.path).phase is None and time.monotonic() < until:
            time.sleep(0.02)
        assert (status.read(run.path).phase, status.read(run.path).phase_words) == ("finals", "final training 2 of 3")
        assert status.read(run.path).skipped == (("pictures", "is a PDF", 5),)
        assert "phase       nothing trains: final training 2 of 3" in command("status", run.path).stdout
        publisher.trial_started(3, "conv stack", 60.0, "worker-1")
        publisher.trial_started(4, "another", 60.0, "worker-2")
        publisher.progress(3, "train", 1.5, 20, {"accuracy": 0.5})
        found = awaited(run, 2)
        assert found.state == "running" and found.seconds >= 100 and (found.seconds_left or 0) <= 500
        first, second = found.trainings
        assert (first.number, first.stage, first.epoch, first.num_epochs) == (3, "train", 2, 20)
        assert (first.worker, first.words, second.stage) == ("worker-1", "conv stack", "")
        assert 0 <= time.time() - first.started_at < 60
        assert (first.metrics, second.metrics) == ({"accuracy": 0.5}, {})
        text = command("status", run.path).stdout
        assert "4: train, epoch 2/20, accuracy 0.500, with worker-1, for" in text and "5: begins, with worker-2" in text
        publisher.trial_lost(4, "killed")
        run.append_trial(done := record("x", 0.75, number=3, is_paused=False))
        publisher.trial_ended(done, done)
        assert awaited(run, 0).best == status.Best(
            number=3, words=describe(done.genome), objective="accuracy", direction="max", score=0.75
        )
        publisher.note("so far")
    assert diary.started == ["conv stack", "another"] and diary.records == [done]
    assert diary.phases == ["finals"] and left_without_phase(run)
    assert diary.notes == ["so far"] and diary.lost == [(4, "killed")]
    assert not (run.path / "status.json").exists() and not [*run.path.glob(".partial-*")]
    left = status.read(run.path)
    assert (left.state, left.trainings, left.seconds, left.skipped) == ("interrupted", (), 2.0, ())
    assert left.notes == ("so far",)
    assert f"interrupted; go on with: kevo resume {run.path}" in command("status", run.path).stdout


def test_trials_that_have_ended_are_counted_without_their_records(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    trials = run.path / "trials.jsonl"
    run.append_trial(first := record("0", 0.5, is_paused=False))
    opening = SearchStarted(
        run_folder=run.path, settings=LIMITED, devices="", seconds=1.0, records=(first,), best=first, num_judged=10
    )
    with run.locked(), StatusWriter(run, Diary(), seconds=lambda: 100.0) as publisher:
        publisher.search_started(opening)
        publisher.trial_started(7, "", None, "worker")
        run.append_trial(done := record("1", 0.75, number=1, is_paused=False))
        publisher.trial_ended(done, done)
        awaited(run, 1)
        expected = status.read(run.path)
        # The same number of bytes that nobody could read.
        whole = trials.read_bytes()
        trials.write_bytes(b"?" * len(whole))
        found = status.read(run.path)
        assert (found.trials_completed, found.trials_failed, found.best) == (2, 0, expected.best)
        assert found.best == status.best(done, LIMITED)
        # Where there are more records than are counted, they are read.
        trials.write_bytes(whole)
        run.append_trial(failed(2))
        assert status.read(run.path).trials_failed == 1


def test_what_a_killed_search_was_at_is_not_told(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    old = {"number": 0, "words": "", "worker": "", "stage": "", "epoch": 0, "num_epochs": 0, "started_at": 0.0}
    run.write_json("status.json", {"seconds": 9.0, "written_at": 0.0, "trainings": [old]})
    assert status.read(run.path).trainings == ()
    with run.locked():
        assert len(status.read(run.path).trainings) == 1
        with StatusWriter(run, Diary(), seconds=lambda: 1.0):
            assert status.read(run.path).trainings == ()


def test_how_a_training_goes_is_told_while_it_trains(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    with run.locked(), StatusWriter(run, Diary(), seconds=lambda: 100.0) as publisher:
        publisher.trial_started(3, "conv stack", 60.0, "worker-1")
        publisher.progress(3, "download", 0.5, 1, {})
        for epoch in (0, 1):
            learned = {"loss": 2.0 - epoch, "accuracy": 0.25 + epoch / 4}
            publisher.progress(3, "train", epoch + 1.0, 20, learned)
            publisher.progress(3, "train", epoch + 1.0, 20, {**learned, "val_accuracy": 0.75, "val_macro_f1": 0.5})
        publisher.progress(3, "train", 2.5, 20, {"loss": 0.5, "accuracy": float("nan")})
        training = awaited_points(run, 3)
        assert [(point.epochs, point.metrics["loss"]) for point in training.curve] == [(1, 2.0), (2, 1.0), (2.5, 0.5)]
        assert [point.metrics.get("val_accuracy") for point in training.curve] == [0.75, 0.75, None]
        # What the validation split said last stands until it is asked again.
        assert training.metrics == {"loss": 0.5, "val_accuracy": 0.75, "val_macro_f1": 0.5}
        text = command("status", run.path).stdout
        assert "4: train, epoch 3/20, loss 0.500, validation accuracy 0.750, with worker-1" in text
        (shown,) = json.loads(command("status", "--json", run.path).stdout)["trainings"]
        assert shown["curve"][0] == {"stage": "train", "epochs": 1.0, "metrics": dict(training.curve[0].metrics)}
        # One that is begun again has another curve.
        publisher.trial_lost(3, "killed")
        publisher.trial_started(3, "conv stack", 60.0, "worker-1")
        assert awaited_points(run, 0).metrics == {}
