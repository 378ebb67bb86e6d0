"""The electricity that a search took, as its run folder keeps it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kevo.errors import RunError
from kevo.runs import energy
from kevo.runs.energy import Energy
from kevo.runs.folder import Run

MEASURED = Energy(
    kwh=0.5,
    kg_co2e=0.2,
    seconds=60.0,
    country="DEU",
    processor="a processor",
    meter=None,
    gpus="",
    codecarbon="3.0.0",
)


def test_what_was_measured_comes_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    assert energy.read(run) is None
    for one in (MEASURED, dataclasses.replace(MEASURED, meter="RAPL counters", gpus="2 x GPU")):
        energy.write(run, one)
        assert energy.read(run) == one


@pytest.mark.parametrize("changes", [{"kwh": -1}, {"seconds": float("inf")}, {"kg_co2e": None}, {"country": ...}])
def test_what_is_damaged_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = Run.create(tmp_path, {})
    values = {**dataclasses.asdict(MEASURED), **changes}
    (tmp_path / "energy.json").write_text(json.dumps({name: one for name, one in values.items() if one is not ...}))
    with pytest.raises(RunError, match="energy.json is damaged"):
        energy.read(run)
