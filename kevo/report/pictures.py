"""The pictures of a search, read again for its report: how they are divided, and which were confidently wrong."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.predictions import read_predictions
from kevo.runs.reader import Facts
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.outputs.classes.evaluation import are_probabilities

_MOST_WRONG = 12
_SIDE = 160
"""How many pixels a thumbnail has on a side, at most."""
_FEW_PIXELS = 64
"""Up to so many pixels on a side, what JPEG saves is little, and what it blurs is much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A picture that was taken for another class.

    Args:
        number: Its place in the test split, from 0.
        truth: Its class.
        predicted: What it was taken for.
        confidence: How probable that seemed, from 0 to 1.
        address: The picture itself, small, as a `data:` address.
    """

    number: int
    truth: str
    predicted: str
    confidence: float
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What there is to say of a search's pictures.

    Args:
        dataset: The pictures; `None` where they cannot be had.
        reason: Why not.
        wrong: Those of the test split that were taken for another class, the most confident first; `None` where that is
            not known.
    """

    dataset: ImageDataset | None
    reason: str = ""
    wrong: tuple[Wrong, ...] | None = None


def read(facts: Facts, data: Any = None) -> Pictures:
    """Reads the pictures of a search again.

    Args:
        facts: What is known of the search.
        data: Where they are now, or they themselves. Defaults to where they were.
    """
    source = facts.data if data is None else data
    if source is None:
        return Pictures(dataset=None, reason="The search had its pictures from Python, and they were not given again.")
    try:
        dataset = datasets.load(source, seed=facts.search.seed if facts.search else 0)
    except (KevoError, OSError) as error:
        return Pictures(dataset=None, reason=f"The pictures cannot be read any more. {error}")
    # Whoever wrote the run folder could name any folder: only who knew the very pictures gets them onto a page.
    if dataset.fingerprint() != facts.settings.get("fingerprint"):
        return Pictures(dataset=None, reason=f"The pictures in {source} are no longer those of the search.")
    return Pictures(dataset=dataset, wrong=_wrong(facts, dataset))


def _wrong(facts: Facts, dataset: ImageDataset) -> tuple[Wrong, ...] | None:
    split, names = dataset.test, dataset.class_names
    probabilities = read_predictions(
        facts.run_folder / layout.TEST_PREDICTIONS, shape=(len(split), len(names)), are_valid=are_probabilities
    )
    if facts.outcome is None or probabilities is None:
        return None
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    places = np.flatnonzero(predicted != split.labels)
    places = places[np.argsort(-confidence[places], kind="stable")]
    return tuple(
        Wrong(
            number=int(place),
            truth=names[split.labels[place]],
            predicted=names[predicted[place]],
            confidence=min(1.0, float(confidence[place])),
            address=_address(split.pictures[place]),
        )
        for place in places[:_MOST_WRONG]
    )


def _address(picture: npt.NDArray[np.uint8]) -> str:
    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((_SIDE, _SIDE))
    kind = "png" if max(image.size) <= _FEW_PIXELS else "jpeg"
    image.save(buffer, kind, quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
