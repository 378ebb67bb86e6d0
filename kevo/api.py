"""`search()` and `resume()`: find out what there is to search with, and begin. The Python twin of the command."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kevo
from kevo.errors import RunError, SettingsError, WeightsError
from kevo.execution import devices
from kevo.execution.endpoint import Endpoint
from kevo.progress import Listener, NullListener
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run, new_folder
from kevo.session import Session
from kevo.settings import NO_CACHE, Settings
from kevo.system import versions
from kevo.tasks.images import datasets, pretrained_weights, usable_weights
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.builtin import is_meant
from kevo.tasks.images.initial_population import declare
from kevo.tasks.images.usable_weights import Usable

if TYPE_CHECKING:
    import tensorflow as tf


def search(
    data: Any = None,
    settings: Settings | None = None,
    *,
    out: str | Path | None = None,
    listener: Listener | None = None,
    started: float | None = None,
    listen: str | None = None,
    secret: str | None = None,
    distribution_strategy: tf.distribute.Strategy | None = None,
) -> SearchResult:
    """Evolves the best image classifier for `data` and saves it.

    Args:
        data: Pictures: a path or built-in name as the command takes it, arrays, or `tf.data`; see
            `kevo.tasks.images.datasets.load`. `None` means `digits`.
        settings: How to search. Defaults to `Settings()`.
        out: The run folder, which must not exist yet or be empty. Defaults to a new folder below `kevo-runs`.
        listener: Is told about progress. Defaults to nobody.
        started: From when on `max_time` counts, by `time.monotonic`. Defaults to this call.
        listen: Host and port where workers from elsewhere may join, such as `127.0.0.1:8000`: those that the command
            `kevo worker` starts. They train beside those of `Settings(workers=...)`, or alone if these are 0. `None`
            for nowhere.
        secret: What they must show; needed for any address that other machines can reach. It keeps strangers out, and
            does not hide what is said. Defaults to `KEVO_SECRET` in the environment, if that is there.
        distribution_strategy: Spreads each candidate over several devices, in this process, as Keras Tuner's argument
            of this name does. `None` for what `Settings(strategy=...)` says.

    Returns:
        The best model's path, genome and scores.

    Raises:
        KevoError: with what to do about it, before any training; or no candidate could be trained, or the run folder
            cannot be written any more.

    Example:
        >>> result = kevo.search("digits", kevo.Settings(max_trials=5, space="small"))  # doctest: +SKIP
        >>> result.best_model.predict(pictures)  # doctest: +SKIP
    """
    started = time.monotonic() if started is None else started
    endpoint = _endpoint(listen, secret, distribution_strategy)
    settings = settings or Settings()
    settings = dataclasses.replace(
        settings,
        weights={name: pretrained_weights.absolute(source) for name, source in settings.weights.items()},
        cache=settings.cache
        if settings.cache in (None, NO_CACHE)
        else os.path.abspath(os.path.expanduser(settings.cache)),
    )
    _ensure_room(settings, endpoint)
    if settings.strategy != "auto" and distribution_strategy is None:
        # Tells at once what cannot be.
        workers = 1 if settings.workers == 0 else settings.workers
        devices.plan(settings.strategy, num_workers=workers, num_gpus=devices.num_gpus())
    dataset = datasets.load(data, seed=settings.seed)
    usable, notes = usable_weights.find(settings.resolved_space, settings.weights, image_size=dataset.image_size)
    genes = declare(settings, dataset, usable)
    run = Run.create(
        (_new_folder(dataset.name) if out is None else Path(out)).absolute(),
        {
            "kevo": kevo.__version__,
            "versions": versions.installed(),
            "data": _source(data),
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "pictures": dataset.fingerprint(),
            "num_validation": len(dataset.validation),
            "search": settings.to_json(),
            "backbones": {name: [variant.alpha for variant in variants] for name, variants in usable.items()},
        },
    )
    session = Session(
        run, dataset, settings, usable, listener or NullListener(), started, endpoint, distribution_strategy
    )
    return session.run(genes, notes)


def resume(
    run_folder: str | Path,
    data: Any = None,
    *,
    listener: Listener | None = None,
    started: float | None = None,
    listen: str | None = None,
    secret: str | None = None,
    distribution_strategy: tf.distribute.Strategy | None = None,
) -> SearchResult:
    """Goes on with a search that was interrupted, from every candidate that had finished.

    Args:
        run_folder: The run folder.
        data: The same pictures again, needed only when they were given as arrays or `tf.data`.
        listener: Is told about progress. Defaults to nobody.
        started: As for `search`.
        listen: As for `search`. Workers that were there before come back to the same address.
        secret: As for `search`.
        distribution_strategy: As for `search`. It is not written down: give it again.

    Raises:
        RunError: the folder holds no run or one whose settings are damaged, or the pictures or weights have changed
            since.
        KevoError: as `search`.
    """
    started = time.monotonic() if started is None else started
    endpoint = _endpoint(listen, secret, distribution_strategy)
    run = Run.open(Path(run_folder).absolute())
    settings = run.search_settings()
    if settings.cache not in (None, NO_CACHE) and not os.path.isabs(settings.cache):
        raise RunError(f"{run.path} is damaged: its cache is no absolute path but {settings.cache!r}. Restore it.")
    source = run.settings.get("data") if data is None else data
    if source is None or (data is None and not isinstance(source, str)):
        raise RunError(f"The search in {run.path} read its pictures from Python. Give them again: resume(run, data).")
    dataset = datasets.load(source, seed=settings.seed)
    if dataset.fingerprint() != run.settings.get("pictures"):
        raise RunError(
            f"The pictures in {source} have changed since the search in {run.path} began, so that its scores cannot be "
            "compared with new ones. Put them back, or start a new search."
        )
    _ensure_room(settings, endpoint)
    usable, notes = _same_weights(run, settings, dataset)
    genes = declare(settings, dataset, usable)
    session = Session(
        run, dataset, settings, usable, listener or NullListener(), started, endpoint, distribution_strategy
    )
    return session.run(genes, notes)


def _endpoint(listen: str | None, secret: str | None, strategy: tf.distribute.Strategy | None) -> Endpoint | None:
    if listen is None:
        return None
    if strategy is not None:
        raise SettingsError(
            "Received both `listen` and `distribution_strategy`, which trains in this process only. Give one of them."
        )
    endpoint = Endpoint.at(listen, secret=secret)
    endpoint.ensure_free()
    return endpoint


def _ensure_room(settings: Settings, endpoint: Endpoint | None) -> None:
    if settings.strategy == "multiworker" and endpoint is not None:
        raise SettingsError(
            "With the strategy multiworker all processes train one candidate at a time: workers from elsewhere cannot "
            "join. Leave out the address to listen at, or take another strategy."
        )


def _source(data: Any) -> str | None:
    """Says where `data` can be read again; `None` for what lives in memory only."""
    if data is None:
        return datasets.DEFAULT_NAME
    if isinstance(data, str | Path):
        return str(data) if is_meant(data) else str(Path(data).resolve())
    return None


def _new_folder(name: str) -> Path:
    return new_folder(Path("kevo-runs"), f"{name}-{datetime.now():%Y%m%d-%H%M%S}")


def _same_weights(run: Run, settings: Settings, dataset: ImageDataset) -> tuple[Usable, list[str]]:
    """Finds the backbones with which a search began, so that it goes on in the same space."""
    with damage(run.path / layout.SETTINGS):
        began_with = {
            str(name): tuple(None if alpha is None else float(alpha) for alpha in alphas)
            for name, alphas in run.settings["backbones"].items()
        }
    try:
        return usable_weights.find_again(
            began_with, settings.resolved_space, settings.weights, image_size=dataset.image_size
        )
    except WeightsError as error:
        raise RunError(f"The search in {run.path} cannot go on: {error}") from error
