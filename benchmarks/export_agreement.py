"""Exports models of every kind in every format, and prints how closely each agrees with Keras, its size and latency.

    python benchmarks/export_agreement.py --data ../shared/data
    python benchmarks/export_agreement.py --data ../shared/data --run kevo-runs/cats --only mobilenet_v2 --write

A conv stack is searched on `digits`; a MobileNetV2 (alpha 0.35, ImageNet weights) on cats_vs_dogs, or taken from the
run folder `--run`. VGG16 and ResNet50 have random weights and look at 64 px; their heads are fitted to the scale of
what these make of photographs, since otherwise all probabilities would be the same. The data below `--data` are those
of `first_searches.py`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The checkout is measured, even where another version is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np

import kevo
from kevo.errors import ExportError
from kevo.export import export
from kevo.export.formats import FORMATS
from kevo.tasks.images import datasets, networks

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "benchmarks" / "export.md"
WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
PACKAGES = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")
HEAD = """\
| model | format | MB (Keras) | ms for one picture (Keras) | largest difference | accuracy (Keras) | pictures |
|---|---|---|---|---|---|---|"""
ABOUT = """\
# Exports beside their Keras models

Each export is loaded by the program that it is made for and compared with its Keras model: by the largest difference of
a probability on 32 test pictures (SavedModel and ONNX also on higher and on wider ones), and, where it is quantized, by
accuracy on the test split. `kevo export` refuses what differs by more than 0.001, or loses more than 0.02 of accuracy
in eight bits. Latency is the median of up to 30 runs with one picture, warm, on all cores of a machine that others may
use too: TFLite takes pictures at the network's own size, the other formats resize them."""


@dataclass(frozen=True)
class Subject:
    """A model to export: its title, where its files are made, and on what pictures it is tried."""

    name: str
    title: str
    make: Callable[[Path], Path]
    data: str | None = None
    quantize: bool = False


def subjects(data: Path, run: Path | None) -> Iterator[Subject]:
    """Yields the models, in the order of the table; what is missing is left out."""
    cats, weights = data / "cats_vs_dogs", data / WEIGHTS
    yield Subject("conv", "conv stack, digits", _digits, quantize=True)
    if run is not None:
        yield Subject("mobilenet_v2", "MobileNetV2 0.35, a search's winner", lambda _: run, quantize=True)
    elif cats.exists() and weights.exists():
        title = "MobileNetV2 0.35, cats_vs_dogs"
        yield Subject("mobilenet_v2", title, lambda folder: _cats(cats, weights, folder), quantize=True)
    if cats.exists():
        for name, title, cut in (
            ("vgg16", "VGG16, random weights, 64 px", "block5_pool"),
            ("resnet50", "ResNet50, random weights, 64 px", "conv5_block3_out"),
        ):
            yield Subject(name, title, lambda folder, name=name, cut=cut: _random(name, cut, cats, folder), str(cats))


def _digits(folder: Path) -> Path:
    settings = kevo.Settings(max_trials=8, space="small", workers=0)
    return kevo.search("digits", settings, out=folder).run_folder


def _cats(cats: Path, weights: Path, folder: Path) -> Path:
    space = kevo.Space(families=("pretrained",), backbones=("mobilenet_v2",), tunings=("frozen",))
    settings = kevo.Settings(max_trials=4, space=space, weights={"mobilenet_v2": str(weights)}, workers=0)
    return kevo.search(cats, settings, out=folder).run_folder


def _random(name: str, cut: str, cats: Path, folder: Path) -> Path:
    keras.utils.set_random_seed(0)
    genome = {
        "family": "pretrained",
        "backbone": name,
        f"{name}/cut": cut,
        "pretrained/image_size": 64,
        "pretrained/summary": "average",
        "pretrained/normalize_features": True,
        "head/num_dense": 0,
        "head/dropout": 0.0,
        "head/l2": 0.0,
    }
    pictures = datasets.load(cats, image_size=64).train.pictures[:128].astype(np.float32)
    extractor = networks.feature_extractor(genome, whole=networks.backbone(genome, weights=None))
    features = extractor.predict(pictures, verbose=0)
    head = networks.head(genome, num_features=features.shape[-1], num_classes=2)
    norm = next(layer for layer in head.layers if isinstance(layer, keras.layers.BatchNormalization))
    norm.moving_mean.assign(features.mean(axis=0))
    # Random weights make small numbers, beside which the layer's own epsilon is large; channels that are dead stay so.
    norm.epsilon = 1e-12
    norm.moving_variance.assign(features.var(axis=0) + 0.01 * features.var(axis=0).mean())
    folder.mkdir()
    networks.deployable(networks.join(extractor, head)).save(folder / f"{name}.keras")
    return folder / f"{name}.keras"


def rows(subject: Subject, folder: Path) -> Iterator[str]:
    """Exports a model in every format and yields the lines of the table."""
    model = subject.make(folder / subject.name)
    kinds = [(name, "none") for name in ("keras", "savedmodel", "onnx", "tflite")]
    for format, quantize in [*kinds, *([("tflite", "int8")] if subject.quantize else [])]:
        name = format if quantize == "none" else f"{format} {quantize}"
        out = folder / "exports" / subject.name / f"model{FORMATS[format].suffix}"
        try:
            found = export(model, format=format, quantize=quantize, out=out, data=subject.data)
        except ExportError as error:
            yield f"| {subject.title} | {name} | refused: {error} | | | | |"
            continue
        accuracies = found.accuracies
        cells = (
            subject.title,
            name,
            f"{found.num_bytes / 1e6:.2f} ({found.keras_num_bytes / 1e6:.2f})",
            f"{found.latency * 1e3:.2g} ({found.keras_latency * 1e3:.2g})",
            f"{found.difference:.1e}",
            "" if accuracies is None else f"{accuracies.export:.3f} ({accuracies.keras:.3f})",
            found.compared_on if accuracies is None else f"{accuracies.num_pictures} test pictures",
        )
        yield f"| {' | '.join(cells)} |"


def main(given: Sequence[str] | None = None) -> None:
    """Exports every model, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="where the data are")
    parser.add_argument("--run", type=Path, help="a run folder in place of the search on cats_vs_dogs")
    parser.add_argument("--only", nargs="+", help="only these models: conv, mobilenet_v2, vgg16, resnet50")
    parser.add_argument("--write", action="store_true", help="write the table to docs/benchmarks/ too")
    arguments = parser.parse_args(given)
    lines = [HEAD]
    print(HEAD, flush=True)
    folder = Path(tempfile.mkdtemp())
    try:
        for subject in subjects(arguments.data, arguments.run):
            if arguments.only and subject.name not in arguments.only:
                continue
            for line in rows(subject, folder):
                lines.append(line)
                print(line, flush=True)
    finally:
        shutil.rmtree(folder)
    if arguments.write:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, " + ", ".join(
            f"{name} {version(name)}" for name in PACKAGES
        )
        own = "" if arguments.run is None else " --run RUN"
        command = f"    python benchmarks/export_agreement.py --data ../shared/data{own} --write"
        REPORT.write_text("\n".join([ABOUT, "", command, "", f"{machine}.", "", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
