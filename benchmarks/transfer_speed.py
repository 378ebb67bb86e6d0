"""Measures transfer learning against the clock: kevo beside Keras Tuner, the same space, pictures, splits and time.

    python benchmarks/transfer_speed.py --data ../shared/data --seeds 0 1 2 --minutes 20
    python benchmarks/transfer_speed.py --data ../shared/data --seeds 0 1 2 --minutes 5 --tools kevo
    python benchmarks/transfer_speed.py --write

Searches run one after the other, each in a process of its own, and are measured once: the report is made of all that
the file of results holds. What the tools do is in `speed_tools.py`. `--quick` shows that everything works, on a few
small pictures and in a single process; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
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

from kevo import PRESETS, Space

ROOT = Path(__file__).parent.parent
BACKBONE = "mobilenet_v2"
WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
RESULTS = ROOT / "benchmarks" / "results" / "transfer_speed.jsonl"
QUICK_RESULTS = ROOT / "build" / "benchmarks" / "transfer_speed_quick.jsonl"
REPORT = ROOT / "docs" / "benchmarks" / "transfer_speed.md"
README = ROOT / "README.md"
START, END = "<!-- transfer speed -->", "<!-- end of transfer speed -->"
CHECKPOINTS = (2, 5, 15)
QUICK = Space(
    families=("pretrained",),
    backbones=(BACKBONE,),
    pretrained_image_sizes=(32,),
    tunings=("frozen",),
    augment=(False,),
    batch_sizes=(16,),
)
# Okabe and Ito 2008, Color Universal Design; dashes tell the curves apart where colors do not.
STYLES = {"kevo": ("#000000", "-"), "random": ("#009e73", ":"), "bayesian": ("#cc79a7", "--")}
ABOUT = """\
# Transfer learning against the clock

What `python benchmarks/transfer_speed.py` measured on cats_vs_dogs (2,000 photographs to learn from, a fifth of them
for validation, and 500 to test): conv stacks and a MobileNetV2 (alpha 0.35) with ImageNet weights, frozen at any cut or
fine-tuned, for all tools the same space, splits and time. Each search runs alone in a process of its own; the clock
begins before the pictures are read, with everything imported. kevo's cache is empty at first. Keras Tuner's networks
are compiled by the same code as kevo's and trained by `fit` for 20 epochs at most with `EarlyStopping` (patience 5); a
candidate that fine-tunes trains its head first. Only the gene `mirror` is kevo's alone, since `fit` validates the
network that it trains, which sees one side of a picture. Pictures are brought to a network's size before `fit`.
BayesianOptimization begins with 5 random trials, since by default it would do nothing else within the time.

Numbers are medians over seeds. A search's choice is the model with the best validation accuracy so far: for Keras
Tuner from the end of its epoch, for kevo from the end of its candidate, where it has kept the model: by its rule for
equal accuracies it may not. Choices are scored on the test pictures after the search. Candidates are those that did
not fail, per hour until the last one ended, without kevo's final trainings. "Frozen per hour" are those with a frozen
backbone per hour of their own training; "a later frozen one" is one whose backbone, cut and size an earlier one had
too. Memory is that of the process, with the files of features that it has mapped; its slope is that of the least
squares line over candidates.

kevo was developed on this data set, and the test pictures were looked at on the way. They are 500, so that the standard
error of an accuracy of 0.97 is 0.008.

What kevo's candidates spent their time on before they became as fast, and what they spend it on now, is in
[the design](../design.md#where-the-time-of-a-candidate-went)."""


def tasks(arguments: argparse.Namespace, data: Path) -> list[tuple[str, Task]]:
    """Returns who searches with which seed: all tools with the first seed, then with the next."""
    setting = f"{arguments.minutes:g} minutes"
    if arguments.space != "default":
        setting += f", the space {arguments.space}"
    return [
        (
            tool,
            Task(
                setting="a quick look" if arguments.quick else setting,
                data=str(data),
                space=QUICK
                if arguments.quick
                else dataclasses.replace(PRESETS[arguments.space], backbones=(BACKBONE,)),
                weights={BACKBONE: str((arguments.data / WEIGHTS).absolute())},
                seed=seed,
                epochs=1 if arguments.quick else 20,
                seconds=60 * arguments.minutes,
                num_trials=1 if arguments.quick else None,
                num_finalists=1 if arguments.quick else 3,
            ),
        )
        for seed in arguments.seeds
        for tool in arguments.tools
    ]


def few(pictures: Path, folder: Path) -> Path:
    """Copies some pictures of each class."""
    for split, num in (("train", 40), ("test", 10)):
        for category in sorted((pictures / split).iterdir()):
            for path in sorted(category.iterdir())[:num]:
                copy = folder / path.relative_to(pictures)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    return folder


def tell(found: Sequence[Group], *, figure: str) -> str:
    """Returns the report in Markdown, the longest searches first."""
    measured = [one for group in found for rows in group.by_tool.values() for one in rows]
    parts = [ABOUT, f"Machine: {machines(measured)}.", f"![Test accuracy over time]({figure})"]
    for group in found:
        parts += [f"## {group.setting}", _speeds(group), _accuracies(group)]
        if rivalry := _rivalry(group):
            parts.append(rivalry)
    return "\n\n".join(parts) + "\n"


def _speeds(group: Group) -> str:
    head = (
        "tool",
        "seeds",
        "candidates",
        "failed",
        "candidates per hour",
        "frozen per hour",
        "a later frozen one, s",
        "peak memory, MB",
        "MB more per candidate",
    )
    return table(
        head,
        (
            (
                TITLES[tool],
                str(len(rows)),
                cell(median_of(rows, lambda one: len(one.searched)), "g"),
                cell(median_of(rows, lambda one: one.num_failed), "g"),
                cell(median_of(rows, lambda one: one.per_hour), ".1f"),
                # A search that met no such candidate says nothing of them.
                cell(median(one.frozen_per_hour for one in rows), ".1f"),
                cell(median(one.later_frozen_seconds for one in rows), ".2f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
                cell(median_of(rows, lambda one: one.memory_slope), ".1f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _accuracies(group: Group) -> str:
    marks = _marks(group)
    return "Test accuracy:\n\n" + table(
        ("tool", *(f"after {mark} min" for mark in marks), "at the end", "ensemble"),
        (
            (
                TITLES[tool],
                *(cell(median_of(rows, lambda one, mark=mark: one.test_at(60 * mark)), ".4f") for mark in marks),  # type: ignore[misc]
                cell(median_of(rows, lambda one: one.test), ".4f"),
                cell(median(one.ensemble for one in rows if one.ensemble is not None), ".4f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )


def _marks(group: Group) -> list[int]:
    return [mark for mark in CHECKPOINTS if 60 * mark < group.limit]


def _rivalry(group: Group) -> str:
    """Returns how kevo compares with each rival, seed by seed."""
    ours = {one.seed: one for one in group.by_tool.get("kevo", ())}
    lines = []
    for tool, rows in group.by_tool.items():
        pairs = [(ours[one.seed], one) for one in rows if one.seed in ours]
        if tool == "kevo" or not pairs:
            continue
        reached = [our.seconds_to(math.nan if their.test is None else their.test) for our, their in pairs]
        lines.append(
            (
                TITLES[tool],
                str(len(pairs)),
                ratio(*(median(row.per_hour for row in rows) for rows in zip(*pairs, strict=True))),
                ratio(*(median(row.frozen_per_hour for row in rows) for rows in zip(*pairs, strict=True))),
                cell(median(reached), ".0f"),
                f"{sum(map(math.isfinite, reached))} of {len(reached)}",
                ratio(*(median(row.peak for row in rows) for rows in zip(*pairs, strict=True))),
            )
        )
    if not lines:
        return ""
    return table(
        (
            "kevo against",
            "seeds",
            "times the candidates per hour",
            "times the frozen per hour",
            "seconds to its final test accuracy",
            "reached by",
            "times its peak memory",
        ),
        lines,
    )


def brief(group: Group) -> str:
    """Returns the table of the README."""
    marks = _marks(group)
    shown = table(
        (
            f"{group.setting}, cats_vs_dogs",
            "seeds",
            "candidates per hour",
            *(f"test accuracy after {mark} min" for mark in marks),
            "at the end",
            "peak memory, MB",
        ),
        (
            (
                TITLES[tool],
                str(len(rows)),
                cell(median_of(rows, lambda one: one.per_hour), ".0f"),
                *(cell(median_of(rows, lambda one, mark=mark: one.test_at(60 * mark)), ".3f") for mark in marks),  # type: ignore[misc]
                cell(median_of(rows, lambda one: one.test), ".3f"),
                cell(median_of(rows, lambda one: one.peak), ".0f"),
            )
            for tool, rows in group.by_tool.items()
        ),
    )
    whole = f"[The whole report](docs/benchmarks/{REPORT.name})"
    return f"{shown}\n\n{whole} has a figure, the times to each other's accuracies, and memory."


def draw(group: Group, path: Path) -> None:
    """Draws the test accuracy of each search's choice over time, and the median over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    last = max(one.seconds for rows in group.by_tool.values() for one in rows)
    finite = []
    for tool, rows in group.by_tool.items():
        color, dashes = STYLES[tool]
        grid = np.unique([0.0, last, *(step.seconds for one in rows for step in one.steps)])
        curves = np.array([[_choice(one, seconds) for seconds in grid] for one in rows])
        for curve in curves:
            axis.step(grid / 60, curve, where="post", color=color, linestyle=dashes, linewidth=0.7, alpha=0.5)
        middle = np.median(curves, axis=0)
        axis.step(grid / 60, middle, where="post", color=color, linestyle=dashes, linewidth=2.4, label=TITLES[tool])
        finite.extend(middle[np.isfinite(middle)])
    axis.set_xlim(0, last / 60)
    # A first choice may be no better than chance: what comes later shall still be told apart.
    bottom = min(max(min(finite, default=0.0), 0.8), max(finite, default=1.0)) - 0.01
    axis.set_ylim(bottom, 1.0)
    axis.set_xlabel("minutes")
    axis.set_ylabel("test accuracy of the choice")
    seeds = max(map(len, group.by_tool.values()))
    axis.set_title(f"cats_vs_dogs, {seeds} seed{'s, their median thick' if seeds > 1 else ''}", fontsize=10)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def _choice(measured: Measured, seconds: float) -> float:
    """Returns the test accuracy of the choice, the end included, which may lie somewhat behind the limit."""
    return next((step.test for step in reversed(measured.steps) if step.seconds <= seconds), math.nan)


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is not measured yet, and reports; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--tools", default=",".join(TITLES), help=f"with commas between: {', '.join(TITLES)}")
    parser.add_argument("--seeds", type=int, nargs="*", default=(), help="none: report only")
    parser.add_argument("--minutes", type=float, default=20.0, help="for how long each search may take")
    parser.add_argument("--space", choices=PRESETS, default="default", help="what is searched")
    parser.add_argument("--results", type=Path, help="the file with what is measured")
    parser.add_argument("--fresh", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--quick", action="store_true", help="only see that everything works, with seed 0")
    parser.add_argument(
        "--write", action="store_true", help="put report and figure into docs/benchmarks, and a table into the README"
    )
    arguments = parser.parse_args(given)
    arguments.tools = arguments.tools.split(",")
    if unknown := [tool for tool in arguments.tools if tool not in TITLES]:
        parser.error(f"Got {unknown[0]!r}, expected some of: {', '.join(TITLES)}.")
    results = arguments.results or (QUICK_RESULTS if arguments.quick else RESULTS)
    went_well = True
    if arguments.quick:
        arguments.seeds = arguments.seeds or [0]
    if arguments.seeds:
        pictures = arguments.data / "cats_vs_dogs"
        for path in (pictures, arguments.data / WEIGHTS):
            if not path.exists():
                parser.error(f"{path} is missing. Name the folder that holds it: --data FOLDER.")
        with tempfile.TemporaryDirectory() as folder:
            data = few(pictures, Path(folder)) if arguments.quick else pictures
            fresh = arguments.fresh or arguments.quick
            went_well = run(tasks(arguments, data), results=results, fresh=fresh, apart=not arguments.quick)

    found = groups(read(results))
    if not found:
        say(f"Nothing is measured in {results}. Name seeds: --seeds 0 1 2.")
        return 1
    figure = REPORT.with_suffix(".png")
    report = tell(found, figure=figure.name)
    print(report)
    if arguments.write:
        # The longest with the most tools.
        shown = max(found, key=lambda group: (len(group.by_tool), group.limit))
        draw(shown, figure)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(report)
        fill(README, brief(shown), start=START, end=END)
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
