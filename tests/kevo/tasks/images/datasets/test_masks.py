"""Pictures and their masks are told from classes."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images.datasets.folders import Folder
from kevo.tasks.images.datasets.layouts import understand
from kevo.tasks.images.datasets.pictures import File

RNG = np.random.default_rng(0)
NUM = 4


def photo() -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8))


def blob() -> Image.Image:
    values = np.zeros((40, 40), np.uint8)
    values[8:24, 8:24] = 255
    return Image.fromarray(values)


def labelled() -> Image.Image:
    """A palette of three colors, as the masks of several classes have."""
    image = Image.new("P", (40, 40))
    image.putpalette([0, 0, 0, 200, 30, 30, 40, 200, 40])
    image.paste(1, (4, 4, 20, 20))
    image.paste(2, (20, 20, 36, 36))
    return image


def planted(files: dict[str, Image.Image | bytes]) -> Folder:
    root = Folder()
    for path, content in files.items():
        *parents, name = path.split("/")
        folder = root
        for parent in parents:
            folder = folder.folder(parent)
        if isinstance(content, Image.Image):
            stream = io.BytesIO()
            content.save(stream, "JPEG" if name.endswith("jpg") else "PNG")
            content = stream.getvalue()
        folder.files[name] = File(path, len(content), partial(io.BytesIO, content))
    return root


def pairs(image: str, mask: str, drawn: Image.Image | bytes | None = None) -> dict[str, Image.Image | bytes]:
    """Pictures and masks at these paths, in which a star stands for a number."""
    files: dict[str, Image.Image | bytes] = {}
    for number in range(NUM):
        files[image.replace("*", str(number))] = photo()
        files[mask.replace("*", str(number))] = blob() if drawn is None else drawn
    return files


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("Images/*.jpg", "Labels/*.png"),
        ("img/*.png", "annotations/*.png"),
        ("JPEGImages/2007_*.jpg", "SegmentationClass/2007_*.png"),
        ("leftImg8bit/ulm_*_leftImg8bit.png", "gtFine/ulm_*_gtFine_labelIds.png"),
        ("images/training/*.jpg", "annotations/training/*.png"),
        ("CXR_png/*.png", "masks/*.png"),
        ("A/*.png", "B/*.png"),
        ("A/*.jpg", "B/*.jpg"),
    ],
)
def test_pairs_of_pictures_and_masks_are_refused_by_whatever_names(image: str, mask: str) -> None:
    names = [path.partition("/")[0] for path in (image, mask)]
    with pytest.raises(DataError, match=f"pairs of files in {names[0]}/ and {names[1]}/, as pictures and their masks"):
        understand(planted(pairs(image, mask)), "data")


def test_masks_of_several_colors_are_masks() -> None:
    with pytest.raises(DataError, match="pairs of files in A/ and B/"):
        understand(planted(pairs("A/*.png", "B/*.png", labelled())), "data")


@pytest.mark.parametrize("mask", ["*_mask.png", "*_gt.png", "*-label.png", "* masks.png", "*_mask_1.png"])
def test_masks_beside_their_pictures_are_refused_without_classes(mask: str) -> None:
    with pytest.raises(DataError, match="pairs of files such as 0.png and 0.* as pictures and their masks"):
        understand(planted(pairs("*.png", mask)), "data")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("*.png", "*_mask.png"),
        ("benign (*).png", "benign (*)_mask.png"),
        ("benign (*).png", "benign (*)_mask_1.png"),
        ("images/*.png", "masks/*.png"),
    ],
)
def test_masks_in_the_folder_of_a_class_are_left_out(image: str, mask: str) -> None:
    files = pairs(f"benign/{image}", f"benign/{mask}") | pairs(f"normal/{image}", f"normal/{mask}")
    layout = understand(planted(files), "data")
    (train,) = layout.splits.values()
    left = {name: sorted(file.path for file in folder.all_files()) for name, folder in train.folders.items()}
    assert left == {
        name: sorted(f"{name}/{image}".replace("*", str(number)) for number in range(NUM))
        for name in ("benign", "normal")
    }
    assert layout.notes == ("There are masks beside the pictures of the classes: they are left out.",)
    reasons = {one.reason for one in layout.skipped}
    assert all("masks of the pictures in images/" in one or "is a mask of " in one for one in reasons)


def test_words_about_pictures_are_for_detection() -> None:
    files = pairs("images/train/*.jpg", "labels/train/*.txt", b"0 0.5 0.5 0.2 0.2")
    with pytest.raises(DataError, match="pictures in images/ and words about them in labels/.* for detection"):
        understand(planted(files), "data")
    coco = {f"images/{number}.jpg": photo() for number in range(NUM)} | {"annotations/instances.json": b"{}"}
    with pytest.raises(DataError, match="for detection"):
        understand(planted(coco), "data")


@pytest.mark.parametrize(
    "files",
    [
        pairs("with_mask/*.png", "without_mask/*.png", photo()),
        pairs("mask/*.png", "no_mask/*.png", photo()),
        pairs("cat/*.png", "cat/*_mask.png", photo()) | pairs("dog/*.png", "dog/*_mask.png", photo()),
        {f"{name}/{number}.png": blob() for name in ("circle", "square") for number in range(NUM)},
        {f"photo/p{number}.png": photo() for number in range(NUM)}
        | {f"sign/s{number}.png": blob() for number in range(4)},
    ],
    ids=["with and without", "mask and none", "photos called masks", "drawings", "other names"],
)
def test_classes_are_classes(files: dict[str, Image.Image | bytes]) -> None:
    layout = understand(planted(files), "data")
    assert layout.skipped == [] and layout.notes == ()
    assert sum(len(folder.all_files()) for folder in layout.splits["train"].folders.values()) == len(files)
