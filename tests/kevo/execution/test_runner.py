"""What a training leaves: a model that is saved, one that cannot be, or a disk that is full."""

import dataclasses
import errno
import itertools
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

import kevo
from kevo.engine.messages import TrialResult
from kevo.execution.runner import FinishedTrial
from kevo.tasks.images import networks
from kevo.tasks.images.trainer import Trained
from kevo.training.effort import CandidateError
from tests.support.samples import stripes
from tests.support.searches import SETTINGS, Diary

DONE = TrialResult(
    seconds=1.0, metrics={"val_accuracy": 0.5}, num_parameters=6, learned={"errors": {"a": 0.5}, "speeds": []}
)


class Stubborn(keras.layers.Layer):
    """A layer that trains well, and cannot be written down."""

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("it does not say\nhow it is made")


def trained(*layers: keras.layers.Layer) -> FinishedTrial:
    pictures = keras.Input((4, 4, 3))
    outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(pictures))
    for layer in layers:
        outputs = layer(outputs)
    return FinishedTrial(DONE, Trained(keras.Model(pictures, outputs), {}, 8, 1.0))


def made_stubborn(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Lets networks end with that layer, counted in the order in which they are built."""
    build, count = networks.conv_network, itertools.count()

    def conv_network(*args: Any, **options: Any) -> keras.Model:
        network = build(*args, **options)
        return keras.Model(network.input, Stubborn()(network.output)) if next(count) in numbers else network

    monkeypatch.setattr(networks, "conv_network", conv_network)


def test_a_model_is_written(tmp_path: Path) -> None:
    done = trained()
    assert done.written(tmp_path / "model.keras") is done
    assert keras.models.load_model(tmp_path / "model.keras", safe_mode=True).count_params() == 8
    # Every model that a search keeps may be handed over, and is read by older versions of Keras.
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert b"quantization_config" not in archive.read("config.json")


def test_a_model_that_cannot_be_saved_is_the_failure_of_its_candidate(tmp_path: Path) -> None:
    done = trained(Stubborn()).written(tmp_path / "model.keras")
    reason = "its model cannot be saved: RuntimeError: it does not say"
    assert done.outcome == TrialResult(seconds=1.0, reason=reason, learned=DONE.learned)
    assert done.save is None and done.outputs is None
    save = trained(Stubborn()).save
    assert save is not None
    with pytest.raises(CandidateError, match=reason):
        save(tmp_path / "model.keras")


def test_a_full_disk_is_no_failure_of_a_candidate(full_disk: Path) -> None:
    with pytest.raises(OSError, match="Cannot write .*model.keras: No space left") as refused:
        trained().written(full_disk / "model.keras")
    assert refused.value.errno == errno.ENOSPC
    # Of what fails there nobody can tell whose doing it is.
    with pytest.raises(OSError, match=r"Cannot write .*model.keras: it does not say"):
        trained(Stubborn()).written(full_disk / "model.keras")


def test_a_candidate_whose_model_cannot_be_saved_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_stubborn(monkeypatch, 1)
    diary = Diary()
    settings = dataclasses.replace(SETTINGS, max_trials=2, epochs=1, final_epochs=1, num_finalists=1)
    result = kevo.search(stripes(60), settings, out=tmp_path / "run", listener=diary)
    assert [one.status for one in diary.records] == ["completed", "failed", "completed"]
    assert diary.records[1].reason == "its model cannot be saved: RuntimeError: it does not say"
    assert result.model_path.is_file() and not list((tmp_path / "run").rglob(".partial-*"))
