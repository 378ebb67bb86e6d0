"""The pages of image classification, and the thumbnails of its mistakes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.runs import layout
from kevo.runs.atomic_files import loads
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.genes import picture_shape
from kevo.tasks.outputs.classes.output import CLASSIFICATION
from kevo.tasks.outputs.classes.pages import ClassPages
from kevo.tasks.outputs.labels.output import MULTILABEL
from kevo.tasks.outputs.labels.pages import LabelPages
from kevo.tasks.outputs.numbers.output import REGRESSION
from kevo.tasks.outputs.numbers.pages import NumberPages
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Pages, Thumbnail, Thumbnails

_SIDE = 160
"""How many pixels a thumbnail has on a side, at most."""
_FEW_PIXELS = 64
"""Up to so many pixels on a side, what JPEG saves is little, and what it blurs is much."""
_MANY_LETTERS = 200
"""Class names of more letters than this, together, are read from their file."""
_LOAD = f"""\
import json

import keras
import numpy as np
from PIL import Image, ImageOps

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)


def read_picture(path):
    size, whites = takes["image_size"], takes["whites"]
    height, width = size if isinstance(size, list) else (size, size)
    image = Image.open(path)
    image.draft(None, (2 * width, 2 * height))  # A JPEG far too large is not decoded in full.
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":  # More than 8 bits of grey.
        white = (whites["floats"] or 1) if image.mode == "F" else (whites["integers"] or 65535)
        grey = np.asarray(image).astype(np.float32) * np.float32(255 / white)
        image = Image.fromarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if takes["crop"]:  # The middle square; else all of it is squashed.
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        image = image.crop((left, top, left + side, top + side))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


outputs = model.predict(read_picture("picture.jpg")[None], verbose=0)[0]
"""
_ANSWER: Mapping[str, str] = {
    CLASSIFICATION: f"""\
class_names = json.load(open("{layout.LABELS}", encoding="utf-8"))
print(class_names[outputs.argmax()], outputs.max())
""",
    REGRESSION: """\
print(outputs[0])
""",
    MULTILABEL: """\
for name, probability in zip(takes["labels"], outputs):
    print(name, probability)
""",
}
"""How the lines end that load the model, for what may be asked."""


def _takes(dataset: ImageDataset, genome: Mapping[str, Any]) -> str:
    fit = "what is not square loses its ends" if dataset.crop else "the proportions of others are distorted"
    height, width = picture_shape(genome)
    form = f"a square of {width} pixels" if width == height else f"{width} x {height} pixels"
    return (
        "Takes raw RGB pixels 0-255 of shape (pictures, any height, any width, 3), and returns "
        f"{dataset.output.returns}. It sees each picture as {form}: {fit}, as in training."
    )


def _stored(dataset: ImageDataset) -> str:
    height, width = dataset.shape
    form = f"squares of {width} pixels" if width == height else f"{width} x {height} pixels, as they are"
    return f"They are kept as {form}. "


def _use(run_folder: Path, model: Path, asks: str) -> tuple[list[str], list[list[str]]]:
    labels = run_folder / layout.LABELS
    names = _class_names(labels)
    is_short = sum(map(len, names)) < _MANY_LETTERS
    if asks == REGRESSION:
        outputs, named = "number = model.predict(picture[None])[0, 0]", []
    else:
        what = "class_names" if asks == CLASSIFICATION else "labels"
        outputs = "probabilities = model.predict(picture[None])[0]"
        named = [f"{what} = {list(names)!r}" if is_short else f"{what} = json.load(open({str(labels)!r}))"]
    python = [
        "import keras" if is_short or not named else "import json, keras",
        "import kevo",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        f"picture = kevo.read_picture('PICTURE.jpg', model={str(model)!r})",
        outputs,
        *named,
    ]
    # A candidate's model has no names of classes beside it.
    where = [] if model.parent == labels.parent or asks != CLASSIFICATION else ["--labels", str(labels)]
    others = "OTHER-PICTURES/" if asks == CLASSIFICATION else "OTHER-PICTURES.csv"
    commands = [["predict", str(model), *where, "PICTURE.jpg"], ["evaluate", str(model), *where, others]]
    if model.parent == run_folder:
        commands.append(["export", str(run_folder), "--format", "onnx"])
    return python, commands


def _class_names(path: Path) -> list[str]:
    try:
        names = loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _show(dataset: ImageDataset, shown: Sequence[Shown], outputs: npt.NDArray[np.float32]) -> Thumbnails:
    return Thumbnails(
        tuple(
            Thumbnail(address(dataset.test.pictures[place]), f"Test picture {place}: {words}", caption)
            for place, words, caption in shown
        )
    )


def address(picture: npt.NDArray[np.uint8], *, side: int = _SIDE) -> str:
    """Returns a picture, shrunk to a thumbnail, as a `data:` address.

    Args:
        picture: Pixels 0-255, shape (height, width, 3).
        side: Pixels of its longer side, at most.
    """
    image, buffer = Image.fromarray(picture), io.BytesIO()
    image.thumbnail((side, side))
    kind = "png" if max(image.size) <= _FEW_PIXELS else "jpeg"
    image.save(buffer, kind, quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


_WORDS = Words(
    one="picture",
    many="pictures",
    part="file",
    takes=_takes,
    load=lambda asks: _LOAD + _ANSWER[asks],
    use=_use,
    show=_show,
    scope="also for a picture of something else",
    unknown="light, camera, season, place, who took the pictures",
    stored=_stored,
    alike="Pictures of one scene, object or person",
    weighing=lambda dataset: (
        "count the same in training all the same" if dataset.class_weights() else "are not weighed for that"
    ),
    ethics=(
        "kevo does not know what the pictures show, who is in them, how they were come by, or who is affected by "
        "the answers. Whoever uses the model answers for that. What is wrong or one-sided in the pictures and "
        "their labels the model has learned, and the test pictures share it."
    ),
    repeats=lambda dataset: dataset.repeats.sentences(),
    uncounted="What was spent on making pretrained weights is not counted.",
)
PAGES: Mapping[str, Pages] = {
    CLASSIFICATION: ClassPages(_WORDS),
    REGRESSION: NumberPages(_WORDS),
    MULTILABEL: LabelPages(_WORDS),
}
"""The pages for what may be asked of pictures."""
