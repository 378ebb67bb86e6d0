"""Searches as studies of Optuna, and as optuna-dashboard shows them in a browser."""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.errors import SettingsError
from kevo.progress.trackers import TrackerGroup
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.tasks.images.datasets import load
from kevo.tasks.images.task import ImageTask
from tests.support.samples import CONV_GENOME, stripes
from tests.support.searches import SETTINGS, Diary, record

optuna = pytest.importorskip("optuna", reason="optuna is missing: pip install 'kevo-automl[optuna]'")
from kevo.progress.trackers.optuna import Optuna  # noqa: E402  # Needs the extra.

RECORD = record("0", 0.75, history=[{"val_accuracy": 0.5}, {"val_accuracy": 0.75}], stages=["train", "train"])
FAILED = dataclasses.replace(
    record("1", 0.5), number=1, status="failed", fitness=None, metrics={}, num_parameters=None, reason="`boom`"
)


@pytest.fixture(scope="module")
def task() -> ImageTask:
    return ImageTask(load(stripes(120)), SETTINGS, {})


def run_of(folder: Path) -> Run:
    values = {"search": SETTINGS.to_json(), "identity": {"backbones": {}}, "started": "now", "fingerprint": folder.name}
    return Run.create(folder, values)


def test_a_candidate_is_shown_as_it_trains_and_when_it_has_ended(task: ImageTask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    tracker = Optuna(url)
    tracker.on_search_begin(run_of(tmp_path / "run"), task)
    tracker.trial_started(0, "conv stack 8", None, "1")
    tracker.progress(0, "train", 0.5, 2, {"loss": 2.0})
    tracker.progress(0, "train", 1.0, 2, {"loss": 1.5})
    tracker.trial_started(1, "conv stack 16", None, "2")
    tracker._background.later(lambda: None)
    tracker._background._pending[-1].result()
    study = optuna.load_study(study_name="run", storage=url)
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "RUNNING"]
    assert study.trials[0].intermediate_values == {1: 1.5}
    tracker.trial_ended(RECORD, RECORD)
    tracker.trial_ended(FAILED, RECORD)
    tracker.on_search_end(None)
    first, second = optuna.load_study(study_name="run", storage=url).trials
    assert first.state.name == "COMPLETE" and first.value == 0.75
    assert first.params["optimizer"] == CONV_GENOME["optimizer"] and first.params["batch_size"] == 16
    assert first.intermediate_values == {1: 0.5, 2: 0.75}
    assert first.user_attrs["cost/params"] == 100 and first.user_attrs["model"] == "conv stack 8"
    assert second.state.name == "FAIL" and second.user_attrs["reason"] == "`boom`"
    assert study.metric_names == ["val_accuracy"] and study.direction.name == "MAXIMIZE"


def test_a_search_goes_on_in_its_study_and_another_one_has_its_own(task: ImageTask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    (tmp_path / "other").mkdir()
    run, other = run_of(tmp_path / "run"), run_of(tmp_path / "other" / "run")
    other.settings["fingerprint"] = "another"
    run.append_trial(RECORD)
    for folder in (run, run, other):
        tracker = Optuna(url)
        tracker.on_search_begin(folder, task)
        # As of a session that is killed while it trains.
        tracker.trial_started(5, "conv stack 8", None, "1")
        tracker._background.finish()
    states = {
        name: [trial.state.name for trial in optuna.load_study(study_name=name, storage=url).trials]
        for name in optuna.get_all_study_names(url)
    }
    assert states == {"run": ["COMPLETE", "FAIL", "RUNNING"], "run-2": ["RUNNING"]}


def test_genes_outside_of_the_space_do_no_harm(task: ImageTask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    tracker = Optuna(url)
    tracker.on_search_begin(run_of(tmp_path / "run"), task)
    tracker.trial_ended(dataclasses.replace(RECORD, genome={**CONV_GENOME, "optimizer": "<script>", "more": [1]}), None)
    tracker.on_search_end(None)
    (trial,) = optuna.load_study(study_name="run", storage=url).trials
    assert "optimizer" not in trial.params and trial.user_attrs["optimizer"] == "<script>"


def test_a_database_that_cannot_be_opened_is_a_users_mistake(tmp_path: Path) -> None:
    for url in ("runs.db", f"sqlite:///{tmp_path}/none/runs.db"):
        with pytest.raises(SettingsError, match="Expected one such as sqlite:///runs.db"):
            Optuna(url)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a real dashboard, and its storage."""
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    url = f"sqlite:///{tmp_path}/runs.db"
    optuna.storages.RDBStorage(url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [shutil.which("optuna-dashboard", path=os.path.dirname(sys.executable)) or "optuna-dashboard", url]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 200
        while True:
            try:
                urllib.request.urlopen(f"{address}/dashboard", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.2)
        yield address, url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_dashboard_shows_a_search_in_a_browser(dashboard: tuple[str, str], tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    address, url = dashboard
    seen: list[str] = []

    class Watcher(Diary):
        """Looks at the dashboard when the first candidate has ended, while the search runs."""

        def trial_ended(self, record: Any, best: Any) -> None:
            if not seen:
                tracker._background.later(lambda: None)
                tracker._background._pending[-1].result()
                page.goto(f"{address}/dashboard/studies/1")
                for text in ("watched (id=1)", "Best Trial", "val_accuracy", "Timeline"):
                    page.get_by_text(text).first.wait_for()
                seen.append(page.inner_text("body"))

    settings = dataclasses.replace(SETTINGS, max_trials=3, epochs=2, num_finalists=1)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(240_000)
        tracker, diary = Optuna(url), Watcher()
        out = tmp_path / "watched"
        result = kevo.search(stripes(120), settings, out=out, listener=TrackerGroup([tracker, diary]))
        assert not [note for note in diary.notes if "told no more" in note]
        study = optuna.load_study(study_name="watched", storage=url)
        num = len(study.trials)
        page.goto(f"{address}/dashboard/studies/1/trials")
        page.get_by_text(f"{num} Trials").first.wait_for()
        table = page.inner_text("body")
        browser.close()
    records = trial_reader.read_trials(Run.open(out))
    assert len(seen) == 1 and "watched" in seen[0] and "Best Trial" in seen[0]
    assert table.count("Complete") >= len([one for one in records if one.fitness is not None])
    measured = [trial for trial in study.trials if trial.state.name != "PRUNED"]
    assert {trial.user_attrs["kevo.trial_id"] for trial in measured} == {one.trial_id for one in records}
    # The winner once more, on all examples.
    assert len(study.trials) - len(measured) == result.is_refit
    assert study.user_attrs["best model"]["test"] == pytest.approx(result.test.accuracy)
