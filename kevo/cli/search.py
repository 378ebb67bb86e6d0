"""Commands that train: a search, and one that goes on."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kevo.cli.console import INTERRUPTED, format_json, user_errors
from kevo.cli.options import (
    CACHE,
    CLUSTER,
    CPUS,
    ENERGY,
    GPUS,
    JSON,
    MLFLOW,
    OPTUNA,
    TENSORBOARD,
    Duration,
    WeightsPair,
)
from kevo.objective import COSTS
from kevo.progress import for_stderr
from kevo.settings import MAX_FINALISTS, MAX_SEED, STRATEGIES, Settings
from kevo.system.interrupts import Terminations
from kevo.system.quiet import quiet_natives, quiet_tensorflow
from kevo.system.text import printable
from kevo.tasks.registry import AUTO, TASKS, all_kinds, asked_words

if TYPE_CHECKING:
    from kevo.progress import Listener
    from kevo.progress.trackers import Tracker
    from kevo.result import SearchResult


TASK_OPTIONS = {option.name: option for kind in all_kinds() for option in kind.options}
"""The settings that only one task has, by name."""
OBJECTIVES = tuple(dict.fromkeys(name for kind in all_kinds() for name in kind.objectives.named))
"""The names of objectives, without those of scikit-learn's scorers."""


def _task_options(command: Callable[..., None]) -> Callable[..., None]:
    """Offers the settings of the tasks as options `--NAME`."""
    for name, option in reversed(TASK_OPTIONS.items()):
        command = click.option(f"--{name}", name, metavar=option.metavar, help=option.help)(command)
    return command


@click.command()
@click.argument("data", required=False)
@click.option(
    "--task",
    type=click.Choice([AUTO, *asked_words(), *TASKS]),
    default=AUTO,
    show_default=True,
    help="What to learn; auto decides by the data, and says so.",
)
@_task_options
@click.option("--max-trials", type=click.IntRange(min=1), help="Candidates to train at most.")
@click.option(
    "--max-time",
    type=Duration(),
    help="Time for the whole command, such as 90s, 10m or 1h30m, kept to within a few seconds mostly: what is held "
    "back to score and save the best model, a twentieth or five seconds, is a guess.  "
    "[default: 4m without --max-trials]",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="End the evolution when so many candidates in a row have brought nothing new.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=1),
    help="Use so many pictures or rows at most, a random part of each class.  [default: all, as far as reading them "
    "takes a quarter of --max-time]",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2, max=20),
    metavar="K",
    help="For few examples: compare candidates on all of them, in K folds. Takes K + 1 trainings for each candidate.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Epochs of a candidate.")
@click.option(
    "--final-epochs",
    type=click.IntRange(min=1),
    help="Epochs of the best candidates, which are trained once more at the end.  [default: twice --epochs, for up to "
    "twice as many again where time is limited and a network is trained from scratch]",
)
@click.option(
    "--finalists",
    "num_finalists",
    type=click.IntRange(1, MAX_FINALISTS),
    default=3,
    show_default=True,
    help="How many of the best candidates are trained once more at the end.",
)
@click.option(
    "--rungs",
    "num_rungs",
    type=click.IntRange(1, 3),
    default=1,
    show_default=True,
    help="2 pauses candidates after a third of their epochs, 3 after a ninth too; only the best of a kind go on.",
)
@click.option(
    "--inherit",
    is_flag=True,
    help="Children of conv stacks begin with their parent's weights and train for less long; every fourth candidate "
    "begins from scratch.",
)
@click.option("--population", type=click.IntRange(min=2), default=8, show_default=True, help="Size of a generation.")
@click.option(
    "--space",
    type=click.Choice(list(dict.fromkeys(preset for kind in all_kinds() for preset in kind.presets))),
    default="default",
    show_default=True,
    help="How wide to search.",
)
@click.option(
    "--weights",
    type=WeightsPair(),
    multiple=True,
    help="Pretrained weights of a backbone: NAME=PATH, NAME=imagenet (downloaded) or NAME=none. May be repeated; "
    "backbones that are not named are then left out.",
)
@click.option(
    "--objective",
    metavar="NAME",
    default=AUTO,
    show_default=True,
    help=f"What to improve: {', '.join(OBJECTIVES)}, or any scorer of scikit-learn's by its name. auto is accuracy for "
    "classes, r2 for numbers, average_precision for labels, dice for masks and mase for series.",
)
@click.option(
    "--minimize",
    type=click.Choice(list(COSTS)),
    multiple=True,
    help="What to keep small at the same time: the result is a front of models. May be repeated.",
)
@click.option("--max-params", type=click.IntRange(min=1), help="Parameters that a model may have.")
@CACHE
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that train candidates side by side; 0 trains in the search's own process.  [default: 1, or one on "
    "each GPU; on a cluster as many as fit]",
)
@CLUSTER
@CPUS
@GPUS
@click.option(
    "--strategy",
    type=click.Choice(list(STRATEGIES)),
    default="auto",
    show_default=True,
    help="How candidates use several GPUs: one on each GPU, or, mirrored, each on several; or, multiworker, each in "
    "several processes: two of this machine, or one on each machine of a cluster.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Same seed, same search, with one worker and no time limit.",
)
@click.option(
    "--seeds",
    "seeds_of",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Begin with the five best candidates of an earlier search too.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.  [default: kevo-runs/NAME-TIME]")
@TENSORBOARD
@MLFLOW
@OPTUNA
@ENERGY
@JSON
@click.option("--quiet", is_flag=True, help="Print nothing but the result.")
def search(
    data: str | None,
    weights: tuple[tuple[str, str], ...],
    seeds_of: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    cluster: str | None,
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    tensorboard: bool,
    mlflow: str | None,
    optuna: str | None,
    energy: str | None,
    **options: Any,
) -> None:
    """Searches the best network for DATA and saves it.

    DATA is a folder of class folders, a folder with train/ and optionally validation/ and test/, a .zip of either, a
    .csv of path,label[,split], an .npz, or one of digits, mnist, fashion_mnist, cifar10, cifar100. Without DATA:
    digits. With --target it is a .csv of rows, of which that column is to be predicted: classes, or numbers; with
    --task series, too, a .csv of a series whose next values are to be forecast.
    """
    started = time.monotonic()
    with user_errors():
        given = {name: options.pop(name) for name in TASK_OPTIONS}
        settings = Settings(
            weights=dict(weights),
            options={name: value for name, value in given.items() if value is not None},
            **options,
        )
        with quiet_tensorflow():
            from kevo import api
        _announce(
            lambda listener: api.search(
                data,
                settings,
                out=out,
                listener=listener,
                started=started,
                seeds=seeds_of,
                cluster=cluster,
                cpus_per_trial=cpus_per_trial,
                gpus_per_trial=gpus_per_trial,
            ),
            settings,
            _trackers(tensorboard, mlflow, optuna, energy),
            quiet=quiet,
            as_json=as_json,
            options=_cluster_options(cluster, cpus_per_trial, gpus_per_trial),
        )


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", help="Where the data is now, if not where it was; as for kevo search.")
@click.option("--cache", type=click.Path(), metavar="FOLDER", help="Where features are kept.  [default: as before]")
@click.option("--max-time", type=Duration(), help="Go on for so much longer, such as 30m, also if it had finished.")
@click.option(
    "--max-trials",
    type=click.IntRange(min=1),
    help="Train so many more candidates at most, also if it had finished. With one of these the former limits end.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="End the evolution when so many candidates in a row have brought nothing new, those of before included.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Use the files of weights and the expression for paths that somebody else's settings name.",
)
@CLUSTER
@CPUS
@GPUS
@TENSORBOARD
@MLFLOW
@OPTUNA
@ENERGY
@JSON
@click.option("--quiet", is_flag=True, help="Print nothing but the result.")
def resume(
    run: Path,
    data: str | None,
    cache: str | None,
    max_time: float | None,
    max_trials: int | None,
    patience: int | None,
    trust: bool,
    as_json: bool,
    quiet: bool,
    cluster: str | None,
    cpus_per_trial: float | None,
    gpus_per_trial: float | None,
    tensorboard: bool,
    mlflow: str | None,
    optuna: str | None,
    energy: str | None,
) -> None:
    """Goes on with the search in the run folder RUN that was interrupted, or with a finished one for longer."""
    started = time.monotonic()
    with user_errors():
        from kevo.runs.folder import Run

        settings = Run.open(run).search_settings()
        with quiet_tensorflow():
            from kevo import api
        _announce(
            lambda listener: api.resume(
                run,
                data,
                max_time=max_time,
                max_trials=max_trials,
                patience=patience,
                listener=listener,
                started=started,
                cluster=cluster,
                cpus_per_trial=cpus_per_trial,
                gpus_per_trial=gpus_per_trial,
                cache=cache,
                trust=trust,
            ),
            settings,
            _trackers(tensorboard, mlflow, optuna, energy),
            quiet=quiet,
            as_json=as_json,
            options=_cluster_options(cluster, cpus_per_trial, gpus_per_trial),
        )


def _announce(
    run: Callable[[Listener | None], SearchResult],
    settings: Settings,
    trackers: Sequence[Tracker],
    *,
    quiet: bool,
    as_json: bool,
    options: Sequence[str],
) -> None:
    from kevo.progress.trackers import TrackerGroup

    with Terminations(), quiet_natives(), nullcontext() if quiet else for_stderr(settings.objectives[0]) as listener:
        result = run(TrackerGroup([*([] if listener is None else [listener]), *trackers]))
    if as_json or not sys.stdout.isatty():
        click.echo(format_json(result.to_json()))
    else:
        columns = shutil.get_terminal_size().columns
        click.echo("\n".join([result.summary(columns=columns), "", *_next_commands(result, columns=columns)]))
    if result.warning and not quiet:
        click.echo(printable(result.warning), err=True)
    if result.interrupted:
        click.echo(printable(" ".join([f"Go on with: kevo resume {result.run_folder}", *options])), err=True)
        sys.exit(INTERRUPTED)


def _cluster_options(cluster: str | None, cpus: float | None, gpus: float | None) -> list[str]:
    """Returns the options with which `kevo resume` goes on on the same cluster."""
    from kevo.execution.cluster import Cluster

    return [] if cluster is None else Cluster(cluster, cpus or 1.0, gpus).options()


def _next_commands(result: SearchResult, *, columns: int) -> list[str]:
    """Returns the commands that a user is likely to want next, one a line, with what each does.

    Args:
        result: What was found.
        columns: Where both do not fit into a line of so many, the words stand below.
    """
    near = os.path.relpath(result.run_folder)
    run = shlex.quote(str(result.run_folder) if near.startswith(os.pardir) else near)
    commands = {
        f"kevo report {run}": "the search as one page",
        f"kevo predict {run} FILE...": f"what the model says of new {result.kind.examples}",
        f"kevo evaluate {run} DATA": "how good it is on other data",
    }
    width = max(map(len, commands))
    if width + 2 + max(map(len, commands.values())) > columns:
        return [printable(line) for command, words in commands.items() for line in (command, f"    {words}")]
    return [printable(f"{command:<{width}}  {words}") for command, words in commands.items()]


def _trackers(tensorboard: bool, mlflow: str | None, optuna: str | None, energy: str | None) -> list[Tracker]:
    """Returns those that were asked for; raises an error, before any training, where one cannot be had."""
    found: list[Tracker] = []
    if tensorboard:
        from kevo.progress.trackers.tensorboard import TensorBoard

        found.append(TensorBoard())
    if energy is not None:
        from kevo.progress.trackers.energy import EnergyMeter

        found.append(EnergyMeter(energy or None))
    if mlflow is not None:
        from kevo.progress.trackers.mlflow import MLflow

        found.append(MLflow(mlflow))
    if optuna is not None:
        from kevo.progress.trackers.optuna import Optuna

        found.append(Optuna(optuna))
    return found
