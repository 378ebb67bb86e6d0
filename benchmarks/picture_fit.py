"""Compares photographs that are cropped to their middle square with the same ones squashed, below a linear head.

    python -m benchmarks.picture_fit --data ../shared/data --write

Logistic regression on the frozen, pooled features of MobileNetV2 (alpha 0.35) is judged over five folds of the
training photographs of cats and dogs. The test photographs are not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, log, parser
from benchmarks.support.pages import table
from benchmarks.support.processes import machine
from kevo.tasks.images import backbones, datasets, networks
from kevo.tasks.images.inference import predict
from kevo.tasks.images.pretrained_weights import Weights
from tuners.genome import Genome

REPORT = project.PAGES / "picture_fit.md"
SIZES = (160, 224, 288)
NUM_FOLDS = 5
STRENGTH = 0.01
"""The inverse of the penalty, for features of one scale."""
_WORDS = """\
# Photographs cropped or squashed

Networks for ImageNet have learned from pictures whose proportions were mostly kept. Here 2,000 photographs of cats and
dogs, most of them of 4 to 3, are cropped to their middle square, or squashed into one. Accuracy and cross-entropy of
logistic regression on frozen features of MobileNetV2 (alpha 0.35) over five folds of the training photographs, one
division. Measured by `python -m benchmarks.picture_fit`.
"""


@dataclass(frozen=True)
class Judged:
    """How good a linear head is over the folds.

    Args:
        size: The side of the squares that the network sees, in pixels.
        crop: Whether the photographs were cropped.
        right: Which photographs it was right about, shape (n,).
        cross_entropy: The mean.
    """

    size: int
    crop: bool
    right: npt.NDArray[np.bool_]
    cross_entropy: float


def features(pictures: npt.NDArray[np.uint8], size: int, weights: Path) -> npt.NDArray[np.float32]:
    """Returns the pooled features of pictures, shape (n, 1280)."""
    row = backbones.get("mobilenet_v2")
    genome: Genome = {
        "family": "pretrained",
        "backbone": row.name,
        f"{row.name}/cut": row.cut_points[-1],
        f"{row.name}/alpha": 0.35,
        "pretrained/image_size": size,
        "pretrained/summary": "average",
    }
    whole = networks.backbone(genome, weights=Weights(row.name, "file", weights, 0.35))
    return predict(networks.deployable(networks.feature_extractor(genome, whole=whole)), pictures)


def judge(found: npt.NDArray[np.float32], labels: npt.NDArray[Any], *, size: int, crop: bool) -> Judged:
    """Judges a linear head on features over the folds."""
    head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000))
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0)
    probabilities = cross_val_predict(head, found, labels, cv=folds, method="predict_proba")
    return Judged(size, crop, probabilities.argmax(axis=1) == labels, float(log_loss(labels, probabilities)))


def report(found: Iterable[Judged]) -> str:
    """Returns the page, whose table has the scores of both ways at each size."""
    pairs: dict[int, dict[bool, Judged]] = {}
    for one in found:
        pairs.setdefault(one.size, {})[one.crop] = one
    rows = []
    for size, both in pairs.items():
        gains = both[True].right.astype(int) - both[False].right
        error = gains.std(ddof=1) / len(gains) ** 0.5
        rows.append(
            [
                f"{size} px",
                *(f"{both[crop].right.mean():.4f}, {both[crop].cross_entropy:.3f}" for crop in (False, True)),
                f"{gains.mean():+.4f} ({gains.mean() - 1.96 * error:+.4f} to {gains.mean() + 1.96 * error:+.4f})",
            ]
        )
    head = ["seen at", "squashed", "cropped", "gain in accuracy (95 % interval)"]
    return f"{_WORDS}\nMachine: {machine()}.\n\n{table(head, rows)}\n"


def main(given: Sequence[str] | None = None) -> int:
    """Measures, prints the page, and returns the exit code."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--write", action="store_true", help="write the page to docs/benchmarks")
    arguments = options.parse_args(given)
    found = []
    for crop in (False, True):
        read = datasets.load(arguments.data / "cats_vs_dogs", crop=crop)
        pictures = np.concatenate([read.train.pictures, read.validation.pictures])
        labels = np.concatenate([read.train.labels, read.validation.labels])
        for size in SIZES:
            log(f"{'cropped' if crop else 'squashed'}, {size} px")
            seen = features(pictures, size, arguments.data / project.MOBILENET_V2_WEIGHTS)
            found.append(judge(seen, labels, size=size, crop=crop))
    text = report(found)
    print(text)
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
