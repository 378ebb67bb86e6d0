"""The report of training from scratch: its tables, and the table of the README."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.speed.measurements import TITLES
from benchmarks.speed.tables import Group, machines, median_of
from benchmarks.support.numbers import cell, median, ratio
from benchmarks.support.pages import table

GIVEN = "The same candidates"
"""Begin of the setting of searches that train given candidates."""
ABOUT = """\
# The speed of training from scratch

What `python -m benchmarks.speed.scratch` measured on scikit-learn's handwritten digits (1,797 of 8 px), with the conv
stacks of the preset `small`. Each tool runs alone in a process of its own. The clock starts before the pictures are
read, with everything imported. Keras Tuner's networks are compiled by the same code as kevo's, and trained by `fit`. In
a search every tool chooses its own candidates, so that their sizes differ. "The same candidates" are random ones, which
every tool trains for all epochs and saves: Keras Tuner through an oracle that proposes them, kevo by its trainer.

Numbers are medians over seeds. Trials per hour count until the last trial of the search ended; "closing" is what kevo
does after that: final training, scores, files and figures. Memory is resident memory of the process, and its growth
with each trial the slope of the least squares line. The validation accuracy is that of the best trial, the test
accuracy that of the final model."""


def report(found: Sequence[Group]) -> str:
    """Returns the report in Markdown."""
    parts = [ABOUT, f"Machine: {machines(found)}."]
    for group in sorted(found, key=lambda group: group.setting):
        parts += [f"## {group.setting}", _speeds(group), _quality(group)]
    return "\n\n".join(parts) + "\n"


def _title(group: Group, tool: str) -> str:
    return "Keras Tuner" if group.setting.startswith(GIVEN) and tool == "random" else TITLES[tool]


def _speeds(group: Group) -> str:
    head = ("tool", "seeds", "trials per hour", "kevo's over the tool's", "seconds per trial", "the tool's over kevo's")
    return table(
        (*head, "closing, s", "peak memory, MB", "MB more per trial"),
        (
            (
                _title(group, tool),
                str(len(rows)),
                cell(median_of(rows, lambda one: one.per_hour), ".0f"),
                *_ratios(group, tool),
                cell(median_of(rows, lambda one: one.seconds - one.search_seconds), ".1f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
                cell(median_of(rows, lambda one: one.memory_slope), ".1f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _ratios(group: Group, tool: str) -> tuple[str, str, str]:
    """Returns kevo's trials per hour over the tool's, the tool's seconds per trial, and these over kevo's."""
    pairs = group.pairs(tool)
    seconds = cell(median_of(group.by_tool[tool], lambda one: one.median_seconds), ".2f")
    if not pairs:
        return "", seconds, ""
    mine, theirs = zip(*pairs, strict=True)
    return (
        ratio(median(one.per_hour for one in mine), median(one.per_hour for one in theirs)),
        seconds,
        ratio(median(one.median_seconds for one in theirs), median(one.median_seconds for one in mine)),
    )


def _quality(group: Group) -> str:
    return table(
        ("tool", "trials", "failed", "validation accuracy", "test accuracy"),
        (
            (
                _title(group, tool),
                cell(median_of(rows, lambda one: len(one.searched)), "g"),
                cell(median_of(rows, lambda one: one.num_failed), "g"),
                cell(median_of(rows, lambda one: one.best_validation), ".4f"),
                cell(median_of(rows, lambda one: one.test), ".4f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def readme_table(found: Sequence[Group]) -> str:
    """Returns the table of the README."""
    rows = []
    for group in sorted(found, key=lambda group: group.setting):
        for tool, theirs in group.by_tool.items():
            if tool != "kevo" and (ours := group.by_tool.get("kevo")):
                hourly = [median_of(rows, lambda one: one.per_hour) for rows in (ours, theirs)]
                cells = (*(cell(one, ".0f") for one in hourly), _ratios(group, tool)[0])
                rows.append((group.setting, _title(group, tool), str(min(len(ours), len(theirs))), *cells))
    return table(("trials per hour on digits", "beside", "seeds", "kevo", "the other", "times as many"), rows)
