"""Workers on other machines: they need the same pictures and the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kevo.errors import DataError
from kevo.settings import NO_CACHE
from kevo.system.array_store import ArrayStore
from kevo.tasks.images import usable_weights
from kevo.tasks.images.datasets import ImageDataset, load
from kevo.tasks.images.features import default_folder
from kevo.tasks.images.task_trainer import ImageTrainer
from kevo.tasks.images.usable_weights import Usable, by_width
from kevo.tasks.protocols.task import SearchSettings


def terms(dataset: ImageDataset, usable: Usable) -> dict[str, Any]:
    """Returns the pictures and weights that a worker elsewhere must have too, as JSON values."""
    return {
        "pictures": dataset.fingerprint(),
        "image_size": dataset.image_size,
        "weights": usable_weights.to_terms(usable),
    }


def options(usable: Usable) -> list[str]:
    """Returns the options of the command with which a worker elsewhere joins."""
    return [
        word
        for one in by_width(usable).values()
        if one.source == "file"
        for word in ("--weights", f"{one.backbone}={one.path}")
    ]


def join(
    data: Any,
    settings: SearchSettings,
    terms: Mapping[str, Any],
    *,
    address: str,
    requests: Mapping[str, str],
    cache: str | None,
    note: Callable[[str], object],
    strategy: Any = None,
) -> ImageTrainer:
    """Returns the trainer of a worker elsewhere.

    Args:
        data: The pictures here, as for `kevo.search`.
        settings: Those of the search.
        terms: Its `terms`.
        address: Where it listens.
        requests: Where the weights of a backbone are here, for those that the search has from a file.
        cache: Where features of frozen backbones are kept here, as in `kevo.Settings`.
        note: Is told what a user should know.
        strategy: Spreads each candidate over several devices.

    Raises:
        DataError: the pictures are not those of the search.
        WeightsError: weights that the search uses are missing here, or are others.
    """
    dataset = load(
        data,
        seed=settings.seed,
        image_size=int(terms["image_size"]),
        groups=settings.options.get("groups"),
    )
    if (found := dataset.fingerprint()) != terms["pictures"]:
        raise DataError(
            f"The pictures in {data} are not those of the search at {address}: their fingerprint is {found}, expected "
            f"{terms['pictures']}. Give --data the same files, with the same names, and have them decoded by the same "
            "version of Pillow."
        )
    usable = usable_weights.find_by_terms(terms["weights"], requests, address=address)
    folder = default_folder() if cache is None else Path(cache).expanduser()
    store = None if cache == NO_CACHE else ArrayStore(folder, note=note)
    return ImageTrainer(dataset, settings, usable, store=store, strategy=strategy)
