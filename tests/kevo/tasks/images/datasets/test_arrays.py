"""Arrays, `.npz` files and `tf.data` become the same pixels as files do, or are refused with a reason."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset, Limits
from kevo.tasks.images.datasets.splitting import digest

NUM, SIDE = 24, 10
RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (NUM, SIDE, SIDE, 3), dtype=np.uint8)
COLORS[0, 0, 0] = 255
GREYS = COLORS[..., 0]
OVERSHOT = COLORS / np.float32(255) * np.float32(1.2) - np.float32(0.1)
LABELS = np.arange(NUM) % 3


def loaded(pictures: Any, labels: Any = LABELS, **options: Any) -> np.ndarray:
    """The pixels of a test split, to which nothing happens but the conversion."""
    splits = {"train": (pictures, labels), "validation": (pictures, labels), "test": (pictures, labels)}
    return datasets.load(splits, **options).test.pictures


def repeated(greys: np.ndarray) -> np.ndarray:
    return np.repeat(greys[..., np.newaxis], 3, axis=3)


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        (COLORS, COLORS),
        (GREYS, repeated(GREYS)),
        (GREYS[..., np.newaxis], repeated(GREYS)),
        (GREYS.astype(np.int64), repeated(GREYS)),
        (COLORS.tolist(), COLORS),
        (GREYS.astype(np.uint16) * 257, repeated(GREYS)),
        (GREYS.astype(np.uint16), repeated(GREYS)),
        (GREYS / 255, repeated(GREYS)),
        (COLORS.astype(np.float16), COLORS),
        (COLORS.astype(np.float32), COLORS),
        (COLORS / np.float32(255), COLORS),
        (GREYS > 100, repeated(np.where(GREYS > 100, 255, 0))),
        ((GREYS > 100).astype(np.uint8), repeated(np.where(GREYS > 100, 255, 0))),
        (GREYS.astype(np.int32) * 257, repeated(GREYS)),
        (np.rint(GREYS * (4095 / 255)).astype(np.uint16), repeated(GREYS)),
        (COLORS * (1.0001 / 255), COLORS),
        (OVERSHOT, np.rint(np.clip(OVERSHOT * np.float32(255), 0, 255))),
    ],
    ids=[
        "rgb",
        "grey",
        "one channel",
        "int64",
        "lists",
        "16 bits",
        "8 in 16 bits",
        "0-1",
        "half",
        "0-255",
        "rgb 0-1",
        "bool",
        "0 and 1",
        "wide integers",
        "12 bits",
        "a hair above 1",
        "overshoot",
    ],
)
def test_numbers_become_pixels(pictures: Any, expected: np.ndarray) -> None:
    found = loaded(pictures)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_transparency_is_put_on_white() -> None:
    alpha = np.full((NUM, SIDE, SIDE, 1), 51, np.uint8)
    alpha[:8], alpha[8:16] = 0, 255
    found = loaded(np.concatenate([COLORS, alpha], axis=3))
    np.testing.assert_array_equal(found[:8], 255)
    np.testing.assert_array_equal(found[8:16], COLORS[8:16])
    np.testing.assert_array_equal(found[16:], np.rint(COLORS[16:] * 0.2 + 255 * 0.8))


def test_many_pictures_keep_their_order() -> None:
    pictures = np.arange(3000, dtype=np.uint16).repeat(64).reshape(-1, 8, 8) % 256
    np.testing.assert_array_equal(loaded(pictures, np.arange(3000) % 2)[:, 0, 0, 0], np.arange(3000) % 256)


@pytest.mark.parametrize("image_size", [16, 112])
def test_pictures_are_resized(image_size: int) -> None:
    flat = np.arange(NUM, dtype=np.uint8).repeat(200).reshape(NUM, 10, 20)
    found = loaded(flat, image_size=image_size)
    assert found.shape == (NUM, image_size, image_size, 3)
    np.testing.assert_array_equal(found.min(axis=(1, 2, 3)), np.arange(NUM))
    np.testing.assert_array_equal(found.max(axis=(1, 2, 3)), np.arange(NUM))


def test_the_callers_arrays_are_left_alone() -> None:
    before = COLORS.copy()
    dataset = datasets.load({split: (COLORS, LABELS) for split in ("train", "validation", "test")})
    dataset.train.pictures[:] = 0
    np.testing.assert_array_equal(COLORS, before)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS + 9, ("9", "10", "11")),
        (LABELS.astype(float), ("0", "1", "2")),
        (LABELS[:, np.newaxis], ("0", "1", "2")),
        (LABELS > 0, ("0", "1")),
        (np.eye(3)[LABELS], ("0", "1", "2")),
        (np.array(["b10", "b9", "a"])[LABELS], ("a", "b10", "b9")),
        (np.array(["b", "c", "a"], dtype=object)[LABELS], ("a", "b", "c")),
        (np.array([b"b", b"c", b"a"])[LABELS], ("a", "b", "c")),
        (["b", "c", "a"] * 8, ("a", "b", "c")),
        ([1, 2, 3] * 8, ("1", "2", "3")),
        (np.array([7, 8, 9], dtype=object)[LABELS], ("7", "8", "9")),
    ],
)
def test_labels_of_every_kind(labels: Any, names: tuple[str, ...]) -> None:
    dataset = datasets.load({"train": (COLORS, labels), "test": (COLORS, labels)})
    assert dataset.class_names == names
    plain = np.asarray(labels)
    plain = plain.argmax(axis=1) if plain.shape == (NUM, 3) else plain.ravel()
    text = [value.decode() if isinstance(value, bytes) else value for value in plain.tolist()]
    found = [names[label] for label in dataset.test.labels]
    assert found == [value if isinstance(value, str) else str(int(value)) for value in text]


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        (COLORS, LABELS[:-1], "The train split has 24 pictures but 23 labels. Expected one label for each"),
        (COLORS, 3, "The train split has 24 pictures but 1 labels"),
        (COLORS, LABELS + 0.5, "The train labels have the shape .* and the type float64. Expected"),
        (
            COLORS,
            np.full((NUM, 3), 1 / 3),
            r"the shape \(24, 3\) but are not one-hot. Expected exactly one 1 in each row",
        ),
        (COLORS, [None] * NUM, "the type object. Expected"),
        (COLORS, ["a", 1] * 12, None),
        (COLORS, [[1], [1, 2]] * 12, "The train labels are no array: .*. Expected one shape"),
        (COLORS, np.zeros(NUM, int), r"Found 1 class \(0\). Expected at least two"),
        (COLORS, np.r_[np.zeros(22), 1, 1], "class '1' has too few different pictures: 2. Expected at least 3"),
        (COLORS[:0], LABELS[:0], r"have the shape \(0, 10, 10, 3\)"),
        (COLORS.reshape(NUM, -1), LABELS, r"shape \(24, 300\).* seem to be flat: .* with reshape"),
        (np.moveaxis(COLORS, -1, 1), LABELS, r"\(24, 3, 10, 10\).* come first: np.moveaxis\(pictures, 1, -1\)"),
        (COLORS[..., :2], LABELS, "with 1, 3 or 4 channels"),
        ([np.zeros(2), np.zeros(3)] * 12, LABELS, "The train pictures are no array"),
        (GREYS.astype(np.int16) - 1, LABELS, r"values from -1 to 254. Expected integers 0-255 .* floats 0-1"),
        (GREYS / 127.5 - 1, LABELS, r"values from -1 to 1. Expected .* \(x \+ 1\) / 2 brings -1 to 1 there"),
        (GREYS.astype(np.int32) * 258, LABELS, r"to 65790. Expected integers 0-255 or of up to 16 bits"),
        (GREYS / 64, LABELS, r"values from 0 to 3.98.*, too much for 0-1 and too little for 0-255. Expected"),
        (GREYS * 1.5, LABELS, r"to 382.5, too much for 0-255 and too little for 10 bits. Expected"),
        (np.where(GREYS > 200, np.nan, 1), LABELS, "values from nan to nan"),
        (np.where(GREYS > 200, np.inf, 1), LABELS, "to inf"),
        (np.where(GREYS > 200, np.inf, 1).astype(np.float16), LABELS, "to inf"),
        (GREYS.astype(complex), LABELS, "The pictures are of type complex128. Expected one type in all splits"),
        (GREYS.astype(str), LABELS, "are of type <U3"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(pictures: Any, labels: Any, message: str | None) -> None:
    if message is None:
        assert datasets.load((pictures, labels)).class_names == ("1", "a")  # NumPy makes text of it.
        return
    with pytest.raises(DataError, match=message):
        datasets.load((pictures, labels))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"train": (COLORS, LABELS), "tset": (COLORS, LABELS)},
            "Received the splits 'train', 'tset'. Expected train, and",
        ),
        ({"val": (COLORS, LABELS), "validation": (COLORS, LABELS)}, "Received the splits 'val', 'validation'"),
        ({"test": (COLORS, LABELS)}, "Received the splits 'test'. Expected train, and optionally"),
        ({}, "Received the splits none. Expected train"),
        ({"train": COLORS}, "The train split is a ndarray. Expected a pair"),
        ({"train": (COLORS, LABELS), "test": (COLORS, LABELS + 1)}, "test split has the class '3', which the training"),
        ({"train": (COLORS, LABELS), "test": (COLORS / 255, LABELS)}, "type float64, uint8. Expected one type in all"),
        (42, "Cannot read pictures from int. Expected a path, a built-in name, a pair"),
        (COLORS, "Cannot read pictures from ndarray"),
    ],
)
def test_other_sources_are_refused(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load(source)


def test_one_unknown_among_many_is_shortened() -> None:
    with pytest.raises(DataError, match=r"the classes '10', '11', '12', '13', '14' and 19 more, which"):
        datasets.load({"train": (COLORS, LABELS), "test": (COLORS, np.arange(NUM) + 10)})


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (("",), ("validation", "test")),
        (("_train",), ("validation", "test")),
        (("_train", "_test"), ("validation",)),
        (("_train", "_val"), ("test",)),
        (("_train", "_validation", "_test"), ()),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save: Any, names: tuple[str, ...], made: tuple[str, ...], tmp_path: Path) -> None:
    arrays = {f"x{name}": COLORS for name in names} | {f"y{name}": LABELS for name in names}
    save(tmp_path / "colors.npz", **arrays, class_names=["red", "green", "blue"])
    dataset = datasets.load(tmp_path / "colors.npz")
    assert (dataset.name, dataset.made_splits) == ("colors", made)
    assert dataset.class_names == ("red", "green", "blue")
    if not made:
        np.testing.assert_array_equal(dataset.test.pictures, COLORS)
        np.testing.assert_array_equal(dataset.test.labels, LABELS)


def test_npz_with_labels_in_words_keeps_the_order_of_the_class_names(tmp_path: Path) -> None:
    names = ["red", "green", "blue"]
    np.savez(
        tmp_path / "colors.npz",
        x=COLORS,
        y=np.array(names)[LABELS],
        x_test=COLORS,
        y_test=np.array(names)[LABELS],
        class_names=names,
    )
    dataset = datasets.load(tmp_path / "colors.npz")
    assert dataset.class_names == ("red", "green", "blue")
    np.testing.assert_array_equal(dataset.test.labels, LABELS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": COLORS, "names": LABELS}, "holds names, pictures. Expected the arrays x_train and y_train, or x"),
        ({}, "holds nothing. Expected the arrays"),
        ({"x_train": COLORS}, "has only one of x_train and y_train. Expected both"),
        ({"x": COLORS, "y": LABELS, "y_test": LABELS}, "has only one of x_test and y_test"),
        ({"x": COLORS, "y": LABELS[:-1]}, "24 pictures but 23 labels"),
        ({"x": COLORS, "y": LABELS, "x_train": COLORS, "y_train": LABELS}, "has both x and x_train. Expected one"),
        ({"x": COLORS, "y": LABELS.astype(object)}, "holds Python objects, which may run code"),
        ({"x": COLORS, "y": LABELS, "class_names": ["a", "a", "b"]}, "Class names must differ. Received: a, a, b"),
        ({"x": COLORS, "y": LABELS, "class_names": ["a", "b"]}, "The train split has the class '2', which"),
        ({"x": COLORS, "y": LABELS, "class_names": list("abcd")}, "no picture to train on of the class 'd'"),
    ],
)
def test_npz_that_cannot_be_used_is_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "colors.npz", **arrays)
    with pytest.raises(DataError, match=message):
        datasets.load(tmp_path / "colors.npz")


def test_broken_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "colors.npz"
    np.savez(path, x=COLORS, y=LABELS)
    content = bytearray(path.read_bytes())
    middle = content.index(b"NUMPY") + 500
    content[middle] ^= 0xFF
    for damaged in (content, content[: len(content) // 2], b"", b"words"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="Cannot read .*. Make or download it again"):
            datasets.load(path)


def test_npz_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000000,), }"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as written:
        written.writestr("x.npy", content)
        written.writestr("y.npy", content)
    with pytest.raises(DataError, match="Cannot read .*huge.npz as .npz"):
        datasets.load(tmp_path / "huge.npz")


@pytest.mark.parametrize(
    "header", [b"", b"{", b"{'descr': ((\n", b"{'descr': 1}", b"\x00" * 20, b"['|u1']", b"\xff" * 9]
)
def test_npz_with_a_malformed_header_is_refused(header: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "colors.npz", "w") as written:
        for name in ("x.npy", "y.npy"):
            written.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(DataError, match="Cannot read .*colors.npz as .npz"):
        datasets.load(tmp_path / "colors.npz")


def test_npz_that_numpy_would_not_pack_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "colors.npz", "w", zipfile.ZIP_BZIP2) as written:
        written.writestr("x.npy", b"")
    with pytest.raises(DataError, match=r"packed as NumPy packs no .npz \(x.npy\)"):
        datasets.load(tmp_path / "colors.npz")


def test_npz_bomb_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1000, 50, 50), np.uint8), y=np.arange(1000) % 2)
    with pytest.raises(DataError, match="as a zip bomb does"):
        datasets.load(tmp_path / "bomb.npz", limits=Limits(max_file_bytes=100_000))


@pytest.fixture(scope="module")
def tf() -> Any:
    import tensorflow

    return tensorflow


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("pictures", [COLORS, GREYS], ids=["rgb", "grey"])
def test_tf_data(tf: Any, pictures: np.ndarray, batch_size: int | None, one_hot: bool) -> None:
    if pictures is GREYS and one_hot and batch_size is None:
        pictures = GREYS[..., np.newaxis]
    # As many classes as a picture has rows: the shapes alone do not tell a batch from a picture.
    labels = np.arange(NUM) % SIDE
    source = tf.data.Dataset.from_tensor_slices((pictures, np.eye(SIDE)[labels] if one_hot else labels))
    source = source if batch_size is None else source.batch(batch_size)
    dataset = datasets.load({"train": source, "validation": source, "test": (pictures, labels)})
    expected = COLORS if pictures is COLORS else repeated(GREYS)
    order = sorted(range(NUM), key=lambda place: (labels[place], digest(expected[place])))
    np.testing.assert_array_equal(dataset.train.pictures, expected[order])
    np.testing.assert_array_equal(dataset.train.labels, labels[order])
    np.testing.assert_array_equal(dataset.test.pictures, expected)


def test_tf_data_of_many_sizes(tf: Any) -> None:
    def rows() -> Any:
        for number in range(12):
            yield np.full((10 + number // 6, 12, 3), number, np.uint8), b"even" if number % 2 == 0 else b"odd"

    signature = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.string))
    dataset = datasets.load(tf.data.Dataset.from_generator(rows, output_signature=signature))
    assert (dataset.name, dataset.class_names, dataset.image_size) == ("tf_data", ("even", "odd"), 16)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sorted(int(shade) for split in splits for shade in split.pictures[:, 0, 0, 0]) == list(range(12))


def test_tf_data_from_keras_keeps_the_class_names(tf: Any, tmp_path: Path) -> None:
    from keras.utils import image_dataset_from_directory

    for number, name in enumerate(["cat", "dog"] * 4):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("L", (16, 16), 10 * number).save(tmp_path / name / f"{number}.png")
    dataset = datasets.load(image_dataset_from_directory(tmp_path, image_size=(16, 16), verbose=False))
    assert dataset.class_names == ("cat", "dog")
    assert [shade // 10 % 2 for shade in dataset.train.pictures[:, 0, 0, 0]] == dataset.train.labels.tolist()


def eleven(folder: Path) -> Path:
    """A folder of the classes 0 to 10, in the red of whose pictures the class stands."""
    for number in range(11):
        (folder / str(number)).mkdir(parents=True)
        for copy in range(6):
            Image.new("RGB", (16, 16), (20 * number, 0, copy)).save(folder / str(number) / f"{copy}.png")
    return folder


def named_reds(dataset: ImageDataset) -> set[tuple[str, int]]:
    splits = (dataset.train, dataset.validation, dataset.test)
    reds = np.concatenate([split.pictures[:, 0, 0, 0] for split in splits]).tolist()
    labels = np.concatenate([split.labels for split in splits]).tolist()
    return {(dataset.class_names[label], red // 20) for label, red in zip(labels, reds, strict=True)}


def test_a_folder_has_the_same_classes_through_keras_and_through_kevo(tf: Any, tmp_path: Path) -> None:
    from keras.utils import image_dataset_from_directory

    folder, options = eleven(tmp_path / "eleven"), {"image_size": (16, 16), "seed": 1, "verbose": False}
    train, validation = image_dataset_from_directory(folder, validation_split=0.3, subset="both", **options)
    own = datasets.load(folder)
    true = {(str(number), number) for number in range(11)}
    for source in (
        train.concatenate(validation),
        train.concatenate(validation).map(lambda picture, label: (picture / 255, label)).prefetch(2),
        {"train": train.unbatch().batch(3), "validation": validation.cache(), "test": validation.shuffle(9)},
        {"train": train.concatenate(validation), "test": (np.zeros((2, 16, 16)), [2, 2])},
    ):
        dataset = datasets.load(source)
        assert dataset.class_names == own.class_names == ("0", "1", "10", *"23456789")
        assert named_reds(dataset) - {("10", 0)} == named_reds(own) == true
        assert not any("No class names" in note for note in dataset.notes)


def test_each_split_may_number_the_classes_its_own_way(tf: Any, tmp_path: Path) -> None:
    from keras.utils import image_dataset_from_directory

    options = {"image_size": (16, 16), "verbose": False}
    folder, names = eleven(tmp_path / "eleven"), list(map(str, range(11)))
    train = image_dataset_from_directory(folder, class_names=names, **options)
    dataset = datasets.load({"train": train, "test": image_dataset_from_directory(folder, **options)})
    assert dataset.class_names == tuple(names)
    assert named_reds(dataset) == {(str(number), number) for number in range(11)}
    other = image_dataset_from_directory(folder, class_names=names[::-1], **options)
    with pytest.raises(DataError, match="joins others with different classes: 0, 1, 2, 3, 4 and 10, 9, 8, 7, 6"):
        datasets.load(train.concatenate(other))


def test_class_names_that_do_not_fit_the_labels_any_more_are_left_out(tf: Any, tmp_path: Path) -> None:
    from keras.utils import image_dataset_from_directory

    source = image_dataset_from_directory(eleven(tmp_path / "eleven"), image_size=(16, 16), verbose=False)
    dataset = datasets.load(source.map(lambda picture, label: (picture, label > 5)))
    assert dataset.class_names == ("0", "1")
    assert dataset.notes == (
        "No class names are given: each class is called by the number that the source's labels have for it.",
    )


def test_tf_data_in_another_order_is_the_same_data_set(tf: Any) -> None:
    source = tf.data.Dataset.from_tensor_slices((COLORS, LABELS)).shuffle(NUM)
    first, again = datasets.load(source), datasets.load(source.batch(5))
    assert first.fingerprint() == again.fingerprint()


def test_what_load_data_returns_is_train_and_test(tf: Any) -> None:
    dataset = datasets.load(((COLORS, LABELS), (COLORS[:6], LABELS[:6])))
    assert (len(dataset.test), dataset.made_splits) == (6, ("validation",))
    source = tf.data.Dataset.from_tensor_slices((COLORS, LABELS))
    assert datasets.load((source, source)).made_splits == ("test",)
    assert datasets.load(((COLORS, LABELS),) * 3).made_splits == ()
    with pytest.raises(DataError, match=r'some are data sets, .* Expected a mapping: \{"train": first, "validation"'):
        datasets.load((source, (COLORS, LABELS)))
    two = datasets.load({"train": (COLORS, LABELS), "test": [[COLORS[0], COLORS[1]], LABELS[:2]]}).test
    np.testing.assert_array_equal(two.pictures, COLORS[:2])


def test_pictures_of_several_sizes_are_a_list() -> None:
    pictures = [np.full((9 + number % 3, 12, 3), number, np.uint8) for number in range(24)]
    dataset = datasets.load((pictures, LABELS))
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sorted(int(shade) for split in splits for shade in split.pictures[:, 0, 0, 0]) == list(range(24))


def test_bfloat16_is_a_float(tf: Any) -> None:
    source = {"train": (COLORS, LABELS), "test": (COLORS, LABELS)}
    expected = datasets.load({split: (COLORS.astype(np.float32), LABELS) for split in source})
    found = datasets.load({split: (tf.cast(COLORS, tf.bfloat16), LABELS) for split in source})
    assert np.abs(found.test.pictures.astype(int) - expected.test.pictures).max() <= 1


def test_tf_data_that_cannot_be_used_is_refused(tf: Any) -> None:
    good = tf.data.Dataset.from_tensor_slices((COLORS, LABELS))
    for source, message in (
        (good.repeat(), "The train tf.data.Dataset never ends. Limit it with take"),
        (good.take(0), "The train tf.data.Dataset is empty"),
        (good.map(lambda picture, label: picture), r"yields TensorSpec.*Expected \(picture, label\)"),
        (good.map(lambda picture, label: {"picture": picture, "label": label}), r"Expected \(picture, label\)"),
        (good.map(lambda picture, label: (picture, label, 1.0)), r"Expected \(picture, label\)"),
    ):
        with pytest.raises(DataError, match=message):
            datasets.load(source)


def test_object_arrays_never_run_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    stream = io.BytesIO()
    np.savez(stream, x=COLORS, y=np.array([Bomb()] * NUM, dtype=object))
    (tmp_path / "bomb.npz").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match="holds Python objects"):
        datasets.load(tmp_path / "bomb.npz")
    assert not (tmp_path / "ran").exists()
