"""Measures how fast small networks are trained from scratch: kevo beside Keras Tuner, conv stacks on `digits`.

    python benchmarks/scratch_speed.py --seeds 0 1 2
    python benchmarks/scratch_speed.py --write

Once every tool searches the same space for as many trials of as many epochs, and once all of them train the very same
random candidates, without stopping early. Searches run one after the other, each in a process of its own, and are
measured once: the report is made of all that the file of results holds. What the tools do is in `speed_tools.py`.
`--quick` shows that everything works; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

from speed import (
    TITLES,
    Group,
    Measured,
    Task,
    cell,
    fill,
    groups,
    machines,
    median,
    median_of,
    ratio,
    read,
    run,
    say,
    table,
)

from kevo import PRESETS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "scratch_speed.jsonl"
QUICK_RESULTS = ROOT / "build" / "benchmarks" / "scratch_speed_quick.jsonl"
REPORT = ROOT / "docs" / "benchmarks" / "scratch_speed.md"
README = ROOT / "README.md"
START, END = "<!-- scratch speed -->", "<!-- end of scratch speed -->"
SPACE = dataclasses.replace(PRESETS["small"], families=("conv",))
QUICK = dataclasses.replace(SPACE, num_blocks=(1,), filters=(16,), conv_image_sizes=(8,), augment=(False,))
GIVEN = "The same candidates"
# Keras Tuner trains given candidates in one way, whatever the search.
GIVEN_TOOLS = ("kevo", "random")
ABOUT = """\
# The speed of training from scratch

What `python benchmarks/scratch_speed.py` measured on scikit-learn's handwritten digits (1,797 of 8 px): the conv stacks
of the preset `small`. Each tool runs alone in a process of its own; the clock begins before the pictures are read, with
everything imported. Keras Tuner's networks are compiled by the same code as kevo's and trained by `fit`. In a search
every tool chooses its own candidates, so that their sizes differ; "the same candidates" are random ones that every tool
trains for all their epochs, and saves: Keras Tuner through an oracle that proposes nothing else, kevo by its trainer.

Numbers are medians over seeds. Trials per hour count until the last one ended; what kevo does after that, its final
training, scores, files and pictures, is "closing". Memory is that of the process; its slope is that of the least
squares line over trials. Accuracies are those of the best trial on the validation split, and of what was handed over on
the test split."""


def tasks(arguments: argparse.Namespace) -> list[tuple[str, Task]]:
    """Returns who trains what with which seed: all tools with the first seed, then with the next."""
    amount = f"{arguments.trials} trials, epochs: {arguments.epochs}{', a quick look' if arguments.quick else ''}"
    work = []
    for seed in arguments.seeds:
        for part in arguments.parts:
            is_given = part == "given"
            for tool in arguments.tools:
                task = Task(
                    setting=f"{GIVEN if is_given else 'A search'}: {amount}",
                    data="digits",
                    space=QUICK if arguments.quick else SPACE,
                    weights={},
                    seed=seed,
                    epochs=arguments.epochs,
                    num_trials=arguments.trials,
                    num_finalists=1,
                    is_given=is_given,
                )
                if not is_given or tool in GIVEN_TOOLS:
                    work.append((tool, task))
    return work


def tell(found: Sequence[Group]) -> str:
    """Returns the report in Markdown."""
    measured = [one for group in found for rows in group.by_tool.values() for one in rows]
    parts = [ABOUT, f"Machine: {machines(measured)}."]
    for group in sorted(found, key=lambda group: group.setting):
        parts += [f"## {group.setting}", _speeds(group), _quality(group)]
    return "\n\n".join(parts) + "\n"


def _title(group: Group, tool: str) -> str:
    return "Keras Tuner" if group.setting.startswith(GIVEN) and tool == "random" else TITLES[tool]


def _speeds(group: Group) -> str:
    head = ("tool", "seeds", "trials per hour", "kevo's over that", "seconds per trial", "that over kevo's")
    return table(
        (*head, "closing, s", "peak memory, MB", "MB more per trial"),
        (
            (
                _title(group, tool),
                str(len(rows)),
                cell(median_of(rows, lambda one: one.per_hour), ".0f"),
                *_ratios(group, rows),
                cell(median_of(rows, lambda one: one.seconds - one.search_seconds), ".1f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
                cell(median_of(rows, lambda one: one.memory_slope), ".1f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _ratios(group: Group, rows: Sequence[Measured]) -> tuple[str, str, str]:
    """Returns how kevo's trials per hour compare with these, then their seconds per trial, and how those compare."""
    ours = {one.seed: one for one in group.by_tool.get("kevo", ())}
    pairs = [(ours[one.seed], one) for one in rows if one.seed in ours]
    seconds = cell(median_of(rows, lambda one: one.median_seconds), ".2f")
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


def brief(found: Sequence[Group]) -> str:
    """Returns the table of the README."""
    rows = []
    for group in sorted(found, key=lambda group: group.setting):
        for tool, theirs in group.by_tool.items():
            if tool != "kevo" and (ours := group.by_tool.get("kevo")):
                hourly = [median_of(rows, lambda one: one.per_hour) for rows in (ours, theirs)]
                cells = (*(cell(one, ".0f") for one in hourly), _ratios(group, theirs)[0])
                rows.append((group.setting, _title(group, tool), str(min(len(ours), len(theirs))), *cells))
    return table(("trials per hour on digits", "beside", "seeds", "kevo", "the other", "times as many"), rows)


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is not measured yet, and reports; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default=",".join(TITLES), help=f"with commas between: {', '.join(TITLES)}")
    parser.add_argument("--parts", default="search,given", help="with commas between: search, given")
    parser.add_argument("--seeds", type=int, nargs="*", default=(), help="none: report only")
    parser.add_argument("--trials", type=int, default=20, help="how many candidates each tool trains")
    parser.add_argument("--epochs", type=int, default=5, help="for how many epochs each is trained")
    parser.add_argument("--results", type=Path, help="the file with what is measured")
    parser.add_argument("--fresh", action="store_true", help="measure anew what was measured before")
    parser.add_argument(
        "--quick", action="store_true", help="only see that everything works: 2 trials, seed 0, in a single process"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the report into docs/benchmarks, and a table into the README"
    )
    arguments = parser.parse_args(given)
    for name, known in (("tools", tuple(TITLES)), ("parts", ("search", "given"))):
        values = getattr(arguments, name).split(",")
        setattr(arguments, name, values)
        if unknown := [value for value in values if value not in known]:
            parser.error(f"Got {unknown[0]!r}, expected some of: {', '.join(known)}.")
    if arguments.quick:
        arguments.seeds, arguments.trials, arguments.epochs = arguments.seeds or [0], 2, 1
    results = arguments.results or (QUICK_RESULTS if arguments.quick else RESULTS)
    fresh = arguments.fresh or arguments.quick
    went_well = run(tasks(arguments), results=results, fresh=fresh, apart=not arguments.quick)

    found = groups(read(results))
    if not found:
        say(f"Nothing is measured in {results}. Name seeds: --seeds 0 1 2.")
        return 1
    report = tell(found)
    print(report)
    if arguments.write:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report)
        fill(README, brief(found), start=START, end=END)
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
