"""What may be set from a page: every setting is offered or left out on purpose, and checked as on the command line."""

import dataclasses

import pytest

from kevo.errors import SettingsError
from kevo.service import settings as allowed
from kevo.service.settings import SearchSettings
from kevo.settings import Settings

NOT_OFFERED = {"cache", "options", "seeds", "strategy", "task", "weights", "workers"}
"""Paths, what is a matter of the server, and what the data decides."""


def test_every_setting_is_offered_or_left_out_on_purpose() -> None:
    there = {one.name for one in dataclasses.fields(Settings)}
    # Some are options of tasks; of the weights only names can be chosen, of tasks only that which no file asks for.
    options = {"target", "horizon", "window", "season"}
    assert set(SearchSettings.model_fields) == there - NOT_OFFERED | options | {"backbones", "task"}


def test_what_does_not_go_together_is_refused() -> None:
    asked = SearchSettings(folds=5, max_trials=3)
    assert allowed.checked(asked, max_time=600.0) == {"folds": 5, "max_trials": 3, "max_time": 600.0}
    with pytest.raises(SettingsError, match="Over folds every candidate is trained to its end"):
        allowed.checked(SearchSettings(folds=5, num_rungs=2), max_time=600.0)
    with pytest.raises(SettingsError, match="`objective` of a regression as one of: r2"):
        allowed.checked(
            SearchSettings(target="price", objective="accuracy"),
            max_time=600.0,
            targets={"price": "table-regression"},
        )
    with pytest.raises(ValueError, match="expected one of: accuracy"):
        SearchSettings(objective="beauty")


def test_pretrained_networks_are_for_pictures() -> None:
    asked = SearchSettings(backbones=["vgg16"], target="price", max_trials=1)
    with pytest.raises(SettingsError, match="networks for pictures"):
        allowed.checked(asked, max_time=600.0, targets={"price": "table-regression"}, backbones=["vgg16"])
