"""How a saved model's pictures are read, as a file beside it; and `read_picture`, which reads one that way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from kevo.errors import DataError, ModelError
from kevo.runs import layout
from kevo.tasks.images.datasets import ImageDataset, Limits, Skipped, loose
from kevo.tasks.images.datasets.dataset import digest
from kevo.tasks.images.datasets.levels import Whites
from kevo.tasks.images.datasets.pictures import SIZES, Size, decode
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.images.rows import ROWS
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.classes.output import CLASSIFICATION, Classes
from kevo.tasks.outputs.output import Output
from kevo.tasks.saved_model import home, model_file

_LARGEST_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Contract:
    """How pictures are read, and what is answered.

    Args:
        image_size: The side of the squares that they become, in pixels; of what stays no square height and width.
        whites: The values that are white, in numbers that do not come as 0-255.
        crop: Whether the squares are the middle of the pictures, or all of them, squashed.
        output: What is answered; `None` for classes, which have a file of their own.
    """

    image_size: Size
    whites: Whites
    crop: bool
    output: Output | None = None

    @property
    def asks(self) -> str:
        """What is asked."""
        return CLASSIFICATION if self.output is None else self.output.asks

    @classmethod
    def of(cls, dataset: ImageDataset) -> Self:
        """Returns the contract of a data set's models."""
        output = None if isinstance(dataset.output, Classes) else dataset.output
        height, width = dataset.shape
        size = height if height == width else dataset.shape
        return cls(size, dataset.whites, dataset.crop, output)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        whites = {"integers": self.whites.integers, "floats": self.whites.floats}
        answers = {} if self.output is None else self.output.to_json()
        size = {"image_size": self.image_size, "crop": self.crop}
        return {"task": ROWS[self.asks], **size, "whites": whites, **answers}


def read_contract(model: Path) -> Contract | None:
    """Reads the contract of a model; `None` where there is none, as of models that kevo did not make.

    Args:
        model: The model's file.

    Raises:
        ModelError: it is damaged.
    """
    path = home(model) / layout.TASK
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["task"] not in ROWS.values():
            return None
        output = None if values["task"] == ROWS[CLASSIFICATION] else parsing.output(values)
        size, crop = values["image_size"], values.get("crop", False)
        whites = [values["whites"][kind] for kind in ("integers", "floats")]
        if isinstance(size, list):
            size = tuple(size)
        sides, least = (size, 1) if isinstance(size, tuple) and len(size) == 2 else ((size,), SIZES[0])
        if not all(type(side) is int and least <= side <= _LARGEST_SIDE for side in sides):
            raise ValueError(f"its image_size is {size!r:.40}")
        if type(crop) is not bool:
            raise ValueError(f"its crop is {crop!r:.40}")
        if not all(white is None or (type(white) is int and 1 <= white <= 65535) for white in whites):
            raise ValueError(f"its whites are {whites!r:.40}")
    except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} does not say how a model's pictures are read: {error}. Restore it.") from error
    return Contract(size, Whites(*whites), crop, output)


def write_known(dataset: ImageDataset, path: Path) -> None:
    """Writes hashes of the pictures that models are trained and chosen with."""
    digests = [digest(picture) for split in (dataset.train, dataset.validation) for picture in split.pictures]
    np.save(path, np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1))


def read_known(model: Path) -> frozenset[bytes]:
    """Reads these hashes; none where they are not known, as of models that kevo did not make.

    Args:
        model: The model's file.
    """
    path = home(model) / layout.KNOWN
    if not path.is_file():
        return frozenset()
    try:
        rows = np.load(path, allow_pickle=False)
        return frozenset(row.tobytes() for row in rows.astype(np.uint8)) if rows.ndim == 2 else frozenset()
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path} does not say which pictures the model has seen: {error}. Restore or remove it."
        ) from error


def read_picture(path: str | Path, *, model: str | Path | None = None) -> Pictures:
    """Reads a picture as `kevo predict` does: upright, what is transparent on white, one white for all depths.

    Args:
        path: The file.
        model: The `.keras` file or run folder that is to predict it, whose own size, white and crop are taken. `None`
            chooses size and white by the picture, which is squashed.

    Returns:
        RGB pixels 0-255 of shape (size, size, 3), for `model.predict(picture[None])`.

    Raises:
        DataError: it cannot be read.
        ModelError: the model's contract is damaged, or the run folder has no model.

    Example:
        >>> kevo.read_picture("cat.jpg", model="kevo-runs/pets").shape  # doctest: +SKIP
        (160, 160, 3)
    """
    contract = None if model is None else read_contract(model_file(Path(model)))
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder. Expected the file of one picture.")
    (file,) = loose.find([path])
    if isinstance(file, Skipped):
        raise DataError(f"The picture {path} {file.reason}.")
    decoded = decode(
        [file],
        image_size=None if contract is None else contract.image_size,
        limits=Limits(),
        whites=None if contract is None else contract.whites,
        crop=contract is not None and contract.crop,
    )
    if (reason := decoded.reasons[0]) is not None:
        raise DataError(f"The picture {path} {reason}.")
    picture: Pictures = decoded.pictures[0]
    return picture
