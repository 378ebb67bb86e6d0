"""The page on scikit-learn lists the checks that the estimators skip, and no others."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_estimator

import kevo
from tests.support.estimator_checks import EXPECTED_FAILURES, SKIPPED, TINY, table
from tests.support.project import ROOT


def test_page_lists_the_checks() -> None:
    assert table() in (ROOT / "docs" / "scikit_learn.md").read_text(encoding="utf-8")


@pytest.mark.longest
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["KevoClassifier", "KevoRegressor"])
def test_checks_of_scikit_learn(name: str) -> None:
    found: dict[str, str] = {}
    failed: dict[str, Any] = {}

    def note(*, check_name: str, status: str, exception: Any, **_: Any) -> None:
        # A check may run several times, each time with other arguments.
        if found.get(check_name) in (None, "passed"):
            found[check_name] = status
            failed[check_name] = exception

    check_estimator(
        getattr(kevo, name)(**TINY),
        expected_failed_checks=dict(EXPECTED_FAILURES[name]),
        on_fail=None,
        on_skip=None,
        callback=note,
    )
    unexpected = {check: failed[check] for check, status in found.items() if status == "failed"}
    assert unexpected == {}
    assert {check for check, status in found.items() if status == "xfail"} == set(EXPECTED_FAILURES[name])
    assert {check for check, status in found.items() if status == "skipped"} <= set(SKIPPED)
    assert sum(status == "passed" for status in found.values()) > 40
