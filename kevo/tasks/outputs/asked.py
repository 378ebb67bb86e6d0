"""What may be asked of examples, as far as the rows of the table of tasks must know it: nothing here loads Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kevo.scorers import Objectives
from kevo.tasks.outputs.classes import evaluation as class_evaluation
from kevo.tasks.outputs.classes import objectives as class_objectives
from kevo.tasks.outputs.classes.confusion_matrix import confusion_matrix
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.forecasts import evaluation as forecast_evaluation
from kevo.tasks.outputs.forecasts import objectives as forecast_objectives
from kevo.tasks.outputs.forecasts.figures import lines
from kevo.tasks.outputs.forecasts.output import SERIES
from kevo.tasks.outputs.labels import evaluation as label_evaluation
from kevo.tasks.outputs.labels import objectives as label_objectives
from kevo.tasks.outputs.labels.figures import bars
from kevo.tasks.outputs.labels.output import MULTILABEL
from kevo.tasks.outputs.masks import evaluation as mask_evaluation
from kevo.tasks.outputs.masks import objectives as mask_objectives
from kevo.tasks.outputs.masks.figures import bars as dice_bars
from kevo.tasks.outputs.masks.output import SEGMENTATION
from kevo.tasks.outputs.numbers import evaluation as number_evaluation
from kevo.tasks.outputs.numbers import objectives as number_objectives
from kevo.tasks.outputs.numbers.figures import scatter
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.pages import Drawing
from kevo.tasks.protocols.scores import Scores


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that may be asked.

    Args:
        word: The word for it in `Settings.task`.
        objectives: What may be improved; the first is the default.
        compared_scores: See `TaskKind.compared_scores`.
        curves: See `TaskKind.curves`.
        parse_scores: Reads scores of JSON values.
        drawings: Returns the figures of scores on the test split, from these and what the examples are called.
    """

    word: str
    objectives: Objectives
    compared_scores: tuple[tuple[str, str], ...]
    curves: Mapping[str, str]
    parse_scores: Callable[[Mapping[str, Any]], Scores]
    drawings: Callable[[Any, str], Sequence[Drawing]]


CLASSES = Asked(
    CLASSIFICATION,
    class_objectives.OBJECTIVES,
    class_objectives.COMPARED_SCORES,
    {"accuracy": "val_accuracy", "loss": "val_cross_entropy"},
    class_evaluation.parse,
    lambda test, examples: [confusion_matrix(test, examples=examples)],
)
LABELS = Asked(
    MULTILABEL,
    label_objectives.OBJECTIVES,
    label_objectives.COMPARED_SCORES,
    {"average_precision": "val_average_precision", "loss": "val_binary_cross_entropy"},
    label_evaluation.parse,
    lambda test, examples: [bars(test, examples=examples)],
)
MASKS = Asked(
    SEGMENTATION,
    mask_objectives.OBJECTIVES,
    mask_objectives.COMPARED_SCORES,
    {"dice": "val_dice", "loss": "val_mask_loss"},
    mask_evaluation.parse,
    lambda test, examples: [dice_bars(test, examples=examples)],
)
NUMBERS = Asked(
    REGRESSION,
    number_objectives.OBJECTIVES,
    number_objectives.COMPARED_SCORES,
    {"r2": "val_r2", "loss": "val_mse"},
    number_evaluation.parse,
    lambda test, examples: [scatter(test, examples=examples)],
)
FORECASTS = Asked(
    SERIES,
    forecast_objectives.OBJECTIVES,
    forecast_objectives.COMPARED_SCORES,
    {"mase": "val_mase", "loss": "val_mse"},
    forecast_evaluation.parse,
    lambda test, examples: [lines(test)],
)
