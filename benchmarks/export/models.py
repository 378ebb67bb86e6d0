"""The models that are exported, and how each is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

import kevo
from benchmarks.support import project
from kevo.tasks.images import datasets, networks
from kevo.tasks.outputs.classes.output import Classes
from tuners.genome import Genome


@dataclass(frozen=True)
class Model:
    """A model to export.

    Args:
        name: Name on the command line and of files.
        title: Title in the table.
        make: Makes the model in a folder that does not exist yet; returns a run folder or a `.keras` file.
        data: Pictures to compare the export on; by default those of the run folder.
        quantize: Whether to export in eight bits, too.
    """

    name: str
    title: str
    make: Callable[[Path], Path]
    data: str | None = None
    quantize: bool = False


def models(data: Path, run: Path | None) -> Iterator[Model]:
    """Yields the models in the order of the table, without those whose data are missing.

    Args:
        data: Folder with data sets and weights.
        run: A run folder to take the MobileNetV2 from; by default one is searched on cats_vs_dogs.
    """
    cats, weights = data / "cats_vs_dogs", data / project.MOBILENET_V2_WEIGHTS
    yield Model("conv", "conv stack, digits", _digits, quantize=True)
    if run is not None:
        yield Model("mobilenet_v2", "MobileNetV2 0.35, a search's winner", lambda _: run, quantize=True)
    elif cats.exists() and weights.exists():
        title = "MobileNetV2 0.35, cats_vs_dogs"
        yield Model("mobilenet_v2", title, partial(_cats, cats, weights), quantize=True)
    if cats.exists():
        for name, title, cut in (
            ("vgg16", "VGG16, random weights, 64 px", "block5_pool"),
            ("resnet50", "ResNet50, random weights, 64 px", "conv5_block3_out"),
        ):
            yield Model(name, title, partial(_random, name, cut, cats), str(cats))


def _digits(folder: Path) -> Path:
    """Searches conv stacks on digits, and returns the run folder."""
    settings = kevo.Settings(max_trials=8, space="small", workers=0)
    return kevo.search("digits", settings, out=folder).run_folder


def _cats(cats: Path, weights: Path, folder: Path) -> Path:
    """Searches frozen MobileNetV2 networks on cats_vs_dogs, and returns the run folder."""
    space = kevo.Space(families=("pretrained",), backbones=("mobilenet_v2",), tunings=("frozen",))
    settings = kevo.Settings(max_trials=4, space=space, weights={"mobilenet_v2": str(weights)}, workers=0)
    return kevo.search(cats, settings, out=folder).run_folder


def _random(name: str, cut: str, cats: Path, folder: Path) -> Path:
    """Saves a backbone with random weights and a head that is fitted to the scale of its features."""
    keras.utils.set_random_seed(0)
    genome: Genome = {
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
    head = networks.head(genome, num_features=features.shape[-1], output=Classes(("a", "b")))
    norm = next(layer for layer in head.layers if isinstance(layer, keras.layers.BatchNormalization))
    norm.moving_mean.assign(features.mean(axis=0))
    # Features of random weights are so small that the default epsilon would level them. Dead channels stay dead.
    norm.epsilon = 1e-12
    norm.moving_variance.assign(features.var(axis=0) + 0.01 * features.var(axis=0).mean())
    folder.mkdir()
    networks.deployable(networks.join(extractor, head)).save(folder / f"{name}.keras")
    return folder / f"{name}.keras"
