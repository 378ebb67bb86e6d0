"""Backbones, ranked on a sample of the pictures."""

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
from searches import SETTINGS, Diary

import kevo
from kevo import costs, space
from kevo.datasets import ImageDataset
from kevo.probing import probe
from kevo.runs import Run
from kevo.sitting import Sitting, declare
from kevo.weights import Weights

NARROW, WIDE = (Weights(backbone="mobilenet", source="none", alpha=alpha) for alpha in (0.25, 0.5))
SMALL = Weights(backbone="mobilenet_v2", source="none", alpha=0.35)


def test_every_backbone_is_probed_the_cheapest_first_and_the_best_wins(dataset: ImageDataset) -> None:
    asked: list[tuple[str, float]] = []

    def watch(name: str, done: float) -> bool:
        asked.append((name, done))
        return True

    found = probe(dataset, [WIDE, SMALL, NARROW], image_size=32, watch=watch)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert {(one.genes["backbone"], one.genes[f"{one.genes['backbone']}/alpha"]) for one in found} == {
        ("mobilenet", 0.25),
        ("mobilenet", 0.5),
        ("mobilenet_v2", 0.35),
    }
    assert [done for _, done in asked] == pytest.approx([0, 1 / 3, 2 / 3])
    order = ["mobilenet_v2" if name == "mobilenet_v2" else "mobilenet" for name, _ in asked]
    flops = {
        weights.backbone: costs.num_flops(
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


def test_what_sees_more_scores_higher(dataset: ImageDataset) -> None:
    """Labels that have nothing to do with the pictures leave a probe nothing to find."""
    shuffled = np.random.default_rng(0).permutation(dataset.train.labels)
    blind = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, labels=shuffled))
    (seeing,), (guessing,) = (probe(one, [NARROW], image_size=32) for one in (dataset, blind))
    assert seeing.score > guessing.score + 0.1


def test_probes_end_when_there_is_no_time_for_more(dataset: ImageDataset) -> None:
    left = [True, False]
    assert len(probe(dataset, [WIDE, NARROW], image_size=32, watch=lambda name, done: left.pop(0))) == 1


def test_a_search_begins_with_the_best_and_remembers_them(tmp_path: Path, dataset: ImageDataset) -> None:
    settings = dataclasses.replace(
        SETTINGS,
        space=dataclasses.replace(kevo.PRESETS["small"], pretrained_image_sizes=(32,)),
        weights={"mobilenet": "none", "mobilenet_v2": "none"},
    )
    usable = {"mobilenet": (NARROW, WIDE), "mobilenet_v2": (SMALL,)}
    run = Run.create(tmp_path / "run", {})

    def begun() -> list[space.Genome]:
        one = Sitting(run, dataset, settings, usable, Diary(), time.monotonic())
        return declare(settings, dataset, usable).led_by(one._promising_bodies(), settings, dataset).seeds

    seeds = begun()
    kept = json.loads((run.path / "probes.json").read_text())
    assert [one["genes"].items() <= seed.items() for one, seed in zip(kept, seeds[:3], strict=True)] == [True] * 3
    assert [seed["family"] for seed in seeds] == ["pretrained"] * 3 + ["conv"] * 2
    # What is written counts when the search is taken up again.
    (run.path / "probes.json").write_text(json.dumps(kept[::-1]))
    assert begun()[0]["backbone"] == kept[-1]["genes"]["backbone"]
