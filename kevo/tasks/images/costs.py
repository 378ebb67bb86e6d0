"""The costs of a network: parameters before it is built, FLOPs and bytes of the built one."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kevo.system import model_sizes
from kevo.tasks.images import backbone_networks, backbones, conv_costs
from kevo.tasks.images.genes import image_size, variant
from tuners.genome import Genome

if TYPE_CHECKING:
    import keras

_FLOPS_PER_VALUE = 300
"""What it costs to write one number of a feature map, beside its arithmetic: by the time that two cores took for
MobileNetV2 as a whole and for its last blocks."""


def num_parameters(genome: Genome, *, num_classes: int) -> int:
    """Counts the parameters of a genome's network, the frozen ones included, without building it.

    Microseconds for a conv stack. A backbone is built once, when it is met first, and remembered by its counts.

    Args:
        genome: The genome.
        num_classes: Number of outputs.

    Example:
        >>> num_parameters({"family": "conv", "conv/image_size": 8, "conv/num_blocks": 1, "conv/block_1/filters": 16,
        ...                 "conv/block_1/kernel_size": 3, "conv/block_1/num_convs": 1, "conv/batch_norm": False,
        ...                 "conv/pooling": "max", "conv/early_pooling": False, "conv/convolution": "full",
        ...                 "conv/squeeze_excite": False, "conv/summary": "average", "head/num_dense": 0},
        ...                num_classes=10)
        618
    """
    total, num_features = (
        conv_costs.parameters_and_features(genome) if genome["family"] == "conv" else _backbone(genome)
    )
    if genome["family"] == "pretrained" and genome["pretrained/normalize_features"]:
        total += conv_costs.NORM * num_features
    return total + _head(genome, num_features, num_classes)


def num_head_parameters(genome: Genome, *, num_classes: int) -> int:
    """Counts the parameters of the classifier that stands on a genome's features, without its normalization."""
    if genome["family"] == "conv":
        _, num_features = conv_costs.parameters_and_features(genome)
    elif genome["pretrained/summary"] == "flatten":
        # To know it exactly, the backbone would have to be built at that size.
        num_features = round(num_map_values(genome))
    else:
        _, num_features = _backbone(genome)
    return _head(genome, num_features, num_classes)


def _head(genome: Genome, num_features: int, num_classes: int) -> int:
    total = 0
    for _ in range(int(genome["head/num_dense"])):
        total += (num_features + 1) * int(genome["head/units"])
        num_features = int(genome["head/units"])
    return total + (num_features + 1) * num_classes


def pass_cost(genome: Genome, *, cut: str | None = None) -> float:
    """Estimates the cost of one picture's pass through a genome's network, in floating-point operations.

    As `flops` counts them, and for every number of a feature map as many as a processor could do while it waits for
    memory: early and depthwise layers compute little and write much (Ma et al. 2018, doi:10.1007/978-3-030-01264-9_8).
    Nothing is built. The head does not count; a backbone's cost is in proportion to the area of the picture.

    Args:
        genome: The genome.
        cut: Where a backbone ends, instead of the genome's own cut point.
    """
    if genome["family"] == "conv":
        return float(conv_costs.pass_cost(genome, flops_per_value=_FLOPS_PER_VALUE))
    name, alpha = variant(genome)
    smallest = backbones.get(name).min_size
    extractor = _extractors(name, alpha, smallest)[cut or str(genome[f"{name}/cut"])]
    return float(extractor.cost * (max(image_size(genome), smallest) / smallest) ** 2)


def num_map_values(genome: Genome) -> float:
    """Estimates how many numbers there are in a backbone's feature map at the genome's cut point."""
    name, alpha = variant(genome)
    smallest = backbones.get(name).min_size
    extractor = _extractors(name, alpha, smallest)[str(genome[f"{name}/cut"])]
    return math.prod(extractor.shape) * (max(image_size(genome), smallest) / smallest) ** 2


def measure(network: keras.Model, names: Iterable[str], *, seconds: float, mirror: bool = False) -> dict[str, float]:
    """Returns the costs of a trained network.

    Args:
        network: A model with inputs of a fixed size.
        names: Some of `kevo.objective.COSTS`.
        seconds: How long its training took.
        mirror: Whether a prediction takes two passes, as for `networks.deployable`.
    """
    costs: dict[str, Callable[[], float]] = {
        "params": network.count_params,
        "seconds": lambda: seconds,
        "flops": lambda: (1 + mirror) * flops(network),
        "bytes": lambda: num_bytes(network, mirror=mirror),
    }
    return {name: float(costs[name]()) for name in names}


def flops(network: keras.Model) -> int:
    """Counts the floating-point operations of one picture's way through a network.

    Convolutions and dense layers count, a multiplication with its addition as two. All the rest is little beside them.

    Args:
        network: A model with inputs of a fixed size.
    """
    total = 0
    for layer in model_sizes.layers(network):
        weights = sum(math.prod(kernel.shape) for kernel in _kernels(layer))
        # Every weight of a kernel is used once at each place of the output.
        total += 2 * weights * math.prod(layer.output.shape[1:-1]) if weights else 0
    return total


def num_bytes(network: keras.Model, *, mirror: bool = False) -> int:
    """Counts the bytes of the file that a network is deployed as."""
    from kevo.tasks.images import networks

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        networks.deployable(network, mirror=mirror).save(path)
        return path.stat().st_size


def _backbone(genome: Genome) -> tuple[int, int]:
    """Returns the parameters of a frozen extractor, and how many features it makes."""
    name, alpha = variant(genome)
    flat = genome["pretrained/summary"] == "flatten"
    smallest = backbones.get(name).min_size
    # The size of the pictures changes the shape of the features only.
    size = max(image_size(genome), smallest) if flat else smallest
    extractor = _extractors(name, alpha, size)[str(genome[f"{name}/cut"])]
    return extractor.num_parameters, math.prod(extractor.shape) if flat else extractor.shape[-1]


class _Extractor(NamedTuple):
    """A backbone up to a cut; `shape` is that of its feature map, `cost` that of a picture's way to it."""

    num_parameters: int
    shape: tuple[int, ...]
    cost: float


@cache
def _extractors(name: str, alpha: float | None, size: int) -> dict[str, _Extractor]:
    """Returns the parameters, output shape and pass cost of a backbone at each of its cuts, for one picture size."""
    row = backbones.get(name)
    whole = backbone_networks.network(row, image_size=size, alpha=alpha)
    extractors = {cut: backbone_networks.truncated(row, whole, cut=cut) for cut in row.cut_points}
    return {
        cut: _Extractor(int(extractor.count_params()), tuple(extractor.output.shape[1:]), _cost(extractor))
        for cut, extractor in extractors.items()
    }


def _cost(network: keras.Model) -> float:
    maps = (layer.output.shape[1:] for layer in model_sizes.layers(network) if _kernels(layer))
    return float(flops(network) + _FLOPS_PER_VALUE * sum(math.prod(shape) for shape in maps))


def _kernels(layer: keras.layers.Layer) -> list[Any]:
    kernels = (getattr(layer, name, None) for name in ("kernel", "depthwise_kernel", "pointwise_kernel"))
    return [kernel for kernel in kernels if kernel is not None]
