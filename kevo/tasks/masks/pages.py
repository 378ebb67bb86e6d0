"""The pages of masks, and pictures with what was seen and missed in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.runs import layout
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.pages import address
from kevo.tasks.outputs.masks.evaluation import classes_of
from kevo.tasks.outputs.masks.pages import MaskPages
from kevo.tasks.outputs.masks.predictions import overlay
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Pages, Thumbnail, Thumbnails

_WIDTH = 480
"""Of a picture and both masks, in pixels, at most."""
_LOAD = f"""\
import json

import keras
import numpy as np
from PIL import Image, ImageOps

takes = json.load(open("{layout.TASK}", encoding="utf-8"))
model = keras.models.load_model("{layout.MODEL}", safe_mode=True)
picture = np.asarray(ImageOps.exif_transpose(Image.open("picture.jpg")).convert("RGB"))
probabilities = model.predict(picture[None], verbose=0)[0]  # Shape (height, width, outputs).
if probabilities.shape[-1] == 1:
    mask = (probabilities[..., 0] >= 0.5).astype(np.uint8)
else:
    mask = probabilities.argmax(axis=-1).astype(np.uint8)
for number, name in enumerate(takes["masks"]["classes"], start=1):
    print(name, (mask == number).mean())
Image.fromarray(mask).save("mask.png")
"""


def _takes(dataset: ImageDataset, genome: Mapping[str, Any]) -> str:
    return (
        "Takes raw RGB pixels 0-255 of shape (pictures, any height, any width, 3), and returns "
        f"{dataset.output.returns}, at the pictures' own size. It sees each picture as a square of "
        f"{dataset.image_size} pixels: the proportions of others are distorted, as they were in training."
    )


def _use(run_folder: Path, model: Path, asks: str) -> tuple[list[str], list[list[str]]]:
    python = [
        "import keras, numpy as np",
        "from PIL import Image",
        "",
        f"model = keras.models.load_model({str(model)!r})",
        "picture = np.asarray(Image.open('PICTURE.jpg').convert('RGB'))",
        "masks = model.predict(picture[None])[0]",
    ]
    return python, [
        ["predict", str(model), "PICTURE.jpg", "--masks", "MASKS/"],
        ["evaluate", str(model), "OTHER-PICTURES-AND-MASKS/"],
    ]


def _show(dataset: ImageDataset, shown: Sequence[Shown], outputs: npt.NDArray[np.float32]) -> Thumbnails:
    """Shows pictures beside their true and their predicted masks."""
    pictures = []
    for place, words, caption in shown:
        picture, mask = dataset.test.pictures[place], dataset.test.labels[place]
        masks = (mask[..., 0], classes_of(outputs[place])[..., 0])
        pictures.append(
            Thumbnail(
                address(np.hstack([picture, *(overlay(picture, one) for one in masks)]), side=_WIDTH),
                f"Test picture {place}, its true mask and the predicted one: {words}",
                f"picture, true, predicted: {caption}",
            )
        )
    return Thumbnails(tuple(pictures))


_WORDS = Words(
    one="picture",
    many="pictures",
    part="file",
    takes=_takes,
    load=lambda asks: _LOAD,
    use=_use,
    show=_show,
    scope="also for a picture of something else",
    unknown="light, camera, season, place, who took the pictures and who drew the masks",
    stored=lambda dataset: f"They are kept as squares of {dataset.image_size} pixels. ",
    alike="Pictures of one scene, object or person",
    weighing=lambda dataset: "are looked after by Dice as a loss",
    ethics=(
        "kevo does not know what the pictures show, who is in them, how they were come by, who drew the masks, or who "
        "is affected by the answers. Whoever uses the model answers for that. What is wrong or one-sided in the "
        "pictures and their masks the model has learned, and the test pictures share it."
    ),
    repeats=lambda dataset: dataset.repeats.sentences(),
)
PAGES: Pages = MaskPages(_WORDS)
"""The pages of masks."""
