"""Measures transfer learning against the clock: kevo beside Keras Tuner on the same space, pictures and splits.

    python -m benchmarks.speed.transfer --data ../shared/data --seeds 0 1 2 --minutes 20
    python -m benchmarks.speed.transfer --data ../shared/data --seeds 0 1 2 --minutes 5 --tools kevo
    python -m benchmarks.speed.transfer --write

Searches run one after the other, each in a process of its own. Each is measured once; the report is made of all
measurements in the results file. `--quick` uses a few small pictures and a single process; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.measurements import TITLES, SearchSpec
from benchmarks.speed.measuring import results_file, run
from benchmarks.speed.tables import groups
from benchmarks.speed.transfer_report import draw, readme_table, report
from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_measuring_options, log, names_from, parser
from benchmarks.support.pages import publish
from kevo import PRESETS, Space

BACKBONE = "mobilenet_v2"
RESULTS = project.RESULTS / "transfer_speed.jsonl"
QUICK_RESULTS = project.BUILD / "transfer_speed_quick.jsonl"
REPORT = project.PAGES / "transfer_speed.md"
README = project.README
SECTION = "transfer speed"
QUICK = Space(
    families=("pretrained",),
    backbones=(BACKBONE,),
    pretrained_image_sizes=(32,),
    tunings=("frozen",),
    augment=(False,),
    batch_sizes=(16,),
)


def jobs(arguments: argparse.Namespace, pictures: Path) -> list[tuple[str, SearchSpec]]:
    """Returns the searches to run: those of all tools with the first seed, then with the next."""
    setting = f"{arguments.minutes:g} minutes"
    if arguments.space != "default":
        setting += f", the space {arguments.space}"
    preset = dataclasses.replace(PRESETS[arguments.space], backbones=(BACKBONE,))
    return [
        (
            tool,
            SearchSpec(
                setting="a quick look" if arguments.quick else setting,
                data=str(pictures),
                space=QUICK if arguments.quick else preset,
                weights={BACKBONE: str((arguments.data / project.MOBILENET_V2_WEIGHTS).absolute())},
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


def copy_few(pictures: Path, folder: Path) -> Path:
    """Copies the first pictures of each class, 40 to train and 10 to test, and returns the folder."""
    for split, num in (("train", 40), ("test", 10)):
        for category in sorted((pictures / split).iterdir()):
            for path in sorted(category.iterdir())[:num]:
                copy = folder / path.relative_to(pictures)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    return folder


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is missing, prints the report and returns the exit code: 1 if a search failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument(
        "--tools", type=names_from(TITLES), default=list(TITLES), help=f"with commas between: {', '.join(TITLES)}"
    )
    options.add_argument("--minutes", type=float, default=20.0, help="time limit of each search")
    options.add_argument("--space", choices=PRESETS, default="default", help="preset of the search space")
    add_measuring_options(options, quick="seed 0, in a single process")
    arguments = options.parse_args(given)
    results = results_file(arguments.results or (QUICK_RESULTS if arguments.quick else RESULTS))
    went_well = True
    if arguments.quick:
        arguments.seeds = arguments.seeds or [0]
    if arguments.seeds:
        pictures = arguments.data / "cats_vs_dogs"
        for path in (pictures, arguments.data / project.MOBILENET_V2_WEIGHTS):
            if not path.exists():
                options.error(f"{path} is missing. Name the folder that holds it: --data FOLDER.")
        with tempfile.TemporaryDirectory() as folder:
            used = copy_few(pictures, Path(folder)) if arguments.quick else pictures
            fresh = arguments.fresh or arguments.quick
            went_well = run(jobs(arguments, used), results=results, fresh=fresh, apart=not arguments.quick)

    found = groups(results.read())
    if not found:
        log(f"Nothing is measured in {results.path}. Name seeds: --seeds 0 1 2.")
        return 1
    figure = REPORT.with_suffix(".png")
    text = report(found, figure=figure.name)
    print(text)
    if arguments.write:
        # Most tools first, then the longest search.
        group = max(found, key=lambda group: (len(group.by_tool), group.limit))
        draw(group, figure)
        publish(text, page=REPORT, readme=README, name=SECTION, shown=readme_table(group, page=REPORT.name))
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
