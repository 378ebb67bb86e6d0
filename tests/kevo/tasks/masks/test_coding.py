"""What values of mask files mean."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.pictures import File, UnusableError
from kevo.tasks.masks.coding import Coding, choose, count, fitting, read, resized, whole
from kevo.tasks.outputs.masks.output import PixelClasses

MASK = np.zeros((6, 8), np.uint8)
MASK[1:4, 2:6] = 1


def file_of(image: Image.Image, kind: str = "PNG") -> File:
    stream = io.BytesIO()
    image.save(stream, kind)
    content = stream.getvalue()
    return File("mask", len(content), partial(io.BytesIO, content))


def palette() -> Image.Image:
    image = Image.fromarray(2 * MASK)
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    return image


@pytest.mark.parametrize(
    ("image", "low", "high"),
    [
        (Image.fromarray(MASK), 0, 1),
        (Image.fromarray(255 * MASK), 0, 255),
        (Image.fromarray(MASK.astype(bool)), 0, 1),
        (Image.fromarray(255 * np.stack([MASK] * 3, axis=-1)), 0, 255),
        (Image.fromarray(np.stack([255 * MASK] * 3 + [np.full_like(MASK, 7)], axis=-1)), 0, 255),
        (Image.fromarray(np.stack([np.full_like(MASK, 9)] * 3 + [255 * MASK], axis=-1)), 0, 255),
        (Image.fromarray(np.stack([np.full_like(MASK, 9), 255 * MASK], axis=-1), "LA"), 0, 255),
        (palette(), 0, 2),
        (Image.fromarray(MASK.astype(np.uint16) * 1000), 0, 1000),
    ],
    ids=["0/1", "0/255", "bits", "RGB", "RGBA", "opacity alone", "grey and opacity", "palette", "16 bits"],
)
def test_files_of_any_kind_are_read(image: Image.Image, low: int, high: int) -> None:
    values = read(file_of(image), Limits())
    assert values.tolist() == np.where(MASK, high, low).tolist()
    code, _ = choose(count(values))
    assert code.output() == PixelClasses(("foreground",), (low, high))
    assert code.classes(values).tolist() == MASK.tolist()


def test_colors_are_classes() -> None:
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[0], pixels[1], pixels[2] = (255, 0, 0), (0, 0, 128), (128, 128, 128)
    values = read(file_of(Image.fromarray(pixels)), Limits())
    code, note = choose(count(values))
    assert code.output().classes == ("class 128", "#000080", "#ff0000")
    assert code.classes(values)[:4, 0].tolist() == [3, 2, 1, 0]
    assert "#ff0000 (#ff0000, 16.7 %)" in note


def test_indices_are_classes_and_255_is_void() -> None:
    code, note = choose({0: 80, 1: 10, 7: 5, 255: 5})
    assert code.output().classes == ("class 1", "class 7") and code.void == 255
    assert code.classes(np.array([7, 255, 1, 0])).tolist() == [2, 0, 1, 0]
    assert note == (
        "The masks hold 0 (background, 80.0 % of the pixels), 1 (class 1, 10.0 %) and 7 (class 7, 5.0 %). 255 marks "
        "pixels that count as nothing, as in Pascal VOC: they are taken for background."
    )


def test_numbers_with_a_point_are_read_where_they_are_whole() -> None:
    assert read(file_of(Image.fromarray(MASK.astype(np.float32)), "TIFF"), Limits()).tolist() == MASK.tolist()
    for value, words in ((0.5, "holds 0.5, which is no whole number"), (np.nan, "holds nan"), (np.inf, "holds inf")):
        with pytest.raises(UnusableError, match=words):
            whole(np.array([0.0, value]))


def test_negative_values_count_as_nothing_beside_others() -> None:
    code, note = choose({-100: 10, 0: 60, 1: 20, 2: 10})
    assert code.output().classes == ("class 1", "class 2")
    assert code.classes(np.array([-100, 0, 1, 2])).tolist() == [0, 0, 1, 2]
    assert note.endswith("Negative values mark pixels that count as nothing: they are taken for background.")
    code, _ = choose({-1: 10, 1: 20})
    assert code.classes(np.array([-1, 1])).tolist() == [0, 1]


def test_packed_masks_are_of_two_values() -> None:
    counts = {value: 9000 if value == 3 else 5000 if value == 250 else 1 for value in range(3, 251)}
    code, note = choose(counts)
    assert code.threshold == 127 and "248 shades from 3 to 250" in note
    assert code.classes(np.array([0, 126, 127, 255])).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("counts", "words"), [({0: 5}, "one value only: 0"), ({}, "none"), (dict.fromkeys(range(100), 1), "100 values")]
)
def test_what_is_no_mask_is_refused(counts: dict[int, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        choose(counts)


def test_masks_for_a_model_that_is_there() -> None:
    one, three = PixelClasses(("foreground",), (0, 255)), PixelClasses(("a", "b"), (0, 1, 7))
    assert fitting(one, {0: 5, 1: 5}).classes(np.array([0, 1])).tolist() == [0, 1]
    assert fitting(one, {0: 5}).classes(np.array([0])).tolist() == [0]
    assert fitting(one, {0: 5, 255: 1}) == Coding((0, 255))
    with pytest.raises(UnusableError, match="holds class 4, and the masks that are learned from hold class 0"):
        fitting(three, {0: 1, 4: 1}).classes(np.array([0, 4]))


def test_resizing() -> None:
    assert resized(MASK[:6, :6], 6, num_classes=1)[..., 0].tolist() == MASK[:6, :6].tolist()
    half = resized(np.kron(MASK, np.ones((2, 2), np.uint8)), 6, num_classes=2)
    assert half.shape == (6, 6, 1) and set(half.reshape(-1).tolist()) == {0, 1}
    # Of four pixels three are of the class.
    assert resized(np.array([[1, 1], [1, 0]], np.uint8), 1, num_classes=1).tolist() == [[[1]]]
