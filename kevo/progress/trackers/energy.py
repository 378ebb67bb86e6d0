"""The electricity of a search.

CodeCarbon (an extra) measures the whole machine, worker processes included, and stays offline: the carbon intensity of
a country's electricity comes from its own tables.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from kevo.errors import RunError, SettingsError
from kevo.progress.events import NullListener
from kevo.runs import energy
from kevo.runs.energy import WORLD, Energy
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.system import versions

if TYPE_CHECKING:
    from kevo.tasks.protocols.task import Task

COUNTRY_VARIABLE = "CODECARBON_COUNTRY_ISO_CODE"
_METERS = {"intel_rapl": "RAPL counters", "windows_emi": "Windows' energy meter", "intel_power_gadget": "Power Gadget"}
"""What measures processors, by CodeCarbon's names."""


class EnergyMeter(NullListener):
    """Measures the electricity of a search, and writes it into the run folder after each trial.

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
            self._earlier = energy.read(run)
        except RunError:
            # What cannot be read is not worth a search.
            self._earlier = None
        self._tracker.start()

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Writes the electricity so far into the run folder."""
        self._write()

    def on_result(self, result: Outcome) -> None:
        """Writes the electricity so far into the run folder."""
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
            energy.write(self._run, self._so_far(self._latest.data))

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
    """An output of CodeCarbon's that keeps its latest totals."""

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
        raise SettingsError(
            f"CodeCarbon is not installed here. Install it: {versions.how_to_install('codecarbon')}"
        ) from None
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
