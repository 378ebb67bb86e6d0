"""Which pretrained backbone suits the pictures, found out on a sample of them before any full pass is made.

A linear head on frozen features is solved directly, and judged by how it predicts what it did not see: ridge regression
leaves one picture out at a time at the price of a single decomposition (Golub et al. 1979,
doi:10.1080/00401706.1979.10489751). That a better network's features make a better linear head is measured in Kornblith
et al. 2019 (arXiv:1805.08974).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from kevo import backbones, costs, models
from kevo.datasets import ImageDataset
from kevo.space import Genome
from kevo.weights import Weights

_NUM_PICTURES = 256
"""How many training pictures a probe looks at."""
_STRENGTHS = tuple(10.0**power for power in range(0, 6))
"""Ridge penalties to choose from; features are brought to one scale before."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a linear head makes of one backbone: the genes of its best cut point, and its score; greater is better."""

    genes: Genome
    score: float


def probe(
    dataset: ImageDataset,
    candidates: Sequence[Weights],
    *,
    image_size: int,
    seed: int = 0,
    watch: Callable[[str, float], bool] = lambda name, share: True,
) -> list[Probe]:
    """Ranks backbones by a linear head on a sample of the training pictures.

    Args:
        dataset: The pictures.
        candidates: The backbones, each with its weights.
        image_size: Side of the pictures that they see, in pixels.
        seed: Seed of the sample.
        watch: Is called before each backbone, the cheapest first, with its name and the share of the work that is
            done; `False` ends the probes.

    Returns:
        A probe for each backbone that there was time for, the best first.

    Raises:
        WeightsError: Weights cannot be had after all.
    """
    num = min(_NUM_PICTURES, len(dataset.train))
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset.train))[:num])
    pictures = models.resize(dataset.train.pictures[rows].astype(np.float32), (image_size, image_size))
    pictures = np.clip(np.asarray(pictures), 0, 255)
    targets = 2.0 * np.eye(dataset.num_classes)[dataset.train.labels[rows]] - 1
    genomes = [_genome(weights, image_size) for weights in candidates]
    order = sorted(range(len(genomes)), key=lambda place: costs.num_flops(genomes[place]))
    found = []
    for number, place in enumerate(order):
        if not watch(str(genomes[place]["backbone"]), number / len(order)):
            break
        found.append(_probe(genomes[place], candidates[place], pictures, targets))
    return sorted(found, key=lambda one: one.score, reverse=True)


def _genome(weights: Weights, image_size: int) -> Genome:
    """Returns the whole of a backbone as a genome."""
    name = weights.backbone
    genome: dict[str, str | int | float] = {
        "family": "pretrained",
        "backbone": name,
        f"{name}/cut": backbones.get(name).cut_points[-1],
        "pretrained/image_size": image_size,
        "pretrained/summary": "average",
    }
    return genome if weights.alpha is None else {**genome, f"{name}/alpha": weights.alpha}


def _probe(
    genome: Genome, weights: Weights, pictures: npt.NDArray[np.float32], targets: npt.NDArray[np.float64]
) -> Probe:
    name = str(genome["backbone"])
    whole = models.backbone(genome, weights=weights)
    features = models.all_features(genome, whole=whole).predict(pictures, batch_size=64, verbose=0)
    probes = []
    for cut in backbones.get(name).cut_points:
        one = {**genome, f"{name}/cut": cut}
        seen = StandardScaler().fit_transform(features[:, models.feature_columns(one, whole=whole)])
        genes = {gene: one[gene] for gene in ("family", "backbone", f"{name}/cut", f"{name}/alpha") if gene in one}
        probes.append(Probe(genes, float(RidgeCV(_STRENGTHS).fit(seen, targets).best_score_)))
    return max(probes, key=lambda probe: probe.score)
