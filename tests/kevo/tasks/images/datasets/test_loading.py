"""The data set as a whole: built-in names, splits, class weights, words, and real photographs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.utils.class_weight import compute_class_weight

from kevo.errors import DataError, SettingsError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import BUILT_IN_NAMES, DEFAULT_NAME, ImageDataset, Split, reading
from kevo.tasks.images.datasets.dataset import natural
from kevo.tasks.images.datasets.targets import Targets
from kevo.tasks.sampling import Sampling

ROOT = Path(__file__).parents[5]
SHARED = Path("..") / "shared" / "data"
SPLITS = ("train", "validation", "test")


def shared(name: str) -> Path:
    if not (ROOT / SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is missing")
    return ROOT / SHARED / name


def numbered(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """One different picture for each label; `numbers` reads which."""
    labels = np.asarray(labels)
    pictures = np.zeros((len(labels), 8, 8), np.uint8)
    pictures[:, 0, 0], pictures[:, 0, 1] = np.divmod(np.arange(len(labels)), 256)
    return pictures, labels


def numbers(split: Split) -> list[int]:
    high, low = split.pictures[:, 0, 0, 0].astype(int), split.pictures[:, 0, 1, 0]
    return [int(number) for number in 256 * high + low]


def same(first: ImageDataset, second: ImageDataset) -> bool:
    return all(np.array_equal(getattr(first, split).pictures, getattr(second, split).pictures) for split in SPLITS)


@pytest.mark.parametrize("source", [None, "digits"])
def test_digits_are_those_of_scikit_learn(source: str | None) -> None:
    dataset = datasets.load(source)
    assert (dataset.name, dataset.class_names, dataset.num_classes) == (DEFAULT_NAME, tuple("0123456789"), 10)
    assert dataset.image_size == 8
    original = load_digits()
    found = np.concatenate([getattr(dataset, split).pictures for split in SPLITS])
    assert found.max() == 255
    kept = np.sort(np.rint(found[..., 0] / 255 * 16).reshape(len(found), -1).astype(np.uint8).view("S64").ravel())
    given = np.sort(original.data.astype(np.uint8).view("S64").ravel())
    np.testing.assert_array_equal(kept, given)


def test_splits_are_disjoint_stratified_and_in_order() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [200, 100, 20]))
    dataset = datasets.load(numbered(labels))
    found = {split: numbers(getattr(dataset, split)) for split in SPLITS}
    assert sorted(number for split in found.values() for number in split) == list(range(320))
    for split, members in found.items():
        assert members == sorted(members)
        np.testing.assert_array_equal(getattr(dataset, split).labels, labels[members])
    counts = {split: np.bincount(getattr(dataset, split).labels).tolist() for split in SPLITS}
    assert counts == {"train": [130, 65, 13], "validation": [40, 20, 4], "test": [30, 15, 3]}


def test_the_seed_decides_the_splits() -> None:
    source = numbered(np.arange(60) % 3)
    assert same(datasets.load(source, seed=0), datasets.load(source))
    assert same(datasets.load(source, seed=7), datasets.load(source, seed=7))
    assert not same(datasets.load(source, seed=0), datasets.load(source, seed=1))


def test_fractions_are_as_asked() -> None:
    dataset = datasets.load(numbered(np.arange(100) % 2), validation_fraction=0.1, test_fraction=0.5)
    assert [len(getattr(dataset, split)) for split in SPLITS] == [40, 10, 50]


def test_validation_takes_no_more_pictures_than_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kevo.tasks.images.datasets.loading._MOST_VALIDATION", 10)
    dataset = datasets.load(numbered(np.arange(100) % 2))
    assert [len(getattr(dataset, split)) for split in SPLITS] == [74, 10, 16]


@pytest.mark.parametrize(
    ("fractions", "num"), [((0.2, 0.15), 3), ((0.45, 0.45), 4), ((0.01, 0.01), 5), ((0.9, 0.05), 5)]
)
def test_every_class_is_in_every_split(fractions: tuple[float, float], num: int) -> None:
    validation, test = fractions
    source = numbered(np.arange(2 * num) % 2)
    dataset = datasets.load(source, validation_fraction=validation, test_fraction=test)
    for split in SPLITS:
        assert set(getattr(dataset, split).labels.tolist()) == {0, 1}


def test_identical_pictures_stay_together() -> None:
    pictures, labels = numbered(np.arange(30) % 2)
    for seed in range(5):
        dataset = datasets.load((np.concatenate([pictures] * 4), np.concatenate([labels] * 4)), seed=seed)
        found = [set(numbers(getattr(dataset, split))) for split in SPLITS]
        assert set.union(*found) == set(range(30))
        assert sum(map(len, found)) == 30
        assert sum(len(getattr(dataset, split)) for split in SPLITS) == 120


def test_copies_do_not_make_a_class_large_enough() -> None:
    pictures, labels = numbered([0, 0, 1, 1, 1])
    with pytest.raises(DataError, match="class '0' has too few different pictures: 2"):
        datasets.load((np.concatenate([pictures] * 4), np.concatenate([labels] * 4)))


def test_two_are_enough_where_one_split_is_given() -> None:
    source = numbered([0, 0, 1, 1])
    dataset = datasets.load({"train": source, "test": source})
    assert [len(getattr(dataset, split)) for split in SPLITS] == [2, 2, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_fraction": 0.0}, "must be positive and leave something to train on. Received: 0.0 and 0.15"),
        ({"test_fraction": -0.1}, "Received: 0.2 and -0.1"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "Received: 0.5 and 0.5"),
        ({"validation_fraction": float("nan")}, "Received: nan and 0.15"),
        ({"seed": -1}, "`seed` must not be negative. Received: -1"),
        ({"image_size": 4}, "at least 8. Received: 4"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        datasets.load("digits", **options)


def test_unbalanced_classes_are_weighed() -> None:
    labels = np.repeat([0, 1, 2], [400, 200, 100])
    dataset = datasets.load(numbered(labels))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=dataset.train.labels)
    assert dataset.class_weights() == pytest.approx(dict(enumerate(expected)))


@pytest.mark.parametrize(("counts", "weighed"), [((150, 100), False), ((151, 100), True), ((100, 100), False)])
def test_nearly_balanced_classes_are_not_weighed(counts: tuple[int, int], weighed: bool) -> None:
    train = numbered(np.repeat([0, 1], counts))
    dataset = datasets.load({"train": train, "validation": train, "test": train})
    assert (dataset.class_weights() is not None) == weighed


def test_summary_says_what_there_is() -> None:
    source = numbered(np.arange(30) % 3)
    made = datasets.load({"train": source, "test": source}).summary()
    assert made == "arrays: 60 pictures of 8 x 8 px in 3 classes (24 train, 6 validation*, 30 test; * from train)"
    given = datasets.load(dict.fromkeys(SPLITS, source)).summary()
    assert given == "arrays: 90 pictures of 8 x 8 px in 3 classes (30 train, 30 validation, 30 test)"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 5000, "no such path or data set: 'xxx"),
        ("~nosuchuser/x", "no such path or data set: '~nosuchuser/x'"),
        ("digit", "no such path or data set: 'digit'. Did you mean 'digits'\\?"),
        ("cifar-10", "Did you mean 'cifar10'\\?"),
        (
            "no/where",
            "no such path or data set: 'no/where'. Expected a folder, a .zip, .csv or .npz file, or one of: digits",
        ),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        datasets.load(name)


def test_a_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        folder = tmp_path / "digits" / ("even", "odd")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), number).save(folder / f"{number}.png")
    assert datasets.load("digits").class_names == ("even", "odd")


def test_a_run_folder_takes_no_name_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # That of `kevo search digits --out digits`, whose report reads the pictures again.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "settings.json").write_text("{}")
    with pytest.raises(DataError, match=r"."):
        datasets.load("digits")
    (tmp_path / "digits" / ".lock").touch()
    assert datasets.load("digits").num_classes == 10


def test_the_folder_one_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo.v2").mkdir()
    monkeypatch.chdir(tmp_path / "zoo.v2")
    for number in range(8):
        folder = Path(("even", "odd")[number % 2])
        folder.mkdir(exist_ok=True)
        Image.new("L", (9, 9), number).save(folder / f"{number}.png")
    assert datasets.load(".").name == "zoo.v2"


def test_a_download_that_fails_says_what_to_do(tmp_path: Path) -> None:
    # The discard port of this machine refuses every connection, as a proxy too.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    code = """
import sys
from kevo import errors
from kevo.tasks.images import datasets
try:
    datasets.load("mnist")
except errors.DataError as error:
    sys.exit(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **nowhere, "KERAS_HOME": str(tmp_path), "no_proxy": "", "NO_PROXY": ""},
        capture_output=True,
        text=True,
    )
    assert "Cannot download 'mnist': " in done.stderr
    assert done.stderr.strip().endswith("try again, or use 'digits', which needs no download.")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("name", "num_classes"), [("mnist", 10), ("fashion_mnist", 10), ("cifar10", 10), ("cifar100", 100)]
)
def test_downloads_keep_their_test_split(name: str, num_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Stands in for the download, which needs the internet: same shapes and types as Keras returns.
    import keras

    pictures, labels = numbered(np.arange(3 * num_classes, dtype=np.uint8) % num_classes)
    pair = pictures, labels[:, np.newaxis] if name.startswith("cifar") else labels
    monkeypatch.setattr(getattr(keras.datasets, name), "load_data", lambda: (pair, pair))
    dataset = datasets.load(name)
    assert dataset.made_splits == ("validation",)
    assert (dataset.num_classes, len(set(dataset.class_names))) == (num_classes, num_classes)
    np.testing.assert_array_equal(dataset.test.labels, labels)


def test_every_name_is_listed() -> None:
    assert BUILT_IN_NAMES == ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")


def test_pictures_are_read_without_tensorflow() -> None:
    code = "import sys\nfrom kevo.tasks.images import datasets\ndatasets.load()\n"
    code += "print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10"],
        ["a", "B", "c"],
        ["a1b9", "a1b10", "a2b1"],
        ["x", "x1"],
        ["", "0", "a"],
        ["cat 9.png", "cat 010.png", "cat 11.png"],
        ["9" * 5000, "1" + "0" * 5000],
    ],
)
def test_names_sort_as_people_do(names: list[str]) -> None:
    assert sorted(reversed(names), key=natural) == names


@pytest.mark.long
def test_cats_and_dogs() -> None:
    dataset = datasets.load(shared("cats_vs_dogs"))
    assert (dataset.class_names, dataset.made_splits) == (("cats", "dogs"), ("validation",))
    assert [len(getattr(dataset, split)) for split in SPLITS] == [1600, 400, 500]
    assert (dataset.skipped, dataset.class_weights()) == ((), None)
    assert 160 <= dataset.image_size <= 224
    assert 50 < dataset.train.pictures[:100].mean() < 200


def test_cifar10_subset() -> None:
    source = shared("cifar10_subset.zip")
    dataset = datasets.load(source)
    assert dataset.num_classes == 10
    assert [len(getattr(dataset, split)) for split in SPLITS] == [4000, 1000, 2000]
    assert dataset.skipped == ()
    assert np.bincount(dataset.validation.labels).tolist() == [100] * 10
    with zipfile.ZipFile(source) as archive, archive.open("test/airplane/0000.jpg") as stream:
        np.testing.assert_array_equal(dataset.test.pictures[0], np.asarray(Image.open(stream).convert("RGB")))
    assert same(dataset, datasets.load(source))


def test_fingerprint_tells_pictures_labels_and_splits_apart() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(40) % 2
    original = datasets.load((pictures, labels)).fingerprint()
    assert datasets.load((pictures.copy(), labels)).fingerprint() == original
    changed = pictures.copy()
    changed[7, 3, 3, 1] ^= 1
    others = [
        datasets.load((changed, labels)),
        datasets.load((pictures, 1 - labels)),
        datasets.load((pictures, labels), seed=1),
    ]
    assert original not in {other.fingerprint() for other in others}


def many(folder: Path, num: int, *, splits: tuple[str, ...] = ("",)) -> Path:
    """Writes different pictures of two classes into each split, three of four of the first class."""
    for split in splits:
        for number in range(num):
            inner = folder / split / ("odd" if number % 4 == 0 else "even")
            inner.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng([number, len(split)]).integers(0, 256, (9, 9, 3), np.uint8)
            Image.fromarray(pixels).save(inner / f"{number}.png")
    return folder


def test_a_part_of_each_class_of_a_folder_is_read(tmp_path: Path) -> None:
    dataset = datasets.load(many(tmp_path / "many", 80), sampling=Sampling(40, seed=3))
    labels = np.concatenate([dataset.train.labels, dataset.validation.labels, dataset.test.labels])
    assert np.bincount(labels).tolist() == [30, 10]
    assert dataset.max_examples == 40
    assert "40 of 80 pictures are used, a random part of each class: no more were asked for." in dataset.notes
    again = datasets.load(tmp_path / "many", sampling=Sampling(40, seed=3))
    assert again.fingerprint() == dataset.fingerprint()


def test_given_splits_keep_their_parts(tmp_path: Path) -> None:
    folder = many(tmp_path / "many", 80, splits=("train", "test"))
    dataset = datasets.load(folder, sampling=Sampling(80))
    assert len(dataset.train) + len(dataset.validation) == len(dataset.test) == 40


def test_as_many_as_there_are_is_everything(tmp_path: Path) -> None:
    folder = many(tmp_path / "many", 24)
    dataset = datasets.load(folder, sampling=Sampling(24))
    assert dataset.max_examples is None
    assert dataset.fingerprint() == datasets.load(folder).fingerprint()


def test_a_part_of_arrays_is_used() -> None:
    pictures, labels = numbered(np.arange(200) % 2)
    dataset = datasets.load((pictures, labels), sampling=Sampling(100))
    assert sum(dataset.num_examples(split) for split in ("train", "validation", "test")) == 100
    assert dataset.max_examples == 100


@pytest.mark.parametrize(("seconds", "is_part"), [(1e-6, True), (1e6, False)])
def test_what_takes_too_long_to_read_is_read_in_part(
    seconds: float, is_part: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WORTH_TIMING", 20)
    dataset = datasets.load(many(tmp_path / "many", 80), sampling=Sampling(seconds=seconds))
    num = sum(dataset.num_examples(split) for split in ("train", "validation", "test"))
    assert (num, dataset.max_examples) == ((25, 20) if is_part else (80, None))
    assert any("--max-examples 80." in note for note in dataset.notes) == is_part


@pytest.mark.parametrize(
    ("asks", "crop", "expected"),
    [
        ("classification", None, True),
        ("classification", False, False),
        # A number may stand for something at the edge.
        ("regression", None, False),
        ("regression", True, True),
    ],
)
def test_photographs_are_cropped_where_classes_are_asked_for(
    asks: str, crop: bool | None, expected: bool, tmp_path: Path
) -> None:
    for number in range(4):
        Image.new("RGB", (130, 100), (number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "data.csv").write_text("path,label\n" + "".join(f"{number}.png,{number}.5\n" for number in range(4)))
    found = datasets.reading.read(tmp_path / "data.csv", targets=Targets(asks, "label"), crop=crop)
    assert found.crop is expected
