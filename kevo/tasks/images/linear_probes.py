"""Which pretrained backbone suits the pictures, and which of its cut points and picture sizes.

Backbones are ranked on a sample of the pictures, before any full pass is made; what a full pass has yielded, on all. A
linear head on frozen features is solved directly, and judged by how it predicts what it did not see: ridge regression
leaves one picture out at a time at the price of a single decomposition (Golub et al. 1979,
doi:10.1080/00401706.1979.10489751). That a better network's features make a better linear head is measured in Kornblith
et al. 2019 (arXiv:1805.08974).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from kevo.errors import describe_error
from kevo.tasks.images import backbones, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.genes import speed_key
from kevo.tasks.images.inference import num_at_once
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.outputs.output import Output
from kevo.training.loop import Forward
from tuners.genome import Genome

_NUM_PICTURES = 256
"""How many training pictures a probe looks at."""
_MAX_PICTURES = 2000
"""How many pictures a linear head is solved for at most."""
_FINE_TUNING_GAIN = 1.2
"""By how much fine-tuning may be thought to make up for worse features."""
_STRENGTHS = tuple(10.0**power for power in range(0, 6))
"""Ridge penalties to choose from; features are brought to one scale before."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The score of a linear head on one backbone, with the genes of its best cut point; greater is better."""

    genes: Genome
    score: float


def probe(
    dataset: ImageDataset,
    candidates: Sequence[Weights],
    *,
    image_size: int,
    seed: int = 0,
    watch: Callable[[str, float], bool] = lambda name, share: True,
    note: Callable[[str], None] = lambda text: None,
) -> list[Probe]:
    """Ranks backbones by a linear head on a sample of the training pictures.

    Args:
        dataset: The pictures.
        candidates: The backbones, each with its weights.
        image_size: Side of the pictures that they see, in pixels.
        seed: Seed of the sample.
        watch: Is called before each backbone, the cheapest first, with its name and the share of the work that is
            done; `False` ends the probes.
        note: Is told which backbone could not be probed, and why.

    Returns:
        A probe for each backbone that there was time for, the best first.
    """
    num = min(_NUM_PICTURES, len(dataset.train))
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset.train))[:num])
    pictures = networks.resize(dataset.train.pictures[rows].astype(np.float32), (image_size, image_size))
    pictures = np.clip(np.asarray(pictures), 0, 255)
    targets = dataset.output.linear_targets(dataset.train.labels[rows])
    genomes = [_genome(weights, image_size) for weights in candidates]
    # To count operations, all would have to be built.
    order = sorted(range(len(genomes)), key=lambda place: _num_parameters(candidates[place]))
    found = []
    for number, place in enumerate(order):
        if not watch(str(genomes[place]["backbone"]), number / len(order)):
            break
        keras.backend.clear_session()
        # Random weights are those that the trainer begins with.
        keras.utils.set_random_seed(seed)
        try:
            found.append(_probe(genomes[place], candidates[place], pictures, targets))
        except Exception as error:
            note(f"{genomes[place]['backbone']} could not be probed: {describe_error(error)}")
    return sorted(found, key=lambda one: one.score, reverse=True)


def linear_error(features: npt.NDArray[np.floating], targets: npt.NDArray[np.floating]) -> float:
    """Returns the squared error of a linear head for pictures that are left out one at a time.

    Args:
        features: Shape (n, num_features).
        targets: What it is fitted to, shape (n, any); see `Output.linear_targets`.

    Returns:
        The mean over pictures and targets. A head that knows nothing has 1 where there are two classes of the same
        size, and for numbers.
    """
    scaled = StandardScaler().fit_transform(features.astype(np.float32))
    return -float(RidgeCV(_STRENGTHS).fit(scaled, targets).best_score_)


class LinearProbes:
    """The errors of linear heads on frozen features that are computed already; hopeless ones need no candidate.

    Args:
        output: What is asked of the pictures.
        labels: The answers of the training pictures, shape (n, ...).
        errors: What an earlier session found.
        is_wanted: Tells whether a genome may be trained at all; what nobody may train is not compared with.
    """

    def __init__(
        self,
        output: Output,
        labels: npt.NDArray[Any],
        errors: Mapping[str, float] | None = None,
        *,
        is_wanted: Callable[[Genome], bool] = lambda genome: True,
    ) -> None:
        self.errors = dict(errors or {})
        self._is_wanted = is_wanted
        # Pictures often come class by class.
        self._rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:_MAX_PICTURES])
        self._targets = output.linear_targets(labels[self._rows])
        # Of a measurement on few pictures less is certain.
        self._tolerance = 1 + 2 / math.sqrt(max(1, len(self._targets)))

    def learn(
        self,
        genome: Genome,
        features: npt.NDArray[np.floating],
        *,
        whole: keras.Model,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Looks at all cut points and poolings of a backbone at one size, unless that was done before.

        Args:
            genome: Any genome of that backbone and size.
            features: What `networks.all_features` makes of the training pictures, shape (n, ...).
            whole: The backbone.
            watch: Is called before each look; what it raises ends them.
        """
        name = str(genome["backbone"])
        for cut in backbones.get(name).cut_points:
            for summary in networks.POOLINGS:
                one = {**genome, f"{name}/cut": cut, "pretrained/summary": summary}
                if (key := _key(one)) not in self.errors and self._is_wanted(one):
                    watch()
                    seen = features[self._rows, networks.feature_columns(one, whole=whole)]
                    if math.isfinite(error := linear_error(seen, self._targets)):
                        self.errors[key] = error

    def is_behind(self, genome: Genome) -> bool:
        """Tells whether a genome stands on features that others are clearly better than."""
        error = self.errors.get(_key(genome)) if genome["family"] == "pretrained" else None
        if error is None:
            return False
        tolerance = self._tolerance if genome["pretrained/tuning"] == "frozen" else _FINE_TUNING_GAIN * self._tolerance
        return error > tolerance * min(self.errors.values())


def _key(genome: Genome) -> str:
    name = str(genome["backbone"])
    return repr((*speed_key(genome), genome[f"{name}/cut"], genome["pretrained/summary"]))


def _num_parameters(weights: Weights) -> int:
    variants = backbones.get(weights.backbone).variants
    return next(variant.num_parameters for variant in variants if variant.alpha == weights.alpha)


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
    genome: Genome, weights: Weights, pictures: npt.NDArray[np.float32], targets: npt.NDArray[np.floating]
) -> Probe:
    name = str(genome["backbone"])
    whole = networks.backbone(genome, weights=weights)
    forward = Forward(networks.all_features(genome, whole=whole))
    features = np.concatenate(list(forward.batches(pictures, num_at_once(pictures.shape[1]))))
    probes = []
    for cut in backbones.get(name).cut_points:
        one = {**genome, f"{name}/cut": cut}
        seen = features[:, networks.feature_columns(one, whole=whole)]
        genes = {gene: one[gene] for gene in ("family", "backbone", f"{name}/cut", f"{name}/alpha") if gene in one}
        probes.append(Probe(genes, -linear_error(seen, targets)))
    return max(probes, key=lambda probe: probe.score)
