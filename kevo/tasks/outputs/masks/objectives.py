"""The objectives of a search for masks, by name."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kevo.errors import SettingsError
from kevo.objective import Objective
from kevo.scorers import Objectives

_LOSS = "val_mask_loss"
"""It sees more of each pixel than its class, and decides where Dice is as good as equal."""
_PIXELS_COUNT = 10
"""The Dice of a picture varies as the share of so many draws: pixels of one picture are neither one nor many examples.
"""


def dice_error(dice: float, num_examples: int) -> float:
    """Returns about the standard error of a mean Dice.

    Args:
        dice: The mean over pictures.
        num_examples: The number of pictures.

    Example:
        >>> round(dice_error(0.8, 16), 4)
        0.0316
    """
    return math.sqrt(dice * (1 - dice) / (_PIXELS_COUNT * num_examples))


def answered(outputs: npt.NDArray[np.floating]) -> object:
    """Raises a `SettingsError`: scorers of scikit-learn's take one answer for each example."""
    raise SettingsError(
        "Scorers of scikit-learn's judge one answer for each example, and masks have one for each pixel. Expected one "
        "of the objectives dice, iou and loss."
    )


_TABLE = {
    "dice": Objective("val_dice", "max", tie_breaker=_LOSS, standard_error=dice_error),
    "iou": Objective("val_iou", "max", tie_breaker=_LOSS, standard_error=dice_error),
    # Not `val_loss`: the loss is a gene, and would change what is compared.
    "loss": Objective(_LOSS, "min"),
}
OBJECTIVES = Objectives(_TABLE, tie_breaker=_LOSS, answered=answered)
"""The first is the default."""

COMPARED_SCORES = (("validation", "mask_loss"), ("validation", "dice"), ("test", "dice"))
"""What tells an ensemble from a single model; see `TaskKind.compared_scores`."""
