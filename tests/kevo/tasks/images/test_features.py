"""Pictures and features, computed once."""

import dataclasses
import functools
import itertools
import mmap
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kevo.system.array_store import ArrayStore
from kevo.tasks.images import backbones, networks
from kevo.tasks.images.datasets import ImageDataset, Split
from kevo.tasks.images.features import FeatureCache, default_folder
from kevo.tasks.images.passes import block_edges, sample
from kevo.tasks.images.picture_copies import Copy, augmented_copies, changed
from kevo.tasks.images.pretrained_weights import Weights
from kevo.training.loop import Forward
from tests.support.samples import pretrained_genome

PLAIN: Copy = ("plain", 0.0)
FLIPPED: Copy = ("flip", "horizontal")
GENOME = {**pretrained_genome("mobilenet_v2", "block_3_expand_relu"), "mobilenet_v2/alpha": 0.35}


@functools.cache
def backbone() -> keras.Model:
    """The backbone of `GENOME`; building it takes long, so that tests share it."""
    keras.utils.set_random_seed(0)
    return networks.backbone(GENOME, weights=None)


class Counting:
    """Builds what a pass needs and counts how often it was asked to."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self) -> Forward:
        self.built += 1
        return Forward(networks.all_features(GENOME, whole=backbone()), dtype=np.uint8)


class CountingSmall(Counting):
    """The same with a small network in the backbone's place, which is traced at once."""

    def __call__(self) -> Forward:
        self.built += 1
        keras.utils.set_random_seed(0)
        pixels = keras.Input((None, None, 3))
        maps = keras.layers.Conv2D(8, 3)(keras.layers.Rescaling(1 / 255)(pixels))
        return Forward(keras.Model(pixels, keras.layers.GlobalMaxPooling2D()(maps)), dtype=np.uint8)


def columns(genome: dict[str, Any]) -> slice:
    return networks.feature_columns(genome, whole=backbone())


def test_features_are_those_of_the_extractor_and_computed_once(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), Counting()
    options = {"network": build, "columns": columns(GENOME), "weights": None}
    first = cache.features("validation", GENOME, **options)
    again = cache.features("validation", {**GENOME, "head/dropout": 0.5}, **options)
    assert first.dtype == np.float16 and np.array_equal(again, first)
    assert build.built == 1
    extractor = networks.feature_extractor(GENOME, whole=backbone())
    expected = extractor(cache.pictures("validation", 32).astype(np.float32)).numpy()
    assert first == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_one_pass_serves_every_cut_and_pooling(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), Counting()
    for cut in backbones.get("mobilenet_v2").cut_points:
        for summary in networks.POOLINGS:
            genome = {**GENOME, "mobilenet_v2/cut": cut, "pretrained/summary": summary}
            found = cache.features("validation", genome, network=build, columns=columns(genome), weights=None)
            extractor = networks.feature_extractor(genome, whole=backbone())
            expected = extractor(cache.pictures("validation", 32).astype(np.float32)).numpy()
            assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert build.built == 1


def test_another_size_has_its_own_features(dataset: ImageDataset) -> None:
    cache, other = FeatureCache(dataset), {**GENOME, "pretrained/image_size": 48}
    first, second = (
        cache.features("validation", genome, network=CountingSmall(), weights=None) for genome in (GENOME, other)
    )
    assert first.shape == second.shape and not np.allclose(first, second)


def test_a_feature_map_is_no_pooled_feature(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), Counting()
    pooled = cache.features("validation", GENOME, network=build, weights=None)
    flat = {**GENOME, "pretrained/summary": "flatten"}
    whole = cache.features(
        "validation",
        flat,
        network=lambda: Forward(networks.feature_extractor(flat, whole=backbone()), dtype=np.uint8),
        weights=None,
    )
    assert whole.shape[1] == 8 * 8 * 48 != pooled.shape[1]


def test_splits_are_kept_apart(dataset: ImageDataset) -> None:
    cache, build = FeatureCache(dataset), CountingSmall()
    sizes = [len(cache.features(split, GENOME, network=build, weights=None)) for split in ("train", "validation")]
    assert sizes == [len(dataset.train), len(dataset.validation)]


def test_each_kind_of_change_makes_a_copy_that_others_share(dataset: ImageDataset) -> None:
    strengths = {"rotation": 0.1, "zoom": 0.0, "translation": 0.1, "contrast": 0.0}
    genome = {**CHANGED, **{f"augment/{kind}": value for kind, value in strengths.items()}}
    assert augmented_copies(genome) == [PLAIN, FLIPPED, ("rotation", 0.1), ("translation", 0.1)]
    assert augmented_copies({**genome, "augment": False}) == [PLAIN]
    cache, build = FeatureCache(dataset), CountingSmall()
    found = [
        cache.features("train", genome, network=build, weights=None, copy=copy) for copy in augmented_copies(genome)
    ]
    assert not any(np.allclose(a, b) for a, b in itertools.combinations(found, 2))
    assert build.built == 4
    assert all(cache.num_kept("train", CHANGED, None, copy) == len(dataset.train) for copy in augmented_copies(CHANGED))
    assert not cache.num_kept("train", CHANGED, None, ("zoom", 0.1)) and not cache.num_kept("validation", CHANGED, None)


def test_flips_turn_every_picture(dataset: ImageDataset) -> None:
    pictures = dataset.train.pictures
    assert np.array_equal(changed(pictures, ("flip", "horizontal")), pictures[:, :, ::-1])
    assert np.array_equal(changed(pictures, ("flip", "vertical")), pictures[:, ::-1])
    assert np.array_equal(changed(pictures, ("flip", "horizontal_and_vertical")), pictures[:, ::-1, ::-1])


def test_the_least_recently_used_goes_first(dataset: ImageDataset) -> None:
    size = cache_size(dataset, 24)
    cache = FeatureCache(dataset, max_bytes=3 * size)
    first = cache.pictures("train", 24)
    second = cache.pictures("train", 20)
    assert cache.pictures("train", 24) is first
    cache.pictures("train", 28)
    assert cache.pictures("train", 24) is first
    assert cache.pictures("train", 20) is not second


def cache_size(dataset: ImageDataset, size: int) -> int:
    return len(dataset.train) * size * size * 3


def test_pictures_are_resized_as_the_deployed_model_resizes_them(dataset: ImageDataset) -> None:
    resized = FeatureCache(dataset).pictures("test", 10)
    layer = keras.layers.Resizing(10, 10, interpolation="bilinear", antialias=True)
    expected = layer(dataset.test.pictures.astype(np.float32)).numpy()
    assert resized.dtype == np.uint8
    assert np.abs(resized - expected).max() <= 0.5 + 1e-3


def test_pictures_of_the_right_size_are_not_copied(dataset: ImageDataset) -> None:
    assert FeatureCache(dataset).pictures("train", 16) is dataset.train.pictures


CHANGED = {
    **GENOME,
    "augment": True,
    "augment/flip": "horizontal",
    **{f"augment/{gene}": 0.0 for gene in ("rotation", "zoom", "translation", "contrast")},
}


def mean_color(scale: float = 1.0) -> Forward:
    """Sees next to nothing, and is built at once."""
    pixels = keras.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    return Forward(keras.Model(pixels, keras.layers.Rescaling(scale / 255)(mean)), dtype=np.uint8)


def features(
    dataset: ImageDataset, folder: Path, *, genome: dict[str, Any] = GENOME, seed: int = 0, **options: Any
) -> tuple[np.ndarray, bool]:
    """Returns the validation split's features, as a search of its own would have them, and whether they are new."""
    built = []

    def build() -> Forward:
        built.append(True)
        return mean_color()

    cache = FeatureCache(dataset, store=ArrayStore(folder), seed=seed)
    return cache.features("validation", genome, network=build, **{"weights": None, **options}), bool(built)


@pytest.fixture(scope="module")
def kept(dataset: ImageDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the validation split's features lie, and of a changed copy of it."""
    folder = tmp_path_factory.mktemp("features")
    for options in ({}, {"genome": CHANGED, "copy": FLIPPED}):
        assert features(dataset, folder, **options)[1]
    return folder


def test_kept_features_are_what_memory_alone_would_give(dataset: ImageDataset, kept: Path) -> None:
    again, is_new = features(dataset, kept)
    assert not is_new
    alone = FeatureCache(dataset).features("validation", GENOME, network=mean_color, weights=None)
    assert again.dtype == np.float16 and np.array_equal(again, alone)
    assert {np.load(path, mmap_mode="r").dtype for path in kept.glob("*.npy")} == {np.dtype(np.float16)}


@pytest.mark.long
def test_features_come_back_in_a_later_process_without_the_backbone(dataset: ImageDataset, kept: Path) -> None:
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from tests.support.samples import stripes
        from tests.kevo.tasks.images.test_features import GENOME
        from kevo.system.array_store import ArrayStore
        from kevo.tasks.images import datasets
        from kevo.tasks.images.features import FeatureCache
        cache = FeatureCache(datasets.load(stripes(240)), store=ArrayStore(Path(sys.argv[1])))
        found = cache.features("validation", GENOME, network=lambda: 1 / 0, weights=None)
        print(found.sum())
    """
    arguments = [str(kept), str(Path(__file__).parents[4])]
    later = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments], check=True, capture_output=True, text=True
    )
    assert float(later.stdout) == pytest.approx(float(features(dataset, kept)[0].sum()))


def flipped(split: Split) -> Split:
    pictures = split.pictures.copy()
    pictures[3, 5, 7, 1] ^= 1
    return dataclasses.replace(split, pictures=pictures)


def test_a_flipped_bit_in_a_picture_gives_a_new_entry(dataset: ImageDataset, kept: Path) -> None:
    changed = dataclasses.replace(dataset, validation=flipped(dataset.validation))
    found, is_new = features(changed, kept)
    assert is_new
    differs = (found != features(dataset, kept)[0]).any(axis=1)
    assert np.flatnonzero(differs).tolist() in ([], [3])
    swapped = dataclasses.replace(
        dataset, validation=dataclasses.replace(dataset.validation, pictures=dataset.validation.pictures[::-1])
    )
    assert features(swapped, kept)[1]


def test_other_labels_and_other_pictures_in_training_leave_the_entry(dataset: ImageDataset, kept: Path) -> None:
    relabeled = dataclasses.replace(dataset.validation, labels=dataset.validation.labels[::-1])
    changed = dataclasses.replace(dataset, train=flipped(dataset.train), validation=relabeled)
    assert not features(changed, kept)[1]


@pytest.mark.parametrize(
    ("options", "is_expected_new"),
    [
        ({"genome": {**GENOME, "head/dropout": 0.5, "batch_size": 64}}, False),
        ({"genome": CHANGED}, False),
        ({"genome": CHANGED, "copy": FLIPPED}, False),
        ({"genome": {**CHANGED, "augment/zoom": 0.1}, "copy": FLIPPED}, False),
        ({"genome": CHANGED, "copy": ("flip", "vertical")}, True),
        ({"genome": CHANGED, "copy": ("zoom", 0.1)}, True),
        ({"genome": {**GENOME, "mobilenet_v2/cut": "block_6_expand_relu"}}, False),
        ({"genome": {**GENOME, "pretrained/summary": "max"}}, False),
        ({"genome": {**GENOME, "pretrained/summary": "flatten"}}, True),
        ({"genome": {**GENOME, "pretrained/image_size": 48}}, True),
        ({"seed": 1}, True),
    ],
)
def test_whatever_features_depend_on_is_in_their_key(
    dataset: ImageDataset, kept: Path, options: dict[str, Any], is_expected_new: bool
) -> None:
    assert features(dataset, kept, **options)[1] == is_expected_new


def test_another_layout_or_keras_version_finds_nothing(
    dataset: ImageDataset, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("kevo.tasks.images.features._LAYOUT", 0)
        assert features(dataset, kept)[1]
    monkeypatch.setattr(keras, "__version__", "3.0.0")
    assert features(dataset, kept)[1]


def test_weights_count_by_their_content(dataset: ImageDataset, tmp_path: Path) -> None:
    def weights(name: str, content: bytes) -> Weights:
        (tmp_path / name).write_bytes(content)
        return Weights("mobilenet_v2", "file", tmp_path / name, 0.35)

    def is_new(found: Weights, seed: int = 0) -> bool:
        return features(dataset, tmp_path / "kept", weights=found, seed=seed)[1]

    assert is_new(weights("a.h5", b"one"))
    assert not is_new(weights("b.h5", b"one"), seed=1)
    assert is_new(weights("a.h5", b"other"))
    assert not is_new(weights("a.h5", b"one"))


@pytest.mark.parametrize(("scale", "kind"), [(1e6, np.float32), (1e-7, np.float32), (60_000, np.float16)])
def test_what_float16_cannot_hold_is_kept_in_float32(
    dataset: ImageDataset, tmp_path: Path, scale: float, kind: type
) -> None:
    for extractor in (lambda: mean_color(scale), lambda: 1 / 0):
        cache = FeatureCache(dataset, store=ArrayStore(tmp_path))
        found = cache.features("validation", GENOME, network=extractor, weights=None)
        expected = cache.pictures("validation", 32).mean(axis=(1, 2)) / 255 * scale
        assert np.isfinite(found).all()
        assert found == pytest.approx(expected, rel=1e-3, abs=0)
    (path,) = tmp_path.glob("*.npy")
    assert np.load(path, mmap_mode="r").dtype == kind


def test_once_float16_cannot_hold_features_all_are_in_float32(dataset: ImageDataset) -> None:
    """Also those that passed before."""
    bright = dataset.validation.pictures.copy()
    bright[-1] = 255
    changed = dataclasses.replace(dataset, validation=Split(bright, dataset.validation.labels))
    cache = FeatureCache(changed)
    scale = 1.001 * float(np.finfo(np.float16).max)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kevo.tasks.images.features.num_at_once", lambda size: 10)
        found = cache.features("validation", GENOME, network=lambda: mean_color(scale), weights=None)
    assert found.dtype == np.float32
    assert found == pytest.approx(cache.pictures("validation", 32).mean(axis=(1, 2)) / 255 * scale, rel=1e-3)


@pytest.mark.parametrize("is_large", [True, False])
def test_large_features_lie_in_files_while_they_are_put_together(
    dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    small_blocks(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = FeatureCache(dataset).features("train", GENOME, network=CountingSmall(), weights=None)
    if is_large:
        monkeypatch.setattr("kevo.tasks.images.picture_arrays._MOST_BYTES", 100)
    cache = FeatureCache(dataset)
    found = cache.features("train", GENOME, network=CountingSmall(), weights=None)
    assert np.array_equal(found, expected)
    base: Any = found
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap) is is_large


def test_nothing_is_kept_of_a_pass_that_was_ended(dataset: ImageDataset, tmp_path: Path) -> None:
    def late(done: float) -> None:
        raise TimeoutError("time is up")

    with pytest.raises(TimeoutError, match="time is up"):
        features(dataset, tmp_path, watch=late)
    assert list(tmp_path.iterdir()) == []


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr("kevo.tasks.images.passes._FIRST_BLOCK", 20)
    monkeypatch.setattr("kevo.tasks.images.passes._LARGEST_BLOCK", 40)
    return block_edges(156)


def test_blocks_double_up_to_a_limit_and_the_last_is_not_small(monkeypatch: pytest.MonkeyPatch) -> None:
    assert small_blocks(monkeypatch) == [0, 20, 40, 80, 120, 156]
    assert block_edges(39) == [0, 39] and block_edges(45) == [0, 20, 45] and block_edges(0) == [0]


@pytest.mark.parametrize("is_kept_on_disk", [False, True])
def test_a_pass_that_was_ended_is_taken_up_where_it_ended(
    dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_kept_on_disk: bool
) -> None:
    expected = FeatureCache(dataset).features("train", GENOME, network=mean_color, weights=None)
    small_blocks(monkeypatch)
    cache = FeatureCache(dataset, store=ArrayStore(tmp_path) if is_kept_on_disk else None)

    def late(done: float) -> None:
        if done > 0.6:
            raise TimeoutError("time is up")

    with pytest.raises(TimeoutError):
        cache.features("train", GENOME, network=mean_color, weights=None, watch=late)
    assert cache.num_kept("train", GENOME, None) == 80
    # What has passed is a sample, in the order of its pictures.
    rows = sample(len(dataset.train), 80)
    some = cache.features("train", GENOME, network=lambda: 1 / 0, weights=None, num_rows=80)
    assert np.array_equal(some, expected[rows])
    shares: list[float] = []
    cache.extend("train", GENOME, network=mean_color, weights=None, num_rows=120, watch=shares.append)
    assert shares == [pytest.approx(120 / 156)]
    found = cache.features("train", GENOME, network=mean_color, weights=None, watch=shares.append)
    assert shares[1:] == [1.0]
    assert np.array_equal(found, expected)
    # Only the whole is left.
    assert cache.num_kept("train", GENOME, None) == len(dataset.train)
    assert len(list(tmp_path.glob("*.npy"))) == is_kept_on_disk
    cache.extend("train", GENOME, network=lambda: 1 / 0, weights=None, num_rows=120)
    some = cache.features("train", GENOME, network=lambda: 1 / 0, weights=None, num_rows=80)
    assert np.array_equal(some, expected[rows])


def test_copies_and_sizes_of_blocks_are_those_of_their_pictures(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = FeatureCache(dataset).features("train", CHANGED, network=mean_color, weights=None, copy=FLIPPED)
    small_blocks(monkeypatch)
    options = {"network": mean_color, "weights": None, "copy": FLIPPED}
    assert np.array_equal(FeatureCache(dataset).features("train", CHANGED, **options), expected)


def test_the_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "kevo" / "features"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert default_folder() == tmp_path / "home" / ".cache" / "kevo" / "features"
