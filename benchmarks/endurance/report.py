"""The report of the benchmark, and its table in the README."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.endurance.jobs import Job, Measurement
from benchmarks.endurance.parts import NUM_KILLS, NUM_WORKERS, PARTS
from benchmarks.endurance.promises import Promise, promise_table

ABOUT = """\
# What a search endures

What `python -m benchmarks.endurance` measured on scikit-learn's handwritten digits (1,797 of 8 px), with conv stacks of
the preset `small`. Parts that this page does not show were not run. The tests show what it does not measure: losing a
worker or a node of a cluster, and one candidate on two devices or in two processes."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report in Markdown."""
    texts = [ABOUT, f"Machine: {'; '.join(dict.fromkeys(one.machine for one in rows))}."]
    for name, part in PARTS.items():
        for setting in dict.fromkeys(one.setting for one in rows if one.part == name):
            ours = [one for one in rows if (one.part, one.setting) == (name, setting)]
            texts += [f"## {part.title}: {setting}", part.report(ours)]
            if promises := part.promises(ours):
                texts.append(promise_table(promises))
            problems = [f"- Seed {one.seed}: {problem}." for one in ours for problem in one.problems]
            if all("skipped" in one.facts for one in ours):
                continue
            texts.append("\n".join(["**Problems:**", "", *problems]) if problems else f"Checked: {part.checked}.")
    return "\n\n".join(texts) + "\n"


def readme_table(rows: Sequence[Measurement], *, page: str) -> str:
    """Returns the promises of jobs with default options, with a link to the report, by the name of its page."""
    promises: list[Promise] = []
    for name, part in PARTS.items():
        job = Job(part=name, seed=0, trials=part.trials, epochs=part.epochs, workers=NUM_WORKERS, kills=NUM_KILLS)
        if ours := [one for one in rows if (one.part, one.setting) == (name, job.setting)]:
            promises += part.promises(ours)
    return f"{promise_table(promises)}\n\n[The whole report](docs/benchmarks/{page})"
