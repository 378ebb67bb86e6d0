"""What of scikit-learn's `check_estimator` is not asked for, and why; docs/scikit_learn.md is made of it."""

from collections.abc import Mapping
from typing import Any

TINY: Mapping[str, Any] = {
    "max_trials": 1,
    "epochs": 30,
    "final_epochs": 30,
    "num_finalists": 1,
    "space": "small",
    "random_state": 0,
}
"""A search that takes a few seconds, and learns the data of the checks."""
EXPECTED_FAILURES: Mapping[str, Mapping[str, str]] = {"KevoClassifier": {}, "KevoRegressor": {}}
"""For each estimator the checks that fail, with the reason."""
SKIPPED: Mapping[str, str] = {
    "check_array_api_input": "Arrays of other libraries are made NumPy arrays first.",
}
"""The checks that scikit-learn skips itself, with the reason."""


def table() -> str:
    """Returns both as a table in Markdown."""
    rows = [
        *((name, kind, reason) for kind, checks in EXPECTED_FAILURES.items() for name, reason in checks.items()),
        *((name, "both", reason) for name, reason in SKIPPED.items()),
    ]
    return "\n".join(
        [
            "| check | estimator | why |",
            "|---|---|---|",
            *(f"| `{name}` | {kind} | {why} |" for name, kind, why in rows),
        ]
    )
