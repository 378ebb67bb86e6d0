"""Pictures and masks are changed together."""

import numpy as np
import pytest

from kevo.tasks.masks.crops import cut

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
MASKS = (PICTURES[..., :1] > 127).astype(np.uint8)


@pytest.mark.parametrize("augment", ["none", "mirror", "turn"])
@pytest.mark.parametrize(("crop", "num"), [(32, 12), (64, 3), (48, 6)])
def test_every_pixel_keeps_its_class(augment: str, crop: int, num: int) -> None:
    found = cut(PICTURES, MASKS, crop=crop, augment=augment)
    assert found.num_copies == (1 if augment == "none" and crop == 64 else 4)
    assert found.pictures.shape == (num * found.num_copies, crop, crop, 3)
    assert ((found.pictures[..., :1] > 127) == (found.masks > 0)).all()


def test_whole_pictures_stay_what_they_are() -> None:
    assert (cut(PICTURES, MASKS, crop=64, augment="none").pictures == PICTURES).all()
    turned = cut(PICTURES, MASKS, crop=64, augment="turn").pictures.reshape(4, 3, 64, 64, 3)
    sides = [np.rot90(side, times) for side in (PICTURES[0], PICTURES[0][:, ::-1]) for times in range(4)]
    assert all(any((one == side).all() for side in sides) for one in turned[:, 0])
    assert len({one.tobytes() for one in turned[:, 0]}) > 1


def test_moved_pictures_move_their_masks() -> None:
    smooth = np.zeros((2, 64, 64, 3), np.uint8)
    smooth[:, 20:44, 16:40] = 200
    masks = (smooth[..., :1] > 100).astype(np.uint8)
    found = cut(smooth, masks, crop=64, augment="move")
    agrees = (found.pictures.mean(axis=-1) > 100) == (found.masks[..., 0] > 0)
    assert agrees.mean() > 0.98 and agrees.reshape(len(agrees), -1).mean(axis=1).min() > 0.97
    assert len({one.tobytes() for one in found.masks}) > 4


def test_small_classes_are_seen() -> None:
    masks = np.zeros((1, 256, 256, 1), np.uint8)
    masks[0, 200, 30] = 1
    found = cut(np.zeros((1, 256, 256, 3), np.uint8), masks, crop=32, augment="none")
    assert found.masks.any(axis=(1, 2, 3)).mean() > 0.3


def test_the_same_seed_cuts_the_same() -> None:
    first, second, other = (cut(PICTURES, MASKS, crop=32, augment="move", seed=seed).pictures for seed in (0, 0, 1))
    assert (first == second).all() and not (first == other).all()
