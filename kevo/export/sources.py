"""What is exported: a model file, the names of its classes, and pictures to try it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.images import datasets, model_io
from kevo.tasks.images.datasets import ImageDataset

MODELS = {"best": layout.MODEL, "ensemble": layout.ENSEMBLE}
"""The files of a run folder's models, by what they are called."""
_NUM_PICTURES = 32
_NUM_RANDOM = 16
_RANDOM_SIZE = 64


@dataclass(frozen=True, slots=True)
class Source:
    """A model on disk.

    Args:
        path: Its `.keras` file.
        folder: The folder that it belongs to.
        class_names: Its classes, in the order of its outputs; `None` where nobody says.
        run: The search that it comes from, where there is one.
    """

    path: Path
    folder: Path
    class_names: tuple[str, ...] | None
    run: Run | None


def find(path: Path, *, model: str) -> Source:
    """Finds a model.

    Args:
        path: A run folder, or a `.keras` file.
        model: Which one of a run folder.

    Raises:
        ModelError: there is no such model, or its classes cannot be read.
        RunError: the folder is no run folder, or holds what none does.
        SettingsError: `model` is unknown, or chooses in what is no folder.
    """
    if model not in MODELS:
        raise SettingsError(f"Unknown model {model!r}. Expected one of: {', '.join(MODELS)}.")
    if path.is_dir():
        run = Run.open(path)
        file = path / MODELS[model]
        if model == "best":
            file = model_io.model_file(path)
        elif not file.is_file():
            raise ModelError(
                f"{path} holds no {file.name}: its search found none that is better than {layout.MODEL} alone."
            )
        return Source(file, path, tuple(model_io.read_labels(model_io.labels_file(file))), run)
    if model != "best":
        raise SettingsError(f"{path} is one model, and {model!r} chooses in a run folder. Name the run folder.")
    home = model_io.home(path)
    labels = home / layout.LABELS
    return Source(
        path,
        home,
        tuple(model_io.read_labels(labels)) if labels.is_file() else None,
        Run.open(home) if (home / layout.SETTINGS).exists() else None,
    )


def load(source: Source) -> keras.Model:
    """Loads the model. Nothing in its file is executed.

    Raises:
        ModelError: it cannot be loaded, is no classifier of pictures, or has other classes than are said.
    """
    model = model_io.load_model(source.path)
    inputs, outputs = ([tuple(one.shape) for one in ends] for ends in (model.inputs, model.outputs))
    if [len(shape) for shape in inputs] != [4] or inputs[0][3] != 3 or [len(shape) for shape in outputs] != [2]:
        raise ModelError(
            f"{source.path} is no classifier of pictures. Expected pixels of shape (None, height, width, 3) in and "
            f"class probabilities of shape (None, number of classes) out. Received: {inputs} and {outputs}."
        )
    if source.class_names is not None and outputs[0][1] != len(source.class_names):
        raise ModelError(
            f"{source.path} has {outputs[0][1]} outputs, and {layout.LABELS} names {len(source.class_names)} classes. "
            "Expected one for each output, in their order."
        )
    return model


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


def exam(source: Source, data: str | Path | None, *, num_classes: int) -> Exam:
    """Finds pictures: those of `data`, or of the model's search, or else random pixels.

    Raises:
        DataError: `data` cannot be read, or has other classes.
    """
    seed, note = 0, "No pictures are known: name some with --data."
    if source.run is not None:
        seed = source.run.search_settings().seed
    stored = None if source.run is None else source.run.settings.get("data")
    if data is not None:
        return _of(_dataset(str(data), seed, source, num_classes))
    if source.run is not None and isinstance(stored, str):
        try:
            dataset = _dataset(stored, seed, source, num_classes)
        except KevoError as error:
            note = f"The pictures of the search cannot be used: {error} Others can be named with --data."
        else:
            if dataset.fingerprint() == source.run.settings.get("fingerprint"):
                return _of(dataset)
            return _of(dataset, f"The pictures in {stored} have changed since the search, and so may the splits have.")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (_NUM_RANDOM, _RANDOM_SIZE, _RANDOM_SIZE, 3), dtype=np.uint8)
    words = f"{_NUM_RANDOM} pictures of random pixels"
    return Exam(pixels, words, notes=(f"Compared on {words}, which is a weak check. {note}",))


def _dataset(data: str, seed: int, source: Source, num_classes: int) -> ImageDataset:
    dataset = datasets.load(data, seed=seed)
    if source.class_names is not None and dataset.class_names != source.class_names:
        raise DataError(
            f"{data} has the classes {_listed(dataset.class_names)}, and the model {_listed(source.class_names)}. "
            "Expected the same."
        )
    if dataset.num_classes != num_classes:
        raise DataError(f"{data} has {dataset.num_classes} classes, and the model {num_classes}. Expected as many.")
    return dataset


def _of(dataset: ImageDataset, *notes: str) -> Exam:
    chosen = some(len(dataset.test), _NUM_PICTURES)
    return Exam(
        dataset.test.pictures[chosen], f"{len(chosen)} test pictures of {dataset.name}", dataset=dataset, notes=notes
    )


def some(num_all: int, num_wanted: int) -> npt.NDArray[np.int64]:
    """Returns the places of some pictures, the same each time, or of all if there are no more."""
    return np.sort(np.random.default_rng(0).permutation(num_all)[:num_wanted])


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"{shown}, ... ({len(names)})" if len(names) > 5 else shown
