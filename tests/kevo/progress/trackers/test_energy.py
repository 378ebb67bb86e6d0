"""What a search costs in electricity, by CodeCarbon, offline."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kevo.errors import SettingsError
from kevo.progress.trackers import energy
from kevo.runs.energy import read
from kevo.runs.folder import Run
from tests.support.searches import record

pytest.importorskip("codecarbon", reason="codecarbon is missing: pip install 'kevo-automl[codecarbon]'")


def test_sessions_add_up_without_network_files_or_noise(tmp_path: Path) -> None:
    # Whoever has configured CodeCarbon to send what it measures has not meant kevo.
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\nemissions_endpoint=http://127.0.0.1:9\noutput_methods=csv,api\nlog_level=debug\n"
        "electricitymaps_api_token=token\ncloud_provider=gcp\ncloud_region=europe-west1\n"
    )
    script = """
        import socket, sys, warnings
        def refuse(*arguments, **options):
            raise SystemExit(f"network: {arguments}")
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
        from kevo.progress.trackers.energy import EnergyMeter
        from kevo.runs.energy import read
        from kevo.runs.folder import Run
        run = Run.create("run", {})
        for country in (None, "DEU"):
            meter = EnergyMeter(country)
            meter.on_search_begin(run, None)
            meter.trial_ended(None, None)
            sum(range(20_000_000))
            meter.on_search_end(None)
            found = read(run)
            print(found.kwh, found.kg_co2e, found.seconds, found.country)
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CODECARBON")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (line.split() for line in done.stdout.splitlines())
    assert (first[3], second[3]) == ("world", "DEU")
    (kwh, kilograms, seconds), later = ([float(value) for value in line[:3]] for line in (first, second))
    assert kwh > 0 and kilograms == pytest.approx(0.475 * kwh)
    assert later[0] > kwh and later[2] > seconds
    assert sorted(os.listdir(tmp_path)) == [".codecarbon.config", "run"]
    assert {path for path in os.listdir(tmp_path / "run") if not path.startswith(".")} == {
        "settings.json",
        "energy.json",
    }


def test_the_environment_says_whose_electricity_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECARBON_COUNTRY_ISO_CODE", "Atlantis")
    with pytest.raises(SettingsError, match="knows no country 'Atlantis'"):
        energy.EnergyMeter()
    with pytest.raises(SettingsError, match="knows no country 'digits'.*name the pictures before it"):
        energy.EnergyMeter("digits")


def test_what_was_measured_may_be_damaged(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    (tmp_path / "energy.json").write_text(json.dumps({"kwh": -1}))
    meter = energy.EnergyMeter("FRA")
    meter.on_search_begin(run, None)
    meter.trial_ended(record("0", 0.5), None)
    meter.on_search_end(None)
    assert read(run).country == "FRA"
