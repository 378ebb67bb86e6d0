"""`search()` and `resume()`: the Python twins of the commands."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kevo.errors import KevoError, RunError, SettingsError, WeightsError
from kevo.execution import devices
from kevo.execution.cluster import Cluster
from kevo.objective import Measure, register
from kevo.progress import Listener, NullListener, for_stderr
from kevo.progress.trackers import TrackerGroup
from kevo.result import SearchResult
from kevo.runs import layout, ranking, trial_reader
from kevo.runs.atomic_files import DAMAGE, damage
from kevo.runs.folder import Run, new_folder
from kevo.runs.ownership import signed
from kevo.session import Session
from kevo.settings import NO_CACHE, Settings
from kevo.system import versions
from kevo.system.quiet import quiet_natives
from kevo.tasks.protocols.dataset import Dataset
from kevo.tasks.protocols.kind import AnyKind
from kevo.tasks.protocols.task import Task
from kevo.tasks.registry import choose

if TYPE_CHECKING:
    import tensorflow as tf

_READING_SHARE = 1 / 4
"""Of the time of a search: reading the data may take so much of it."""
_NUM_SEEDS = 5
"""So many of the best candidates of an earlier search are seeds of another one."""


def search(
    data: Any = None,
    settings: Settings | None = None,
    *,
    out: str | Path | None = None,
    verbose: bool | None = None,
    listener: Listener | None = None,
    started: float | None = None,
    cluster: str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    distribution_strategy: tf.distribute.Strategy | None = None,
    seeds: str | Path | Sequence[Mapping[str, Any]] | None = None,
    **options: Any,
) -> SearchResult:
    """Evolves the best network for `data` and saves it.

    Args:
        data: What to learn from, as the task takes it. Pictures: a path or built-in name as the command takes it,
            arrays, or `tf.data`; `None` means `digits`.
        settings: How to search. Defaults to `Settings(**options)`.
        out: The run folder, which must not exist yet or be empty. Defaults to a new folder below `kevo-runs`.
        verbose: Whether to tell on stderr how the search goes: a live view on a terminal, lines elsewhere. `None` does
            so where no listener is given.
        listener: Is told about progress. Defaults to nobody.
        started: From when on `max_time` counts, by `time.monotonic`. Defaults to this call.
        cluster: Trains on a Ray cluster: `auto` for the one of this machine or of `RAY_ADDRESS`, or its head's
            `HOST:PORT`. Then `Settings(workers=...)` is the number of trials at a time, by default as many as fit.
            `None` trains on this machine.
        cpus_per_trial: Cores that each trial gets of the cluster. Defaults to 1.
        gpus_per_trial: GPUs that each trial gets of the cluster, such as 0.5 or 2. Defaults to 1 where there are any.
        distribution_strategy: Spreads each candidate over several devices, in this process, as Keras Tuner's argument
            of this name does. `None` for what `Settings(strategy=...)` says.
        seeds: The run folder of an earlier search, whose five best candidates the evolution begins with after its own
            first ones; or their genomes, as in `Settings(seeds=...)`. That the new search goes on from what they found,
            and has not found it, its scores do not say.
        **options: Fields of `Settings` in place of `settings`, such as `max_time="15m"`.

    Returns:
        The best model's path, genome and scores.

    Raises:
        KevoError: with what to do about it, before any training; or no candidate could be trained, or the run folder
            cannot be written any more.

    Example:
        >>> result = kevo.search("digits", max_trials=5, space="small")  # doctest: +SKIP
        >>> result.best_model.predict(pictures)  # doctest: +SKIP
    """
    started = time.monotonic() if started is None else started
    machines = _cluster(cluster, cpus_per_trial, gpus_per_trial, distribution_strategy)
    settings = _settings(settings, options)
    kind, decision = choose(settings.task, data, settings.options)
    settings = dataclasses.replace(
        settings,
        task=kind.name,
        weights=kind.absolute(settings.weights),
        options=_absolute_options(settings.options, kind),
        cache=_absolute(settings.cache),
        seeds=settings.seeds if seeds is None else _seeds(seeds, kind),
    )
    _ensure_fit(settings, machines)
    if machines is None and settings.strategy != "auto" and distribution_strategy is None:
        # Tells at once what cannot be.
        workers = 1 if settings.workers == 0 else settings.workers
        devices.plan(settings.strategy, num_workers=workers, num_gpus=devices.num_gpus())
    with nullcontext() if machines is None else machines.connected():
        limit = settings.resolved_max_time
        dataset = kind.load(data, settings, seconds=None if limit is None else _READING_SHARE * limit)
        if settings.folds is not None and dataset.num_folds is None:
            raise SettingsError(f"The task {kind.name} knows no folds. Received: {settings.folds}. Leave them out.")
        # The same examples whenever the search goes on, on whatever machine.
        settings = dataclasses.replace(settings, max_examples=dataset.max_examples or settings.max_examples)
        task = kind.open(dataset, settings)
        run = Run.create(
            (_new_folder(dataset.name) if out is None else Path(out)).absolute(),
            signed(
                {
                    "kevo": versions.KEVO,
                    "versions": versions.installed(),
                    "data": kind.source(data),
                    "started": datetime.now().astimezone().isoformat(timespec="seconds"),
                    "fingerprint": dataset.fingerprint(),
                    "num_judged": dataset.num_judged,
                    "search": settings.to_json(),
                    "identity": task.identity,
                }
            ),
        )
        with _watched(settings, verbose, listener) as watching:
            return Session(
                run,
                task,
                settings,
                watching,
                started=started,
                cluster=machines,
                strategy=distribution_strategy,
                decision=decision,
            ).run()


def resume(
    run_folder: str | Path,
    data: Any = None,
    *,
    max_time: float | str | None = None,
    max_trials: int | None = None,
    patience: int | None = None,
    objective: Measure | None = None,
    verbose: bool | None = None,
    listener: Listener | None = None,
    started: float | None = None,
    cluster: str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    distribution_strategy: tf.distribute.Strategy | None = None,
    cache: str | None = None,
    trust: bool = False,
) -> SearchResult:
    """Goes on with a search that was interrupted, or with a finished one for longer, from all candidates so far.

    Args:
        run_folder: The run folder.
        data: The same pictures again, needed only when they were given as arrays or `tf.data`, or when the search was
            begun by somebody else: a folder from elsewhere does not say what is read here.
        max_time: How much longer it may take, in seconds or as in `15m`. With this, `max_trials` or both, the former
            limits count no more.
        max_trials: How many more candidates to train at most.
        patience: As in `Settings`, from now on; candidates of before count.
        objective: The same function again, where the search improves one: run folders hold no code.
        verbose: As for `search`.
        listener: Is told about progress. Defaults to nobody.
        started: As for `search`.
        cluster: As for `search`. It is not written down: give it again, or another one.
        cpus_per_trial: As for `search`.
        gpus_per_trial: As for `search`.
        distribution_strategy: As for `search`. It is not written down: give it again.
        cache: Where features are kept from now on, as in `Settings`. Defaults to where they were; where the search was
            begun by somebody else, to the user's own cache.
        trust: Whether what somebody else's settings name may be used: files of weights, and an expression that is
            searched in paths. Otherwise a folder that names them is refused.

    Raises:
        RunError: the folder holds no run or one whose settings are damaged, or the pictures or weights have changed
            since.
        KevoError: as `search`.
    """
    started = time.monotonic() if started is None else started
    machines = _cluster(cluster, cpus_per_trial, gpus_per_trial, distribution_strategy)
    run = Run.open(Path(run_folder).absolute())
    settings = run.search_settings()
    if objective is not None and (name := register(objective)) != settings.objective:
        raise SettingsError(f"The search in {run.path} improves {settings.objective}. Received another: {name}.")
    limits = {"max_time": max_time, "max_trials": max_trials, "patience": patience}
    if any(limit is not None for limit in limits.values()):
        settings = _extended(run, settings, limits)
    if settings.cache not in (None, NO_CACHE) and not os.path.isabs(settings.cache):
        raise RunError(f"{run.path} is damaged: its cache is no absolute path but {settings.cache!r}. Restore it.")
    if cache is not None:
        settings = dataclasses.replace(settings, cache=_absolute(cache))
    elif settings.cache != NO_CACHE and not run.is_own:
        settings = dataclasses.replace(settings, cache=None)
    kind = settings.kind
    source = run.settings.get("data") if data is None else data
    if data is None and isinstance(source, str) and not run.is_own:
        raise RunError(
            f"Somebody else has begun the search in {run.path}, or its settings have changed, so that nothing outside "
            f"of it is read unasked. If it learns from the {kind.examples} in {source}, say so: "
            f"{shlex.join(['kevo', 'resume', str(run.path), '--data', source])}"
        )
    if not trust and not run.is_own and (named := kind.foreign(settings)):
        again = [
            "kevo",
            "resume",
            str(run.path),
            *(["--data", str(source)] if isinstance(source, str) else []),
            "--trust",
        ]
        raise RunError(
            f"Somebody else has begun the search in {run.path}, or its settings have changed, and it would use "
            f"{' and '.join(named)}. If all of that is as it should be, say so: {shlex.join(again)}"
        )
    if source is None or (data is None and not isinstance(source, str)):
        raise RunError(
            f"The search in {run.path} read its {kind.examples} from Python. Give them again: resume(run, data)."
        )
    with nullcontext() if machines is None else machines.connected():
        dataset = kind.load(source, settings)
        if dataset.fingerprint() != run.settings.get("fingerprint"):
            raise RunError(
                f"The {kind.examples} in {source} have changed since the search in {run.path} began, so that its "
                "scores cannot be compared with new ones. Put them back, or start a new search."
            )
        _ensure_fit(settings, machines)
        task = _reopened(run, kind, dataset, settings)
        with _watched(settings, verbose, listener) as watching:
            return Session(
                run,
                task,
                settings,
                watching,
                started=started,
                cluster=machines,
                strategy=distribution_strategy,
            ).run()


def _settings(settings: Settings | None, options: Mapping[str, Any]) -> Settings:
    """Returns the settings that are given, either as such or one by one."""
    if settings is None:
        known = [item.name for item in dataclasses.fields(Settings)]
        if unknown := [name for name in options if name not in known]:
            raise SettingsError(f"Received {unknown[0]!r}, which is no setting. Expected some of: {', '.join(known)}.")
        return Settings(**options)
    if options:
        raise SettingsError(f"Received both `settings` and {', '.join(options)}. Put all of them into `Settings`.")
    return settings


def _seeds(seeds: str | Path | Sequence[Mapping[str, Any]], kind: AnyKind) -> tuple[Mapping[str, Any], ...]:
    """Returns genomes as they are, or the best of the search in a run folder."""
    if not isinstance(seeds, str | Path):
        return tuple(seeds)
    run = Run.open(seeds)
    settings = run.search_settings()
    if settings.kind.name != kind.name:
        raise SettingsError(
            f"The search in {seeds} is of the task {settings.kind.name}, and this one of {kind.name}. Expected seeds "
            "of the same task."
        )
    check = functools.partial(trial_reader.check_record, objectives=settings.objectives)
    best = ranking.ranked(trial_reader.read_trials(run, check=check), settings.objectives[0])
    # Genomes by what is in them: a finalist has that of its candidate.
    different = {tuple(sorted(record.genome.items())): record.genome for record in best}
    found = tuple(different.values())[:_NUM_SEEDS]
    if not found:
        raise RunError(f"No candidate of the search in {seeds} has finished. Expected one to begin with.")
    return found


def _extended(run: Run, settings: Settings, limits: Mapping[str, Any]) -> Settings:
    """Returns the settings of a search that goes on for longer."""
    records = trial_reader.read_trials(run)
    return settings.extended(
        **limits,
        seconds=max((record.finished_at for record in records), default=0.0),
        num_trials=sum(record.is_evolved for record in records),
    )


@contextlib.contextmanager
def _watched(settings: Settings, verbose: bool | None, listener: Listener | None) -> Iterator[Listener]:
    """Returns who is told about progress: the listener, stderr, both, or nobody."""
    if not (listener is None if verbose is None else verbose):
        yield listener or NullListener()
        return
    with quiet_natives(), for_stderr(settings.objectives[0]) as view:
        yield TrackerGroup([view, *([] if listener is None else [listener])])


def _absolute_options(options: Mapping[str, str], kind: AnyKind) -> dict[str, str]:
    """Returns a task's own settings with absolute paths: a search may go on from another folder."""
    paths = {option.name for option in kind.options if option.is_path}
    return {
        name: os.path.abspath(os.path.expanduser(value)) if name in paths else value for name, value in options.items()
    }


def _absolute(cache: str | None) -> str | None:
    return cache if cache in (None, NO_CACHE) else os.path.abspath(os.path.expanduser(cache))


def _cluster(
    address: str | None, cpus: float | None, gpus: float | None, strategy: tf.distribute.Strategy | None
) -> Cluster | None:
    if address is None:
        if cpus is not None or gpus is not None:
            raise SettingsError(
                "Received CPUs or GPUs for each trial, and no cluster. Name the cluster: auto, HOST:PORT."
            )
        return None
    if strategy is not None:
        raise SettingsError(
            "Received both `cluster` and `distribution_strategy`, which trains in this process only. Give one of them."
        )
    return Cluster(address, 1.0 if cpus is None else cpus, gpus)


def _ensure_fit(settings: Settings, cluster: Cluster | None) -> None:
    if cluster is None:
        return
    if settings.folds is not None:
        raise SettingsError(
            "Received a cluster and folds, whose scores cannot be checked here: the model has learned from all "
            "examples. Search on this machine, or leave the folds out."
        )
    if settings.workers == 0:
        raise SettingsError("Received a cluster and 0 workers. Expected 1 or more, or none for as many as fit.")


def _reopened(run: Run, kind: AnyKind, dataset: Dataset, settings: Settings) -> Task:
    """Opens the task of a search that is resumed."""
    try:
        return kind.open(dataset, settings, identity=run.settings["identity"])
    except WeightsError as error:
        raise RunError(f"The search in {run.path} cannot go on: {error}") from error
    except KevoError:
        raise
    except DAMAGE:
        with damage(run.path / layout.SETTINGS):
            raise


def _new_folder(name: str) -> Path:
    return new_folder(Path("kevo-runs"), f"{name}-{datetime.now():%Y%m%d-%H%M%S}")
