import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from kevo.system import model_files


def test_a_mapping_whose_keys_are_not_the_names_of_inputs_is_no_cause_for_a_warning(tmp_path: Path) -> None:
    inputs = {"a/b": keras.Input((1,), name="column_1"), "c": keras.Input((1,), name="c")}
    with model_files.renamed_inputs():
        model = keras.Model(inputs, keras.layers.Add()(list(inputs.values())))
    model.save(tmp_path / "sum.keras")
    # Warnings are errors here.
    loaded = model_files.load(tmp_path / "sum.keras")
    assert float(loaded({"a/b": np.ones((1, 1)), "c": np.full((1, 1), 2.0)})[0, 0]) == 3


def test_code_in_a_file_is_not_executed(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match="code execution"):
        model_files.load(tmp_path / "code.keras")


def test_arguments_that_older_versions_do_not_know_are_left_out_at_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization(momentum=0.9, renorm=False)]
    )
    model.save(path)
    before = keras.saving.load_model(path, compile=False)
    model_files.save(model, path)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json").decode()
    for name in ("input_axes", "output_axes", "quantization_config", "renorm"):
        assert f'"{name}' not in config
    assert '"momentum": 0.9' in config
    after = model_files.load(path)
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_array_equal(after(values), before(values))
    assert list(tmp_path.iterdir()) == [path]
    # What is not at its default means something, and stays.
    renormed = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(renorm=True)])
    model_files.save(renormed, path)
    assert model_files.load(path).layers[0].renorm is True
