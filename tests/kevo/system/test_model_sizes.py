"""Models that ask for more than their files bring are refused before anything of them is built."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.backend.common import global_state

from kevo.system import model_files
from kevo.system.model_sizes import ModelSizeError, check, check_archive

WIDTH = 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(4, name="wide")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[member] = change(contents[member])
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def widened(content: bytes) -> bytes:
    """A layer of many units, and what follows it, in a configuration whose weights stay as they are."""
    values = json.loads(content)
    for layer in values["config"]["layers"]:
        if layer["config"]["name"] == "wide":
            layer["config"]["units"] = WIDTH
        elif layer["class_name"] == "Dense":
            layer["build_config"]["input_shape"] = [None, WIDTH]
    return json.dumps(values).encode()


def weights(change: Callable[[h5py.File], Any]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        stream = io.BytesIO(content)
        with h5py.File(stream, "a") as file:
            change(file)
        return stream.getvalue()

    return changed


def test_a_sound_model_is_loaded(path: Path) -> None:
    check(path, 10**9)
    model = model_files.load(path)
    assert [one.shape for one in model.weights] == [(8, 4), (4,), (4, 2), (2,)]


def test_layers_with_more_weights_than_the_file_holds_are_refused_before_they_are_built(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewritten(path, "config.json", widened)
    monkeypatch.setattr(keras.models, "load_model", lambda *args, **kwargs: pytest.fail("The model was built."))
    needed = 4 * (8 * WIDTH + WIDTH + WIDTH * 2 + 2) / 1000
    with pytest.raises(ModelSizeError, match=rf"has layers with {needed:.1f} kB of weights, and holds .* kB of them"):
        model_files.load(path)
    # Nothing of it waits to be built with the next model.
    assert not global_state.get_global_attribute("uninitialized_variables")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_that_state_more_than_their_file_holds_are_refused(path: Path, method: int) -> None:
    # Nothing is allocated in the file for an array that was never written to.
    grown = weights(lambda file: file.create_dataset("more", (10**6,), np.float32))
    rewritten(path, "model.weights.h5", grown, method=method)
    with pytest.raises(ModelSizeError, match=r"states 4.0 MB of weights in a file of .* kB \(model.weights.h5\)"):
        check(path, None)


def test_weights_that_lie_elsewhere_are_refused(path: Path) -> None:
    def link(file: h5py.File) -> None:
        file["more"] = h5py.ExternalLink("other.h5", "/")

    rewritten(path, "model.weights.h5", weights(link))
    with pytest.raises(ModelSizeError, match="has weights that lie elsewhere .*'more'"):
        check(path, None)


def test_a_configuration_of_too_many_words_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kevo.system.model_sizes._MOST_CONFIG_BYTES", 100)
    with pytest.raises(ModelSizeError, match="has a configuration of .* Expected at most 100 B"):
        check(path, None)


def test_an_archive_is_priced_by_all_its_members(path: Path) -> None:
    check_archive(path, None)
    with pytest.raises(ModelSizeError, match="unpacks to .*, too much for the 40.0 kB of memory"):
        check_archive(path, 40_000)


# Of Keras, which hands its integers to NumPy.
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_quantized_weights_are_counted_in_their_own_size(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((400,)), keras.layers.Dense(400)])
    with pytest.warns(UserWarning, match="InputLayer"):
        model.quantize("int8")
    model.save(tmp_path / "model.keras")
    check(tmp_path / "model.keras", None)


def test_layers_with_random_numbers_and_vocabularies_are_priced(tmp_path: Path) -> None:
    words = keras.Input((1,), dtype="string")
    found = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(words)
    outputs = keras.layers.Dense(1)(keras.layers.Dropout(0.1)(found))
    keras.Model(words, outputs).save(tmp_path / "model.keras")
    check(tmp_path / "model.keras", None)


def test_models_in_a_model_may_be_compiled(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    inner.compile("adam", "mse")
    inputs = keras.Input((8,))
    keras.Model(inputs, keras.layers.Dense(2)(inner(inputs))).save(tmp_path / "model.keras")
    check(tmp_path / "model.keras", 10**9)
    assert len(model_files.load(tmp_path / "model.keras").weights) == 4
