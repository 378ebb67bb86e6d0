"""Pictures that stand in several splits or under several classes."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from kevo.tasks.images import datasets
from kevo.tasks.images.datasets.copies import content_keys, near_pairs
from kevo.tasks.images.datasets.repeats import alike

SPLITS = ("train", "validation", "test")


def drawn(num: int, *, side: int = 32, seed: int = 0) -> np.ndarray:
    """Pictures of soft shapes, each another one."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (num, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in coarse])


def saved_anew(picture: np.ndarray, quality: int = 85) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def halved(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    small = image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(image.size, Image.Resampling.BILINEAR))


def brighter(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture.astype(int) + 8, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "side"),
    [(saved_anew, 16), (saved_anew, 32), (saved_anew, 100), (brighter, 16), (brighter, 32), (halved, 100)],
)
def test_near_copies_are_found_and_others_are_not(change: Callable[[np.ndarray], np.ndarray], side: int) -> None:
    pictures = drawn(200, side=side)
    copies = np.stack([change(picture) for picture in pictures[:50]])
    assert near_pairs([pictures, copies]).tolist() == [[place, 200 + place] for place in range(50)]


@pytest.mark.parametrize("side", [2, 8, 100])
def test_only_identical_pictures_have_the_same_key(side: int) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (30, side, side, 3), dtype=np.uint8)
    # These differ in one value, which the sample that is compared first does not hold.
    pictures[20:] = pictures[:10]
    pictures[20:25, -1, -1, -1] ^= 1
    keys = content_keys([pictures[:12], pictures[12:]])
    assert len(set(keys)) == 25
    assert keys[25:] == keys[5:10]


def test_flat_and_tiny_pictures_are_no_copies() -> None:
    assert len(near_pairs([np.stack([np.full((32, 32, 3), shade, np.uint8) for shade in range(100)])])) == 0
    assert len(near_pairs([drawn(20, side=8)])) == 0


def test_repeats_across_given_splits_are_counted_and_said() -> None:
    train, test, other = drawn(40), drawn(20, seed=1), drawn(20, seed=2)
    test[:5], test[5:7] = train[:5], [saved_anew(one) for one in train[5:7]]
    other[0] = train[0]
    labels = np.arange(40) % 2
    parts = {"train": (train, labels), "validation": (other, labels[:20]), "test": (test, labels[:20])}
    dataset = datasets.load(parts)
    assert (dataset.repeats.test.identical, dataset.repeats.test.near) == (5, 2)
    sentences = dataset.repeats.sentences()
    assert sentences == (
        "5 of 20 test pictures are identical to training or validation pictures, and 2 more are near copies of "
        "training or validation pictures: the scores on the test split are too good.",
        "1 of 20 validation pictures is identical to training pictures: candidates are chosen by pictures that they "
        "know.",
    )
    assert set(sentences) <= set(dataset.notes)


def test_pictures_under_two_classes_are_counted_and_stay_in_one_split() -> None:
    pictures = np.concatenate([drawn(60)] * 2)
    labels = np.concatenate([np.arange(60) % 2, (np.arange(60) + 1) % 2])
    dataset = datasets.load((pictures, np.array(["cat", "dog"])[labels]))
    assert dataset.repeats.sentences() == (
        "60 pictures stand under several classes, such as 'cat' and 'dog': no model can be right each time.",
    )
    found = [{picture.tobytes() for picture in getattr(dataset, split).pictures} for split in SPLITS]
    assert sum(map(len, found)) == 60
    for split in SPLITS:
        assert set(getattr(dataset, split).labels.tolist()) == {0, 1}


def test_made_splits_keep_near_copies_together() -> None:
    originals = drawn(60)
    pictures = np.concatenate([originals, [saved_anew(one) for one in originals], [brighter(one) for one in originals]])
    for seed in range(3):
        dataset = datasets.load((pictures, np.array(["cat", "dog"])[np.arange(180) % 2]), seed=seed)
        assert dataset.repeats.sentences() == ()
        assert dataset.notes[0] == "180 pictures have near copies: those that are alike are in the same split."


def test_near_copies_never_make_a_class_too_small() -> None:
    pictures = drawn(2)
    both = np.concatenate([[saved_anew(one, quality) for quality in (90, 80, 70, 60, 50)] for one in pictures])
    dataset = datasets.load((both, np.repeat(["cat", "dog"], 5)))
    assert "which may be in several splits" in dataset.notes[0]
    assert dataset.repeats.test.near == len(dataset.test)


def test_many_that_are_alike_are_a_scene_and_no_copies() -> None:
    scene = np.repeat(drawn(1), 75, axis=0)
    scene[np.arange(75), 0, 0, 0] = np.arange(75)
    keys, num_near = alike(np.concatenate([scene, drawn(200, seed=1)]))
    assert num_near == 0
    assert len(set(keys)) == 275
