"""The electricity that a search took, as its run folder keeps it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run

WORLD = "world"
"""Says instead of a country that the world's average counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """The electricity of all sessions of a search that were measured.

    Args:
        kwh: Electricity of the whole machine, in kilowatt-hours.
        kg_co2e: What that means for the climate, in kilograms of CO2-equivalent.
        seconds: For how long it was measured.
        country: The country of the electricity, as an ISO 3166-1 alpha-3 code, or `world`.
        processor: The processor whose power was measured or estimated.
        meter: What measured the processor; `None` where its power was estimated from its load and its rated power.
        gpus: The GPUs, whose drivers tell their power; empty where there is none.
        codecarbon: The version of CodeCarbon.
    """

    kwh: float
    kg_co2e: float
    seconds: float
    country: str
    processor: str
    meter: str | None
    gpus: str
    codecarbon: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `dataclasses.asdict` made.

        Raises:
            LookupError, TypeError, ValueError: these are no such values.
        """
        read = cls(
            kwh=float(values["kwh"]),
            kg_co2e=float(values["kg_co2e"]),
            seconds=float(values["seconds"]),
            country=str(values["country"]),
            processor=str(values["processor"]),
            meter=None if values["meter"] is None else str(values["meter"]),
            gpus=str(values["gpus"]),
            codecarbon=str(values["codecarbon"]),
        )
        if not all(math.isfinite(number) and number >= 0 for number in (read.kwh, read.kg_co2e, read.seconds)):
            raise ValueError(f"expected numbers from 0 on, got {read}")
        return read


def read(run: Run) -> Energy | None:
    """Returns the electricity that was measured; `None` if none was.

    Raises:
        RunError: the file is damaged.
    """
    if not (run.path / layout.ENERGY).exists():
        return None
    with damage(run.path / layout.ENERGY):
        return Energy.from_json(run.read_json(layout.ENERGY))


def write(run: Run, energy: Energy) -> None:
    """Writes the electricity that was measured.

    Raises:
        RunError: the folder cannot be written.
    """
    run.write_json(layout.ENERGY, dataclasses.asdict(energy))
