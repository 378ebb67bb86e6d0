"""Settings of a search, to JSON and back."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kevo.errors import SettingsError, SpaceError, UnknownBackboneError
from kevo.settings import Settings
from kevo.tasks.images.space import of, preset
from tests.support.project import ROOT


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(max_trials=None, max_time=90.0, space="wide", weights={"vgg16": "none"}, objective="loss", seed=7),
        Settings(space=dataclasses.replace(preset("small"), filters=(4, 8))),
        Settings(minimize=("params", "seconds"), max_params=20_000, cache="features", inherit=True),
        Settings(seeds=({"family": "conv", "conv/l2": 1e-4, "conv/batch_norm": True}, {})),
    ],
)
def test_to_json_and_back(settings: Settings) -> None:
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_trials": 0}, "`max_trials` must be positive. Received: 0"),
        ({"max_time": -1.0}, "`max_time` must be positive. Received: -1.0"),
        ({"population": 1}, "`population` must be at least 2"),
        ({"objective": "acc"}, "Unknown objective 'acc'. Expected one of: accuracy, macro_f1, loss"),
        ({"seed": -1}, "`seed` must be from 0 to 2147483647. Received: -1"),
        ({"seed": 2**31}, "`seed` must be from 0 to 2147483647. Received: 2147483648"),
        ({"num_rungs": 4}, "`num_rungs` must be 3 at most. Received: 4"),
        ({"max_time": float("inf")}, "`max_time` must be a finite number or None. Received: inf"),
        ({"max_time": "an hour"}, "`max_time`: 'an hour' is no length of time. Expected something like 90s"),
        ({"epochs": 2.5}, "`epochs` must be a whole number. Received: 2.5"),
        ({"population": True}, "`population` must be a whole number. Received: True"),
        ({"seed": None}, "`seed` must be a whole number. Received: None"),
        ({"objective": ["loss"]}, "`objective` must be a name"),
        ({"minimize": 3}, "`minimize` must be a tuple of names. Received: 3"),
        ({"weights": {"vgg16": 3}}, "`weights` must be a mapping of names to strings"),
        ({"space": 3}, "`space` must be a preset's name or a Space"),
        ({"cache": ""}, "`cache` must be a path or None. Received: ''"),
        ({"cache": "nu\0ll"}, "`cache` must be a path or None"),
        ({"seeds": [{"family": ["conv"]}]}, "`seeds` must be a tuple of at most 100 genomes"),
        ({"seeds": [{}] * 101}, "`seeds` must be a tuple of at most 100 genomes"),
        ({"inherit": 1}, "`inherit` must be True or False. Received: 1"),
        ({"inherit": True, "num_rungs": 2}, "Received `inherit` with `num_rungs`. Leave one of them out"),
        ({"inherit": True, "folds": 5}, "Received `inherit` with `folds`. Leave one of them out"),
        ({"inherit": True, "task": "tables"}, "Of the task tables nothing is inherited: only conv stacks"),
        ({"inherit": True, "task": "images", "space": "evolved"}, "the space has none: nothing would be inherited"),
        ({"max_params": 0}, "`max_params` must be positive. Received: 0"),
        ({"minimize": ("size",)}, "`minimize` holds 'size'. Expected some of: params, seconds, flops, bytes"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**change)


def test_a_search_that_goes_on_has_new_limits() -> None:
    settings = Settings(max_time=60.0, patience=5, epochs=3)
    so_far: Any = {"seconds": 50.0, "num_trials": 7}
    assert settings.extended(**so_far) is settings
    assert settings.extended(max_time="1m", **so_far) == Settings(max_time=110.0, epochs=3)
    assert settings.extended(max_trials=4, **so_far) == Settings(max_trials=11, epochs=3)
    assert settings.extended(patience=9, **so_far) == Settings(max_time=60.0, patience=9, epochs=3)
    with pytest.raises(SettingsError, match="`max_trials` must be positive. Received: 0"):
        settings.extended(max_trials=0, **so_far)


def test_what_people_write_is_understood() -> None:
    written: Any = {
        "max_time": "15m",
        "max_trials": np.int64(3),
        "cache": Path("features"),
        "weights": {"mobilenet_v2": Path("v2.h5")},
        "minimize": "params",
        "seed": np.int32(1),
    }
    settings = Settings(**written)
    assert settings == Settings(
        max_time=900.0,
        max_trials=3,
        cache="features",
        weights={"mobilenet_v2": "v2.h5"},
        minimize=("params",),
        seed=1,
    )
    assert json.loads(json.dumps(settings.to_json()))["max_trials"] == 3


def test_an_unknown_space_is_named() -> None:
    with pytest.raises(SpaceError, match="Unknown space 'huge'"):
        Settings(space="huge")


@pytest.mark.parametrize("values", [{"epoch": 3}, {"space": {"filter": [3]}}, [1], 7, None])
def test_what_is_no_settings_is_refused(values: Any) -> None:
    with pytest.raises(SettingsError, match="no settings of a search"):
        Settings.from_json(values)


def test_named_weights_are_the_backbones_of_the_space() -> None:
    assert of(Settings(space="small", weights={"vgg16": "none"})).backbones == ("vgg16",)
    assert of(Settings(space="small")) == preset("small")
    with pytest.raises(UnknownBackboneError, match="Did you mean 'mobilenet'"):
        Settings(weights={"mobilnet": "none"})


def test_a_cost_named_twice_counts_once() -> None:
    assert Settings(minimize=("params", "seconds", "params")).minimize == ("params", "seconds")


def test_final_training_is_twice_as_long_unless_told() -> None:
    assert Settings(epochs=7).resolved_final_epochs == 14
    assert Settings(epochs=7, final_epochs=8).resolved_final_epochs == 8


def test_a_search_without_any_limit_ends_all_the_same() -> None:
    assert Settings().resolved_max_time == 240.0
    assert Settings(max_trials=5).resolved_max_time is None
    assert Settings(max_trials=5, max_time=60.0).resolved_max_time == 60.0


def test_a_page_about_a_search_needs_no_scorers() -> None:
    code = "import sys, kevo.settings as s; print(s.Settings().objectives[0].metric, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["val_accuracy", "False"]
