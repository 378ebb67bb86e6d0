"""The numbers of a trial, under the same names in every tracker."""

from __future__ import annotations

import math

from kevo.runs.records import TrialRecord


def tracked_values(record: TrialRecord) -> dict[str, float]:
    """Returns the metrics of a trial's best epoch as `best/...` and its costs as `cost/...`, those that are finite."""
    costs: dict[str, float | None] = {"seconds": record.seconds, "params": record.num_parameters}
    best = {name: value for name, value in record.metrics.items() if name.startswith("val_")}
    costs |= {name: value for name, value in record.metrics.items() if name in ("flops", "bytes")}
    values = {f"best/{name}": value for name, value in best.items()}
    values |= {f"cost/{name}": float(value) for name, value in costs.items() if value is not None}
    return {name: value for name, value in values.items() if math.isfinite(value)}
