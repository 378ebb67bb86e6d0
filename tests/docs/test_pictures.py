"""Each row of docs/pictures.md does what it says."""

import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.datasets.targets import suggested

PAGE = Path(__file__).parents[2] / "docs" / "pictures.md"
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
LABELS = np.array(["cat", "dog"] * 12)
SPLITS = ("train", "validation", "test")

Check = Callable[[Path], object]
CHECKS: dict[str, Check] = {}


def row(text: str) -> Callable[[Check], Check]:
    """Marks the test of a row by the row's first cell."""

    def add(check: Check) -> Check:
        CHECKS[text] = check
        return check

    return add


def rows() -> list[str]:
    lines = re.findall(r"^\| (.+?) \| .+ \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [line for line in lines if line != "what you give"]


def test_the_page_has_these_rows() -> None:
    assert rows() == list(CHECKS)


@pytest.mark.parametrize("text", rows())
def test_the_row_does_what_it_says(text: str, tmp_path: Path) -> None:
    CHECKS[text](tmp_path)


def classes(folder: Path, *names: str, first: int = 0) -> Path:
    """Fills class folders, each with eight pictures of its own."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        rng = np.random.default_rng(100 * first + place)
        for number in range(8):
            picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            picture.save(folder / name / f"{number}.png")
    return folder


def with_file(folder: Path, name: str, image: Image.Image | bytes, **options: Any) -> ImageDataset:
    """Loads two classes to which one file was added."""
    classes(folder, "cat", "dog")
    if isinstance(image, bytes):
        (folder / "cat" / name).write_bytes(image)
    else:
        image.save(folder / "cat" / name, **options)
    return datasets.load(folder)


def everything(dataset: ImageDataset) -> np.ndarray:
    return np.concatenate([getattr(dataset, split).pictures for split in SPLITS])


def holds(dataset: ImageDataset, picture: np.ndarray, tolerance: int = 0) -> bool:
    apart = np.abs(everything(dataset).astype(int) - picture).max(axis=(1, 2, 3))
    return bool(apart.min() <= tolerance)


def refused(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load(source)


def flat(*color: int) -> Image.Image:
    return Image.new("RGB", (16, 16), color)


def solid(*color: int) -> np.ndarray:
    return np.full((16, 16, 3), color, np.uint8)


@row("JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, PCX, SGI, ICO, JPEG 2000 or AVIF")
def _(folder: Path) -> None:
    for kind in ("jpg", "gif", "bmp", "tif", "webp", "ppm", "pcx", "sgi", "ico", "jp2", "avif"):
        if kind == "avif" and "AVIF" not in Image.SAVE:
            continue
        frames = {"save_all": True, "append_images": [flat(0, 0, 200)]} if kind == "gif" else {}
        assert holds(with_file(folder / kind, f"new.{kind}", flat(200, 40, 60), **frames), solid(200, 40, 60), 6), kind


@row("grey, a palette or CMYK")
def _(folder: Path) -> None:
    assert holds(with_file(folder / "L", "new.png", Image.new("L", (16, 16), 77)), solid(77, 77, 77))
    assert holds(with_file(folder / "P", "new.png", flat(255, 0, 0).convert("P")), solid(255, 0, 0))
    assert holds(with_file(folder / "C", "new.jpg", flat(255, 0, 0).convert("CMYK")), solid(255, 0, 0), 6)


@row("transparent")
def _(folder: Path) -> None:
    assert holds(with_file(folder, "new.png", Image.new("RGBA", (16, 16), (9, 9, 9, 0))), solid(255, 255, 255))


@row("turned by a note of the camera (EXIF)")
def _(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert holds(with_file(folder, "new.png", Image.fromarray(PICTURES[0]), exif=exif), np.rot90(PICTURES[0], -1))


@row("grey or colors of more than 8 bits, or floats")
def _(folder: Path) -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    dataset = with_file(folder / "deep", "new.png", Image.fromarray(deep))
    assert dataset.whites.integers == 4095 and "4095 is white for all of them" in dataset.notes[0]
    assert holds(dataset, np.rint(deep * (255 / 4095))[..., np.newaxis].repeat(3, axis=2))
    colors = with_file(folder / "colors", "new.tif", tiff_of_16_bits(2, 4095, 2048, 0))
    assert colors.whites.integers == 4095
    assert holds(colors, solid(255, 128, 0))
    floats = (np.arange(256, dtype=np.float32) / 255).reshape(16, 16)
    dataset = with_file(folder / "floats", "new.tif", Image.fromarray(floats))
    assert dataset.whites.floats == 1
    assert holds(dataset, np.arange(256).reshape(16, 16)[..., np.newaxis].repeat(3, axis=2))


@row("16-bit CMYK; 16-bit colors as SGI, or as packed TIFF of separate planes")
def _(folder: Path) -> None:
    # An SGI file without compression: each channel of its own, from the lowest row to the highest.
    head = struct.pack(">HBBHHHHii", 474, 0, 2, 3, 16, 16, 3, 0, 65535).ljust(512, b"\0")
    sgi = head + b"".join(struct.pack(">H", value) * 256 for value in (0x1234, 0x5678, 0x9ABC))
    assert holds(with_file(folder / "sgi", "new.sgi", sgi), solid(0x12, 0x56, 0x9A))
    inks = tiff_of_16_bits(5, 0x1234, 0x5678, 0x9ABC, 0)
    assert holds(with_file(folder / "cmyk", "new.tif", inks), solid(255 - 0x12, 255 - 0x56, 255 - 0x9A))


def tiff_of_16_bits(interpretation: int, *color: int) -> bytes:
    """A TIFF of 16 x 16 px of one color, with 16 bits of each channel, as Pillow cannot write it."""
    num_channels = len(color)
    tags = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, num_channels, 134), (259, 3, 1, 1), (262, 3, 1, interpretation)]
    tags += [(273, 4, 1, 142), (277, 3, 1, num_channels), (278, 3, 1, 16), (279, 4, 1, 512 * num_channels)]
    tags += [(284, 3, 1, 1)]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    bits = struct.pack(f"<{num_channels}H", *[16] * num_channels).ljust(8, b"\0")
    return head + bits + struct.pack(f"<{num_channels}H", *color) * 256


@row("not square")
def _(folder: Path) -> None:
    assert holds(with_file(folder, "new.png", Image.new("RGB", (40, 20), (1, 2, 3))), solid(1, 2, 3))
    rng = np.random.default_rng(0)
    for place, size in enumerate([(120, 96), (96, 120)] * 2):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        path = folder / "photographs" / f"class {place // 2}" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    for crop in (True, None, False):
        found = datasets.reading.read(folder / "photographs", crop=crop)
        middle = np.asarray(
            Image.fromarray(pixels).crop((12, 0, 108, 96)).resize((128, 128), Image.Resampling.BILINEAR)
        )
        assert found.crop is (crop is not False)
        assert (found.pictures["train"] == middle).all(axis=(1, 2, 3)).any() == found.crop


@row("empty, cut off or damaged")
def _(folder: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(PICTURES[0]).save(stream, "PNG")
    dataset = with_file(folder, "new.png", stream.getvalue()[:200])
    assert [one.path for one in dataset.skipped] == ["cat/new.png"]
    assert with_file(folder / "empty", "new.png", b"").skipped[0].reason == "is empty"


@row("HEIC, DICOM, JPEG XL, SVG, PDF, raw pictures of cameras, films, sound, archives, text, pointers of Git LFS")
def _(folder: Path) -> None:
    dataset = with_file(folder, "new.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert dataset.skipped[0].reason == "is a pointer of Git LFS and not the picture itself: run git lfs pull"


@row("hidden files, Thumbs.db and the like")
def _(folder: Path) -> None:
    assert with_file(folder / "a", "Thumbs.db", b"x").skipped == with_file(folder / "b", ".x.png", b"x").skipped == ()


@row("CLASS/picture, at any depth")
def _(folder: Path) -> None:
    classes(folder, "10", "9/deeper")
    assert datasets.load(folder).class_names == ("10", "9")


@row("train/CLASS and test/CLASS, validation/CLASS, val/CLASS or dev/CLASS")
def _(folder: Path) -> None:
    for first, split in enumerate(("train", "val")):
        classes(folder / split, "cat", "dog", first=first)
    dataset = datasets.load(folder)
    assert (dataset.made_splits, len(dataset.validation)) == (("test",), 16)


@row("seg_train/CLASS and seg_test/CLASS, train/train/CLASS")
def _(folder: Path) -> None:
    for first, split in enumerate(("train", "test")):
        classes(folder / "seg" / f"seg_{split}", "cat", "dog", first=first)
        classes(folder / "twice" / split / split, "cat", "dog", first=first)
    dataset = datasets.load(folder / "seg")
    assert (dataset.class_names, len(dataset.test)) == (("cat", "dog"), 16)
    assert dataset.notes[0].startswith("The folders are taken for splits: seg_train/ as train")
    dataset = datasets.load(folder / "twice")
    assert (dataset.class_names, len(dataset.test)) == (("cat", "dog"), 16)


@row("a class called train or test beside other classes")
def _(folder: Path) -> None:
    assert datasets.load(classes(folder / "a", "bus", "train")).class_names == ("bus", "train")
    assert datasets.load(classes(folder / "b", "bus", "test")).class_names == ("bus", "test")


@row("test/ without the classes of train/")
def _(folder: Path) -> None:
    classes(folder / "train", "cat", "dog")
    classes(folder, "test", first=1)
    dataset = datasets.load(folder)
    assert (dataset.made_splits, dataset.skipped[0].path) == (("validation", "test"), "test/")
    assert dataset.skipped[0].reason.startswith("has no class folder that train/ has: it is left out")


@row("other folders beside train/ and test/")
def _(folder: Path) -> None:
    for first, split in enumerate(("train", "test")):
        classes(folder / split, "cat", "dog", first=first)
    classes(folder, "more", first=2)
    assert [one.path for one in datasets.load(folder).skipped] == ["more/"]


@row("train/CLASS beside folders of pictures")
def _(folder: Path) -> None:
    classes(folder / "train", "cat", "dog")
    refused(classes(folder, "bus", first=1), "may mean two things")


@row("train/CLASS beside one folder with the same CLASS by another name than a split's")
def _(folder: Path) -> None:
    classes(folder / "train", "cat", "dog")
    classes(folder / "unseen", "cat", "dog", first=1)
    refused(folder, "may mean two things: train/ and unseen/ have folders of the same names")


@row("outer folders that all have the same folders in them, such as fold_1/CLASS and fold_2/CLASS")
def _(folder: Path) -> None:
    for first, outer in enumerate(("fold_1", "fold_2")):
        classes(folder / outer, "cat", "dog", first=first)
    dataset = datasets.load(folder)
    assert dataset.class_names == ("fold_1", "fold_2")
    assert dataset.notes[0].startswith("The classes are fold_1, fold_2, and each has the folders cat, dog in it.")


@row("test/Cat where train/ has cat")
def _(folder: Path) -> None:
    classes(folder / "train", "cat", "dog")
    classes(folder / "test", "Cat", "dog", first=1)
    refused(folder, "'Cat' and 'cat' are two names")


@row("images/ and masks/, JPEGImages/ and SegmentationClass/, or pairs by other names of which one has few colors")
def _(folder: Path) -> None:
    refused(classes(folder / "plain", "images", "masks"), "pictures and their masks")
    refused(classes(folder / "voc", "JPEGImages", "SegmentationClass"), "pictures and their masks")
    pairs = classes(folder / "pairs", "a")
    (pairs / "b").mkdir()
    for number in range(8):
        mask(pairs / "b" / f"{number}.png")
    refused(pairs, "files in a/ and b/, as pictures and their masks")


def mask(path: Path) -> None:
    image = Image.new("L", (16, 16))
    image.paste(255, (4, 4, 10, 10))
    image.save(path)


@row("x.png and x_mask.png, or images/ and masks/, inside the folder of a class")
def _(folder: Path) -> None:
    classes(folder, "cat", "dog")
    for number in range(8):
        mask(folder / "cat" / f"{number}_mask.png")
    dataset = datasets.load(folder)
    assert len(everything(dataset)) == 16 and {one.reason for one in dataset.skipped} >= {"is a mask of 0.png"}
    assert dataset.notes[0].startswith("There are masks beside the pictures of the classes")


@row("images/ beside a folder of .txt, .xml or .json")
def _(folder: Path) -> None:
    classes(folder, "images")
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances.json").write_text("{}")
    refused(folder, "for detection")


@row("a class without a picture")
def _(folder: Path) -> None:
    classes(folder, "cat", "dog")
    (folder / "emu").mkdir()
    refused(folder, "The class folder emu/ in .* is empty")


@row("a .zip of any of these")
def _(folder: Path) -> None:
    classes(folder / "in", "cat", "dog")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for path in sorted((folder / "in").rglob("*.png")):
            archive.write(path, path.relative_to(folder / "in"))
    assert datasets.load(folder / "a.zip").fingerprint() == datasets.load(folder / "in").fingerprint()


def table(folder: Path, text: str) -> ImageDataset:
    (folder / "data.csv").write_text(text)
    return datasets.load(folder / "data.csv")


def lines(folder: Path, *, delimiter: str = ",", ending: str = ".png", slash: str = "/") -> str:
    classes(folder, "cat", "dog")
    paths = [(f"{name}{slash}{number}{ending}", name) for name in ("cat", "dog") for number in range(8)]
    return "\n".join([f"path{delimiter}label", *(f"{path}{delimiter}{name}" for path, name in paths)]) + "\n"


@row("path,label or path,label,split")
def _(folder: Path) -> None:
    text = lines(folder)
    assert len(everything(table(folder, text))) == 16
    split = text.replace("label\n", "label,split\n").replace("7.png,cat", "7.png,cat,test")
    assert len(table(folder, split).test) == 1


@row("semicolons, tabs or bars")
def _(folder: Path) -> None:
    for place, delimiter in enumerate(";\t|"):
        (folder / str(place)).mkdir()
        assert len(everything(table(folder / str(place), lines(folder / str(place), delimiter=delimiter)))) == 16


@row("backslashes, or paths without an extension")
def _(folder: Path) -> None:
    assert len(everything(table(folder, lines(folder, slash="\\", ending="")))) == 16


@row("a row whose file is missing")
def _(folder: Path) -> None:
    (one,) = table(folder, lines(folder) + "emu.png,cat\n").skipped
    assert one.reason.startswith(f"cannot be found in {folder}: ")


@row("other columns")
def _(folder: Path) -> None:
    assert len(everything(table(folder, lines(folder).replace("\n", ",x\n")))) == 16


@row("columns that are called otherwise")
def _(folder: Path) -> None:
    dataset = table(folder, lines(folder).replace("path,label", "Image Name,species"))
    assert len(everything(dataset)) == 16
    assert dataset.notes[0] == "The column 'image name' names the pictures and 'species' their classes."


@row("pictures in a folder beside the CSV")
def _(folder: Path) -> None:
    text = lines(folder / "photos")
    dataset = table(folder, text)
    assert len(everything(dataset)) == 16
    assert dataset.notes[0] == "The column 'path' names the pictures, in photos/."


@row("columns that cannot be told")
def _(folder: Path) -> None:
    (folder / "data.csv").write_text("picture;kind\na.png;cat\n")
    refused(folder / "data.csv", "Its columns are: picture, kind, parted by semicolons.*--target COLUMN")


def asked(folder: Path, text: str) -> tuple[str, str]:
    (folder / "data.csv").write_text(text)
    return suggested(folder / "data.csv", target=None, groups=None)


@row("path and one column of numbers, or a column label with numbers that are not whole")
def _(folder: Path) -> None:
    for header, value in (("path,age", "31"), ("path,label", "31.5")):
        asks, note = asked(folder, f"{header}\na.png,{value}\nb.png,7\n")
        assert asks == "regression" and "holds numbers: regression" in note


@row("path,labels with `red;round`, or several columns of 0 and 1")
def _(folder: Path) -> None:
    for text in ("path,labels\na.png,red;round\nb.png,red\n", "path,red,round\na.png,1,1\nb.png,1,0\n"):
        asks, note = asked(folder, text)
        assert asks == "multilabel" and note


@row("(pictures, labels), integers 0-255")
def _(folder: Path) -> None:
    found = everything(datasets.load((PICTURES, LABELS)))
    assert {one.tobytes() for one in found} == {one.tobytes() for one in PICTURES}


@row("integers of more than 8 bits")
def _(folder: Path) -> None:
    dataset = datasets.load((np.rint(PICTURES * (4095 / 255)).astype(np.uint16), LABELS))
    assert dataset.whites.integers == 4095 and holds(dataset, PICTURES[3])


@row("0 and 1, or booleans")
def _(folder: Path) -> None:
    for kind in (np.uint8, np.int64, bool):
        assert set(np.unique(everything(datasets.load(((PICTURES > 99).astype(kind), LABELS))))) == {0, 255}


@row("floats 0-1")
def _(folder: Path) -> None:
    values = PICTURES / 255
    assert holds(datasets.load((values, LABELS)), PICTURES[3])
    values[0, 0, 0, 0] = 1.0001
    dataset = datasets.load((values, LABELS))
    assert holds(dataset, PICTURES[3]) and "What lies beyond is cut off." in dataset.notes[0]


@row("floats 0-255")
def _(folder: Path) -> None:
    assert holds(datasets.load((PICTURES + 0.2, LABELS)), PICTURES[3])


@row("floats from -1 to 1")
def _(folder: Path) -> None:
    refused((PICTURES / 127.5 - 1, LABELS), r"\(x \+ 1\) / 2 brings -1 to 1 there")


@row("pictures of several sizes")
def _(folder: Path) -> None:
    pictures = [picture[: 16 - place % 2] for place, picture in enumerate(PICTURES)]
    assert len(everything(datasets.load((pictures, LABELS)))) == 24


@row("((x, y), (x, y)), as `load_data()` returns it")
def _(folder: Path) -> None:
    assert len(datasets.load(((PICTURES[:18], LABELS[:18]), (PICTURES[18:], LABELS[18:]))).test) == 6


@row("a `tf.data.Dataset`")
def _(folder: Path) -> None:
    import keras

    classes(folder, "cat", "dog")
    source = keras.utils.image_dataset_from_directory(folder, image_size=(16, 16), verbose=False)
    source = source.map(lambda picture, label: (picture, label)).prefetch(1)
    dataset = datasets.load(source)
    assert dataset.class_names == ("cat", "dog")
    # Keras shuffles in every pass.
    assert datasets.load(source).fingerprint() == dataset.fingerprint()


@row('{"train": ..., "validation": ..., "test": ...} of pairs or data sets')
def _(folder: Path) -> None:
    dataset = datasets.load({"train": (PICTURES[:18], LABELS[:18]), "test": (PICTURES[18:], LABELS[18:])})
    assert dataset.made_splits == ("validation",)


@row("two data sets in a tuple, or three")
def _(folder: Path) -> None:
    import tensorflow as tf

    whole = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS))
    parts = whole.take(12), whole.skip(12).take(6), whole.skip(18)
    dataset = datasets.load(parts[:2])
    assert (len(dataset.validation), dataset.made_splits) == (6, ("test",))
    assert dataset.notes[0].startswith("The data sets are taken for train and validation in this order")
    dataset = datasets.load(parts)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test), dataset.made_splits) == (12, 6, 6, ())


@row("data sets and arrays in one tuple")
def _(folder: Path) -> None:
    import tensorflow as tf

    source = tf.data.Dataset.from_tensor_slices((PICTURES, LABELS))
    refused((source, (PICTURES, LABELS)), r'Expected a mapping: \{"train": first, "validation": second')


@row("labels without names")
def _(folder: Path) -> None:
    dataset = datasets.load((PICTURES, np.arange(24) % 2 + 5))
    assert dataset.class_names == ("5", "6") and dataset.notes[0].startswith("No class names are given")


@row("an .npz of x and y, or of x_train, y_train, x_test, ...")
def _(folder: Path) -> None:
    np.savez(folder / "a.npz", x_train=PICTURES[:18], y_train=LABELS[:18], x_test=PICTURES[18:], y_test=LABELS[18:])
    assert len(datasets.load(folder / "a.npz").test) == 6
    np.savez(folder / "b.npz", x=np.array([{}], object), y=LABELS[:1])
    refused(folder / "b.npz", "holds Python objects")


def near(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(int) + 3, 0, 255).astype(np.uint8)


@row("a picture in test that stands in train too, identical or as a near copy")
def _(folder: Path) -> None:
    test = np.stack([PICTURES[0], near(PICTURES[1])])
    dataset = datasets.load({"train": (PICTURES, LABELS), "test": (test, LABELS[:2])})
    assert (dataset.repeats.test.identical, dataset.repeats.test.near) == (1, 1)
    assert dataset.notes[-1].startswith("1 of 2 test pictures is identical to training or validation pictures, and 1 m")


@row("a picture under two classes")
def _(folder: Path) -> None:
    dataset = datasets.load((np.concatenate([PICTURES] * 2), np.concatenate([LABELS, np.roll(LABELS, 1)])))
    assert dataset.notes[-1].startswith("24 pictures stand under several classes, such as 'cat' and 'dog'")
    found = [{one.tobytes() for one in getattr(dataset, split).pictures} for split in SPLITS]
    assert sum(map(len, found)) == 24


@row("near copies, without splits")
def _(folder: Path) -> None:
    dataset = datasets.load((np.concatenate([PICTURES, near(PICTURES)]), np.concatenate([LABELS] * 2)))
    assert dataset.notes == ("48 pictures have near copies: those that are alike are in the same split.",)
    assert dataset.repeats.sentences() == ()
