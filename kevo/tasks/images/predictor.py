"""A saved model of pictures in use: opened safely with what it answers, it predicts pictures and is scored."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.settings import Settings
from kevo.tasks.images import networks
from kevo.tasks.images.contract import Contract, read_contract, read_known
from kevo.tasks.images.datasets import Limits, Skipped, Split, arrays, loose
from kevo.tasks.images.datasets.dataset import digest, natural
from kevo.tasks.images.datasets.held_out import choose
from kevo.tasks.images.datasets.loading import divide
from kevo.tasks.images.datasets.pictures import File, Size, decode
from kevo.tasks.images.datasets.reading import Found, read
from kevo.tasks.images.datasets.targets import Targets
from kevo.tasks.images.gradcam import Drawer
from kevo.tasks.images.inference import predict
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.options import GROUPS, TARGET
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.output import Output
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.sampling import EVERYTHING, Sampling
from kevo.tasks.saved_model import home, load_model, model_file

_CHUNK = 32
"""Pictures in memory at a time."""


class PicturePredictor:
    """A saved model with what it answers. `PicturePredictor.open` finds both.

    Args:
        model: Raw RGB pixels 0-255 in, shape (batch, height, width, 3); answers out.
        output: What it answers.
        run: The search that it comes from, where there is one.
        contract: How its pictures are read; `None` where it does not say.
        known: Hashes of the pictures that it was trained or chosen with, as far as they are known.
        name: What to call it in errors.

    Raises:
        ModelError: the model has other inputs or outputs.

    Example:
        >>> predictor = PicturePredictor.open("kevo-runs/ages-20260725-101500")  # doctest: +SKIP
        >>> for picture in predictor.predict("new/"):  # doctest: +SKIP
        ...     print(picture.path, picture.value)
    """

    def __init__(
        self,
        model: keras.Model,
        output: Output,
        *,
        run: Run | None = None,
        contract: Contract | None = None,
        known: frozenset[bytes] = frozenset(),
        name: str = "The model",
    ) -> None:
        self.output = output
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
                f"{name} has outputs of the shape {_listed(outputs)}. Expected {output.summary()}: (None, "
                f"{output.size})."
            )
        if outputs[0][1] != output.size:
            raise ModelError(
                f"{name} has {outputs[0][1]} outputs, and there are {output.size} names of them. Name each output, in "
                "their order."
            )
        sides = inputs[0][1:3]
        self.model = model if None in sides or sides[0] == sides[1] else networks.deployable(model)
        self.image_size: Size | None = None if None in sides else max(filter(None, sides))
        if contract is not None:
            self.image_size = contract.image_size
        self._known = known
        self._whites = None if contract is None else contract.whites
        self._crop = contract is not None and contract.crop

    @classmethod
    def open(cls, path: str | Path) -> PicturePredictor:
        """Opens a saved model that says itself what it answers. Nothing in the file is executed.

        Args:
            path: A `.keras` file, or a run folder, whose `best.keras` it then is.

        Raises:
            ModelError: the model cannot be read, wants to run code, is none of pictures, or does not say what it
                answers.
        """
        path = model_file(Path(path))
        contract = read_contract(path)
        if contract is None or contract.output is None:
            raise ModelError(f"There is no {layout.TASK} beside {path} that says what it answers. Put it back.")
        model = load_model(path, expected="a model of pictures")
        known, name = read_known(path), str(path)
        return PicturePredictor(model, contract.output, run=run_of(path), contract=contract, known=known, name=name)

    def outputs(self, pictures: Pictures) -> npt.NDArray[np.float32]:
        """Returns the outputs for pictures, shape (n, any).

        Args:
            pictures: Raw pixels 0-255, shape (n, height, width, 3).

        Raises:
            ModelError: what the model says is no answer of its kind.
        """
        found = predict(self.model, pictures)
        self.output.check(found, self._name)
        return found

    def predict(
        self,
        paths: str | Path | Iterable[str | Path] | npt.NDArray[Any],
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: str | Path | None = None,
    ) -> Iterator[Prediction]:
        """Predicts pictures one after another, however many there are.

        Each picture is read as those that the model was trained with, see `kevo.read_picture`.

        Args:
            paths: Files and folders; in a folder every file at any depth, hidden ones aside. Or pictures as an array
                of shape (n, height, width[, 1, 3 or 4]), which are then called by their places.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: A folder for drawings of what speaks for the predicted class, see `gradcam`. `None` draws
                none.

        Yields:
            One prediction for each picture, in order.

        Raises:
            DataError: a picture cannot be read, and nobody is told; or an array is none of pictures.
            ModelError: the model is none for Grad-CAM, or its outputs are no answers of their kind.
            SettingsError: the model does not classify, and a drawing was asked for.
            RunError: a drawing cannot be written.
        """
        if grad_cam is not None and not isinstance(self.output, Classes):
            raise SettingsError(
                f"Grad-CAM draws what speaks for one class of several, and {self._name} answers with "
                f"{self.output.returns}. Leave it out."
            )
        if isinstance(paths, np.ndarray):
            if grad_cam is not None:
                raise DataError("Grad-CAM draws into pictures of files. Received an array. Name the files.")
            yield from self._predicted_array(paths)
            return
        drawer = None if grad_cam is None else Drawer(self.model, Path(grad_cam), crop=self._crop)
        files = self._files([paths] if isinstance(paths, str | Path) else paths, skip or _refuse)
        while chunk := list(itertools.islice(files, _CHUNK)):
            yield from self._predicted(chunk, drawer)

    def evaluate(self, data: Any = None, *, split: str | None = None) -> Scored:
        """Scores the model on pictures whose answers are known.

        Args:
            data: As for `kevo.search`. Classes are matched by name, whatever their order.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where the source has one, or
                where these are the pictures of the model's own search, which made one: the scores are those of its
                result. Else all pictures.

        Raises:
            DataError: the pictures cannot be read, their answers are not the model's, or there is no such split.
            ModelError: what the model says is no answer of its kind.
        """
        targets = self._targets()
        found = read(
            data,
            image_size=self.image_size,
            whites=self._whites,
            groups=self._groups(data),
            targets=targets,
            sampling=self._sampling(data),
            crop=self._crop,
        )
        skipped = tuple(sorted(found.skipped, key=lambda one: natural(one.path)))
        own = self._own_splits(found, targets)
        if own is not None and split in (None, *own):
            split = split or "test"
            chosen = own[split]
        else:
            split, chosen = choose(found, self.output, split=split)
        outputs = self.outputs(chosen.pictures)
        scores = self.output.score(outputs, chosen.labels)
        num_familiar = sum(digest(picture) in self._known for picture in chosen.pictures) if self._known else 0
        is_familiar = num_familiar > 0 or (own is not None and split != "test")
        return self.output.scored(
            scores,
            data=found.name,
            split=split,
            examples="pictures",
            is_familiar=is_familiar,
            skipped=skipped,
            num_familiar=num_familiar,
            outputs=outputs,
            targets=chosen.labels,
        )

    def _groups(self, data: Any) -> str | None:
        """Returns the groups of the model's search, where these may be its pictures."""
        # An expression of somebody else's may take for ever.
        is_trusted = self._run is not None and self._run.is_own
        search = self._search_of(data) if is_trusted else None
        return None if search is None else search.options.get(GROUPS.name)

    def _sampling(self, data: Any) -> Sampling:
        """Returns which part of the pictures the model's search used, where these may be its pictures."""
        search = self._search_of(data)
        return EVERYTHING if search is None else Sampling(search.max_examples, seed=search.seed)

    def _search_of(self, data: Any) -> Settings | None:
        """Returns the settings of the model's search, where these may be its pictures."""
        if self._run is None or not isinstance(data, str | Path):
            return None
        try:
            is_own = self._run.settings.get("data") == str(Path(data).resolve())
            return self._run.search_settings() if is_own else None
        except KevoError:
            return None

    def _targets(self) -> Targets:
        """Returns which columns hold answers, as far as the model's search says."""
        target = None
        if self._run is not None:
            with contextlib.suppress(KevoError):
                target = self._run.search_settings().options.get(TARGET.name)
        return Targets(self.output.asks, target)

    def _own_splits(self, found: Found, targets: Targets) -> dict[str, Split] | None:
        """Returns the pictures as the model's search divided them; `None` where they are others."""
        if self._run is None:
            return None
        try:
            dataset = divide(found, seed=self._run.search_settings().seed, targets=targets)
        except KevoError:
            return None
        if dataset.output != self.output or dataset.fingerprint() != self._run.settings.get("fingerprint"):
            return None
        return {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}

    def _files(self, paths: Iterable[str | Path], skip: Callable[[Skipped], object]) -> Iterator[tuple[File, Pictures]]:
        """Yields every file that is a picture, with its pixels."""
        for file in loose.find(paths):
            if isinstance(file, Skipped):
                skip(file)
                continue
            decoded = decode([file], image_size=self.image_size, limits=Limits(), whites=self._whites, crop=self._crop)
            if (reason := decoded.reasons[0]) is None:
                yield file, decoded.pictures[0]
            else:
                skip(Skipped(file.path, reason))

    def _predicted_array(self, pictures: npt.NDArray[Any]) -> Iterator[Prediction]:
        # All of them together tell which value is white.
        blocks = arrays.from_mapping({"train": (pictures, np.zeros(len(pictures), int))})["train"].blocks
        read, *_ = arrays.to_pictures(
            {"train": blocks}, image_size=self.image_size, whites=self._whites, crop=self._crop
        )
        for start in range(0, len(pictures), _CHUNK):
            outputs = self.outputs(read["train"][start : start + _CHUNK])
            yield from self.output.predictions(outputs, [Located(path=str(start + n)) for n in range(len(outputs))])

    def _predicted(self, chunk: list[tuple[File, Pictures]], drawer: Drawer | None) -> Iterator[Prediction]:
        places: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, (_, pixels) in enumerate(chunk):
            places[pixels.shape].append(place)
        outputs = np.empty((len(chunk), self.output.size), np.float32)
        drawings: dict[int, Path] = {}
        for same in places.values():
            pictures = np.stack([chunk[place][1] for place in same])
            outputs[same] = self.outputs(pictures)
            if drawer is not None:
                drawn = drawer.draw([chunk[place][0] for place in same], pictures, outputs[same].argmax(axis=1))
                drawings.update(zip(same, drawn, strict=True))
        places_of = [Located(path=file.path, grad_cam=drawings.get(place)) for place, (file, _) in enumerate(chunk)]
        yield from self.output.predictions(outputs, places_of)


def run_of(path: Path) -> Run | None:
    """Returns the search that a model's file comes from; `None` where there is none."""
    with contextlib.suppress(KevoError):
        return Run.open(home(path))
    return None


def _refuse(skipped: Skipped) -> None:
    raise DataError(f"The picture {skipped.path} {skipped.reason}. Leave it out, or give `skip` to go on without it.")


def _shapes(tensors: Sequence[Any] | None) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in tensors or ()]


def _listed(shapes: Sequence[tuple[int | None, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"
