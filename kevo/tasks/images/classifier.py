"""A saved classifier of pictures in use, which may come from anywhere: its classes are named by a file of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.tasks.images.contract import read_contract, read_known
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.images.predictor import PicturePredictor, run_of
from kevo.tasks.outputs.classes.class_names import labels_file, read_labels
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.saved_model import load_model, model_file


class Classifier(PicturePredictor):
    """A saved model with the names of its classes. `Classifier.open` finds both.

    Args:
        model: Raw RGB pixels 0-255 in, shape (batch, height, width, 3); class probabilities out.
        class_names: One for each output, in their order.
        facts: As for `PicturePredictor`.

    Raises:
        ModelError: the model has other inputs or outputs.

    Example:
        >>> classifier = Classifier.open("kevo-runs/pets-20260725-101500")  # doctest: +SKIP
        >>> for picture in classifier.predict("new/"):  # doctest: +SKIP
        ...     print(picture.path, picture.label, picture.probability)
    """

    def __init__(self, model: keras.Model, *, class_names: Iterable[str], **facts: Any) -> None:
        super().__init__(model, Classes(tuple(class_names)), **facts)

    @classmethod
    def open(cls, path: str | Path, *, labels: str | Path | None = None) -> Classifier:
        """Opens a saved model. Nothing in the file is executed.

        Args:
            path: A `.keras` file, or a run folder, whose `best.keras` it then is.
            labels: The names of the classes, in the order of the outputs: a `.json` list, or a text with one in each
                line. `None` finds the `labels.json` that a search leaves beside its model.

        Raises:
            ModelError: the model cannot be read, wants to run code, is no classifier of pictures, or has no class names
                that fit.
        """
        path = model_file(Path(path))
        model = load_model(path, expected="a classifier of pictures")
        class_names = read_labels(labels_file(path) if labels is None else Path(labels))
        return cls(
            model,
            class_names=class_names,
            run=run_of(path),
            contract=read_contract(path),
            known=read_known(path),
            name=str(path),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the outputs."""
        return self.output.names

    def probabilities(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Returns the class probabilities of pictures, shape (n, num_classes).

        Args:
            pictures: Raw pixels 0-255, shape (n, height, width, 3).

        Raises:
            ModelError: what the model says are no probabilities.
        """
        return self.outputs(pictures)
