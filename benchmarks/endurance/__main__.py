"""Measures what a search endures on `digits`: 200 trials, faults, kills, a full disk; and the gain of a second worker.

    python -m benchmarks.endurance --seeds 0
    python -m benchmarks.endurance --seeds 0 1 2 --parts workers
    python -m benchmarks.endurance --write

Each part runs in a process of its own. Each is measured once; the report is made of all measurements in the results
file. The numbers of `--quick` mean nothing. Linux only: processes and memory are read from `/proc`.

Exit codes: 0 no problems, 1 a search broke a promise, or something could not be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.endurance.jobs import Job
from benchmarks.endurance.parts import NUM_KILLS, NUM_WORKERS, PARTS, results_file, run
from benchmarks.endurance.report import readme_table, report
from benchmarks.support import project
from benchmarks.support.command_line import add_measuring_options, log, names_from, parser
from benchmarks.support.pages import publish

RESULTS = project.RESULTS / "endurance.jsonl"
QUICK_RESULTS = project.BUILD / "endurance_quick.jsonl"
REPORT = project.PAGES / "endurance.md"
README = project.README
SECTION = "endurance"


def main(given: Sequence[str] | None = None) -> int:
    """Measures what is missing, prints the report and returns the exit code."""
    options = parser(__doc__)
    options.add_argument(
        "--parts", type=names_from(PARTS), default=list(PARTS), help=f"with commas between: {', '.join(PARTS)}"
    )
    options.add_argument("--trials", type=int, help="number of trials; by default each part has its own")
    options.add_argument("--epochs", type=int, help="epochs of each trial; by default each part has its own")
    options.add_argument("--workers", type=int, default=NUM_WORKERS, help="number of workers in memory and faults")
    options.add_argument("--kills", type=int, default=NUM_KILLS, help="how often to kill the search in kills")
    add_measuring_options(options, quick="a few trials, seed 0, in a single process")
    arguments = options.parse_args(given)
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
        for part in arguments.parts
    ]
    results = results_file(arguments.results or (QUICK_RESULTS if is_quick else RESULTS))
    went_well = run(jobs, results=results, fresh=arguments.fresh or is_quick)

    rows = results.read()
    if not rows:
        log(f"Nothing is measured in {results.path}. Name seeds: --seeds 0.")
        return 1
    text = report(rows)
    print(text)
    if arguments.write:
        publish(text, page=REPORT, readme=README, name=SECTION, shown=readme_table(rows, page=REPORT.name))
    return 0 if went_well and not any(one.problems for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
