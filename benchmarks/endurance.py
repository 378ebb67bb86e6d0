"""Measures what a search endures on `digits`: two hundred trials, faults, kills, a full disk; and what workers gain.

    python benchmarks/endurance.py --seeds 0
    python benchmarks/endurance.py --seeds 0 1 2 --parts workers
    python benchmarks/endurance.py --write

Each part runs in a process of its own and is measured once: the report is made of all that the file of results holds.
`--quick` shows that everything works; its numbers mean nothing. Linux only, whose `/proc` knows processes and memory.

Exit codes: 0 all is well, 1 something was lost, left over or not measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from endurance_command import measure_full, measure_kills
from endurance_faults import measure_faults
from endurance_jobs import Facts, Found, Job
from endurance_parts import measure_keras_tuner, measure_memory, measure_workers
from endurance_report import (
    Promise,
    promise_faults,
    promise_full,
    promise_kills,
    promise_memory,
    promise_workers,
    promised,
    tell_faults,
    tell_full,
    tell_kills,
    tell_memory,
    tell_workers,
)

from benchmarks.support.command_line import log as say
from benchmarks.support.pages import replace_section
from benchmarks.support.processes import in_its_own_process, machine

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "endurance.jsonl"
QUICK_RESULTS = ROOT / "build" / "benchmarks" / "endurance_quick.jsonl"
REPORT = ROOT / "docs" / "benchmarks" / "endurance.md"
README = ROOT / "README.md"
SECTION = "endurance"
ABOUT = """\
# What a search endures

What `python benchmarks/endurance.py` measured on scikit-learn's handwritten digits (1,797 of 8 px), with conv stacks of
the preset `small`. Parts that this page does not show were not run. What it does not measure the tests show: workers
from elsewhere of which one is cut off, and one candidate on two devices or in two processes."""


@dataclass(frozen=True)
class Part:
    """A part of the benchmark: how it is measured and told, what it is to show, its trials and epochs."""

    title: str
    measure: Callable[[Job], tuple[Facts, list[str]]]
    tell: Callable[[Sequence[Found]], str]
    promises: Callable[[Sequence[Found]], list[Promise]]
    trials: int
    quick_trials: int
    epochs: int = 3


PARTS = {
    "memory": Part("Two hundred trials", measure_memory, tell_memory, promise_memory, 200, 4),
    "faults": Part("Faults", measure_faults, tell_faults, promise_faults, 200, 4),
    "kills": Part("Kills", measure_kills, tell_kills, promise_kills, 24, 3, epochs=5),
    "full": Part("A full disk", measure_full, tell_full, promise_full, 12, 3, epochs=5),
    "workers": Part("One worker and two", measure_workers, tell_workers, promise_workers, 24, 2, epochs=5),
}
WORKERS, KILLS = 2, 20
_CLEAN = "no process and no lock was left, and the final model loads"
_SAME = f"Every trial that had ended was kept, none was trained anew, trials are the same; {_CLEAN}."
CHECKED = {
    "memory": f"Checked: {_CLEAN}.",
    "faults": "Checked: every completed trial was kept, none was trained again after it had completed, and only those "
    f"failed that had to; {_CLEAN}.",
    "kills": f"Checked: {_SAME[0].lower()}{_SAME[1:]}",
    "full": f"Checked: {_SAME[0].lower()}{_SAME[1:]}",
    "workers": f"Checked: {_CLEAN}.",
}


def examine(job: Job) -> Found:
    """Measures one part with one seed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Memory is a process's own only if nothing else has run there.
    call = (lambda function, one: function(one)) if job.is_quick else in_its_own_process
    facts, problems = call(PARTS[job.part].measure, job)
    if job.part == "memory":
        facts = {"kevo": facts, "Keras Tuner RandomSearch": call(measure_keras_tuner, job)}
    return Found(job.part, job.seed, job.setting, machine(), facts, problems)


def tell(found: Sequence[Found]) -> str:
    """Returns the report in Markdown."""
    texts = [ABOUT, f"Machine: {'; '.join(dict.fromkeys(one.machine for one in found))}."]
    for name, part in PARTS.items():
        for setting in dict.fromkeys(one.setting for one in found if one.part == name):
            ours = [one for one in found if (one.part, one.setting) == (name, setting)]
            texts += [f"## {part.title}: {setting}", part.tell(ours)]
            if rows := part.promises(ours):
                texts.append(promised(rows))
            problems = [f"- Seed {one.seed}: {problem}." for one in ours for problem in one.problems]
            if all("skipped" in one.facts for one in ours):
                continue
            texts.append("\n".join(["**What must not be:**", "", *problems]) if problems else CHECKED[name])
    return "\n\n".join(texts) + "\n"


def brief(found: Sequence[Found]) -> str:
    """Returns what was promised, and measured as it is where nothing else is asked for, for the README."""
    rows: list[Promise] = []
    for name, part in PARTS.items():
        usual = Job(part=name, seed=0, trials=part.trials, epochs=part.epochs, workers=WORKERS, kills=KILLS).setting
        if ours := [one for one in found if (one.part, one.setting) == (name, usual)]:
            rows += part.promises(ours)
    return f"{promised(rows)}\n\n[The whole report](docs/benchmarks/{REPORT.name})"


def read(results: Path) -> list[Found]:
    """Returns what was measured, ordered by seed; of two for the same, the later one."""
    lines = results.read_text().splitlines() if results.exists() else []
    found = {(one.part, one.setting, one.seed): one for one in (Found(**json.loads(line)) for line in lines)}
    return [found[key] for key in sorted(found)]


def keep(found: Found, results: Path) -> None:
    """Adds to what was measured."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a") as file:
        file.write(json.dumps(dataclasses.asdict(found)) + "\n")


def run(jobs: Iterable[Job], *, results: Path, fresh: bool) -> bool:
    """Measures what is not measured yet, keeps each as soon as it is done, and returns whether all could be."""
    done = {(one.part, one.setting, one.seed) for one in read(results)}
    went_well = True
    for job in jobs:
        what = f"{job.part}, {job.setting}, seed {job.seed}"
        if not fresh and (job.part, job.setting, job.seed) in done:
            say(f"{what}: measured before")
            continue
        began = time.monotonic()
        try:
            found = examine(job)
        except Exception as error:
            # A night of measuring does not end with one that fails.
            say(f"{what}: failed, {type(error).__name__}: {error}")
            went_well = False
            continue
        keep(found, results)
        say(f"{what}: {time.monotonic() - began:.0f} s; {'; '.join(found.problems) or 'all is well'}")
    return went_well


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is not measured yet, and reports; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"with commas between: {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, nargs="*", default=(), help="none: report only")
    parser.add_argument("--trials", type=int, help="how many trials each part has, in place of its own number")
    parser.add_argument("--epochs", type=int, help="for how many epochs each is trained")
    parser.add_argument(
        "--workers", type=int, default=WORKERS, help="how many workers there are in `memory` and `faults`"
    )
    parser.add_argument("--kills", type=int, default=KILLS, help="how often `kills` kills")
    parser.add_argument("--results", type=Path, help="the file with what is measured")
    parser.add_argument("--fresh", action="store_true", help="measure anew what was measured before")
    parser.add_argument(
        "--quick", action="store_true", help="only see that everything works: a few trials, seed 0, in a single process"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the report into docs/benchmarks, and a table into README"
    )
    arguments = parser.parse_args(given)
    parts = arguments.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"Got {unknown[0]!r}, expected some of: {', '.join(PARTS)}.")
    is_quick = arguments.quick
    jobs = [
        Job(
            part=part,
            seed=seed,
            trials=arguments.trials or (PARTS[part].quick_trials if is_quick else PARTS[part].trials),
            epochs=arguments.epochs or (1 if is_quick else PARTS[part].epochs),
            workers=arguments.workers,
            kills=min(arguments.kills, 2) if is_quick else arguments.kills,
            is_quick=is_quick,
        )
        for seed in arguments.seeds or ([0] if is_quick else [])
        for part in parts
    ]
    results = arguments.results or (QUICK_RESULTS if is_quick else RESULTS)
    went_well = run(jobs, results=results, fresh=arguments.fresh or is_quick)

    found = read(results)
    if not found:
        say(f"Nothing is measured in {results}. Name seeds: --seeds 0.")
        return 1
    report = tell(found)
    print(report)
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report)
        replace_section(README, SECTION, brief(found))
    return 0 if went_well and not any(one.problems for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
