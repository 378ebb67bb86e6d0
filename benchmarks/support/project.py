"""Paths that benchmarks read from and write to."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = ROOT / "docs" / "benchmarks"
"""The reports, a page for each benchmark."""
RESULTS = ROOT / "benchmarks" / "results"
"""Measurements that are part of the project."""
BUILD = ROOT / "build" / "benchmarks"
"""Measurements that are not."""
DATA = ROOT.parent / "shared" / "data"
"""Default folder of data sets and weights, which are not part of the project."""
MOBILENET_V2_WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
"""ImageNet weights of MobileNetV2 (alpha 0.35) without its top, below the folder with the data."""
