"""Small, learnable pictures and small genomes, shared by the tests."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def stripes(num_pictures: int, *, size: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures of horizontal, vertical and no stripes: easy for one convolution, hard for a mean."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_pictures) % 3
    pictures = rng.integers(90, 166, (num_pictures, size, size, 3))
    wave = np.where(np.arange(size) % 4 < 2, 80, -80)
    for picture, label in zip(pictures, labels, strict=True):
        if label < 2:
            picture += np.roll(wave, rng.integers(4)).reshape((-1, 1, 1) if label else (1, -1, 1))
    return np.clip(pictures, 0, 255).astype(np.uint8), labels


CONV_GENOME: Mapping[str, Any] = {
    "family": "conv",
    "conv/image_size": 16,
    "conv/num_blocks": 2,
    "conv/block_1/filters": 8,
    "conv/block_1/kernel_size": 3,
    "conv/block_1/num_convs": 1,
    "conv/block_2/filters": 8,
    "conv/block_2/kernel_size": 3,
    "conv/block_2/num_convs": 1,
    "conv/pooling": "max",
    "conv/early_pooling": False,
    "conv/convolution": "full",
    "conv/squeeze_excite": False,
    "conv/shortcut": False,
    "conv/batch_norm": True,
    "conv/activation": "relu",
    "conv/summary": "average",
    "head/num_dense": 0,
    "head/dropout": 0.0,
    "conv/l2": 0.0,
    "head/l2": 0.0,
    "augment": False,
    "mirror": False,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "cosine",
    "batch_size": 16,
    "label_smoothing": 0.0,
}


def pretrained_genome(backbone: str, cut: str, **changes: Any) -> dict[str, Any]:
    """A genome of the family `pretrained`; `changes` name genes with __ for /."""
    shared = {gene: value for gene, value in CONV_GENOME.items() if not gene.startswith("conv/")}
    return {
        **shared,
        "family": "pretrained",
        "backbone": backbone,
        f"{backbone}/cut": cut,
        "pretrained/image_size": 32,
        "pretrained/summary": "average",
        "pretrained/normalize_features": True,
        "pretrained/tuning": "frozen",
        **{gene.replace("__", "/"): value for gene, value in changes.items()},
    }


FINE_TUNED = {
    "pretrained__tuning": "fine_tune",
    "fine_tune__num_blocks": 1,
    "fine_tune__learning_rate": 1e-3,
}
