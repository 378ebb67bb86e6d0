"""A saved model of masks in use: predicts pictures of any size, and is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.errors import DataError, KevoError, ModelError, SettingsError
from kevo.runs import layout
from kevo.runs.folder import Run
from kevo.tasks.images.contract import Contract, read_contract, read_known
from kevo.tasks.images.datasets import ImageDataset, Limits, loose
from kevo.tasks.images.datasets.dataset import digest
from kevo.tasks.images.datasets.pictures import File, decode
from kevo.tasks.images.inference import predict
from kevo.tasks.images.predictor import run_of
from kevo.tasks.masks import loading
from kevo.tasks.options import GROUPS
from kevo.tasks.outputs.located import Located
from kevo.tasks.outputs.masks.evaluation import THRESHOLD, classes_of
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.outputs.masks.predictions import MaskPrediction
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.use import Prediction, Scored
from kevo.tasks.sampling import Sampling
from kevo.tasks.saved_model import load_model, model_file
from kevo.tasks.splits import SPLITS

_ALL = "all"
"""Every picture of a source."""


class MaskPredictor:
    """A saved model with what it answers. `MaskPredictor.open` finds both.

    Args:
        model: Raw RGB pixels 0-255 in, shape (batch, height, width, 3); the classes of pixels out, shape (batch,
            height, width, any).
        contract: How its pictures are read, and what it answers.
        run: The search that it comes from; `None` where there is none.
        known: Hashes of the pictures that it was trained or chosen with.
        name: What to call it in errors.

    Raises:
        ModelError: the model has other inputs or outputs.

    Example:
        >>> predictor = MaskPredictor.open("kevo-runs/cells-20260725-101500")  # doctest: +SKIP
        >>> for picture in predictor.predict("new/"):  # doctest: +SKIP
        ...     print(picture.path, picture.areas, picture.mask.shape)
    """

    def __init__(
        self,
        model: keras.Model,
        contract: Contract,
        *,
        run: Run | None = None,
        known: frozenset[bytes] = frozenset(),
        name: str = "The model",
    ) -> None:
        if not isinstance(contract.output, PixelClasses):
            raise ModelError(f"The {layout.TASK} beside {name} does not say which classes pixels have. Restore it.")
        self.model = model
        self.output: PixelClasses = contract.output
        size = contract.image_size
        self.image_size = size if isinstance(size, int) else max(size)
        self._whites = contract.whites
        self._run = run
        self._known = known
        self._name = name
        inputs, outputs = ([tuple(one.shape) for one in ends or ()] for ends in (model.inputs, model.outputs))
        if inputs != [(None, None, None, 3)] or [one[3:] for one in outputs] != [(self.output.size,)]:
            raise ModelError(
                f"{name} takes {inputs} and answers with {outputs}. Expected pixels of shape (None, None, None, 3) in, "
                f"and {self.output.summary()} out, (None, None, None, {self.output.size})."
            )

    @classmethod
    def open(cls, path: str | Path) -> MaskPredictor:
        """Opens a saved model. Nothing in the file is executed.

        Args:
            path: A `.keras` file, or a run folder, whose `best.keras` it then is. Its `task.json` lies beside it.

        Raises:
            ModelError: the model or what it answers cannot be read, or they do not fit.
        """
        path = model_file(Path(path))
        contract = read_contract(path)
        if contract is None:
            raise ModelError(f"There is no {layout.TASK} beside {path} that says what it answers. Put it back.")
        model = load_model(path, expected="a model of masks")
        return cls(model, contract, run=run_of(path), known=read_known(path), name=str(path))

    def predict(
        self,
        paths: str | Path | Iterable[str | Path] | npt.NDArray[Any],
        *,
        skip: Callable[[Skipped], object] | None = None,
        grad_cam: str | Path | None = None,
    ) -> Iterator[Prediction]:
        """Predicts the mask of each picture, at its own size.

        Args:
            paths: Files and folders; in a folder every file at any depth, hidden ones aside. Or pictures as an array
                of bytes, shape (n, height, width, 3), which are then called by their rows.
            skip: Is told about a file that cannot be used. `None` raises an error there.
            grad_cam: Must be `None`: the mask itself says what was seen where.

        Yields:
            One prediction for each picture, in order.

        Raises:
            DataError: a picture cannot be read, and nobody is told.
            ModelError: what the model says is no mask.
            SettingsError: `grad_cam` was given.
        """
        if grad_cam is not None:
            raise SettingsError(
                "Grad-CAM draws what speaks for the class of a whole picture, and this model tells the class of each "
                "pixel: write its masks with --masks. Leave --grad-cam out."
            )
        if isinstance(paths, np.ndarray):
            if paths.ndim != 4 or paths.shape[3] != 3 or paths.dtype != np.uint8:
                raise DataError(
                    f"Received an array of the shape {paths.shape} and the type {paths.dtype}. Expected pictures as "
                    "bytes, of shape (n, height, width, 3)."
                )
            for row, picture in enumerate(paths, start=1):
                yield self._predicted(picture, Located(row=row))
            return
        for file in loose.find([paths] if isinstance(paths, str | Path) else paths):
            read = file if isinstance(file, Skipped) else self._read(file)
            if not isinstance(read, Skipped):
                picture, size = read
                yield self._predicted(picture, Located(path=file.path), size=size)
            elif skip is None:
                raise DataError(f"The picture {read.path} {read.reason}. Leave it out.")
            else:
                skip(read)

    def evaluate(self, data: Any = None, *, split: str | None = None) -> Scored:
        """Scores the model on pictures whose masks are known, at the size at which the search kept its own.

        Args:
            data: As for `loading.load`.
            split: `train`, `validation`, `test` or `all`. `None` takes the test split, where these are the pictures of
                the model's own search: the scores are those of its result. Also where the source has one. Else all.

        Raises:
            DataError: the pictures cannot be read, their masks have other classes, or there is no such split.
            ModelError: what the model says is no mask.
        """
        own = self._own(data)
        if own is not None and split in (None, *SPLITS):
            split = split or "test"
            chosen = getattr(own, split)
            pictures, masks, skipped, name = chosen.pictures, chosen.labels, own.skipped, own.name
        else:
            found = loading.read(data, side=self.image_size, output=self.output, whites=self._whites)
            if split is None:
                split = "test" if "test" in found.masks else _ALL
            if split != _ALL and split not in found.masks:
                raise DataError(
                    f"{found.found.name} has no {split} split, only: {', '.join(found.masks)}. Choose one of these, or "
                    f"all its pictures with {_ALL!r}."
                )
            splits = list(found.masks) if split == _ALL else [split]
            pictures = np.concatenate([found.found.pictures[one] for one in splits])
            masks = np.concatenate([found.masks[one] for one in splits])
            skipped, name = tuple(found.found.skipped), found.found.name
        outputs = predict(self.model, pictures)
        self.output.check(outputs, self._name)
        num_familiar = sum(digest(picture) in self._known for picture in pictures) if self._known else 0
        return self.output.scored(
            self.output.score(outputs, masks),
            data=name,
            split=split,
            examples="pictures",
            is_familiar=num_familiar > 0 or (own is not None and split != "test"),
            num_familiar=num_familiar,
            skipped=skipped,
            outputs=outputs,
            targets=masks,
        )

    def _read(self, file: File) -> tuple[npt.NDArray[np.uint8], tuple[int, int]] | Skipped:
        """Returns a picture as those that were learned from, and its own width and height; or why not."""
        decoded = decode([file], image_size=self.image_size, limits=Limits(), whites=self._whites)
        if (reason := decoded.reasons[0]) is not None:
            return Skipped(file.path, reason)
        return decoded.pictures[0], loose.shape(file)

    def _predicted(
        self, picture: npt.NDArray[np.uint8], place: Located, *, size: tuple[int, int] | None = None
    ) -> Prediction:
        outputs = predict(self.model, picture[np.newaxis])
        self.output.check(outputs, self._name)
        mask = classes_of(outputs[0])[..., 0] if size is None else _classes_at(outputs[0], size)
        return MaskPrediction(mask, self.output.classes, path=place.path, row=place.row)

    def _own(self, data: Any) -> ImageDataset | None:
        """Returns the pictures as the model's search divided them; `None` where they are others."""
        if self._run is None:
            return None
        try:
            search = self._run.search_settings()
            # An expression of somebody else's may take for ever.
            groups = search.options.get(GROUPS.name) if self._run.is_own else None
            sampling = Sampling(search.max_examples, seed=search.seed)
            dataset = loading.load(data, seed=search.seed, groups=groups, sampling=sampling)
        except KevoError:
            return None
        is_own = dataset.fingerprint() == self._run.settings.get("fingerprint")
        return dataset if is_own and dataset.output == self.output else None


def _classes_at(outputs: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Returns the classes of pixels at another size, bilinearly; one output after the other, however large it is.

    Args:
        outputs: Probabilities, shape (height, width, any).
        size: Width and height, in pixels.
    """
    resized = (
        np.asarray(Image.fromarray(outputs[..., place]).resize(size, Image.Resampling.BILINEAR))
        for place in range(outputs.shape[-1])
    )
    highest = next(resized)
    if outputs.shape[-1] == 1:
        return (highest >= THRESHOLD).astype(np.uint8)
    classes = np.zeros(highest.shape, np.uint8)
    for place, one in enumerate(resized, start=1):
        classes[one > highest] = place
        highest = np.maximum(highest, one)
    return classes
