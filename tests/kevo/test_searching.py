"""A search from pictures to a saved model, its run folder, and how it goes on after a kill."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import pytest
from samples import stripes

import kevo
from kevo.errors import RunError, SearchFailedError, SearchInterruptedError, SettingsError, WeightsError
from kevo.results import SearchResult
from kevo.runs import Run, TrialRecord

TINY = dataclasses.replace(
    kevo.PRESETS["small"],
    families=("conv",),
    conv_image_sizes=(16,),
    num_blocks=(1, 2),
    filters=(4, 8, 16),
    num_dense=(0,),
    learning_rate=(3e-3, 3e-2),
    sgd_learning_rate=(3e-2, 3e-1),
    batch_sizes=(16,),
)
SETTINGS = kevo.Settings(max_trials=4, epochs=3, final_epochs=6, num_finalists=2, population=2, space=TINY, seed=0)


class Diary:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.started: list[str] = []
        self.records: list[TrialRecord] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trial_started(self, number: int, words: str, seconds_left: float | None) -> None:
        self.started.append(words)

    def progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        self.records.append(record)

    def closed(self) -> None: ...


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    diary = Diary()
    out = tmp_path_factory.mktemp("search") / "run"
    return kevo.search(stripes(240), SETTINGS, out=out, listener=diary), diary


def test_the_result_says_what_was_found(found: tuple[SearchResult, Diary]) -> None:
    result, diary = found
    assert (result.trials_completed, result.trials_failed, result.interrupted) == (4, 0, False)
    assert result.validation.accuracy > 0.8
    assert "conv stack" in result.words
    finalists = [record for record in diary.records if record.full_length]
    assert len(finalists) == 2
    assert result.validation.accuracy == pytest.approx(max(r.fitness or 0 for r in diary.records), abs=0.03)


def test_no_genome_is_trained_twice(found: tuple[SearchResult, Diary]) -> None:
    _, diary = found
    genomes = [json.dumps(record.genome, sort_keys=True) for record in diary.records if not record.full_length]
    assert len(set(genomes)) == len(genomes) == 4


def test_the_run_folder_reads_without_kevo(found: tuple[SearchResult, Diary]) -> None:
    result, diary = found
    folder = result.run_folder
    assert json.loads((folder / "labels.json").read_text()) == ["0", "1", "2"]
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert [line["trial_id"] for line in lines] == [record.trial_id for record in diary.records]
    assert all(line["genome"] and line["fitness"] and line["seconds"] and line["num_parameters"] for line in lines)
    written = json.loads((folder / "result.json").read_text())
    assert SearchResult.from_json(written) == result
    assert json.loads((folder / "settings.json").read_text())["search"]["epochs"] == 3
    pictures = {path.name for path in (folder / "plots").glob("*.png")}
    assert len(pictures) == 5


def test_only_models_that_may_win_are_kept(found: tuple[SearchResult, Diary]) -> None:
    result, _ = found
    assert len(list((result.run_folder / "checkpoints").iterdir())) == SETTINGS.num_finalists


def test_the_model_loads_and_predicts_where_kevo_does_not_exist(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    result, _ = found
    pictures, labels = stripes(60, seed=1)
    np.savez(tmp_path / "new.npz", pictures=pictures)
    script = """
        import sys
        sys.modules["kevo"] = sys.modules["tuners"] = None
        import keras, numpy as np
        try:
            import kevo
        except ImportError:
            pass
        else:
            raise SystemExit("kevo is here")
        model = keras.models.load_model(sys.argv[1], safe_mode=True)
        print(model.predict(np.load(sys.argv[2])["pictures"], verbose=0).argmax(axis=1).tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), result.model_path, tmp_path / "new.npz"],
        capture_output=True,
        text=True,
        check=True,
    )
    predicted = json.loads(done.stdout.splitlines()[-1])
    assert (np.array(predicted) == labels).mean() > 0.8
    assert predicted == result.best_model.predict(pictures, verbose=0).argmax(axis=1).tolist()


def test_a_finished_search_is_announced_again_without_training(found: tuple[SearchResult, Diary]) -> None:
    result, _ = found
    diary = Diary()
    again = kevo.resume(result.run_folder, stripes(240), listener=diary)
    assert diary.started == []
    assert (again.genome, again.test, again.trials_completed) == (result.genome, result.test, 4)


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


def test_the_same_seed_is_the_same_search(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    _, first = found
    second = Diary()
    kevo.search(stripes(240), SETTINGS, out=tmp_path / "again", listener=second)
    assert [(r.genome, r.history) for r in second.records] == [(r.genome, r.history) for r in first.records]


class Interrupting(Diary):
    """Presses Ctrl-C when the candidate of some number has been trained for a while."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def progress(self, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        if len(self.started) == self._number and done > 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_everything_and_still_writes_the_best(found: tuple[SearchResult, Diary], tmp_path: Path) -> None:
    result = kevo.search(stripes(240), SETTINGS, out=tmp_path / "run", listener=Interrupting(3))
    assert result.interrupted
    assert result.trials_completed == 2
    assert keras.models.load_model(result.model_path).count_params() == result.num_parameters
    uninterrupted = found[1].records
    diary = Diary()
    resumed = kevo.resume(result.run_folder, stripes(240), listener=diary)
    assert not resumed.interrupted
    assert [r.genome for r in diary.records] == [r.genome for r in uninterrupted[2:]]
    assert resumed.genome == found[0].genome


def test_ctrl_c_before_the_first_candidate_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(SearchInterruptedError, match="kevo resume"):
        kevo.search(stripes(240), SETTINGS, out=tmp_path / "run", listener=Interrupting(1))
    assert kevo.resume(tmp_path / "run", stripes(240)).trials_completed == 4


def killed(run: Path, settings: str, *, number: int, after: int) -> None:
    """Searches and is killed when candidate `number` has trained that many epochs: from within, to hit the instant."""
    script = """
        import os, signal, sys
        run, folder, settings, number, after = sys.argv[1:]
        sys.path.insert(0, folder)
        import kevo, test_searching
        from samples import stripes
        class Killer(test_searching.Diary):
            def progress(self, stage, done, total, metrics):
                if len(self.started) == int(number) and done > int(after):
                    os.kill(os.getpid(), signal.SIGKILL)
        kevo.search(stripes(240), getattr(test_searching, settings), out=run, listener=Killer())
    """
    arguments = [str(run), str(Path(__file__).parent), settings, str(number), str(after)]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_killed_search_goes_on_from_every_completed_candidate(
    found: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    killed(run, "SETTINGS", number=3, after=1)
    before = Run.open(run).trials()
    assert len(before) == 2
    diary = Diary()
    result = kevo.resume(run, stripes(240), listener=diary)
    assert Run.open(run).trials()[:2] == before
    assert [r.genome for r in [*before, *diary.records]] == [r.genome for r in found[1].records]
    assert result.genome == found[0].genome


def test_each_rung_trains_three_times_as_long_as_the_one_below() -> None:
    assert kevo.Settings(epochs=20, num_rungs=3).rungs == (3, 7, 20)
    assert kevo.Settings(epochs=1, num_rungs=3).rungs == (1,)
    assert kevo.Settings(epochs=20).rungs == (20,)


RUNGS = dataclasses.replace(SETTINGS, max_trials=6, num_finalists=1, num_rungs=2)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    diary = Diary()
    out = tmp_path_factory.mktemp("rungs") / "run"
    return kevo.search(stripes(240), RUNGS, out=out, listener=diary), diary


def test_the_best_of_a_rung_go_on_from_where_they_paused(climbed: tuple[SearchResult, Diary]) -> None:
    result, diary = climbed
    *records, final = diary.records
    by_id: dict[str | None, TrialRecord] = {record.trial_id: record for record in records}
    begun = [record for record in records if record.continues is None]
    continued = [record for record in records if record.continues is not None]
    assert {record.num_epochs for record in begun} == {1} and all(record.is_paused for record in begun)
    assert 2 <= len(continued) <= len(begun)
    for record in continued:
        source = by_id[record.continues]
        assert record.genome == source.genome and not any("tuner" in gene for gene in record.genome)
        assert record.history[:1] == source.history and len(record.history) == 3
        assert record.metrics["val_accuracy"] == max(epoch["val_accuracy"] for epoch in record.history)
    first = by_id[continued[0].continues]
    assert first.fitness == max(record.fitness or 0 for record in records[: records.index(continued[0])])
    assert final.full_length and final.genome in [record.genome for record in continued]
    # Once the finalists have begun, nobody is trained further.
    assert len(list((result.run_folder / "checkpoints").iterdir())) == RUNGS.num_finalists
    assert Run.open(result.run_folder).trials() == diary.records


def test_a_search_killed_while_a_candidate_goes_on_takes_up_the_same_search(
    climbed: tuple[SearchResult, Diary], tmp_path: Path
) -> None:
    first = next(number for number, record in enumerate(climbed[1].records, start=1) if record.continues)
    run = tmp_path / "run"
    killed(run, "RUNGS", number=first, after=2)
    before = Run.open(run).trials()
    assert len(before) == first - 1
    diary = Diary()
    result = kevo.resume(run, stripes(240), listener=diary)
    story = [(record.genome, record.history) for record in [*before, *diary.records]]
    assert story == [(record.genome, record.history) for record in climbed[1].records]
    assert result.genome == climbed[0].genome


def test_a_frozen_backbone_trains_in_full_at_once_and_is_never_paused(tmp_path: Path) -> None:
    frozen = dataclasses.replace(
        kevo.PRESETS["small"],
        families=("pretrained",),
        pretrained_image_sizes=(32,),
        batch_sizes=(16,),
        augment=(False,),
    )
    settings = dataclasses.replace(RUNGS, space=frozen, weights={"mobilenet_v2": "none"}, max_trials=3)
    diary = Diary()
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert diary.records
    for record in diary.records:
        assert record.full_length or record.stages == ["head"] * 3
        assert record.continues is None and not record.is_paused


def test_a_search_of_failures_says_why(tmp_path: Path) -> None:
    hopeless = dataclasses.replace(TINY, sgd_learning_rate=(1e25, 1e26), optimizers=("sgd",), batch_norm=(False,))
    settings = dataclasses.replace(SETTINGS, space=hopeless)
    diary = Diary()
    with pytest.raises(SearchFailedError, match="No candidate could be trained.*no longer a number"):
        kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert [record.status for record in diary.records] == ["failed"] * 4


def test_a_time_limit_ends_the_search_with_a_model(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, max_trials=None, max_time=12.0, epochs=2)
    result = kevo.search(stripes(240), settings, out=tmp_path / "run")
    assert result.trials_completed >= 1


def test_weights_that_cannot_be_had_refuse_the_search_before_it_starts(tmp_path: Path) -> None:
    only_pretrained = dataclasses.replace(kevo.PRESETS["small"], families=("pretrained",))
    settings = dataclasses.replace(
        SETTINGS, space=only_pretrained, weights={"mobilenet_v2": str(tmp_path / "absent.h5")}
    )
    with pytest.raises(WeightsError, match=r"absent\.h5"):
        kevo.search(stripes(60), settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_small_pictures_leave_backbones_out_with_one_line(tmp_path: Path) -> None:
    mixed = dataclasses.replace(TINY, families=("pretrained", "conv"))
    diary = Diary()
    kevo.search(
        stripes(60), dataclasses.replace(SETTINGS, space=mixed, max_trials=1), out=tmp_path / "run", listener=diary
    )
    assert sum("Pretrained backbones are left out, since pictures of 16 px" in note for note in diary.notes) == 1


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Diary]:
    settings = dataclasses.replace(SETTINGS, minimize=("params", "flops"), max_trials=5, num_finalists=1)
    diary = Diary()
    out = tmp_path_factory.mktemp("traded") / "run"
    return kevo.search(stripes(240), settings, out=out, listener=diary), diary


def test_the_front_is_what_no_other_beats(traded: tuple[SearchResult, Diary]) -> None:
    result, diary = traded

    def worth(metrics: Mapping[str, float]) -> tuple[float, ...]:
        return (metrics["val_accuracy"], -metrics["params"], -metrics["flops"])

    worths = {worth(record.metrics) for record in diary.records}
    beaten = {one for one in worths if any(np.greater_equal(other, one).all() and other != one for other in worths)}
    assert sorted(worth(member.metrics) for member in result.front) == sorted(worths - beaten)
    assert result.front[0].metrics["val_accuracy"] == max(record.metrics["val_accuracy"] for record in diary.records)
    assert result.hypervolume is not None and 0 < result.hypervolume < 1
    assert all(record.metrics["params"] == record.num_parameters for record in diary.records)


def test_every_model_of_the_front_can_be_taken_away(traded: tuple[SearchResult, Diary]) -> None:
    result, diary = traded
    for member in result.front:
        assert keras.models.load_model(member.model_path).count_params() == member.metrics["params"]
    kept = {path.stem for path in (result.run_folder / "checkpoints").iterdir()}
    best = max((r for r in diary.records), key=lambda r: (r.metrics["val_accuracy"], -r.metrics["val_cross_entropy"]))
    assert kept == {member.trial_id for member in result.front} | {best.trial_id}


def test_the_front_is_written_and_told(traded: tuple[SearchResult, Diary]) -> None:
    result, diary = traded
    assert SearchResult.from_json(json.loads((result.run_folder / "result.json").read_text())) == result
    assert (result.run_folder / "plots" / "front.png").is_file()
    headline, *lines = diary.notes[-len(result.front) - 1 :]
    assert headline.startswith(f"Front: {len(result.front)} model")
    assert all(
        line.startswith(f"  checkpoints/{member.trial_id}.keras  accuracy")
        for line, member in zip(lines, result.front, strict=True)
    )


def test_a_finished_search_has_the_same_front_again(traded: tuple[SearchResult, Diary]) -> None:
    result, _ = traded
    again = kevo.resume(result.run_folder, stripes(240))
    assert (again.front, again.hypervolume) == (result.front, result.hypervolume)


def test_no_candidate_is_larger_than_allowed(tmp_path: Path) -> None:
    diary = Diary()
    settings = dataclasses.replace(SETTINGS, max_params=500, max_trials=6, epochs=1, final_epochs=1, num_finalists=1)
    kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert len(diary.records) == 7
    assert all(record.num_parameters is not None and record.num_parameters <= 500 for record in diary.records)


def test_a_limit_below_the_smallest_network_is_refused_before_any_training(tmp_path: Path) -> None:
    smallest = 4 * (3 * 3 * 3 + 1) + 5 * 3
    space = dataclasses.replace(TINY, batch_norm=(True, False))
    settings = dataclasses.replace(SETTINGS, space=space, max_params=smallest - 1)
    with pytest.raises(SettingsError, match=f"has {smallest - 1} parameters or fewer: the smallest .* has {smallest}"):
        kevo.search(stripes(60), settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
