"""How good predicted masks are: Dice and intersection over union of each picture, with a bootstrap interval.

Dice (Dice 1945, doi:10.2307/1932409) of a class is twice the pixels that both masks have, over the pixels of both
together: 1 where they agree, 0 where they have no pixel in common. A picture's is the mean over the classes that one of
the two masks has, without the background; 1 where neither has any.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.5
"""Where there is one class, a pixel is taken to be of it from this probability on."""
_CONFIDENCE = 0.95
_NUM_RESAMPLES = 1000
_MAX_RESAMPLED = 20_000_000
"""Pictures that are drawn for an interval, all resamples together."""

Masks = npt.NDArray[np.uint8]
"""The class of each pixel, shape (n, height, width, 1); 0 is the background."""
Probabilities = npt.NDArray[np.floating]
"""Shape (n, height, width, 1) for one class; else (n, height, width, num_classes + 1), the background first."""


@dataclass(frozen=True, slots=True)
class MaskEvaluation:
    """Scores of predicted masks on one split.

    Args:
        num_examples: So many pictures were scored.
        dice: The mean over pictures.
        iou: The mean of the intersection over union, by picture as `dice`.
        pooled_dice: Dice of all pixels of all pictures together, the mean over classes.
        pixel_accuracy: The share of pixels whose class is right.
        foreground: The share of pixels that are no background.
        background_dice: The Dice of masks that are all background: the share of pictures without any class.
        mask_loss: See `measure`.
        interval: 95 % bootstrap interval of `dice`, over pictures.
        by_class: For each class the mean Dice of the pictures where one of the masks has it; 1 where none has.
        shares: For each class its share of the pixels.
        by_picture: The Dice of each picture, in order.
        further: The objective's score, by its name, where it is none of these.
    """

    num_examples: int
    dice: float
    iou: float
    pooled_dice: float
    pixel_accuracy: float
    foreground: float
    background_dice: float
    mask_loss: float
    interval: tuple[float, float]
    by_class: dict[str, float]
    shares: dict[str, float]
    by_picture: tuple[float, ...]
    further: dict[str, float] = field(default_factory=dict)

    def value(self, metric: str) -> float:
        """`dice`, `iou`, `mask_loss` or the objective's score."""
        return self.further[metric] if metric in self.further else float(getattr(self, metric))

    @property
    def num_judged(self) -> int:
        """All: none says what another does."""
        return self.num_examples

    @property
    def names(self) -> tuple[str, ...]:
        """The classes without the background."""
        return tuple(self.by_class)

    def uninformed(self, metric: str) -> float | None:
        """What masks that are all background would score; of the loss it is not known."""
        return self.background_dice if metric in ("dice", "iou") else None

    @property
    def is_chance(self) -> bool:
        """Whether masks that are all background may be as good: the interval goes down to their Dice."""
        return self.interval[0] <= self.background_dice

    def to_json(self) -> dict[str, Any]:
        """A mapping of JSON values, from which `parse` makes the same scores."""
        return dataclasses.asdict(self)


class Counts(NamedTuple):
    """Pixels of each picture and class, without the background, each of shape (n, num_classes).

    Args:
        hits: Those that both masks have.
        predicted: Those of the predicted mask.
        true: Those of the true mask.
        num_right: Pixels of each picture whose class is right, the background's too, shape (n,).
        num_pixels: Pixels of a picture.
    """

    hits: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    true: npt.NDArray[np.int64]
    num_right: npt.NDArray[np.int64]
    num_pixels: int


def classes_of(outputs: Probabilities) -> Masks:
    """Returns the class of each pixel: the likeliest, or, of one class, from a probability of 0.5 on.

    Args:
        outputs: Shape (..., num_outputs).

    Returns:
        Shape (..., 1).
    """
    if outputs.shape[-1] == 1:
        return (outputs >= THRESHOLD).astype(np.uint8)
    likeliest: Masks = outputs.argmax(axis=-1).astype(np.uint8)[..., np.newaxis]
    return likeliest


def count(outputs: Probabilities, targets: Masks) -> Counts:
    """Counts pixels by picture and class, picture by picture, so that it takes little memory."""
    num_classes = max(1, outputs.shape[-1] - 1)
    found = np.zeros((3, len(targets), num_classes), np.int64)
    right = np.zeros(len(targets), np.int64)
    for place, (one, true) in enumerate(zip(outputs, targets, strict=True)):
        table = np.bincount(
            (num_classes + 1) * true.reshape(-1).astype(np.int64) + classes_of(one).reshape(-1),
            minlength=(num_classes + 1) ** 2,
        ).reshape(num_classes + 1, -1)
        right[place] = table.trace()
        found[0, place] = table.diagonal()[1:]
        found[1, place], found[2, place] = table.sum(axis=0)[1:], table.sum(axis=1)[1:]
    return Counts(found[0], found[1], found[2], right, math.prod(targets.shape[1:]))


def dice_and_iou(counts: Counts) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the Dice and the intersection over union of each picture, shape (n,)."""
    both, union = counts.predicted + counts.true, counts.predicted + counts.true - counts.hits
    is_there = both > 0
    num = is_there.sum(axis=1)
    found = []
    for shares in (2 * counts.hits / np.maximum(both, 1), counts.hits / np.maximum(union, 1)):
        found.append(np.where(num > 0, (shares * is_there).sum(axis=1) / np.maximum(num, 1), 1.0))
    return found[0], found[1]


def evaluate(outputs: Probabilities, targets: Masks, *, names: Sequence[str]) -> MaskEvaluation:
    """Scores predicted masks against the true ones.

    The interval is of percentiles over resamples of the pictures (Efron 1979, "Bootstrap methods",
    doi:10.1214/aos/1176344552): pixels of one picture are no examples of their own.

    Args:
        outputs: What a model answers.
        targets: The true masks.
        names: The names of the classes, without the background.

    Example:
        >>> true = np.array([[[[1], [0]]], [[[0], [0]]]], np.uint8)
        >>> evaluate(np.full((2, 1, 2, 1), 0.9), true, names=["disk"]).by_picture
        (0.6666666666666666, 0.0)
    """
    counts = count(outputs, targets)
    dice, iou = dice_and_iou(counts)
    rng, num = np.random.default_rng(0), len(dice)
    num_resamples = max(100, min(_NUM_RESAMPLES, _MAX_RESAMPLED // num))
    means = [dice[rng.integers(num, size=num)].mean() for _ in range(num_resamples)]
    low, high = np.quantile(means, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2]).tolist()
    both = counts.predicted + counts.true
    by_class = {}
    for place, name in enumerate(names):
        is_there = both[:, place] > 0
        shares = 2 * counts.hits[is_there, place] / both[is_there, place]
        by_class[name] = float(shares.mean()) if is_there.any() else 1.0
    pooled = both.sum(axis=0)
    pooled_shares = (2 * counts.hits.sum(axis=0) / np.maximum(pooled, 1))[pooled > 0]
    num_pixels = num * counts.num_pixels
    return MaskEvaluation(
        num_examples=num,
        dice=float(dice.mean()),
        iou=float(iou.mean()),
        pooled_dice=float(pooled_shares.mean()) if len(pooled_shares) else 1.0,
        pixel_accuracy=float(counts.num_right.sum() / num_pixels),
        foreground=float(counts.true.sum() / num_pixels),
        background_dice=float((counts.true.sum(axis=1) == 0).mean()),
        mask_loss=mask_loss(outputs, targets),
        interval=(low, high),
        by_class=by_class,
        shares={name: float(counts.true[:, place].sum() / num_pixels) for place, name in enumerate(names)},
        by_picture=tuple(dice.tolist()),
    )


def mask_loss(outputs: Probabilities, targets: Masks) -> float:
    """Returns the cross-entropy of pixels plus one minus the Dice of probabilities, the mean over pictures.

    It sees more of each pixel than on which side of 0.5 it is, and decides between masks of equal Dice.
    """
    total = 0.0
    for one, true in zip(outputs, targets, strict=True):
        right = _of_classes(one, true)
        entropy = -np.log(np.clip(right, np.finfo(np.float32).eps, 1.0)).mean(dtype=np.float64)
        dices = []
        for number in range(1, max(2, one.shape[-1])):
            shares, is_there = one[..., number if one.shape[-1] > 1 else 0], true[..., 0] == number
            hits = float(shares[is_there].sum(dtype=np.float64))
            dices.append((2 * hits + 1) / (float(shares.sum(dtype=np.float64)) + float(is_there.sum()) + 1))
        total += float(entropy) + 1 - float(np.mean(dices))
    return total / len(targets)


def measure(outputs: npt.NDArray[np.float32], targets: npt.NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the `OBJECTIVES`; shapes as for `evaluate`."""
    dice, iou = dice_and_iou(count(outputs, targets))
    return {
        "val_dice": float(dice.mean()),
        "val_iou": float(iou.mean()),
        "val_mask_loss": mask_loss(outputs, targets),
    }


def parse(values: Mapping[str, Any]) -> MaskEvaluation:
    """Reads scores of `MaskEvaluation.to_json`'s, and refuses inconsistent ones: pages are made of them.

    Raises:
        LookupError, TypeError, ValueError: these are no scores of masks.
    """
    low, high = values["interval"]
    by_class = {str(name): _share(value) for name, value in values["by_class"].items()}
    scores = MaskEvaluation(
        num_examples=int(values["num_examples"]),
        **{
            name: _share(values[name])
            for name in ("dice", "iou", "pooled_dice", "pixel_accuracy", "foreground", "background_dice")
        },
        mask_loss=_finite(values["mask_loss"]),
        interval=(_share(low), _share(high)),
        by_class=by_class,
        shares={name: _share(values["shares"][name]) for name in by_class},
        by_picture=tuple(map(_share, values["by_picture"])),
        further={str(name): _finite(value) for name, value in values.get("further", {}).items()},
    )
    if not by_class or scores.num_examples < 1 or len(scores.by_picture) != scores.num_examples:
        raise ValueError("there is no class, no picture, or not one Dice for each picture")
    return scores


def _of_classes(outputs: Probabilities, true: Masks) -> Probabilities:
    """The probability of each pixel's true class, shape (height, width)."""
    if outputs.shape[-1] == 1:
        return np.where(true[..., 0] > 0, outputs[..., 0], 1 - outputs[..., 0])
    return np.take_along_axis(outputs, true.astype(np.int64), axis=-1)[..., 0]


def _share(value: Any) -> float:
    number = _finite(value)
    if not 0 <= number <= 1:
        raise ValueError(f"expected a share, got {number}")
    return number


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {value}")
    return number
