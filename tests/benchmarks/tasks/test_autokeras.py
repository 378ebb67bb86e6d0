"""AutoKeras beside kevo: what it is given, and the report."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tasks.autokeras_peer import AutoKerasResult, measure, report
from benchmarks.tasks.measuring import Job
from kevo.tasks.tables import loading as tables
from kevo.tasks.texts.loading import load

STAND_IN = '''
"""Stands where AutoKeras would be installed: remembers what it is given, and answers with one class."""
import keras
import numpy as np

__version__ = "3.0.0"


class Search:
    def __init__(self, *, max_trials, seed, directory, overwrite):
        assert (max_trials, seed, overwrite) == (5, 5, True)

    def fit(self, x, y, *, validation_data, verbose):
        np.savez("{given}", x=x, y=y, validation=validation_data[0])

    def predict(self, x, *, verbose):
        return np.ones((len(x), 1))

    def export_model(self):
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.Dense(1)(inputs))


TextClassifier = StructuredDataRegressor = Search
'''


def texts(folder: Path) -> None:
    folder.mkdir()
    for name, words in (("pos", "a good film"), ("neg", "a film without sense")):
        (folder / f"{name}.txt").write_text(
            "".join(f"{words}, number {number}\n" for number in range(60)), encoding="utf-8"
        )


def installed(folder: Path) -> Path:
    """Returns a folder with the stand-in, which writes down what it is given beside it."""
    (folder / "installed").mkdir()
    (folder / "installed" / "autokeras.py").write_text(STAND_IN.format(given=folder / "given.npz"), encoding="utf-8")
    return folder / "installed"


def test_it_learns_from_the_same_splits(tmp_path: Path) -> None:
    texts(tmp_path / "rt_polarity")
    whole = load(tmp_path / "rt_polarity", seed=5)
    found = measure(Job(name="rt_polarity", minutes=1, seed=5, data=tmp_path), installed(tmp_path))
    with np.load(tmp_path / "given.npz", allow_pickle=False) as given:
        assert given["x"].tolist() == list(whole.train.texts) and given["y"].tolist() == list(whole.train.labels)
        assert given["validation"].tolist() == list(whole.validation.texts)
    assert found.score == pytest.approx((whole.test.labels == 1).mean()) and found.num_parameters == 4
    assert found.versions.startswith("AutoKeras 3.0.0, Keras ") and found.seconds > 0


def test_of_tables_it_is_given_columns_of_text_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "auto_mpg").mkdir()
    power = ["" if row % 5 == 0 else str(100 + 37 * row % 101 // 3) for row in range(100)]
    lines = [
        f"{10 + row},{power[row]},{'usa' if row % 2 else 'japan'},{900 + 7 * row % 101 // 2}" for row in range(100)
    ]
    path = tmp_path / "auto_mpg" / "mpg.csv"
    path.write_text("\n".join(["mpg,horsepower,origin,weight", *lines]), encoding="utf-8")
    found = measure(Job(name="auto_mpg", minutes=1, seed=5, data=tmp_path), installed(tmp_path))
    whole = tables.load(path, target="mpg", asks=tables.suggested(path, target="mpg")[0], seed=5)
    known = whole.inputs(whole.train)["horsepower"].reshape(-1)
    with np.load(tmp_path / "given.npz", allow_pickle=False) as given:
        assert given["x"].shape == (len(whole.train), 3) and given["x"].dtype.kind == "U"
        assert given["x"][:, 1].tolist() == list(whole.inputs(whole.train)["origin"].reshape(-1))
        filled = np.where(np.isnan(known), np.nanmedian(known), known)
        assert given["x"][:, 0].astype(float) == pytest.approx(filled)
        assert given["y"] == pytest.approx(np.asarray(whole.train.labels))
    # It answers 1 for each, and no car goes less than ten miles.
    assert found.score < 0


def test_it_is_measured_on_what_it_has(tmp_path: Path) -> None:
    for name in ("chase_db1", "connect4", "airline_passengers"):
        with pytest.raises(ValueError, match=f"on texts and tables. Received: {name}"):
            measure(Job(name=name, minutes=1, seed=0, data=tmp_path), tmp_path)


def test_report() -> None:
    values = {"name": "rt_polarity", "seed": 0, "num_parameters": 1234, "versions": "AutoKeras 3.0.0, Keras 3.12.0"}
    found = AutoKerasResult.from_json({**values, "score": 0.75, "seconds": 60.0})
    last = report([found]).splitlines()[-1]
    title = "rt_polarity, 10,662 sentences of reviews"
    assert last == f"| {title} | 1 | 0.750 | 1,234 | 60 | AutoKeras 3.0.0, Keras 3.12.0 |"
    assert report([]) == ""
