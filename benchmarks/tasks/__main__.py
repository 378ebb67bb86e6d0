"""Compares kevo with cheap references and networks by hand on all but classes of pictures, and with Keras Tuner.

    python -m benchmarks.tasks --data ../shared/data --seeds 0 1 2 --minutes 1 --sets titanic,auto_mpg
    python -m benchmarks.tasks --data ../shared/data --seeds 0 1 2 --minutes 2 --sets rt_polarity --rates
    python -m benchmarks.tasks --data ../shared/data --seeds 0 1 2 --sets titanic,telco_churn,auto_mpg --genes
    python -m benchmarks.tasks --data ../shared/data --seeds 0 1 2 --sets titanic,telco_churn,auto_mpg --refits
    python -m benchmarks.tasks --data ../shared/data --seeds 0 --minutes 4 --sets chase_db1
    python -m benchmarks.tasks --data ../shared/data --seeds 0 --sets rt_polarity_few_vectors --vectors minilm.vec
    python -m benchmarks.tasks --data ../shared/data --seeds 0 --minutes 3 --sets chase_db1,shapes --families
    python -m benchmarks.tasks --data ../shared/data --seeds 0 --minutes 60 --sets chase_db1 --unets full --work kept
    python -m benchmarks.tasks --data ../shared/data --seeds 0 1 2 --sets rt_polarity,titanic,telco_churn --evolved
    python -m benchmarks.tasks --data ../shared/data --seeds 0 --sets rt_polarity,titanic --autokeras FOLDER
    python -m benchmarks.tasks --write

Each seed divides the examples anew, the same way for all. Each is measured once; the report is made of all measurements
in the results files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, add_seeds_options, names_from, parser, show_report
from benchmarks.support.results import ResultsFile, measure_missing
from benchmarks.tasks import autokeras_peer, evolving, families, genes, long_unet, refits
from benchmarks.tasks.autokeras_peer import AutoKerasResult
from benchmarks.tasks.evolving import Evolved
from benchmarks.tasks.families import TITLES, VARIANTS, Family, FamilyJob
from benchmarks.tasks.genes import Gains
from benchmarks.tasks.long_unet import WIDTHS, LongJob, LongTraining
from benchmarks.tasks.measuring import SETS, Job, Measurement, measure
from benchmarks.tasks.rates import Rates
from benchmarks.tasks.rates import measure as measure_rates
from benchmarks.tasks.refits import Refits
from benchmarks.tasks.report import report

RESULTS = project.RESULTS / "tasks.jsonl"
RATES = project.RESULTS / "task_rates.jsonl"
EVOLVED = project.RESULTS / "evolved_weights.jsonl"
GENES = project.RESULTS / "table_genes.jsonl"
REFITS = project.RESULTS / "table_refits.jsonl"
FAMILIES = project.RESULTS / "mask_families.jsonl"
LONG = project.RESULTS / "long_unet.jsonl"
AUTOKERAS = project.RESULTS / "autokeras.jsonl"
REPORT = project.PAGES / "tasks.md"


def jobs(arguments: argparse.Namespace) -> list[Job]:
    """Returns the jobs in their order: seed by seed, each with all data sets."""
    return [
        Job(name=name, minutes=minutes, seed=seed, data=arguments.data.resolve(), vectors=arguments.vectors)
        for seed in arguments.seeds
        for name in arguments.sets
        for minutes in arguments.minutes
    ]


def _key(one: Job | Measurement | Rates) -> tuple[int, float, int]:
    return list(SETS).index(one.name), one.minutes, one.seed


def _family_key(one: FamilyJob | Family) -> tuple[int, float, int, int]:
    return list(TITLES).index(one.name), one.minutes, one.seed, list(VARIANTS).index(one.variant)


def _long_key(one: LongJob | LongTraining) -> tuple[int, float, int, int]:
    return list(SETS).index(one.name), one.minutes, one.seed, list(WIDTHS).index(one.network)


def main(given: Sequence[str] | None = None) -> int:
    """Runs the missing measurements and prints the report. Returns the exit code: 1 if one failed, else 0."""
    options = parser(__doc__)
    add_data_option(options)
    add_seeds_options(options)
    options.add_argument("--minutes", type=float, nargs="*", default=(1,), help="how long kevo may search")
    options.add_argument(
        "--sets",
        type=names_from({**SETS, **TITLES}),
        default=[name for name in SETS if not SETS[name].has_vectors],
        help=f"with commas between: {', '.join({**SETS, **TITLES})}",
    )
    options.add_argument(
        "--vectors", type=Path, metavar="FILE", help="word vectors for the sets that are measured with some"
    )
    options.add_argument("--rates", action="store_true", help="measure candidates an hour, beside Keras Tuner")
    options.add_argument("--genes", action="store_true", help="measure what the genes of tables gain")
    options.add_argument("--refits", action="store_true", help="measure what several passes and several refits gain")
    options.add_argument("--families", action="store_true", help="measure the families of networks for masks")
    options.add_argument("--variants", type=names_from(VARIANTS), default=list(VARIANTS), help="of --families")
    options.add_argument(
        "--unets", type=names_from(WIDTHS), help=f"train U-Nets by hand for the minutes: {', '.join(WIDTHS)}"
    )
    options.add_argument("--work", type=Path, metavar="FOLDER", help="where --unets keeps a training, to go on with")
    options.add_argument("--evolved", action="store_true", help="measure weights by gradients and by evolution")
    options.add_argument("--autokeras", type=Path, metavar="FOLDER", help="measure AutoKeras, which is installed there")
    arguments = options.parse_args(given)
    if arguments.seeds and arguments.vectors is None and any(SETS[name].has_vectors for name in arguments.sets):
        options.error("these sets need --vectors FILE; see kevo vectors")
    if arguments.seeds and arguments.unets and arguments.work is None:
        options.error("--unets takes long, and may be broken off: say with --work FOLDER where it is kept")
    results = ResultsFile(RESULTS, Measurement.from_json, key=_key)
    rates = ResultsFile(RATES, Rates.from_json, key=_key)
    compared = ResultsFile(FAMILIES, Family.from_json, key=_family_key)
    long = ResultsFile(LONG, LongTraining.from_json, key=_long_key)
    evolved = ResultsFile(EVOLVED, Evolved.from_json, key=lambda one: (one.name, one.seed))
    gains = ResultsFile(GENES, Gains.from_json, key=lambda one: (one.name, one.seed))
    others = ResultsFile(AUTOKERAS, AutoKerasResult.from_json, key=lambda one: (one.name, one.seed))
    refitted = ResultsFile(REFITS, Refits.from_json, key=lambda one: (one.name, one.seed))

    def title(job: Job) -> str:
        return f"{job.name}, {job.minutes:g} minutes, seed {job.seed}"

    wanted, fresh = jobs(arguments), arguments.fresh
    if arguments.families:
        went_well = measure_missing(
            compared,
            [
                FamilyJob(name=job.name, variant=variant, minutes=job.minutes, seed=job.seed, data=job.data)
                for job in wanted
                for variant in arguments.variants
            ],
            key=_family_key,
            title=lambda job: f"{job.name}, {job.variant}, {job.minutes:g} minutes, seed {job.seed}",
            measure=families.measure,
            summary=lambda row: f"Dice {row.dice:.4f} with {row.num_parameters:,} parameters",
            fresh=fresh,
        )
    elif arguments.unets:
        went_well = measure_missing(
            long,
            [
                LongJob(
                    name=job.name,
                    network=network,
                    minutes=job.minutes,
                    seed=job.seed,
                    data=job.data,
                    work=arguments.work,
                )
                for job in wanted
                for network in arguments.unets
            ],
            key=_long_key,
            title=lambda job: f"{job.name}, {job.network} U-Net, {job.minutes:g} minutes, seed {job.seed}",
            measure=long_unet.measure,
            summary=lambda row: f"Dice {row.dice:.4f} after {row.num_steps} steps",
            fresh=fresh,
        )
    elif arguments.genes:
        went_well = measure_missing(
            gains,
            wanted,
            key=lambda one: (one.name, one.seed),
            title=title,
            measure=genes.measure,
            summary=lambda row: ", ".join(row.scores),
            fresh=fresh,
        )
    elif arguments.refits:
        went_well = measure_missing(
            refitted,
            wanted,
            key=lambda one: (one.name, one.seed),
            title=title,
            measure=refits.measure,
            summary=lambda row: f"{row.scores}",
            fresh=fresh,
        )
    elif arguments.evolved:
        went_well = measure_missing(
            evolved,
            wanted,
            key=lambda one: (one.name, one.seed),
            title=title,
            measure=evolving.measure,
            summary=lambda row: f"{row.scores}, {row.seconds} s, {row.num_weights} weights, linear {row.reference:.4f}",
            fresh=fresh,
        )
    elif arguments.autokeras:
        went_well = measure_missing(
            others,
            wanted,
            key=lambda one: (one.name, one.seed),
            title=title,
            measure=lambda job: autokeras_peer.measure(job, arguments.autokeras.resolve()),
            summary=lambda row: f"{SETS[row.name].score} {row.score:.4f} after {row.seconds:.0f} s",
            fresh=fresh,
        )
    elif arguments.rates:
        went_well = measure_missing(
            rates,
            wanted,
            key=_key,
            title=title,
            measure=measure_rates,
            summary=lambda row: f"{row.kevo:.0f} and {row.other:.0f} candidates an hour",
            fresh=fresh,
        )
    else:
        went_well = measure_missing(
            results,
            wanted,
            key=_key,
            title=title,
            measure=measure,
            summary=lambda row: f"{SETS[row.name].score} {row.kevo:.4f}, references {row.references}",
            fresh=fresh,
        )
    found = results.read()
    beside = rates.read(), gains.read(), compared.read(), long.read(), evolved.read(), refitted.read(), others.read()
    text = report(found, *beside) if found else None
    return show_report(text, results=results.path, page=REPORT if arguments.write else None, went_well=went_well)


if __name__ == "__main__":
    sys.exit(main())
