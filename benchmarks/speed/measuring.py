"""Runs searches with a tool, each in a process of its own, and writes down what was measured."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.speed.measurements import TITLES, Measurement, SearchSpec
from benchmarks.support.processes import in_its_own_process
from benchmarks.support.results import ResultsFile, measure_missing


def results_file(path: Path) -> ResultsFile[Measurement]:
    """Returns the file of measurements at a path."""
    return ResultsFile(path, Measurement.from_json, key=lambda one: (one.setting, one.seed, one.tool))


def measure(tool: str, spec: SearchSpec) -> Measurement:
    """Lets a tool run a search, in this process.

    Args:
        tool: Name of the tool, one of `TITLES`.
        spec: The search.
    """
    # Keras Tuner talks on stdout, which is for the report.
    with contextlib.redirect_stdout(sys.stderr):
        # Only a process that measures loads TensorFlow.
        from benchmarks.speed.tools import TOOLS

        return TOOLS[tool](spec)


def run(
    jobs: Iterable[tuple[str, SearchSpec]], *, results: ResultsFile[Measurement], fresh: bool, apart: bool = True
) -> bool:
    """Measures what is missing in a file, one search after the other.

    Args:
        jobs: Tools and searches.
        results: The file.
        fresh: Whether to measure again what the file holds already.
        apart: Whether each search gets a process of its own, so that memory is measured of it alone.

    Returns:
        Whether no search failed.
    """

    def summary(row: Measurement) -> str:
        test = "none" if row.test is None else f"{row.test:.4f}"
        return f"{len(row.searched)} candidates in {row.seconds:.0f} s, test accuracy {test}"

    return measure_missing(
        results,
        jobs,
        key=lambda job: (job[1].setting, job[1].seed, job[0]),
        title=lambda job: f"{TITLES[job[0]]}, {job[1].setting}, seed {job[1].seed}",
        measure=lambda job: in_its_own_process(measure, *job) if apart else measure(*job),
        summary=summary,
        fresh=fresh,
    )
