"""Pictures that are numbers already: NumPy arrays, `.npz` files and `tf.data`."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kevo.errors import DataError
from kevo.system import memory
from kevo.tasks.images import picture_arrays
from kevo.tasks.images.datasets.dataset import Limits
from kevo.tasks.images.datasets.files import open_archive
from kevo.tasks.images.datasets.levels import UNKNOWN, Levels, Whites, describe, to_bytes
from kevo.tasks.images.datasets.pictures import Size, choose_crop, choose_shape, for_each, resize
from kevo.tasks.images.picture_arrays import Pictures
from kevo.tasks.splits import SPLIT_ALIASES, SPLITS

Array = npt.NDArray[Any]
Blocks = list[Array]
"""Pictures as arrays of shape (n, height, width, channels); each block may have its own height and width."""

_NUM_CHANNELS = (1, 3, 4)
_NUMPY_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 1024
"""Pictures converted at a time, so that no second copy of all of them is ever needed."""


def is_tf_dataset(source: Any) -> bool:
    """Whether `source` is a `tf.data.Dataset`, told without importing TensorFlow."""
    return hasattr(source, "element_spec") and hasattr(source, "as_numpy_iterator")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The pictures of one split as numbers.

    Args:
        blocks: The pictures.
        labels: An integer or a string for each.
        class_names: The names that integers are positions in, where the source has them.
        is_ordered: Whether the source yields its pictures in the same order each time.
    """

    blocks: Blocks
    labels: list[int] | list[str]
    class_names: tuple[str, ...] | None = None
    is_ordered: bool = True


_SPLITS_OF_PAIRS = {2: ("train", "test"), 3: SPLITS}
_SPLITS_OF_DATA_SETS = {2: ("train", "validation"), 3: SPLITS}


def splits_of(source: Any) -> dict[str, Any] | None:
    """Names splits that come without names, in the order in which Keras returns them.

    Two pairs ((pictures, labels), (pictures, labels)) are train and test, as `load_data()` has them; two data sets are
    train and validation, as `image_dataset_from_directory(subset="both")` has them. Of either, three are all splits.

    Args:
        source: A tuple or a list of them.

    Returns:
        The splits; `None` where it is something else.
    """
    if not isinstance(source, tuple | list) or len(source) not in _SPLITS_OF_PAIRS:
        return None
    if all(map(is_tf_dataset, source)):
        return dict(zip(_SPLITS_OF_DATA_SETS[len(source)], source, strict=True))
    pairs = [one for one in source if isinstance(one, tuple | list) and len(one) == 2]
    # Two pictures with two labels are two pairs as well.
    if len(pairs) < len(source) or not all(len(getattr(pictures, "shape", ())) >= 3 for pictures, _ in pairs):
        return None
    return dict(zip(_SPLITS_OF_PAIRS[len(source)], source, strict=True))


def by_split(source: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns a mapping of splits by their usual names: `val` is `validation`.

    Raises:
        DataError: a split has another name, or there is none to train with.
    """
    names = [SPLIT_ALIASES.get(str(key).casefold()) for key in source]
    if "train" not in names or None in names or len(set(names)) < len(names):
        raise DataError(
            f"Received the splits {', '.join(map(repr, source)) or 'none'}. Expected train, and optionally validation "
            "and test."
        )
    return dict(zip(filter(None, names), source.values(), strict=True))


def from_mapping(source: Mapping[Any, Any]) -> dict[str, Numbers]:
    """Reads a mapping of split names to pairs of arrays or to `tf.data.Dataset`s.

    Raises:
        DataError: a split has another name, or its pictures or labels another form.
    """
    splits: dict[str, Numbers] = {}
    for split, value in by_split(source).items():
        if is_tf_dataset(value):
            splits[split] = _from_tf(value, split)
        elif isinstance(value, tuple | list) and len(value) == 2:
            blocks = _several_sizes(value[0], split) or _blocks(_array(value[0], f"{split} pictures"), split)
            splits[split] = Numbers(blocks, _labels(_array(value[1], f"{split} labels"), blocks, split))
        else:
            raise DataError(
                f"The {split} split is a {type(value).__name__}. Expected a pair (pictures, labels) or a "
                "tf.data.Dataset of such pairs."
            )
    return splits


def from_npz(path: Path, limits: Limits) -> tuple[dict[str, tuple[Array, Array]], tuple[str, ...] | None]:
    """Reads an `.npz` with `x_train` and `y_train`, or `x` and `y`; optionally `x_val`, `y_val`, `x_test`, `y_test`.

    Returns:
        Pictures and labels of each split, for `from_mapping`; and the class names if the file has `class_names`.

    Raises:
        DataError: the file is broken, holds Python objects, or lacks an array.
    """
    max_bytes = min(limits.max_archive_bytes, memory.usable() or limits.max_archive_bytes)
    with open_archive(path, dataclasses.replace(limits, max_archive_bytes=max_bytes)) as archive:
        packed = next((one for one in archive.infolist() if one.compress_type not in _NUMPY_METHODS), None)
        if packed is not None:
            raise DataError(
                f"{path} is packed as NumPy packs no .npz ({packed.filename}). Save it with numpy.savez_compressed."
            )
    try:
        with np.load(path, allow_pickle=False) as stored:
            keys = set(stored.files)
            found: dict[str, tuple[Array, Array]] = {}
            if {"x", "x_train"} <= keys:
                raise DataError(f"{path} has both x and x_train. Expected one of them.")
            for name in ("", *(f"_{alias}" for alias in SPLIT_ALIASES)):
                if f"x{name}" in keys and f"y{name}" in keys:
                    found[name[1:] or "train"] = _pictures_of(stored, f"x{name}"), stored[f"y{name}"]
                elif f"x{name}" in keys or f"y{name}" in keys:
                    raise DataError(f"{path} has only one of x{name} and y{name}. Expected both.")
            names = tuple(map(str, stored["class_names"].ravel().tolist())) if "class_names" in keys else None
    except DataError:
        raise
    except Exception as error:
        # NumPy meets broken files with errors of every kind.
        if "pickle" in str(error):
            raise DataError(
                f"{path} holds Python objects, which may run code when they are read. Save numbers or strings."
            ) from error
        raise DataError(
            f"Cannot read {path} as .npz: {str(error) or type(error).__name__}. Make or download it again."
        ) from error
    if not found:
        raise DataError(
            f"{path} holds {', '.join(sorted(keys)) or 'nothing'}. Expected the arrays x_train and y_train, or x and y."
        )
    return found, names


def shapes_in_npz(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the arrays in an `.npz` by their names, without reading them; none where it is broken."""
    shapes = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    version = np.lib.format.read_magic(file)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shapes[name.removesuffix(".npy")], _, _ = read(file)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return {}
    return shapes


def _pictures_of(stored: Any, name: str) -> Array:
    """Reads an array of an open `.npz`; pictures that take much memory are kept on disk."""
    with stored.zip.open(f"{name}.npy") as file:
        found = picture_arrays.from_npy(file)
    return stored[name] if found is None else found


def to_pictures(
    splits: Mapping[str, Blocks],
    *,
    image_size: Size | None,
    whites: Whites | None = None,
    crop: bool | None = False,
    are_own: bool = False,
) -> tuple[dict[str, Pictures], Whites, bool, str | None]:
    """Turns numbers into RGB pictures of one size: squares, unless small ones are of one size already.

    One value is white for all of them, see `levels`. What is transparent is put on white. The arrays themselves are
    left alone.

    Args:
        splits: The pictures of each split.
        image_size: The side of the squares, in pixels, or the height and width; `None` chooses from the pictures.
        whites: Those of other pictures, whose model is to see these; `None` chooses them.
        crop: Whether to take the middle square of each picture, in place of squashing it; `None` chooses that from the
            pictures.
        are_own: Whether nobody else holds the arrays, so that those that need no change are not copied.

    Returns:
        The pictures of each split, what was white, whether they were cropped, and what there is to say of the white.

    Raises:
        DataError: a value lies outside of these ranges, or the pictures fit neither into memory nor on the disk.
        SettingsError: `image_size` is too small.
    """
    blocks = [block for several in splits.values() for block in several]
    white, chosen, note = _white(blocks, whites or UNKNOWN)
    shapes = [block.shape[1:3] for block in blocks for _ in block]
    shape = choose_shape(shapes, image_size=image_size)
    crop = choose_crop(shapes) if crop is None else crop
    found = {
        split: several[0]
        if are_own and white == 255 and len(several) == 1 and _is_rgb(several[0], shape)
        else _brought(several, shape, white, crop=crop)
        for split, several in splits.items()
    }
    return found, chosen, crop, note


def _brought(blocks: Blocks, shape: tuple[int, int], white: int, *, crop: bool) -> Pictures:
    """Brings pictures to one size."""
    found = picture_arrays.empty((sum(map(len, blocks)), *shape, 3))
    start = 0
    for block in blocks:
        for chunk in _chunks(block):
            pictures = _rgb(to_bytes(chunk, white))
            if pictures.shape[1:3] != shape:
                resized = functools.partial(resize, shape=shape, crop=crop)
                pictures = np.stack(for_each(resized, list(map(Image.fromarray, pictures)), size=max(shape)))
            found[start : start + len(chunk)] = pictures
            start += len(chunk)
    return found


def _chunks(block: Array) -> Iterator[Array]:
    return (block[first : first + _CHUNK] for first in range(0, len(block), _CHUNK))


def _is_rgb(block: Array, shape: tuple[int, int]) -> bool:
    return block.dtype == np.uint8 and block.shape[1:] == (*shape, 3)


def _rgb(pictures: Pictures) -> Pictures:
    if pictures.shape[3] == 4:
        alpha = pictures[..., 3:].astype(np.uint16)
        on_white = pictures[..., :3] * alpha + 255 * (255 - alpha)
        return ((on_white + 127) // 255).astype(np.uint8)
    return np.broadcast_to(pictures, (*pictures.shape[:3], 3))


def _white(blocks: Blocks, given: Whites) -> tuple[int, Whites, str | None]:
    """The value that is white, also as the whites of this source, and what there is to say of it."""
    kinds = {block.dtype.kind.replace("i", "u") for block in blocks}
    if len(kinds) > 1 or not kinds <= set("buf"):
        types = ", ".join(sorted({str(block.dtype) for block in blocks}))
        raise DataError(
            f"The pictures are of type {types}. Expected one type in all splits: integers, floats or booleans."
        )
    if kinds == {"b"}:
        return 1, UNKNOWN, None
    if all(block.dtype == np.uint8 for block in blocks) and any(
        chunk.max() > 1 for block in blocks for chunk in _chunks(block)
    ):
        return 255, Whites(integers=255), None
    is_float = kinds == {"f"}
    found = Levels.joined(Levels.of(chunk) for block in blocks for chunk in _chunks(block))
    try:
        white = found.white(is_float=is_float)
    except ValueError as error:
        hint = " (x + 1) / 2 brings -1 to 1 there." if -1.25 < found.low < 0 and found.high < 1.25 else ""
        raise DataError(
            f"The pictures have {error}. Expected integers 0-255 or of up to 16 bits, floats 0-1 or floats 0-255.{hint}"
        ) from None
    expected = given.given(is_float=is_float)
    # Eight bits are always seen as they are.
    if expected is not None and white <= expected and any(block.dtype.itemsize > 1 for block in blocks):
        white = expected
    return white, Whites(floats=white) if is_float else Whites(integers=white), describe(found, white)


def _array(values: Any, what: str) -> Array:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"The {what} are no array: {error}. Expected one shape for all of them.") from error
    # Types that NumPy itself does not know, such as bfloat16.
    return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array


def _several_sizes(pictures: Any, split: str) -> Blocks:
    """Reads a list of pictures of several sizes; returns nothing where they have one size, or are no such list."""
    if not isinstance(pictures, tuple | list):
        return []
    arrays = [np.asarray(picture) for picture in pictures if len(getattr(picture, "shape", ())) in (2, 3)]
    if len(arrays) < len(pictures) or len({array.shape for array in arrays}) < 2:
        return []
    return _joined([block for array in arrays for block in _blocks(_array(array, "pictures")[np.newaxis], split)])


def _blocks(pictures: Array, split: str) -> Blocks:
    """Checks an array of pictures and gives it a channel axis."""
    array = pictures
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in _NUM_CHANNELS or 0 in array.shape:
        hint = ""
        if array.ndim == 4 and array.shape[1] in _NUM_CHANNELS:
            hint = " The channels seem to come first: np.moveaxis(pictures, 1, -1) puts them last."
        elif array.ndim == 2:
            hint = " The pictures seem to be flat: give them back their height and width with reshape."
        raise DataError(
            f"The {split} pictures have the shape {pictures.shape}. Expected (n, height, width) or "
            f"(n, height, width, channels) with 1, 3 or 4 channels, and at least one picture.{hint}"
        )
    return [array]


def _labels(labels: Array, blocks: Blocks, split: str) -> list[int] | list[str]:
    """Checks labels and returns one integer or string for each picture."""
    num_pictures = sum(map(len, blocks))
    if labels.ndim == 0 or len(labels) != num_pictures:
        raise DataError(
            f"The {split} split has {num_pictures} pictures but {labels.size if labels.ndim == 0 else len(labels)} "
            "labels. Expected one label for each picture."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind in "OST":
        plain = [label.decode(errors="backslashreplace") if isinstance(label, bytes) else label for label in labels]
        if all(isinstance(label, str) for label in plain):
            return [str(label) for label in plain]
        if all(isinstance(label, int) for label in plain):
            labels = np.array(plain)
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise DataError(
                f"The {split} labels have the shape {labels.shape} but are not one-hot. Expected exactly one 1 in each "
                "row, else 0."
            )
        labels = labels.argmax(axis=1)
    if labels.ndim == 1 and labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.ndim != 1 or labels.dtype.kind not in "biuU":
        raise DataError(
            f"The {split} labels have the shape {labels.shape} and the type {labels.dtype}. Expected (n,) integers or "
            "strings, or (n, num_classes) one-hot."
        )
    answer: list[int] | list[str] = (labels if labels.dtype.kind == "U" else labels.astype(np.int64)).tolist()
    return answer


def _from_tf(source: Any, split: str) -> Numbers:
    """Reads a finite `tf.data.Dataset` of (picture, label), batched or not."""
    if int(source.cardinality()) == -1:
        raise DataError(f"The {split} tf.data.Dataset never ends. Limit it with take(n), or leave out repeat().")
    pictures: Blocks = []
    labels: list[Array] = []
    for element in source.as_numpy_iterator():
        if not isinstance(element, tuple) or len(element) != 2 or any(isinstance(part, dict) for part in element):
            raise DataError(f"The {split} tf.data.Dataset yields {source.element_spec}. Expected (picture, label).")
        picture, label = _array(element[0], "pictures"), np.asarray(element[1])
        # (height, width, channels) with a one-hot label has as many axes as a batch of (height, width).
        one_hot = picture.ndim == 3 and label.ndim == 1 and picture.shape[2] in _NUM_CHANNELS
        batched = label.ndim > 0 and not one_hot
        picture, label = (picture, label) if batched else (picture[np.newaxis], label[np.newaxis])
        pictures += _blocks(picture, split)
        labels.append(label)
    if not pictures:
        raise DataError(f"The {split} tf.data.Dataset is empty. If it reads from an iterator, make it anew.")
    blocks = _joined(pictures)
    found = _labels(np.concatenate(labels), blocks, split)
    return Numbers(blocks, found, _names_within(source, found, split), is_ordered=False)


def _names_within(source: Any, labels: list[int] | list[str], split: str) -> tuple[str, ...] | None:
    """Returns the class names of a `tf.data.Dataset`, which Keras's readers give it and its methods do not pass on.

    Raises:
        DataError: it was put together from data sets with other class names each.
    """
    if (own := getattr(source, "class_names", None)) is not None:
        return tuple(map(str, own))
    found: dict[tuple[str, ...], None] = {}
    waiting = [source]
    while waiting:
        one = waiting.pop(0)
        if (names := getattr(one, "class_names", None)) is not None:
            found[tuple(map(str, names))] = None
        else:
            # The only way to the data set that `map` or `prefetch` was called on.
            waiting += one._inputs() if hasattr(one, "_inputs") else ()
    if len(found) > 1:
        listed = " and ".join(", ".join(names[:5]) for names in found)
        raise DataError(
            f"The {split} tf.data.Dataset joins others with different classes: {listed}. The same label means two "
            "things. Read all of them with the same `class_names`."
        )
    names = next(iter(found), None)
    # A `map` may have changed the labels since: names are right only where all of them are there.
    return names if names is not None and set(labels) == set(range(len(names))) else None


def _joined(pictures: Blocks) -> Blocks:
    """Joins neighbors of one shape."""
    return [np.concatenate(list(run)) for _, run in itertools.groupby(pictures, key=lambda block: block.shape[1:])]
