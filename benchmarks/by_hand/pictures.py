"""Pictures that are made up: ten shapes in clutter, hard enough that no small network knows all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

NUM_CLASSES = 10
_SIZE = 32
_CHUNK = 1000
_NOISE = 0.1
"""Standard deviation of the noise, where the whole scale is 1."""


def write(path: Path, *, num_train: int, num_test: int, seed: int = 0) -> None:
    """Writes an `.npz` with `x_train`, `y_train`, `x_test` and `y_test`: pictures of (n, 32, 32, 3), 0 to 255."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[np.uint8]] = {}
    for split, num in (("train", num_train), ("test", num_test)):
        labels = rng.permutation(np.arange(num) % NUM_CLASSES)
        chunks = [_drawn(rng, labels[start : start + _CHUNK]) for start in range(0, num, _CHUNK)]
        arrays |= {f"x_{split}": np.concatenate(chunks), f"y_{split}": labels.astype(np.uint8)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _drawn(rng: np.random.Generator, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Draws one shape for each label over a gradient, with two other shapes in part beside it, and noise."""
    num = len(labels)
    pictures = _gradient(rng, num)
    for is_clutter in (True, True, False):
        kinds = rng.integers(NUM_CLASSES, size=num) if is_clutter else labels
        size = rng.uniform(3.0, 5.0, num) if is_clutter else rng.uniform(5.5, 10.0, num)
        places = rng.uniform(-14, 14, (num, 2)) if is_clutter else rng.uniform(-6, 6, (num, 2))
        cover = _shape(rng, kinds, size, places)[..., None]
        # Not much unlike what is behind it.
        color = np.clip(pictures.mean((1, 2)) + rng.normal(0, 0.25, (num, 3)), 0, 1)[:, None, None]
        pictures = (1 - cover) * pictures + cover * (0.6 * color + 0.4 * _gradient(rng, num))
    pictures += rng.normal(0, _NOISE, pictures.shape)
    return np.rint(255 * np.clip(pictures, 0, 1)).astype(np.uint8)


def _gradient(rng: np.random.Generator, num: int) -> npt.NDArray[np.float64]:
    """Returns pictures with a color of its own in each corner."""
    corners = rng.uniform(0, 1, (num, 2, 2, 3))
    along = np.linspace(0, 1, _SIZE)
    weights = np.stack([1 - along, along])
    return np.asarray(np.einsum("nijc,iy,jx->nyxc", corners, weights, weights))


def _shape(
    rng: np.random.Generator,
    kinds: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Returns how much of each pixel shapes cover, (n, 32, 32), each turned and stretched by chance."""
    num = len(kinds)
    axis = np.arange(_SIZE) - (_SIZE - 1) / 2
    y, x = (one[None] - place[:, None, None] for one, place in zip(np.meshgrid(axis, axis), places.T, strict=True))
    turn = rng.uniform(0, 2 * np.pi, num)[:, None, None]
    stretch = rng.uniform(0.8, 1.25, num)[:, None, None]
    u = (np.cos(turn) * x + np.sin(turn) * y) / sizes[:, None, None] * stretch
    v = (np.cos(turn) * y - np.sin(turn) * x) / sizes[:, None, None] / stretch
    radius, angle = np.hypot(u, v), np.arctan2(v, u)

    def star(points: int, depth: float) -> npt.NDArray[np.float64]:
        return np.asarray(1 - depth + depth * np.cos(points * angle) - radius)

    def polygon(sides: int) -> npt.NDArray[np.float64]:
        part = np.mod(angle, 2 * np.pi / sides) - np.pi / sides
        return np.asarray(0.8 - radius * np.cos(part))

    insides = [
        1 - radius,
        0.28 - np.abs(radius - 0.72),
        polygon(3),
        polygon(4),
        polygon(5),
        star(5, 0.3),
        star(4, 0.35),
        np.minimum(np.maximum(0.3 - np.abs(u), 0.3 - np.abs(v)), 1 - radius),
        np.minimum(np.maximum(0.3 - np.abs(u), 0.3 - np.abs(v + 0.7)), 1 - radius),
        np.minimum(np.minimum(1 - radius, np.hypot(u - 0.5, v) - 0.75), 1),
    ]
    inside = np.choose(kinds[:, None, None], insides)
    # Edges are a pixel wide.
    return np.asarray(np.clip(0.5 + inside * sizes[:, None, None], 0, 1))
