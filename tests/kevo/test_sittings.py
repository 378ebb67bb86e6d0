"""One sitting of a search, without any training: what it keeps, what it begins, and what ends it."""

import dataclasses
import time
from pathlib import Path

import pytest
from samples import CONV_GENOME, pretrained_genome, stripes
from searches import RUNGS, SETTINGS, Diary

import kevo
from kevo import cli, probing
from kevo import sitting as sitting_module
from kevo.datasets import ImageDataset
from kevo.errors import RunError, SearchBrokenError
from kevo.runs import Run, TrialRecord
from kevo.sitting import Sitting
from kevo.training import Effort

PAUSED = TrialRecord(
    number=0,
    trial_id="0",
    generation=0,
    genome=dict(CONV_GENOME),
    status="completed",
    fitness=0.5,
    metrics={"val_accuracy": 0.5, "val_cross_entropy": 1.0},
    history=[{"val_accuracy": 0.5, "val_cross_entropy": 1.0}],
    stages=["train"],
    num_epochs=1,
    seconds=2.0,
    num_parameters=100,
    finished_at=2.0,
    is_paused=True,
)


def paused(trial_id: str, accuracy: float, **changes: object) -> TrialRecord:
    metrics = {"val_accuracy": accuracy, "val_cross_entropy": 1.0}
    return dataclasses.replace(PAUSED, trial_id=trial_id, fitness=accuracy, metrics=metrics, **changes)


def sitting(
    path: Path, dataset: ImageDataset, settings: kevo.Settings, *records: TrialRecord, seconds: float = 0.0
) -> Sitting:
    """A search that has gone on for some time, with these candidates."""
    run = Run.create(path / "run", {})
    one = Sitting(run, dataset, settings, {}, Diary(), time.monotonic() - seconds)
    one.records = {record.trial_id: record for record in records}
    return one


def test_finalists_are_not_begun_when_the_time_is_up(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(RUNGS, max_time=60.0)
    one = sitting(tmp_path, dataset, settings, PAUSED, seconds=60.0)
    one._train_finalists()
    assert isinstance(one.listener, Diary) and one.listener.started == []


@pytest.mark.parametrize(
    ("left", "num_epochs"),
    # A candidate that took 20 seconds for its three epochs: nine tenths of the time are laid out.
    [(100.0, 6), (35.0, 4), (21.0, None)],
)
def test_the_best_is_trained_for_as_long_as_there_is_time(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, left: float, num_epochs: int | None
) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=1000.0, num_finalists=2)
    metrics = {"val_accuracy": 0.8, "val_cross_entropy": 1.0}
    best, second = (
        dataclasses.replace(
            PAUSED,
            trial_id=name,
            fitness=accuracy,
            metrics={**metrics, "val_accuracy": accuracy},
            history=[metrics] * 3,
            stages=["train"] * 3,
            seconds=20.0,
            is_paused=False,
        )
        for name, accuracy in (("best", 0.8), ("second", 0.7))
    )
    begun: list[tuple[str, Effort]] = []
    one = sitting(tmp_path, dataset, settings, second, best, seconds=950.0 - left)
    monkeypatch.setattr(one, "train", lambda trial_id, genome, effort, **others: begun.append((trial_id, effort)))
    one._train_finalists()
    if num_epochs is None:
        assert begun == []
    else:
        assert [trial_id for trial_id, _ in begun] == ["best-full", "second-full"]
        assert begun[0][1].num_epochs == num_epochs
        assert left - 5 < (begun[0][1].seconds or 0.0) <= left


def test_models_that_finalists_go_on_from_are_kept_for_their_turn(
    tmp_path: Path, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where none is kept for an ensemble.
    monkeypatch.setattr(sitting_module, "_LIBRARY", 0)
    first = paused("1-full", 0.9, full_length=True, is_paused=False)
    one = sitting(tmp_path, dataset, dataclasses.replace(RUNGS, num_finalists=2), paused("1", 0.8), paused("2", 0.7))
    assert one._needed({**one.records, "1-full": first}) == {"1-full", "1", "2"}
    second = paused("2-full", 0.95, full_length=True, is_paused=False)
    assert one._needed({**one.records, "1-full": first, "2-full": second}) == {"1-full", "2-full"}


def test_finalists_stay_the_same_when_one_has_gone_on(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(RUNGS, num_finalists=1)
    gone_on = paused("1-full", 0.9, full_length=True, continues="1")
    one = sitting(tmp_path, dataset, settings, paused("1", 0.8), paused("2", 0.7), gone_on)
    one._train_finalists()
    assert isinstance(one.listener, Diary) and one.listener.started == []


def test_the_end_has_a_share_of_the_time(tmp_path: Path, dataset: ImageDataset) -> None:
    one = sitting(tmp_path, dataset, dataclasses.replace(SETTINGS, max_time=1000.0), seconds=100.0)
    left = one.seconds_left()
    assert left is not None and left <= 950 - 100


def test_a_candidate_that_cannot_be_written_is_not_counted(tmp_path: Path, dataset: ImageDataset) -> None:
    one = sitting(tmp_path, dataset, SETTINGS)
    (one.folder.path / "trials.jsonl").mkdir()
    with pytest.raises(RunError, match="Cannot write"):
        one._keep(PAUSED, None)
    assert one.records == {}


class Full(Diary):
    """Takes away the place of the models, as a full disk does, when the first candidate starts."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._run = run

    def trial_started(self, number: int, words: str, seconds_left: float | None) -> None:
        super().trial_started(number, words, seconds_left)
        (self._run / "checkpoints").touch()


def test_a_model_that_cannot_be_written_ends_the_search(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=2, epochs=1)
    diary = Full(tmp_path / "run")
    with pytest.raises(SearchBrokenError, match=r"Cannot write .*checkpoints.* Go on with: kevo resume"):
        kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert len(diary.started) == 1 and Run.open(tmp_path / "run").trials() == []


def test_a_search_that_breaks_ends_with_exit_code_1() -> None:
    with pytest.raises(SystemExit) as caught, cli._user_errors():
        raise SearchBrokenError("Cannot write it: No space left on device.")
    assert caught.value.code == 1


FROZEN = {**pretrained_genome("mobilenet_v2", "out_relu"), "mobilenet_v2/alpha": 0.35}
SHALLOW = {**FROZEN, "mobilenet_v2/cut": "block_3_expand_relu"}


def test_features_that_are_behind_get_no_candidate_unless_small_is_good(tmp_path: Path, dataset: ImageDataset) -> None:
    one = sitting(tmp_path / "accuracy", dataset, SETTINGS)
    one.trainer.probes.errors = {probing._key(FROZEN): 0.1, probing._key(SHALLOW): 0.9}
    assert one.is_feasible(FROZEN) and not one.is_feasible(SHALLOW)
    assert one._is_wanted(FROZEN) and not one._is_wanted({**FROZEN, "pretrained/summary": "max"}), "not in the space"
    assert not sitting(tmp_path / "front", dataset, dataclasses.replace(SETTINGS, minimize=("params",)))._is_wanted(
        FROZEN
    )
    # What is too large for the search makes nothing else look hopeless.
    assert not sitting(tmp_path / "small", dataset, dataclasses.replace(SETTINGS, max_params=20_000))._is_wanted(FROZEN)


def test_what_linear_heads_found_is_there_after_a_kill(tmp_path: Path, dataset: ImageDataset) -> None:
    one = sitting(tmp_path, dataset, SETTINGS)
    one.trainer.probes.errors = {probing._key(FROZEN): 0.1, probing._key(SHALLOW): 0.9}
    one._keep(paused("1", 0.8), None)
    again = Sitting(Run.open(one.folder.path), dataset, SETTINGS, {}, Diary(), time.monotonic())
    again._take_up()
    assert again.trainer.probes.errors == one.trainer.probes.errors
    (one.folder.path / "bodies.json").write_text('["no", "mapping"]')
    with pytest.raises(RunError, match="bodies.json is damaged"):
        again._take_up()


def test_what_could_not_end_in_time_is_not_begun(tmp_path: Path, dataset: ImageDataset) -> None:
    vast = {**CONV_GENOME, "conv/image_size": 224, "conv/block_1/filters": 512, "conv/block_2/filters": 512}
    endless = sitting(tmp_path / "endless", dataset, SETTINGS)
    limited = dataclasses.replace(SETTINGS, max_time=60.0)
    short = sitting(tmp_path / "short", dataset, limited, paused("1", 0.8))
    first = sitting(tmp_path / "first", dataset, limited)
    for one in (endless, short, first):
        assert one.has_time_for_another() and one.is_feasible(CONV_GENOME)
    assert endless.is_feasible(vast) and not short.is_feasible(vast)
    assert first.is_feasible(vast), "a first candidate that is cut short is better than none"
    assert short.expected_seconds(vast) > 60 > short.expected_seconds(CONV_GENOME)
