"""The names of the tasks of pictures, by what is asked."""

from __future__ import annotations

from collections.abc import Mapping

from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.labels.output import MULTILABEL
from kevo.tasks.outputs.masks.output import SEGMENTATION
from kevo.tasks.outputs.numbers.output import REGRESSION

ROWS: Mapping[str, str] = {
    CLASSIFICATION: "images",
    REGRESSION: "image-regression",
    MULTILABEL: "image-multilabel",
    SEGMENTATION: "segmentation",
}
