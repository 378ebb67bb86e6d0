"""Reads what was asked from the JSON values beside a saved model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.forecasts.output import Forecasts
from kevo.tasks.outputs.labels.output import Labels
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.outputs.output import Output


def output(values: Mapping[str, Any]) -> Output:
    """Reads what `Output.to_json` wrote.

    Args:
        values: JSON values, those of the output among others.

    Raises:
        LookupError, TypeError, ValueError: it is something else.
    """
    if "masks" in values:
        return PixelClasses.from_json(values["masks"])
    if "forecast" in values:
        return Forecasts.from_json(values["forecast"])
    if "number" in values:
        return Numbers.from_json(values["number"])
    if "labels" in values:
        return Labels.from_json(values)
    return Classes.from_json(values)
