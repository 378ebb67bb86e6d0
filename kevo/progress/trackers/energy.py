"""What a search costs in electricity.

CodeCarbon (an extra) measures the whole machine, worker processes included, and stays offline: the carbon intensity of
a country's electricity comes from its own tables.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kevo.errors import RunError, SettingsError
from kevo.progress.events import NullListener
from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord

if TYPE_CHECKING:
    from kevo.tasks.task import Task

WORLD = "world"
"""Says instead of a country that the world's average counts."""
COUNTRY_VARIABLE = "CODECARBON_COUNTRY_ISO_CODE"
_METERS = {"intel_rapl": "RAPL counters", "windows_emi": "Windows' energy meter", "intel_power_gadget": "Power Gadget"}
"""What measures processors, by CodeCarbon's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What the sessions of a search took that were measured.

    Args:
        kwh: Electricity of the whole machine, in kilowatt-hours.
        kg_co2e: What that means for the climate, in kilograms of CO2-equivalent.
        seconds: How long was measured.
        country: Whose electricity it is, as an ISO 3166-1 alpha-3 code, or `world`.
        processor: What was measured, or, where nothing could be, estimated.
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
            LookupError, TypeError, ValueError: these are not the values of an energy.
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
            raise ValueError(f"a number is none from 0 on: {read}")
        return read


def read(run: Run) -> Energy | None:
    """Returns what was measured of a search; `None` if nothing was.

    Raises:
        RunError: the file is damaged.
    """
    if not (run.path / layout.ENERGY).exists():
        return None
    with damage(run.path / layout.ENERGY):
        return Energy.from_json(run.read_json(layout.ENERGY))


class EnergyMeter(NullListener):
    """Measures what a search takes, and writes it into the run folder with every candidate that ends.

    Sessions of a search add up.

    Args:
        country: Whose electricity it is, as an ISO 3166-1 alpha-3 code such as `DEU`. Defaults to
            `CODECARBON_COUNTRY_ISO_CODE` in the environment, or else to `world`, the average of all.

    Raises:
        SettingsError: CodeCarbon is not installed, or knows no such country.

    Example:
        >>> result = kevo.search("digits", listener=EnergyMeter("DEU"))  # doctest: +SKIP
    """

    def __init__(self, country: str | None = None) -> None:
        self._country = (country or os.environ.get(COUNTRY_VARIABLE) or WORLD).strip()
        self._latest = _Latest()
        self._tracker = _tracker(self._country, self._latest)
        self._run: Run | None = None
        self._earlier: Energy | None = None

    def on_search_begin(self, run: Run, task: Task) -> None:
        """Begins to measure."""
        self._run = run
        try:
            self._earlier = read(run)
        except RunError:
            # What cannot be read is not worth a search.
            self._earlier = None
        self._tracker.start()

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Writes down what the search has taken so far."""
        self._write()

    def on_result(self, result: Outcome) -> None:
        """Writes down what the search has taken so far."""
        self._write()

    def on_search_end(self, result: Outcome | None) -> None:
        """Measures no more."""
        self._tracker.stop()
        self._keep()

    def _write(self) -> None:
        self._tracker.flush()
        self._keep()

    def _keep(self) -> None:
        if self._run is not None and self._latest.data is not None:
            self._run.write_json(layout.ENERGY, dataclasses.asdict(self._so_far(self._latest.data)))

    def _so_far(self, data: Any) -> Energy:
        earlier = self._earlier
        modes = (getattr(part, "_mode", None) for part in self._tracker._hardware)
        return Energy(
            kwh=data.energy_consumed + (earlier.kwh if earlier else 0.0),
            kg_co2e=data.emissions + (earlier.kg_co2e if earlier else 0.0),
            seconds=data.duration + (earlier.seconds if earlier else 0.0),
            country=self._country,
            processor=str(data.cpu_model or "unknown"),
            meter=next((_METERS[mode] for mode in modes if mode in _METERS), None),
            gpus=str(data.gpu_model or ""),
            codecarbon=str(data.codecarbon_version),
        )


class _Latest:
    """What CodeCarbon says of the whole time so far, as one of the outputs that it writes to."""

    def __init__(self) -> None:
        self.data: Any = None

    def out(self, total: Any, delta: Any) -> None:
        self.data = total

    def live_out(self, total: Any, delta: Any) -> None: ...
    def task_out(self, data: Any, experiment_name: str) -> None: ...
    def exit(self) -> None: ...


def _tracker(country: str, output: _Latest) -> Any:
    # Nothing of what it says is for those who search.
    logging.getLogger("codecarbon").disabled = True
    try:
        from codecarbon import OfflineEmissionsTracker
        from codecarbon.input import DataSource
    except ImportError:
        raise SettingsError("CodeCarbon is not installed here. Install it: pip install 'kevo[codecarbon]'") from None
    tables = DataSource()
    known = tables.get_global_energy_mix_data()
    if country != WORLD and country not in known:
        raise SettingsError(
            f"CodeCarbon knows no country {country!r}. Expected an ISO 3166-1 alpha-3 code such as DEU, or {WORLD}. "
            "Behind --energy a word counts as the country: name the pictures before it."
        )
    intensity = tables.get_carbon_intensity_per_source_data()["world_average"] if country == WORLD else None
    # Its configuration files may name services: all that would ask one is said here.
    return OfflineEmissionsTracker(
        country_iso_code=None if country == WORLD else country,
        force_carbon_intensity_g_co2e_kwh=intensity,
        tracking_mode="machine",
        measure_power_secs=15,
        allow_multiple_runs=True,
        output_methods=[],
        output_handlers=[output],
        emissions_endpoint=None,
        electricitymaps_api_token=None,
        cloud_provider=None,
        cloud_region=None,
        region=None,
        log_level="critical",
    )
