"""A saved classifier in use: opened safely with the names of its classes, it predicts pictures and is scored."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError
from kevo.runs.folder import Run
from kevo.tasks.images import networks
from kevo.tasks.images.contract import Contract, read_contract, read_known
from kevo.tasks.images.datasets import Limits, Skipped, Split, loose
from kevo.tasks.images.datasets.dataset import digest, natural
from kevo.tasks.images.datasets.held_out import choose
from kevo.tasks.images.datasets.loading import Found, divide, read
from kevo.tasks.images.datasets.pictures import File, decode
from kevo.tasks.images.gradcam import Drawer
from kevo.tasks.images.inference import predict
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.outputs.classes import evaluation, predictions
from kevo.tasks.outputs.classes.class_names import labels_file, read_labels
from kevo.tasks.outputs.classes.scored import Scored
from kevo.tasks.saved_model import home, load_model, model_file

_CHUNK = 32
"""Pictures in memory at a time."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for a picture.

    Args:
        path: The picture's file.
        probabilities: For each class how likely it is, the likeliest first.
        grad_cam: A drawing of what in the picture speaks for its class, where it was asked for.
    """

    path: str
    probabilities: dict[str, float]
    grad_cam: Path | None = None

    @property
    def label(self) -> str:
        """The likeliest class."""
        return next(iter(self.probabilities))

    @property
    def probability(self) -> float:
        """How likely that class is."""
        return self.probabilities[self.label]

    @property
    def name(self) -> str:
        """The path of the picture."""
        return self.path

    def line(self, *, top: int = 1) -> str:
        """Returns the likeliest classes with their probabilities, and the path."""
        return predictions.line(self.path, self.probabilities, top=top)

    def to_json(self, *, top: int | None = None) -> dict[str, Any]:
        """Returns the same as JSON values; of `top` classes, or of all."""
        values = {"path": self.path, **predictions.to_json(self.probabilities, top=top)}
        return values if self.grad_cam is None else {**values, "grad_cam": str(self.grad_cam)}


class Classifier:
    """A saved model with the names of its classes. `Classifier.open` finds both.

    Args:
        model: Raw RGB pixels 0-255 in, shape (batch, height, width, 3); class probabilities out.
        class_names: One for each output, in their order.
        run: The search that it comes from, where there is one.
        contract: How its pictures are read; `None` where it does not say.
        known: Hashes of the pictures that it was trained or chosen with, as far as they are known.
        name: What to call it in errors.

    Raises:
        ModelError: the model has other inputs or outputs.

    Example:
        >>> classifier = Classifier.open("kevo-runs/pets-20260725-101500")  # doctest: +SKIP
        >>> for picture in classifier.predict("new/"):  # doctest: +SKIP
        ...     print(picture.path, picture.label, picture.probability)
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        class_names: Iterable[str],
        run: Run | None = None,
        contract: Contract | None = None,
        known: frozenset[bytes] = frozenset(),
        name: str = "The model",
    ) -> None:
        self.class_names = tuple(class_names)
        self._run = run
        self._name = name
        inputs, outputs = _shapes(model.inputs), _shapes(model.outputs)
        if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][3] != 3:
            raise ModelError(
                f"{name} takes inputs of the shape {_listed(inputs)}. Expected RGB pixels of pictures, (None, height, "
                "width, 3)."
            )
        if len(outputs) != 1 or len(outputs[0]) != 2:
            raise ModelError(
                f"{name} has outputs of the shape {_listed(outputs)}. Expected class probabilities, (None, number of "
                "classes)."
            )
        if outputs[0][1] != len(self.class_names):
            raise ModelError(
                f"{name} has {outputs[0][1]} outputs, and there are {len(self.class_names)} class names. Name one "
                "class for each output, in their order."
            )
        sides = inputs[0][1:3]
        self.model = model if None in sides or sides[0] == sides[1] else networks.deployable(model)
        self.image_size = contract.image_size if contract else None if None in sides else max(filter(None, sides))
        self._known = known
        self._whites = None if contract is None else contract.whites

    @classmethod
    def open(cls, path: str | Path, *, labels: str | Path | None = None) -> Self:
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
        run = None
        with contextlib.suppress(KevoError):
            run = Run.open(home(path))
        return cls(
            model,
            class_names=class_names,
            run=run,
            contract=read_contract(path),
            known=read_known(path),
            name=str(path),
        )

    def probabilities(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Returns the class probabilities of pictures, shape (n, num_classes).

        Args:
            pictures: Raw pixels 0-255, shape (n, height, width, 3).

        Raises:
            ModelError: what the model says are no probabilities.
        """
        found = predict(self.model, pictures)
        if not evaluation.are_probabilities(found):
            raise ModelError(
                f"The outputs of {self._name} are no class probabilities: they do not lie between 0 and 1, or do not "
                "sum to 1. Expected a model that ends in a softmax."
            )
        return found

    def predict(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: str | Path | None = None,
    ) -> Iterator[Prediction]:
        """Predicts pictures one after another, however many there are.

        Each picture is read as those that the model was trained with, see `kevo.read_picture`.

        Args:
            paths: Files and folders; in a folder every file at any depth, hidden ones aside.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: A folder for drawings of what speaks for the predicted class, see `gradcam`. `None` draws
                none.

        Yields:
            One prediction for each picture, in order.

        Raises:
            DataError: a picture cannot be read, and nobody is told.
            ModelError: the model is none for Grad-CAM, or its outputs are no probabilities.
            RunError: a drawing cannot be written.
        """
        drawer = None if grad_cam is None else Drawer(self.model, Path(grad_cam))
        files = self._files([paths] if isinstance(paths, str | Path) else paths, skip or _refuse)
        while chunk := list(itertools.islice(files, _CHUNK)):
            yield from self._predicted(chunk, drawer)

    def evaluate(self, data: Any = None, *, split: str | None = None) -> Scored:
        """Scores the model on pictures whose classes are known.

        Args:
            data: As for `kevo.search`. Classes are matched by name, whatever their order.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where the source has one, or
                where these are the pictures of the model's own search, which made one: the scores are those of its
                result. Else all pictures.

        Raises:
            DataError: the pictures cannot be read, their classes are not the model's, or there is no such split.
            ModelError: what the model says are no probabilities.
        """
        found = read(data, image_size=self.image_size, whites=self._whites, groups=self._groups(data))
        skipped = tuple(sorted(found.skipped, key=lambda one: natural(one.path)))
        own = self._own_splits(found)
        if own is not None and split in (None, *own):
            split = split or "test"
            chosen = own[split]
        else:
            split, chosen = choose(found, class_names=self.class_names, split=split)
        scores = evaluation.evaluate(self.probabilities(chosen.pictures), chosen.labels, class_names=self.class_names)
        num_familiar = sum(digest(picture) in self._known for picture in chosen.pictures) if self._known else 0
        is_familiar = num_familiar > 0 or (own is not None and split != "test")
        return Scored(
            found.name,
            split,
            scores,
            "pictures",
            is_familiar=is_familiar,
            skipped=skipped,
            num_familiar=num_familiar,
        )

    def _groups(self, data: Any) -> str | None:
        """Returns the groups of the model's search, where these may be its pictures."""
        if self._run is None or not isinstance(data, str | Path):
            return None
        try:
            is_own = self._run.settings.get("data") == str(Path(data).resolve())
            return self._run.search_settings().options.get("groups") if is_own else None
        except KevoError:
            return None

    def _own_splits(self, found: Found) -> dict[str, Split] | None:
        """Returns the pictures as the model's search divided them; `None` where they are others."""
        if self._run is None:
            return None
        try:
            dataset = divide(found, seed=self._run.search_settings().seed)
        except KevoError:
            return None
        if dataset.class_names != self.class_names or dataset.fingerprint() != self._run.settings.get("fingerprint"):
            return None
        return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}

    def _files(self, paths: Iterable[str | Path], skip: Callable[[Skipped], object]) -> Iterator[tuple[File, Pictures]]:
        """Yields every file that is a picture, with its pixels."""
        for file in loose.find(paths):
            if isinstance(file, Skipped):
                skip(file)
                continue
            decoded = decode([file], image_size=self.image_size, limits=Limits(), whites=self._whites)
            if (reason := decoded.reasons[0]) is None:
                yield file, decoded.pictures[0]
            else:
                skip(Skipped(file.path, reason))

    def _predicted(self, chunk: list[tuple[File, Pictures]], drawer: Drawer | None) -> Iterator[Prediction]:
        places: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, (_, pixels) in enumerate(chunk):
            places[pixels.shape].append(place)
        probabilities = np.empty((len(chunk), len(self.class_names)), np.float32)
        drawings: dict[int, Path] = {}
        for same in places.values():
            pictures = np.stack([chunk[place][1] for place in same])
            probabilities[same] = self.probabilities(pictures)
            if drawer is not None:
                drawn = drawer.draw([chunk[place][0] for place in same], pictures, probabilities[same].argmax(axis=1))
                drawings.update(zip(same, drawn, strict=True))
        for place, (file, _) in enumerate(chunk):
            order = np.argsort(-probabilities[place], kind="stable")
            named = {self.class_names[index]: float(probabilities[place, index]) for index in order}
            yield Prediction(file.path, named, drawings.get(place))


def _refuse(skipped: Skipped) -> None:
    raise DataError(f"The picture {skipped.path} {skipped.reason}. Leave it out, or give `skip` to go on without it.")


def _shapes(tensors: Sequence[Any] | None) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in tensors or ()]


def _listed(shapes: Sequence[tuple[int | None, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"
