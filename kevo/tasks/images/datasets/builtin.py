"""Well-known data sets by name: `digits` comes with scikit-learn, the others are downloaded by Keras."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from kevo.errors import DataError
from kevo.runs import layout

DEFAULT_NAME = "digits"

# The files hold numbers only; these are the names that their authors gave them, in that order.
_CLASS_NAMES = {
    "mnist": "0 1 2 3 4 5 6 7 8 9",
    "fashion_mnist": "t_shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot",
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "cifar100": "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
    "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile "
    "cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp "
    "lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree "
    "orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum "
    "rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider "
    "squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train "
    "trout tulip turtle wardrobe whale willow_tree wolf woman worm",
}
BUILT_IN_NAMES = (DEFAULT_NAME, *_CLASS_NAMES)


def is_meant(source: str | os.PathLike[str]) -> bool:
    """Tells whether a source is one of these: pictures at a path of this name come first.

    The run folder of `kevo search digits --out digits` holds none.
    """
    is_run = all(os.path.isfile(os.path.join(source, name)) for name in (layout.SETTINGS, layout.LOCK))
    return str(source) in BUILT_IN_NAMES and (is_run or not os.path.exists(source))


def read(name: str) -> tuple[Mapping[str, tuple[Any, Any]], tuple[str, ...]]:
    """Reads a built-in data set.

    Args:
        name: One of `BUILT_IN_NAMES`.

    Returns:
        Pictures and labels of each split that its authors made, and the class names.

    Raises:
        DataError: it cannot be downloaded.
    """
    if name == DEFAULT_NAME:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return {"train": (np.rint(digits.images * (255 / 16)), digits.target)}, tuple("0123456789")
    import keras

    try:
        # Keras shows its download on stdout, which belongs to the result.
        with contextlib.redirect_stdout(sys.stderr):
            train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:
        # Keras raises a bare Exception for a download that fails.
        raise DataError(
            f"Cannot download {name!r}: {error}. Connect to the internet and try again, or use {DEFAULT_NAME!r}, which "
            "needs no download."
        ) from error
    return {"train": train, "test": test}, tuple(_CLASS_NAMES[name].split())
