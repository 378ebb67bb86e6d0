"""A search has a model from its first seconds on, whatever the machine, and says so where that only guesses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.result import SearchResult
from kevo.training.loop import Forward
from tests.support import series, tables, texts
from tests.support.project import ROOT
from tests.support.samples import stripes
from tests.support.stranger import Stranger

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.long
def test_a_search_that_is_killed_leaves_a_model(tmp_path: Path, stranger: Stranger) -> None:
    pictures, labels = stripes(240)
    np.savez(tmp_path / "data.npz", x=pictures, y=labels)
    command = [sys.executable, "-m", "kevo", "search", "data.npz", "--max-time", "10m", "--out", "run", "--quiet"]
    search = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, start_new_session=True)
    try:
        while not (tmp_path / "run/best.keras").exists():
            assert search.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(search.pid, signal.SIGKILL)
        search.wait()
    (predicted,), has_stock_layers = stranger.predict(tmp_path / "run/best.keras", pictures[:4], folder=tmp_path)
    assert predicted.shape == (4, 3) and np.allclose(predicted.sum(axis=1), 1, atol=1e-5) and has_stock_layers
    assert json.loads((tmp_path / "run/labels.json").read_text()) == ["0", "1", "2"]


class SlowForward(Forward):
    """A forward pass on a machine that takes 25 ms for a picture of 160 px, and less for smaller ones."""

    def batches(self, inputs: npt.NDArray[np.uint8], batch_size: int) -> Iterator[npt.NDArray[np.float32]]:
        for batch in super().batches(inputs, batch_size):
            time.sleep(0.025 * (inputs.shape[1] / 160) ** 2 * len(batch))
            yield batch


@pytest.mark.long
def test_a_machine_too_slow_for_any_backbone_finds_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with 2,934 photographs of flowers on a machine ten times slower than usual: each pass took too long."""
    monkeypatch.setattr(
        "kevo.tasks.images.transfer_learning.forward_pass", lambda network: SlowForward(network, dtype=np.uint8)
    )
    pictures, labels = stripes(1800, size=32)
    np.savez(tmp_path / "data.npz", x=pictures, y=labels)
    options = ["--max-time", "80s", "--weights", "mobilenet_v2=none", "--workers", "0", "--cache", "none"]
    done = CliRunner().invoke(main, ["search", str(tmp_path / "data.npz"), *options, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.stderr
    result = SearchResult.open(tmp_path / "run")
    assert result.best_model.output_shape == (None, 3)
    assert json.loads(done.stdout)["default_recipe"] == json.loads(json.dumps(result.to_json()["default_recipe"]))
    records = [json.loads(line) for line in (tmp_path / "run/trials.jsonl").read_text().splitlines()]
    sizes = [record["genome"].get("pretrained/image_size") for record in records]
    late = [
        place for place, record in enumerate(records) if record["status"] == "failed" and "slow" in record["reason"]
    ]
    # What broke off has shown the machine's speed: nothing as large is begun after it.
    assert all(size is None or size < sizes[place] for place in late for size in sizes[place + 1 :])
    assert records[0]["origin"] == "first" and records[0]["status"] == "completed"
    assert any(record["status"] == "completed" for record in records[1:])


@pytest.mark.long
@pytest.mark.parametrize(
    ("task", "write", "options"),
    [
        ("tables", tables.write_csv, {"target": "kind"}),
        ("texts", texts.write_csv, {"target": "kind"}),
        ("series", series.write_csv, {"target": "sales", "horizon": "4", "window": "12"}),
    ],
)
def test_there_is_a_model_where_reading_took_all_the_time(
    tmp_path: Path, task: str, write: Callable[[Path], Path], options: dict[str, str]
) -> None:
    settings = kevo.Settings(task=task, options=options, max_time=0.1, workers=0)
    result = kevo.search(write(tmp_path / "data.csv"), settings, out=tmp_path / "run")
    (record,) = [json.loads(line) for line in (result.run_folder / "trials.jsonl").read_text().splitlines()]
    assert record["origin"] == "first" and result.trials_completed == 1
    assert result.best_model.count_params() > 0


@pytest.mark.long
def test_a_model_that_guesses_is_called_that(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", x=rng.integers(0, 256, (240, 16, 16, 3), np.uint8), y=np.arange(240) % 2)
    options = ["--max-trials", "1", "--epochs", "1", "--workers", "0", "--space", "small", "--out", "run"]
    search = subprocess.run(
        [sys.executable, "-m", "kevo", "search", "noise.npz", *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert search.returncode == 0, search.stderr
    found = json.loads(search.stdout)
    assert found["is_chance"]
    note, advice = "The model may be no better than a guess: always to answer ", "--weights mobilenet_v2=FILE"
    last = search.stderr.splitlines()[-1]
    assert last.startswith(note) and advice in last
    result = SearchResult.open(tmp_path / "run")
    assert result.is_chance and note in repr(result) and result.warning == last
    page, card = result.report().read_text(), (tmp_path / "run/model_card.md").read_text()
    start = page.index('class="answer"')
    assert "no better than a guess" in page[start : page.index("</p>", start)]
    assert "**It may be no better than a guess**" in card and advice in card


@pytest.mark.long
def test_a_model_that_learned_something_is_no_guess(climbed: tuple[SearchResult, object]) -> None:
    result = climbed[0]
    assert not result.is_chance and result.warning == "" and "warning" not in repr(result)
    assert json.loads((result.run_folder / "result.json").read_text())["is_chance"] is False
