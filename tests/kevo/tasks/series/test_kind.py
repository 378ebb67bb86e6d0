"""The row of the table of tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.errors import ExportError, SettingsError
from kevo.tasks.registry import choose, kind_of
from kevo.tasks.series.kind import KIND
from kevo.tasks.series.space import PRESETS
from tests.support.series import GENOME, MLP, values, write_csv


def test_loads_no_tensorflow(tmp_path: Path) -> None:
    script = """
import sys
import kevo
from kevo.tasks.registry import choose
kind, note = choose("series", sys.argv[1], {})
print(kind.load(sys.argv[1], kevo.Settings(task=kind.name, options={"target": "sales"})).summary())
print(kind.describe(%r))
print(sorted({"tensorflow", "keras", "keras_tuner"} & sys.modules.keys()))
"""
    path = write_csv(tmp_path / "shop.csv")
    done = subprocess.run([sys.executable, "-c", script % GENOME, path], capture_output=True, text=True, check=True)
    summary, words, loaded = done.stdout.splitlines()
    assert summary.startswith("shop: 120 steps of 3 months, 87 windows of 24 steps of 2 columns")
    assert words.startswith("linear, 8 steps as seasonal differences")
    assert loaded == "[]"


def test_sources(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "shop.csv")
    assert choose("series", path, {})[0] is KIND is kind_of("series")
    assert KIND.source(path) == str(path.resolve()) and KIND.source(values()) is None
    # A table of rows that have dates is still one.
    kind, note = choose("auto", path, {"target": "sales"})
    assert kind.name == "table-regression"
    assert note.endswith("Each row has a time of its own in 'quarter': to forecast what comes next, --task series.")
    assert choose("auto", path, {"target": "weather"})[1] == ""
    assert KIND.load(values(), kevo.Settings(task="series", options={"season": "none"})).output.season == 1


def test_of_equals_a_linear_model_wins() -> None:
    for name in ("mase", "mae", "r2", "neg_mean_absolute_error"):
        (objective,) = kevo.Settings(task="series", objective=name).objectives
        assert not objective.is_complex(GENOME) and objective.is_complex(MLP)
    assert not kevo.Settings(task="tables").objectives[0].is_complex({"family": "mlp"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": 7}, "a Space for series. Received: 7"),
        ({"weights": {"mobilenet_v2": "none"}}, "Networks for windows have no backbones"),
        ({"folds": 3}, "Leave --folds out"),
        ({"objective": "r3"}, "mase, mae, rmse, r2"),
        ({"options": {"window": "0"}}, "--window must be a number of steps from 1 to 10,000. Received: '0'"),
        ({"options": {"season": "12.5"}}, "--season must be a number of steps"),
        ({"options": {"groups": "shop"}}, "The task series has no option 'groups'"),
    ],
)
def test_settings_that_series_have_not(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        kevo.Settings(task="series", **options)


def test_settings() -> None:
    settings = kevo.Settings(task="series", space=PRESETS["small"], objective="mae", options={"horizon": "3"})
    assert kevo.Settings.from_json(settings.to_json()) == settings
    assert KIND.varied(settings)["families"] == ("linear", "mlp")
    names = [KIND.network_name({**GENOME, "family": family}) for family in ("linear", "mlp", "tcn", "lstm")]
    assert names == ["linear model", "dense network", "causal convolutions", "LSTM"]
    KIND.check_genome(MLP)


def test_options_that_another_task_has_name_it() -> None:
    with pytest.raises(SettingsError, match="The task tables has no option 'horizon', which --task series has"):
        kevo.Settings(task="tables", options={"horizon": "3"})


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="written in no other format yet"):
        KIND.exportable(tmp_path / "best.keras")
    with pytest.raises(SettingsError, match="says what it answers"):
        KIND.predictor(tmp_path, labels=tmp_path / "labels.json")
