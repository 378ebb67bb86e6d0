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
