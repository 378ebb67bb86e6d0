"""A saved model of pictures that is written in other formats, and the pictures that an export is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.images import datasets, networks, portable
from kevo.tasks.images.contract import read_contract
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.targets import CLASS_LABELS, Targets
from kevo.tasks.options import is_crop
from kevo.tasks.outputs.classes.class_names import labels_file, read_labels
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.labels.output import Labels
from kevo.tasks.outputs.numbers.output import Numbers
from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.export import Accuracies, Predict
from kevo.tasks.sampling import Sampling
from kevo.tasks.saved_model import home, load_model

Shape = tuple[int | None, ...]
"""(batch, height, width, 3); `None` stands for any number."""

_NUM_PICTURES = 32
_NUM_RANDOM = 16
_RANDOM_SIZE = 64
_MAX_SCORED = 1000
_CHUNK = 32
_NUM_ODD = 4


@dataclass(frozen=True, slots=True)
class Exam:
    """Pictures to try an export on.

    Args:
        pictures: Pixels 0-255, shape (n, height, width, 3).
        words: What they are.
        dataset: Where they come from; `None` for random pixels.
        notes: What a user should know of them.
    """

    pictures: npt.NDArray[np.uint8]
    words: str
    dataset: ImageDataset | None = None
    notes: tuple[str, ...] = ()


class ExportablePictureModel:
    """A saved model with pictures to try an export on. `ExportablePictureModel.open` finds both.

    Args:
        model: Raw RGB pixels 0-255 in, shape (batch, height, width, 3); answers out.
        output: What it answers; `None` for classes whose names are unknown.
        pictures: What an export is tried on.
    """

    input_name = "pixels"
    axes = ("batch", "height", "width", "channels")

    def __init__(self, model: keras.Model, *, output: Output | None, pictures: Exam) -> None:
        self.model = model
        self._output = output
        self._exam = pictures
        self._own_size = portable.own_size(model)

    @classmethod
    def open(cls, path: Path, *, run: Run | None, data: str | None) -> ExportablePictureModel:
        """Loads a model, and finds pictures. Nothing in its file is executed.

        Args:
            path: A `.keras` file.
            run: The search that it comes from; `None` where there is none.
            data: Pictures, as `kevo.search` takes them. `None` for those of the search, or else random pixels.

        Raises:
            ModelError: it cannot be loaded, is no model of pictures, or has other outputs than are said.
            DataError: `data` cannot be read, or has other answers.
        """
        contract = read_contract(path)
        output = None if contract is None else contract.output
        if output is None and (run is not None or (home(path) / layout.LABELS).is_file()):
            output = Classes(read_labels(labels_file(path)))
        model = load(path, output=output)
        pictures = exam(run, data, output=output, num_outputs=model.outputs[0].shape[1])
        if output is None and pictures.dataset is not None:
            output = pictures.dataset.output
        return cls(model, output=output, pictures=pictures)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the outputs."""
        return None if self._output is None else self._output.names

    @property
    def output_name(self) -> str:
        """Numbers, or else probabilities."""
        return "numbers" if isinstance(self._output, Numbers) else "probabilities"

    @property
    def shape(self) -> Shape:
        """Pictures of any size, or of the model's own where its input is fixed."""
        is_free = None in self.model.inputs[0].shape[1:3]
        return (None, None, None, 3) if is_free or self._own_size is None else (None, *self._own_size, 3)

    @property
    def fixed_shape(self) -> tuple[int, ...] | None:
        """One picture of the size that the network looks at."""
        return None if self._own_size is None else (1, *self._own_size, 3)

    @property
    def compared_on(self) -> str:
        """Which pictures they are."""
        return self._exam.words

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the pictures."""
        return self._exam.notes

    def portable(self, shape: Shape) -> keras.Model:
        """The model without antialiased resizing."""
        size = _size(shape)
        is_own = size is None or size == tuple(self.model.inputs[0].shape[1:3])
        return portable.portable(self.model, size=None if is_own else size)

    def example(self, shape: Shape) -> npt.NDArray[np.float32]:
        """The first picture."""
        return next(_batches(self._exam.pictures[:1], size=_size(shape)))

    def calibration(self, shape: Shape, *, num_examples: int) -> Callable[[], Iterator[npt.NDArray[np.float32]]]:
        """Training pictures, one by one.

        Raises:
            SettingsError: there are random pixels only.
        """
        if self._exam.dataset is None:
            raise SettingsError(f"Nothing is quantized by random pixels. {' '.join(self._exam.notes)}")
        if self._output is not None and not isinstance(self._output, Classes):
            raise SettingsError(
                "Only classifiers are quantized, by whose accuracy it shows whether that went well: this model answers "
                f"with {self._output.returns}. Leave the quantization out."
            )
        train = self._exam.dataset.train
        pictures = train.pictures[_some(len(train), num_examples)]
        return lambda: _batches(pictures, size=_size(shape), chunk=1)

    def difference(self, predict: Predict, reference: Predict, shape: Shape) -> float:
        """By how much a probability differs at most, or a number in standard deviations; infinity for what is none.

        An export that takes pictures of any size is tried on higher and wider ones too.
        """
        pictures, largest = self._exam.pictures, 0.0
        sizes = [_size(shape)]
        if sizes == [None]:
            height, width = pictures.shape[1:3]
            sizes += [(height * 3 // 2, max(1, width * 3 // 4)), (height // 2 + 1, width * 2)]
        for number, size in enumerate(sizes):
            for pixels in _batches(pictures[:_NUM_ODD] if number else pictures, size=size):
                found, expected = predict(pixels), reference(pixels)
                if found.shape != expected.shape or not np.isfinite(found).all():
                    return float("inf")
                largest = max(largest, float(np.abs(found - expected).max()))
        return largest / (self._output.deviation if isinstance(self._output, Numbers) else 1.0)

    def accuracies(self, predict: Predict, reference: Predict, shape: Shape) -> Accuracies | None:
        """Scores an export and its Keras model on the same pictures: all of the test split, or 1,000 of it by chance.

        The Keras model sees the pictures as they are stored; the export at the size that it takes.
        """
        if self._exam.dataset is None or not isinstance(self._exam.dataset.output, Classes):
            return None
        test = self._exam.dataset.test
        chosen = _some(len(test), _MAX_SCORED)
        pictures, labels = test.pictures[chosen], test.labels[chosen]

        def score(one: Predict, size: tuple[int, int] | None) -> float:
            found = np.concatenate([one(pixels).argmax(axis=1) for pixels in _batches(pictures, size=size)])
            return float((found == labels).mean())

        return Accuracies(score(predict, _size(shape)), score(reference, None), len(chosen))


def load(path: Path, *, output: Output | None) -> keras.Model:
    """Loads a model. Nothing in its file is executed.

    Raises:
        ModelError: it cannot be loaded, is no model of pictures, or has other outputs than are said.
    """
    model = load_model(path, expected="a model of pictures")
    inputs, outputs = ([tuple(one.shape) for one in ends] for ends in (model.inputs, model.outputs))
    if [len(shape) for shape in inputs] != [4] or inputs[0][3] != 3 or [len(shape) for shape in outputs] != [2]:
        raise ModelError(
            f"{path} is no model of pictures. Expected pixels of shape (None, height, width, 3) in and "
            f"outputs of shape (None, number of outputs) out. Received: {inputs} and {outputs}."
        )
    if output is not None and outputs[0][1] != output.size:
        raise ModelError(
            f"{path} has {outputs[0][1]} outputs, and {layout.LABELS} names {output.summary()}. "
            "Expected one for each output, in their order."
        )
    return model


def exam(run: Run | None, data: str | None, *, output: Output | None, num_outputs: int) -> Exam:
    """Finds pictures: those of `data`, or of the model's search, or else random pixels.

    Args:
        run: The search.
        data: Pictures, as `kevo.search` takes them.
        output: What the model answers; `None` for classes whose names are unknown.
        num_outputs: How many outputs it has.

    Raises:
        DataError: `data` cannot be read, or has other answers.
    """
    seed, note = 0, "No pictures are known: name some with --data."
    if run is not None:
        seed = run.search_settings().seed
    stored = None if run is None else run.settings.get("data")
    if data is not None:
        options = {} if run is None else dict(run.search_settings().options)
        return _of(_dataset(data, seed, output, num_outputs, target=options.get("target")))
    if run is not None and isinstance(stored, str) and not run.is_own:
        note = (
            f"Somebody else has begun the search, or its settings have changed: the pictures in {stored} were not "
            "read. Name them with --data."
        )
    elif run is not None and isinstance(stored, str):
        try:
            search = run.search_settings()
            dataset = _dataset(stored, seed, output, num_outputs, **search.options, most=search.max_examples)
        except KevoError as error:
            note = f"The pictures of the search cannot be used: {error} Others can be named with --data."
        else:
            if dataset.fingerprint() == run.settings.get("fingerprint"):
                return _of(dataset)
            return _of(dataset, f"The pictures in {stored} have changed since the search, and so may the splits have.")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (_NUM_RANDOM, _RANDOM_SIZE, _RANDOM_SIZE, 3), dtype=np.uint8)
    words = f"{_NUM_RANDOM} pictures of random pixels"
    return Exam(pixels, words, notes=(f"Compared on {words}, which is a weak check. {note}",))


def _dataset(
    data: str,
    seed: int,
    output: Output | None,
    num_outputs: int,
    *,
    groups: str | None = None,
    target: str | None = None,
    fit: str | None = None,
    most: int | None = None,
) -> ImageDataset:
    targets = CLASS_LABELS if output is None else Targets(output.asks, target)
    sampling = Sampling(most, seed=seed)
    dataset = datasets.load(data, seed=seed, groups=groups, targets=targets, sampling=sampling, crop=is_crop(fit))
    if isinstance(output, Classes | Labels) and dataset.output != output:
        raise DataError(
            f"{data} has the classes {_listed(dataset.class_names)}, and the model {_listed(output.names)}. "
            "Expected the same."
        )
    if dataset.num_classes != num_outputs:
        raise DataError(f"{data} has {dataset.num_classes} classes, and the model {num_outputs}. Expected as many.")
    return dataset


def _of(dataset: ImageDataset, *notes: str) -> Exam:
    chosen = _some(len(dataset.test), _NUM_PICTURES)
    return Exam(
        dataset.test.pictures[chosen], f"{len(chosen)} test pictures of {dataset.name}", dataset=dataset, notes=notes
    )


def _size(shape: Shape) -> tuple[int, int] | None:
    """Returns the height and width of a shape, in pixels; `None` where they may be any."""
    _, height, width, _ = shape
    return None if height is None or width is None else (height, width)


def _batches(
    pictures: npt.NDArray[np.uint8], *, size: tuple[int, int] | None, chunk: int = _CHUNK
) -> Iterator[npt.NDArray[np.float32]]:
    """Yields pictures in batches, at the size that an export takes; `None` leaves them as they are."""
    for start in range(0, len(pictures), chunk):
        pixels = pictures[start : start + chunk].astype(np.float32)
        yield pixels if size is None else np.asarray(networks.resize(pixels, size))


def _some(num_all: int, num_wanted: int) -> npt.NDArray[np.int64]:
    """Returns the places of some pictures, the same each time, or of all if there are no more."""
    return np.sort(np.random.default_rng(0).permutation(num_all)[:num_wanted])


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown}, ... ({len(names)})" if len(names) > 5 else shown
