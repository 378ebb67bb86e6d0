"""How a search goes on after Ctrl-C, and when its run folder or its weights are not as they were."""

import dataclasses
import json
import os
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kevo
from kevo import session
from kevo.errors import RunError, SearchFailedError, SearchInterruptedError
from kevo.report import files as report
from kevo.result import SearchResult
from kevo.runs import integrity, reader, trial_reader
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.system import memory
from kevo.tasks.images import backbone_networks, backbones
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

SHORT = dataclasses.replace(SETTINGS, max_trials=2, num_finalists=1)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    diary = Diary()
    out = tmp_path_factory.mktemp("search") / "run"
    return kevo.search(stripes(240), SHORT, out=out, listener=diary), diary


class Interrupting(Diary):
    """Presses Ctrl-C when the candidate of some number has been trained for a while."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if len(self.started) == self._number and done > 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_loses_nothing_whenever_it_comes(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(SearchInterruptedError, match=f"before the first candidate .* kevo resume {run}"):
        kevo.search(stripes(240), SHORT, out=run, listener=Interrupting(1))
    result = kevo.resume(run, stripes(240), listener=Interrupting(2))
    assert result.interrupted
    assert result.trials_completed == 1
    assert keras.models.load_model(result.model_path).count_params() == result.num_parameters
    resumed = kevo.resume(run, stripes(240))
    assert not resumed.interrupted
    assert [r.genome for r in trial_reader.read_trials(Run.open(run))] == [r.genome for r in found[1].records]
    assert resumed.genome == found[0].genome


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_hands_the_best_over(found: tuple[SearchResult, Diary], tmp_path: Path, number: int) -> None:
    class Ending(Diary):
        def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
            os.kill(os.getpid(), number)

        def closed(self) -> None:
            # A second one does not disturb.
            os.kill(os.getpid(), number)

    result = kevo.search(stripes(240), SHORT, out=tmp_path / "run", listener=Ending())
    assert result.interrupted and result.trials_completed == 1
    assert keras.models.load_model(result.model_path).count_params() == result.num_parameters
    assert signal.getsignal(number) is signal.SIG_DFL


def test_little_memory_is_said_with_what_sets_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "limit", lambda: memory.Limit(1_200_000_000, "the limit of its job"))
    words = session._shortage(1)
    assert words is not None and words.startswith("Only 1.2 GB of memory (the limit of its job) may be used here")
    assert session._shortage(0) is None
    # What each process may take hangs on no other.
    for num_bytes, is_little in ((2_000_000_000, True), (4_000_000_000, False)):
        limit = memory.Limit(num_bytes, "the limit of ulimit -v", is_shared=False)
        monkeypatch.setattr(memory, "limit", lambda limit=limit: limit)
        assert (session._shortage(9) is not None) is is_little
        assert not is_little or "(the limit of ulimit -v) may be used by each process" in str(session._shortage(9))
    monkeypatch.setattr(memory, "limit", lambda: None)
    assert session._shortage(9) is None


def test_ctrl_c_while_the_best_is_written_says_how_to_go_on(found: tuple[SearchResult, Diary]) -> None:
    class Closing(Diary):
        def closed(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(SearchInterruptedError, match=f"kevo resume {found[0].run_folder}"):
        kevo.resume(found[0].run_folder, stripes(240), listener=Closing())


def rewrite(path: Path, change: Callable[[Any], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values) + "\n")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("settings.json", lambda values: values.pop("search")),
        ("settings.json", lambda values: values.update(search=[1])),
        ("settings.json", lambda values: values["search"].update(objective=["accuracy"])),
        ("settings.json", lambda values: values["search"].update(epochs="3")),
        ("settings.json", lambda values: values["search"]["space"].update(filters=["many"])),
        ("settings.json", lambda values: values.pop("fingerprint")),
        ("settings.json", lambda values: values.update(identity=["vgg16"])),
    ],
)
def test_a_run_folder_without_its_settings_is_refused(
    found: tuple[SearchResult, Diary], tmp_path: Path, name: str, change: Callable[[Any], object]
) -> None:
    shutil.copytree(found[0].run_folder, tmp_path / "run")
    rewrite(tmp_path / "run" / name, change)
    with pytest.raises(RunError, match="damaged|have changed"):
        kevo.resume(tmp_path / "run", stripes(240))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("search/oracle.json", lambda values: values.pop("seed")),
        ("search/oracle.json", lambda values: values.update(hyperparameters=7)),
        ("search/trial_0/trial.json", lambda values: values.update(individual="me")),
        ("search/trial_0/trial.json", lambda values: values["hyperparameters"].update(values=None)),
        (
            "search/trial_0/trial.json",
            lambda values: values["hyperparameters"]["values"].update({"tuner/trial_id": "0"}),
        ),
        ("trials.jsonl", lambda values: values["genome"].pop("family")),
        ("trials.jsonl", lambda values: values["metrics"].pop("val_accuracy")),
        ("trials.jsonl", lambda values: values.update(history=[], stages=[])),
    ],
)
def test_what_is_damaged_is_set_aside_and_the_search_goes_on_with_the_rest(
    found: tuple[SearchResult, Diary], tmp_path: Path, name: str, change: Callable[[Any], object]
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    path, kept = run / name, trial_reader.read_trials(Run.open(run))
    if path.suffix == ".jsonl":
        first, *rest = path.read_text().splitlines(keepends=True)
        path.write_text(first)
        rewrite(path, change)
        path.write_text(path.read_text() + "".join(rest))
        kept = kept[1:]
    else:
        rewrite(path, change)
    result = kevo.resume(run, stripes(240), listener=diary)
    place = run / "search" if name.startswith("search/") else path
    assert any(f"{place}" in note and "damaged" in note and "set aside" in note for note in diary.notes)
    assert [record for record in trial_reader.read_trials(Run.open(run)) if record in kept] == kept
    assert keras.models.load_model(result.model_path).count_params() == result.num_parameters
    again = Diary()
    kevo.resume(run, stripes(240), listener=again)
    assert again.records == [] and not any("damaged" in note for note in again.notes)


def test_without_any_model_the_search_says_so_and_leaves_the_best(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(found[0].run_folder, run)
    before = (run / "best.keras").read_bytes()
    for path in (run / "checkpoints").glob("*.keras"):
        path.write_bytes(b"nothing")
    with pytest.raises(
        SearchFailedError, match=r"None of the models of the \d+ candidates .*damaged ones are in .*damaged/checkpoints"
    ):
        kevo.resume(run, stripes(240))
    assert (run / "best.keras").read_bytes() == before


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, None])
def test_records_that_are_lost_are_put_back_from_the_oracle(
    found: tuple[SearchResult, Diary], tmp_path: Path, keep: float | None
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    path, before = run / "trials.jsonl", trial_reader.read_trials(Run.open(run))
    assert any(record.full_length for record in before)
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[: int(keep * len(content))])
    facts = reader.read(run)
    assert list(facts.records) == before
    assert any("trials.jsonl lacks" in damage for damage in facts.damages)
    result = kevo.resume(run, stripes(240), listener=diary)
    assert result.trials_completed == found[0].trials_completed
    assert trial_reader.read_trials(Run.open(run)) == before
    assert any(f"{path} is damaged: " in note and "put back from" in note for note in diary.notes)
    assert result.test == found[0].test


def test_a_candidate_without_record_and_copy_is_trained_again(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    for path in run.glob("search/trial_*/trial.json"):
        rewrite(path, lambda values: values.update(note=None))
    for path in (run / "trials.jsonl", *run.glob("search/record_*.json")):
        path.unlink()
    result = kevo.resume(run, stripes(240), listener=diary)
    assert any("has ended, but no record tells of it" in note for note in diary.notes)
    assert result.trials_completed == found[0].trials_completed
    assert json.loads((run / "result.json").read_text())["test"]["accuracy"] >= found[0].test.accuracy


@pytest.mark.parametrize(
    "name",
    ["labels.json", "result.json", "model_card.md", "best.keras", "predictions/test.npy", "plots/fitness.png"],
)
def test_what_was_handed_over_and_is_damaged_is_named_and_made_again(
    found: tuple[SearchResult, Diary], tmp_path: Path, name: str
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    assert integrity.damaged_files(Run.open(run)) == {}
    content = (run / name).read_bytes()
    # The card ends with a line here.
    (run / name).write_bytes(content[: 1 + content.rindex(b"\n", 0, len(content) // 2)])
    result = kevo.resume(run, stripes(240), listener=diary)
    (note,) = [note for note in diary.notes if "damaged" in note]
    assert note.startswith(f"{run / name} is damaged: ") and f"set aside as damaged/{name}" in note
    assert result.test == found[0].test and integrity.damaged_files(Run.open(run)) == {}


def test_a_model_whose_scores_are_damaged_is_not_lost(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    (run / "result.json").write_text("{")
    # It came from a model that is gone since.
    model = keras.models.load_model(run / "best.keras")
    model.set_weights([1.5 * one for one in model.get_weights()])
    model.save(run / "best.keras")
    handed_over = (run / "best.keras").read_bytes()
    kevo.resume(run, stripes(240), listener=diary)
    assert (run / "damaged/best.keras").read_bytes() == handed_over
    assert any("best.keras has no scores in result.json that can be read" in note for note in diary.notes)


def test_nothing_outside_of_somebody_elses_folder_is_touched_unasked(tmp_path: Path) -> None:
    run, source, elsewhere, cache = (tmp_path / name for name in ("run", "pictures.npz", "elsewhere", "cache"))
    pictures, labels = stripes(120)
    np.savez(source, x=pictures, y=labels)
    kevo.search(source, dataclasses.replace(SHORT, max_trials=1, epochs=1, final_epochs=1), out=run)
    rewrite(run / "settings.json", lambda values: values["search"].update(cache=str(elsewhere / "features")))
    with pytest.raises(RunError, match=f"kevo resume {run} --data {source}"):
        kevo.resume(run)
    assert "were not read" in kevo_report(run)
    diary = Diary()
    kevo.resume(run, source, listener=diary)
    assert diary.openings[0].settings.cache is None and not elsewhere.exists()
    kevo.resume(run, source, listener=diary, cache=str(cache))
    assert diary.openings[1].settings.cache == str(cache)
    # That is this user's word.
    kevo.resume(run, listener=diary)
    assert diary.openings[2].settings.cache == str(cache)
    assert "were not read" not in kevo_report(run)


def kevo_report(run: Path) -> str:
    return report.write(run).read_text()


def test_without_models_a_message_points_to_no_folder_that_is_not_there(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(found[0].run_folder, run)
    shutil.rmtree(run / "checkpoints")
    rewrite(run / "settings.json", lambda values: values["search"].update(max_time=1.0))
    with pytest.raises(SearchFailedError, match="checkpoints has none of them") as error:
        kevo.resume(run, stripes(240), started=time.monotonic() - 10)
    assert "damaged" not in str(error.value) and (run / "best.keras").is_file()


def spoil(path: Path) -> None:
    """Writes a whole archive that holds nothing that Keras could read, as a stranger's may be."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")


def winner(run: Path) -> str:
    return str(json.loads((run / "result.json").read_text())["trial_id"])


def test_a_model_that_cannot_be_loaded_does_not_win(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    for name in ("best.keras", "result.json"):
        (run / name).unlink()
    for path in (run / "checkpoints").glob("*-refit.keras"):
        spoil(path)
    result = kevo.resume(run, stripes(240), listener=diary)
    assert any("-refit.keras cannot be loaded" in note and "it stays there" in note for note in diary.notes)
    assert not (run / "damaged").exists() and not result.is_refit
    assert keras.models.load_model(result.model_path).count_params() == result.num_parameters


def test_what_keeps_all_models_from_being_loaded_moves_none_of_them(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(found[0].run_folder, run)
    for path in (run / "checkpoints").iterdir():
        spoil(path)
    before = {path: path.read_bytes() for path in run.rglob("*.keras")}
    with pytest.raises(RunError, match="cannot be loaded: .* as checkpoints/.* before it. The checksums .* are right"):
        kevo.resume(run, stripes(240))
    assert {path: path.read_bytes() for path in run.rglob("*.keras")} == before


@pytest.mark.parametrize("name", ["predictions/{}.npy", "checkpoints/{}.keras", "checkpoints/{}-refit.keras"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_the_best_model_is_not_replaced_by_a_worse_one(
    found: tuple[SearchResult, Diary], tmp_path: Path, name: str, is_cut: bool
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    before, scores = (run / "best.keras").read_bytes(), found[0].test
    path = run / name.format(winner(run))
    content = path.read_bytes()
    path.unlink()
    if is_cut:
        path.write_bytes(content[: len(content) // 2])
    result = kevo.resume(run, stripes(240), listener=diary)
    assert result.test == scores and winner(run) == winner(found[0].run_folder)
    # Trained again, the same model is packed at another time.
    assert (run / "best.keras").read_bytes() == before or name.endswith("-refit.keras")
    if is_cut:
        assert any(f"{path} is damaged" in note and "set aside" in note for note in diary.notes)
    elif name == "checkpoints/{}.keras":
        assert any("best.keras stays as it was" in note for note in diary.notes)


def test_what_was_handed_over_stays_when_its_record_is_gone_and_there_is_no_time(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run, diary = tmp_path / "run", Diary()
    shutil.copytree(found[0].run_folder, run)
    rewrite(run / "settings.json", lambda values: values["search"].update(max_time=1.0))
    lines = (run / "trials.jsonl").read_text().splitlines(keepends=True)
    others = [line for line in lines if json.loads(line)["trial_id"] != winner(run)]
    assert len(others) == len(lines) - 1
    (run / "trials.jsonl").write_text("".join(others))
    (run / f"search/record_{winner(run)}.json").unlink()
    before = (run / "best.keras").read_bytes()
    result = kevo.resume(run, stripes(240), listener=diary, started=time.monotonic() - 10)
    assert (run / "best.keras").read_bytes() == before and result.test == found[0].test
    assert any("best.keras stays as it was" in note for note in diary.notes)


def test_weights_are_found_again_from_another_folder_and_missed_when_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = dataclasses.replace(kevo.PRESETS["small"], pretrained_image_sizes=(32,))
    settings = kevo.Settings(max_time=1.0, space=space, weights={"mobilenet_v3_small": "own.weights.h5"})
    monkeypatch.chdir(tmp_path)
    backbone_networks.network(backbones.get("mobilenet_v3_small"), alpha=0.75).save_weights("own.weights.h5")
    # The time is over when it begins: there is the plainest model all the same, and nothing else.
    past = time.monotonic() - 10
    result = kevo.search(stripes(60), settings, out="run", started=past)
    assert result.trial_id == "first" and result.trials_completed == 1
    run = tmp_path / "run"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert kevo.resume(run, stripes(60), started=past).test == result.test
    rewrite(run / "settings.json", lambda values: values["identity"]["backbones"].update(mobilenet_v3_small=[1.0]))
    with pytest.raises(RunError, match=f"alpha 1.0.* from {tmp_path}/own.weights.h5, which cannot be had any more"):
        kevo.resume(run, stripes(60), started=past)
    (tmp_path / "own.weights.h5").unlink()
    with pytest.raises(RunError, match=f"cannot go on: There is no weights file {tmp_path}/own.weights.h5"):
        kevo.resume(run, stripes(60), started=past)
