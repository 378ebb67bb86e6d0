"""Measures how fast small networks are trained from scratch: kevo beside Keras Tuner, conv stacks on `digits`.

    python -m benchmarks.speed.scratch --seeds 0 1 2
    python -m benchmarks.speed.scratch --write

The part `search`: every tool searches the same space, for the same number of trials and epochs. The part `given`: every
tool trains the same random candidates, without early stopping. Searches run one after the other, each in a process of
its own. Each is measured once; the report is made of all measurements in the results file. The numbers of `--quick`
mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

from benchmarks.speed.measurements import TITLES, SearchSpec
from benchmarks.speed.measuring import results_file, run
from benchmarks.speed.scratch_report import GIVEN, readme_table, report
from benchmarks.speed.tables import groups
from benchmarks.support import project
from benchmarks.support.command_line import add_measuring_options, log, names_from, parser
from benchmarks.support.pages import publish
from kevo import PRESETS

RESULTS = project.RESULTS / "scratch_speed.jsonl"
QUICK_RESULTS = project.BUILD / "scratch_speed_quick.jsonl"
REPORT = project.PAGES / "scratch_speed.md"
README = project.README
SECTION = "scratch speed"
SPACE = dataclasses.replace(PRESETS["small"], families=("conv",))
QUICK = dataclasses.replace(SPACE, num_blocks=(1,), filters=(16,), conv_image_sizes=(8,), augment=(False,))
PARTS = ("search", "given")
# Keras Tuner trains given candidates in the same way with every tuner.
GIVEN_TOOLS = ("kevo", "random")


def jobs(arguments: argparse.Namespace) -> list[tuple[str, SearchSpec]]:
    """Returns the searches to run: those of all tools with the first seed, then with the next."""
    amount = f"{arguments.trials} trials, epochs: {arguments.epochs}{', a quick look' if arguments.quick else ''}"
    work = []
    for seed in arguments.seeds:
        for part in arguments.parts:
            is_given = part == "given"
            for tool in arguments.tools:
                spec = SearchSpec(
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
                    work.append((tool, spec))
    return work


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is missing, prints the report and returns the exit code: 1 if a search failed, else 0."""
    options = parser(__doc__)
    options.add_argument(
        "--tools", type=names_from(TITLES), default=list(TITLES), help=f"with commas between: {', '.join(TITLES)}"
    )
    options.add_argument(
        "--parts", type=names_from(PARTS), default=list(PARTS), help=f"with commas between: {', '.join(PARTS)}"
    )
    options.add_argument("--trials", type=int, default=20, help="number of candidates that each tool trains")
    options.add_argument("--epochs", type=int, default=5, help="epochs of each candidate")
    add_measuring_options(options, quick="2 trials, seed 0, in a single process")
    arguments = options.parse_args(given)
    if arguments.quick:
        arguments.seeds, arguments.trials, arguments.epochs = arguments.seeds or [0], 2, 1
    results = results_file(arguments.results or (QUICK_RESULTS if arguments.quick else RESULTS))
    fresh = arguments.fresh or arguments.quick
    went_well = run(jobs(arguments), results=results, fresh=fresh, apart=not arguments.quick)

    found = groups(results.read())
    if not found:
        log(f"Nothing is measured in {results.path}. Name seeds: --seeds 0 1 2.")
        return 1
    text = report(found)
    print(text)
    if arguments.write:
        publish(text, page=REPORT, readme=README, name=SECTION, shown=readme_table(found))
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
