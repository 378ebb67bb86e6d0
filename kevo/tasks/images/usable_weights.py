"""Which pretrained weights a search uses: those that can be had, those it began with, those its workers have too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kevo.errors import WeightsError
from kevo.tasks.images.pretrained_weights import Weights, resolve

Usable = Mapping[str, tuple[Weights, ...]]
"""The weights of each backbone, one for each width that can be had, narrow to wide."""

_PRETRAINED = {"pretrained", "pretrained_unet"}
"""The families of networks that stand on backbones."""
_SMALLEST_IMAGES = 32
"""Smaller pictures, in pixels, show a backbone trained on photographs nothing; its weights must be asked for."""


class BackboneSpace(Protocol):
    """What of a space says which backbones are searched."""

    @property
    def families(self) -> tuple[str, ...]: ...
    @property
    def backbones(self) -> tuple[str, ...]: ...


def find(space: BackboneSpace, requests: Mapping[str, str], *, image_size: int) -> tuple[Usable, list[str]]:
    """Finds out, before any training, which backbones can be had.

    Args:
        space: What is to be searched.
        requests: As for `pretrained_weights.resolve`. Without any, all backbones of the space with ImageNet weights.
        image_size: Sides of the pictures in pixels. Small ones leave backbones out that are not asked for.

    Returns:
        The weights, and notes on which backbones are left out and why.

    Raises:
        UnknownBackboneError: A backbone is not in the table.
        WeightsError: A file cannot be used, or nothing is left to search.
    """
    from_scratch = set(space.families) - _PRETRAINED
    if from_scratch == set(space.families):
        return {}, []
    if not requests and from_scratch and image_size < _SMALLEST_IMAGES:
        return {}, [
            f"Pretrained backbones are left out, since pictures of {image_size} px show them too little. "
            "To use one all the same, name its weights: --weights NAME=imagenet."
        ]
    resolved = resolve(requests or dict.fromkeys(space.backbones, "imagenet"))
    by_reason: dict[str, list[str]] = {}
    for name, reason in resolved.unavailable.items():
        by_reason.setdefault(reason, []).append(name)
    notes = [f"Left out {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    if not resolved.available and not from_scratch:
        raise WeightsError("Nothing is left to search. " + " ".join(notes))
    return resolved.available, notes


def find_again(
    began_with: Mapping[str, Sequence[float | None]],
    space: BackboneSpace,
    requests: Mapping[str, str],
    *,
    image_size: int,
) -> tuple[Usable, list[str]]:
    """Finds the weights with which a search began, so that it goes on in the same space.

    Args:
        began_with: The width multipliers of each backbone that could be had then.
        space: As for `find`.
        requests: As for `find`.
        image_size: As for `find`.

    Returns:
        The weights, and the notes of `find`.

    Raises:
        WeightsError: Some of them cannot be had any more.
    """
    usable, notes = find(space, requests, image_size=image_size)
    here = by_width(usable)
    for name, alphas in began_with.items():
        if missing := [alpha for alpha in alphas if (name, alpha) not in here]:
            which = f"{name} (alpha {missing[0]})" if missing[0] else name
            raise WeightsError(
                f"It began with weights of {which} from {requests.get(name, 'imagenet')}, which cannot be had any "
                f"more. Put them back, or start a new search. {' '.join(notes)}".rstrip()
            )
    return {name: tuple(here[name, alpha] for alpha in alphas) for name, alphas in began_with.items()}, notes


def found(
    space: BackboneSpace,
    requests: Mapping[str, str],
    *,
    image_size: int,
    identity: Mapping[str, Any] | None,
) -> tuple[Usable, list[str]]:
    """Finds the weights of a new search, or of one that is resumed.

    Args:
        space: As for `find`.
        requests: As for `find`.
        image_size: As for `find`.
        identity: `Task.identity` of the search that is resumed; `None` for a new one.

    Returns:
        The weights, and the notes of `find`.
    """
    if identity is None:
        return find(space, requests, image_size=image_size)
    began_with = {
        str(name): tuple(None if alpha is None else float(alpha) for alpha in alphas)
        for name, alphas in identity["backbones"].items()
    }
    return find_again(began_with, space, requests, image_size=image_size)


def by_width(usable: Usable) -> dict[tuple[str, float | None], Weights]:
    """Returns the weights of each backbone and width multiplier."""
    return {(name, one.alpha): one for name, weights in usable.items() for one in weights}


def to_json(usable: Usable) -> list[dict[str, Any]]:
    """Returns weights as JSON values, for workers on the same machine."""
    return [
        {"backbone": one.backbone, "source": one.source, "path": one.path and str(one.path), "alpha": one.alpha}
        for one in by_width(usable).values()
    ]


def from_json(values: Iterable[Mapping[str, Any]]) -> Usable:
    """Reads what `to_json` returned."""
    return _by_backbone(Weights(**{**one, "path": one["path"] and Path(one["path"])}) for one in values)


def _by_backbone(weights: Iterable[Weights]) -> Usable:
    usable: dict[str, tuple[Weights, ...]] = {}
    for one in weights:
        usable[one.backbone] = (*usable.get(one.backbone, ()), one)
    return usable
