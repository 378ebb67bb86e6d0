"""Backbones, ranked on a sample of the pictures."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.runs.folder import Run
from kevo.tasks.images import backbone_networks, backbones, costs, networks
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.images.linear_probes import LinearProbes, Probe, linear_error, probe
from kevo.tasks.images.pretrained_weights import Weights
from kevo.tasks.images.task import ImageTask
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, pretrained_genome
from tests.support.searches import SETTINGS
from tuners.genome import Genome

NARROW, WIDE = (Weights(backbone="mobilenet", source="none", alpha=alpha) for alpha in (0.25, 0.5))
SMALL = Weights(backbone="mobilenet_v2", source="none", alpha=0.35)


@pytest.fixture(scope="module")
def probed(dataset: ImageDataset) -> tuple[list[Probe], list[tuple[str, float]]]:
    """Probes of three backbones, and what was said of each before it."""
    asked: list[tuple[str, float]] = []

    def watch(name: str, done: float) -> bool:
        asked.append((name, done))
        return True

    return probe(dataset, [WIDE, SMALL, NARROW], image_size=32, watch=watch), asked


def test_every_backbone_is_probed_the_cheapest_first_and_the_best_wins(
    probed: tuple[list[Probe], list[tuple[str, float]]],
) -> None:
    found, asked = probed
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert {(one.genes["backbone"], one.genes[f"{one.genes['backbone']}/alpha"]) for one in found} == {
        ("mobilenet", 0.25),
        ("mobilenet", 0.5),
        ("mobilenet_v2", 0.35),
    }
    assert [done for _, done in asked] == pytest.approx([0, 1 / 3, 2 / 3])
    order = ["mobilenet_v2" if name == "mobilenet_v2" else "mobilenet" for name, _ in asked]
    flops = {
        weights.backbone: costs.pass_cost(
            {
                "family": "pretrained",
                "backbone": weights.backbone,
                f"{weights.backbone}/alpha": weights.alpha or 1,
                "pretrained/image_size": 32,
            },
            cut="out_relu" if weights is SMALL else "conv_pw_13_relu",
        )
        for weights in (NARROW, SMALL)
    }
    assert order[0] == min(flops, key=flops.__getitem__)


def test_what_sees_more_scores_higher(
    dataset: ImageDataset, probed: tuple[list[Probe], list[tuple[str, float]]]
) -> None:
    """Labels that have nothing to do with the pictures leave a probe nothing to find."""
    shuffled = np.random.default_rng(0).permutation(dataset.train.labels)
    blind = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, labels=shuffled))
    (seeing,) = (one for one in probed[0] if one.genes.get("mobilenet/alpha") == NARROW.alpha)
    (guessing,) = probe(blind, [NARROW], image_size=32)
    assert seeing.score > guessing.score + 0.1


def test_probes_end_when_there_is_no_time_for_more(dataset: ImageDataset) -> None:
    left = [True, False]
    assert len(probe(dataset, [WIDE, NARROW], image_size=32, watch=lambda name, done: left.pop(0))) == 1


def test_a_linear_head_is_judged_by_what_it_did_not_see() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    blind = rng.normal(size=(300, 20))
    seeing = blind.copy()
    seeing[:, :3] += 3 * np.eye(3)[labels]
    # Guessing the mean of (1, -1, -1) leaves 1 - (1/3)^2.
    targets = classes(3).linear_targets(labels)
    assert linear_error(blind, targets) == pytest.approx(8 / 9, rel=0.1)
    assert linear_error(seeing, targets) < 0.5
    # Hundreds of features of nothing do not look like something.
    assert linear_error(rng.normal(size=(100, 400)), targets[:100]) > 0.8


def test_bodies_that_are_clearly_behind_are_told() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    genome = {
        **pretrained_genome("mobilenet_v2", "out_relu"),
        "mobilenet_v2/alpha": 0.35,
    }
    whole = networks.backbone(genome, weights=None)
    num_channels = backbone_networks.num_channels(backbones.get("mobilenet_v2"), whole)
    features = rng.normal(size=(400, 2 * sum(num_channels.values())))
    # Only the deepest cut sees anything, on average better than at its greatest.
    for summary, strength in (("average", 2.0), ("max", 1.0)):
        place = networks.feature_columns({**genome, "pretrained/summary": summary}, whole=whole).start
        features[:, place] += strength * labels
    probes = LinearProbes(classes(2), labels)
    assert not probes.is_behind(genome)
    probes.learn(genome, features, whole=whole)
    maximum, shallow = {**genome, "pretrained/summary": "max"}, {**genome, "mobilenet_v2/cut": "block_3_expand_relu"}
    assert not probes.is_behind(genome) and probes.is_behind(maximum) and probes.is_behind(shallow)
    assert not probes.is_behind(CONV_GENOME)
    assert not probes.is_behind({**shallow, "pretrained/image_size": 64}), "its features are not there yet"
    # Fine-tuning may make up for a little.
    error = min(probes.errors.values())
    tuned = {**maximum, "pretrained/tuning": "fine_tune"}
    probes.errors[next(key for key in probes.errors if "'max'" in key and "out_relu" in key)] = 1.25 * error
    assert probes.is_behind(maximum) and not probes.is_behind(tuned)
    assert LinearProbes(classes(2), labels, probes.errors).is_behind(maximum)


def test_a_search_begins_with_the_best_and_remembers_them(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(
        SETTINGS,
        space=dataclasses.replace(kevo.PRESETS["small"], pretrained_image_sizes=(32,)),
        weights={"mobilenet": "none", "mobilenet_v2": "none"},
    )
    usable = {"mobilenet": (NARROW,), "mobilenet_v2": (SMALL,)}
    run = Run.create(tmp_path / "run", {})

    def begun() -> list[Genome]:
        task = ImageTask(dataset, settings, usable)
        task.attach(run, work=None, note=print)
        task.prepare(may_go_on=lambda: True)
        return list(task.seeds)

    seeds = begun()
    kept = json.loads((run.path / "backbone_ranking.json").read_text())
    # The best is tried first, and from both sides too.
    for one, seed in zip([kept[0], *kept], seeds, strict=False):
        assert one["genes"].items() <= seed.items()
    assert [seed["family"] for seed in seeds] == ["pretrained"] * 3 + ["conv"] * 4
    # What is written counts when the search is taken up again.
    (run.path / "backbone_ranking.json").write_text(json.dumps(kept[::-1]))
    assert begun()[0]["backbone"] == kept[-1]["genes"]["backbone"]
