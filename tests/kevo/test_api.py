"""A search from pictures to a saved model and its run folder, and how it ends where there is none."""

import dataclasses
import json
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import kevo
from kevo import api
from kevo.errors import DataError, RunError, SearchFailedError, SettingsError, WeightsError
from kevo.result import SearchResult
from kevo.runs import reader
from kevo.runs.folder import Run
from kevo.runs.phases import PHASES
from kevo.runs.ranking import Ranking
from kevo.runs.trial_reader import read_trials
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.genes import shared_extractor
from kevo.tasks.registry import kind_of
from kevo.training.mean_network import num_networks
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, TINY, Diary
from tests.support.stranger import Stranger


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    diary = Diary()
    out = tmp_path_factory.mktemp("search") / "run"
    return kevo.search(stripes(240), SETTINGS, out=out, listener=diary), diary


def test_the_result_says_what_was_found(found: tuple[SearchResult, Diary]) -> None:
    result, diary = found
    assert (result.trials_completed, result.trials_failed, result.interrupted) == (3, 0, False)
    assert result.validation.accuracy > 0.8
    assert "conv stack" in result.words
    finalists = [record for record in diary.records if record.full_length]
    assert len(finalists) == 2
    assert result.validation.accuracy == pytest.approx(max(r.fitness or 0 for r in diary.records), abs=0.03)


def test_no_genome_is_trained_twice(found: tuple[SearchResult, Diary]) -> None:
    _, diary = found
    genomes = [json.dumps(record.genome, sort_keys=True) for record in diary.records if not record.full_length]
    assert len(set(genomes)) == len(genomes) == 3


def test_the_run_folder_reads_without_kevo(found: tuple[SearchResult, Diary]) -> None:
    result, diary = found
    folder = result.run_folder
    assert json.loads((folder / "labels.json").read_text()) == ["0", "1", "2"]
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert [line["trial_id"] for line in lines] == [record.trial_id for record in diary.records]
    assert all(line["genome"] and line["fitness"] and line["seconds"] and line["num_parameters"] for line in lines)
    written = json.loads((folder / "result.json").read_text())
    assert SearchResult.from_json(written).moved(folder) == result and written["model_path"] == "best.keras"
    assert json.loads((folder / "settings.json").read_text())["search"]["epochs"] == 3
    pictures = {path.name for path in (folder / "plots").glob("*.png")}
    assert len(pictures) == 5


def test_each_phase_is_told(found: tuple[SearchResult, Diary]) -> None:
    phases = ["reading", "probing", "evolving", "finals", "refitting", "scoring", "combining", "writing"]
    assert found[1].phases == phases == list(PHASES)


def test_a_search_may_begin_with_the_best_of_another(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    first, (best, *others) = found[0].run_folder, api._seeds(found[0].run_folder, SETTINGS.kind)
    records = sorted(read_trials(Run.open(first)), key=lambda record: record.fitness or 0.0, reverse=True)
    assert best == records[0].genome and best not in others
    with pytest.raises(SettingsError, match="is of the task images, and this one of tables"):
        api._seeds(first, kind_of("tables"))
    Run.create(tmp_path / "empty", {"search": SETTINGS.to_json()})
    with pytest.raises(RunError, match="No candidate of the search in .* has finished"):
        api._seeds(tmp_path / "empty", SETTINGS.kind)
    assert api._seeds([best], SETTINGS.kind) == (best,)


def test_what_an_ensemble_is_chosen_from_is_kept(found: tuple[SearchResult, Diary], dataset: ImageDataset) -> None:
    result, diary = found
    for record in diary.records:
        assert (result.run_folder / "checkpoints" / f"{record.trial_id}.keras").is_file()
        probabilities = np.load(result.run_folder / "predictions" / f"{record.trial_id}.npy", allow_pickle=False)
        assert probabilities.dtype == np.float16
        accuracy = (probabilities.argmax(axis=1) == dataset.validation.labels).mean()
        assert accuracy == pytest.approx(record.fitness, abs=0.03)


def test_an_ensemble_is_offered_or_would_gain_nothing(found: tuple[SearchResult, Diary]) -> None:
    result, diary = found
    if result.ensemble is None:
        assert diary.notes[-1] == "No ensemble: it would gain nothing."
        return
    assert diary.notes[-1].startswith("Ensemble: ensemble.keras, ")
    assert result.ensemble.validation.accuracy >= result.validation.accuracy
    assert 2 <= len(result.ensemble.members) <= 5 and result.ensemble.model_path.is_file()


def test_the_model_loads_and_predicts_where_kevo_does_not_exist(
    found: tuple[SearchResult, Diary], stranger: Stranger, tmp_path: Path
) -> None:
    result, _ = found
    pictures, labels = stripes(60, seed=1)
    (probabilities,), is_stock = stranger.predict(result.model_path, pictures, folder=tmp_path)
    assert is_stock
    predicted = probabilities.argmax(axis=1)
    assert (predicted == labels).mean() > 0.8
    assert np.array_equal(predicted, result.best_model.predict(pictures, verbose=0).argmax(axis=1))


def test_a_finished_search_is_announced_again_without_training(found: tuple[SearchResult, Diary]) -> None:
    result, _ = found
    diary = Diary()
    again = kevo.resume(result.run_folder, stripes(240), listener=diary)
    assert diary.started == []
    assert (again.genome, again.test, again.trials_completed) == (result.genome, result.test, 3)


@pytest.mark.long
def test_a_finished_search_goes_on_for_longer(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    result, _ = found
    run = tmp_path / "run"
    shutil.copytree(result.run_folder, run)
    # The names of trials become wider with the limit.
    again = kevo.resume(run, stripes(240), max_trials=8, max_time="10m", verbose=False)
    num_before = result.trials_completed + result.trials_failed
    assert again.trials_completed + again.trials_failed == num_before + 8
    settings = kevo.Settings.from_json(json.loads((run / "settings.json").read_text())["search"])
    assert settings.max_trials == num_before + 8
    assert settings.max_time is not None and 600 < settings.max_time < 600 + result.seconds
    before, now = reader.read(run).limits
    assert (before.max_trials, before.max_time) == (SETTINGS.max_trials, None) and before.until and now.until is None
    records = read_trials(Run.open(run))
    assert len({record.trial_id for record in records}) == len(records)
    assert again.validation.accuracy >= result.validation.interval[0]
    # And once more, without the oracle's own state.
    shutil.rmtree(run / "search")
    last = kevo.resume(run, stripes(240), max_trials=1, verbose=False)
    assert last.trials_completed + last.trials_failed == num_before + 9
    assert {record.trial_id for record in records} <= {record.trial_id for record in read_trials(Run.open(run))}


def test_other_pictures_are_refused_on_resume(found: tuple[SearchResult, Diary]) -> None:
    result, _ = found
    with pytest.raises(RunError, match="have changed since the search"):
        kevo.resume(result.run_folder, stripes(240, seed=9))
    with pytest.raises(RunError, match="read its pictures from Python"):
        kevo.resume(result.run_folder)


def test_a_used_folder_is_refused(found: tuple[SearchResult, Diary]) -> None:
    result, _ = found
    with pytest.raises(RunError, match="already holds a run"):
        kevo.search(stripes(240), SETTINGS, out=result.run_folder)


def test_settings_may_be_given_one_by_one_and_a_search_tells_how_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diary = Diary()
    quick = {**SETTINGS.to_json(), "space": "small", "max_trials": 1, "epochs": 1, "final_epochs": 1}
    kevo.search(stripes(90), out=tmp_path, verbose=True, listener=diary, **quick)
    said = capsys.readouterr()
    assert not said.out and diary.records
    assert f"{tmp_path}: " in said.err and "   1  accuracy 0." in said.err


def test_settings_are_given_once_and_by_known_names(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Received both `settings` and max_trials"):
        kevo.search("digits", SETTINGS, out=tmp_path, max_trials=3)
    with pytest.raises(SettingsError, match="Received 'trials', which is no setting. Expected some of: max_trials, "):
        kevo.search("digits", out=tmp_path, trials=3)
    assert not list(tmp_path.iterdir())


def test_a_search_of_failures_says_why(tmp_path: Path) -> None:
    hopeless = dataclasses.replace(
        TINY,
        families=("pretrained", "conv"),
        sgd_learning_rate=(1e25, 1e26),
        optimizers=("sgd",),
        batch_norm=(False,),
    )
    settings = dataclasses.replace(SETTINGS, space=hopeless, max_trials=2)
    diary = Diary()
    with pytest.raises(SearchFailedError, match="No candidate could be trained.*no longer a number"):
        kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert [record.status for record in diary.records] == ["failed"] * 2
    # Backbones would have been of no use either.
    assert sum("Pretrained backbones are left out, since pictures of 16 px" in note for note in diary.notes) == 1


def test_a_time_limit_ends_the_search_with_a_model(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=8.0, epochs=2)
    result = kevo.search(stripes(240), settings, out=tmp_path / "run")
    assert result.trials_completed >= 1


def test_time_spent_before_the_search_counts(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_time=60.0)
    diary = Diary()
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary, started=time.monotonic() - 60)
    # The plainest model is there all the same.
    assert [record.trial_id for record in diary.records] == ["first"]


def test_the_winner_is_the_mean_of_heads_that_scores_cannot_tell_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kevo.engine.budget._NETWORKS_SHARE", 1e6)
    heads = dataclasses.replace(
        kevo.PRESETS["small"],
        families=("pretrained",),
        pretrained_image_sizes=(32,),
        tunings=("frozen",),
        augment=(False,),
        label_smoothing=(0.0,),
    )
    settings = dataclasses.replace(
        SETTINGS, space=heads, weights={"vgg16": "none"}, max_trials=6, num_finalists=1, epochs=3, final_epochs=3
    )
    diary = Diary()
    result = kevo.search(stripes(120), settings, out=tmp_path / "run", listener=diary)
    ranking = Ranking(settings.objectives, num_judged=result.validation.num_judged, records=diary.records)
    keys = [shared_extractor(record.genome) for record in ranking.equals]
    num = min(6, keys.count(keys[0]))
    assert num > 1 and result.genome == ranking[0].genome and result.is_refit
    model = keras.models.load_model(result.model_path, safe_mode=True)
    assert num_networks(model) == num and model.count_params() == result.num_parameters
    assert result.words.startswith(f"the mean of {num} heads on one network: ")
    assert kevo.resume(result.run_folder, stripes(120)).test == result.test


def test_a_search_goes_on_without_a_cache_and_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = dataclasses.replace(
        kevo.PRESETS["small"], families=("pretrained",), pretrained_image_sizes=(32,), augment=(False,)
    )
    settings = dataclasses.replace(
        SETTINGS,
        space=frozen,
        weights={"vgg16": "none"},
        max_trials=1,
        num_finalists=1,
        epochs=1,
        cache="~/file/cache",
    )
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    diary = Diary()
    result = kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert result.trials_completed == 1
    assert [note for note in diary.notes if "Not a directory" in note] == [
        f"Features of frozen backbones serve this search only. Nothing is kept in {tmp_path}/file/cache: Not a "
        "directory. Make room or permit writing there, or name another folder."
    ]
    # A search that is resumed from elsewhere means the same folder.
    written = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert written["search"]["cache"] == str(tmp_path / "file" / "cache")


def test_weights_that_cannot_be_had_refuse_the_search_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_pretrained = dataclasses.replace(kevo.PRESETS["small"], families=("pretrained",))
    settings = dataclasses.replace(SETTINGS, space=only_pretrained, weights={"mobilenet_v2": "absent.h5"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=f"There is no weights file {tmp_path / 'absent.h5'}"):
        kevo.search(stripes(60), settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_candidate_is_larger_than_allowed(tmp_path: Path) -> None:
    diary = Diary()
    settings = dataclasses.replace(SETTINGS, max_params=500, max_trials=2, epochs=1, final_epochs=1, num_finalists=1)
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert len(diary.records) == 3
    assert all(record.num_parameters is not None and record.num_parameters <= 500 for record in diary.records)


def test_a_limit_below_the_smallest_network_is_refused_before_any_training(tmp_path: Path) -> None:
    smallest = 4 * (3 * 3 * 3 + 1) + 5 * 3
    space = dataclasses.replace(TINY, batch_norm=(True, False))
    settings = dataclasses.replace(SETTINGS, space=space, max_params=smallest - 1)
    with pytest.raises(SettingsError, match=f"has {smallest - 1} parameters or fewer: the smallest .* has {smallest}"):
        kevo.search(stripes(60), settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_strangers_settings_name_is_used_only_where_it_is_trusted(tmp_path: Path) -> None:
    settings = kevo.Settings(weights={"mobilenet_v2": "/elsewhere/weights.h5"}, options={"groups": "a(b)"})
    Run.create(tmp_path / "run", {"search": settings.to_json(), "data": None, "fingerprint": ""})
    (tmp_path / "data.csv").write_text("path,label\n")
    with pytest.raises(RunError) as caught:
        kevo.resume(tmp_path / "run", tmp_path / "data.csv")
    assert "the weights /elsewhere/weights.h5 of mobilenet_v2 and the expression 'a(b)' for groups" in str(caught.value)
    assert str(caught.value).endswith("--trust")
    # Only then anything is read.
    with pytest.raises(DataError, match="names no pictures"):
        kevo.resume(tmp_path / "run", tmp_path / "data.csv", trust=True)
