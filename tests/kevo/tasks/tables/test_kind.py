"""The row of the table of tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kevo
from kevo.errors import DataError, SettingsError, SpaceError
from kevo.tasks.registry import all_kinds, kind_of, named_by
from kevo.tasks.tables.kind import KIND
from kevo.tasks.tables.space import PRESETS, Space
from kevo.training.effort import Effort
from tests.support.tables import GENOME, write_csv

X, Y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2


def test_the_row_is_in_the_table() -> None:
    assert kind_of("tables") is KIND
    assert named_by(["target"]) is KIND
    assert named_by([]) is all_kinds()[0] is not KIND


def test_loads_no_tensorflow(tmp_path: Path) -> None:
    script = """
import sys
import kevo
from kevo.tasks.tables.kind import KIND
settings = kevo.Settings(task="tables", options={"target": "kind"})
print(KIND.load(sys.argv[1], settings).summary())
print(sorted({"tensorflow", "keras", "keras_tuner"} & sys.modules.keys()))
"""
    path = write_csv(tmp_path / "things.csv")
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    summary, loaded = done.stdout.splitlines()
    assert summary.startswith("things: 240 rows")
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((X, Y), True),
        ([X, Y], True),
        ({"train": (X, Y)}, True),
        ((np.zeros((4, 8, 8)), Y[:4]), False),
        ("table.csv", False),
        ("digits", False),
        (None, False),
        ({}, False),
    ],
)
def test_recognizes_matrices(data: Any, expected: bool) -> None:
    assert KIND.recognizes(data) is expected


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert KIND.source("table.csv") == str(tmp_path / "table.csv") == KIND.source(Path("table.csv"))
    assert KIND.source((X, Y)) is None


def test_settings() -> None:
    settings = kevo.Settings(options={"target": "kind"}, space=PRESETS["small"])
    assert settings.kind is KIND
    assert kevo.Settings.from_json(settings.to_json()) == settings
    assert KIND.varied(settings)["activations"] == ("relu",)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"space": "huge"}, SpaceError, "Unknown space 'huge' for tables"),
        ({"space": 7}, SettingsError, "a Space for tables. Received: 7"),
        ({"weights": {"mobilenet_v2": "none"}}, SettingsError, "no backbones. Received `weights` for mobilenet_v2"),
        ({"options": {"column": "kind"}}, SettingsError, "'column'"),
    ],
)
def test_settings_that_no_table_has(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        kevo.Settings(task="tables", **options)


def test_json_makes_a_space() -> None:
    assert KIND.space({"units": [8, 16]}) == Space(units=(8, 16))
    assert KIND.space("small") is PRESETS["small"]


def test_a_table_is_read_as_the_settings_say(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "things.csv")
    dataset = KIND.load(path, kevo.Settings(options={"target": "kind"}, seed=3))
    assert dataset.target == "kind"
    other = KIND.load(path, kevo.Settings(options={"target": "kind"}, seed=4))
    assert dataset.fingerprint() != other.fingerprint()
    dataset.write(tmp_path / "work")
    assert KIND.read(tmp_path / "work").columns == dataset.columns


def test_a_target_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Which column of .*things.csv is to be predicted"):
        KIND.load(write_csv(tmp_path / "things.csv"), kevo.Settings(task="tables"))


def test_genomes() -> None:
    KIND.check_genome(GENOME)
    assert KIND.describe(GENOME).startswith("dense 16, relu")
    assert KIND.extractor_key(GENOME) is None
    with pytest.raises(ValueError, match="lacks the gene"):
        KIND.check_genome({**GENOME, "num_layers": 2})


def test_kinds_of_networks() -> None:
    kinds = [KIND.network_kind(genome) for genome in (GENOME, {**GENOME, "num_layers": 0})]
    assert [kind.words for kind in kinds] == ["dense network", "linear model"]
    assert set(kinds) == set(KIND.network_kinds)


def test_what_a_model_takes(tmp_path: Path) -> None:
    settings = kevo.Settings(options={"target": "kind"})
    task = KIND.open(KIND.load(write_csv(tmp_path / "things.csv"), settings), settings)
    model = task.trainer().train(GENOME, Effort(num_epochs=1)).deployable()
    assert {(name, np.dtype(dtype).kind, shape) for name, dtype, shape in KIND.input_specs(model)} == {
        ("weight", "f", (-1, 1)),
        ("color", "U", (-1, 1)),
        ("grade", "f", (-1, 1)),
        ("noise", "f", (-1, 1)),
    }
