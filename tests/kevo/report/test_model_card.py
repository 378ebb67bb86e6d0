"""The model card, and the estimate of what the search would have cost without the cache of features."""

import dataclasses
import re
from pathlib import Path

import pytest
from PIL import Image

import kevo
from kevo.errors import RunError
from kevo.report import model_card
from kevo.result import SearchResult
from kevo.runs import layout
from kevo.runs.energy import Energy
from kevo.runs.folder import Run
from kevo.system.markdown import code
from kevo.tasks.images import cache_savings
from kevo.tasks.images.cache_savings import CacheSavings
from kevo.tasks.images.datasets import ImageDataset, load
from kevo.tasks.images.datasets.dataset import Skipped
from kevo.tasks.outputs.classes.output import Classes
from tests.support.samples import CONV_GENOME, FINE_TUNED, pretrained_genome, stripes
from tests.support.searches import Diary, record
from tests.support.stranger import Stranger

SECTIONS = [
    "Model details",
    "How to load it",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
    "What the search cost",
]
HOSTILE = "`<img src=x onerror=alert(1)>`|[x](javascript:alert(1))\n# Safe\u202e"
MEASURED = Energy(
    kwh=0.25, kg_co2e=0.1, seconds=60.0, country="DEU", processor="CPU", meter=None, gpus="", codecarbon="3"
)


@pytest.fixture(scope="module")
def dataset() -> ImageDataset:
    return load(stripes(240))


@pytest.fixture
def result(climbed: tuple[SearchResult, Diary]) -> SearchResult:
    return climbed[0]


def test_a_search_leaves_a_card_with_the_sections_of_the_paper(result: SearchResult) -> None:
    text = (result.run_folder / "model_card.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    low, high = result.test.interval
    assert f"{100 * result.test.accuracy:.1f} % on {result.test.num_examples} test pictures" in text
    assert f"95 % interval {100 * low:.1f} % to {100 * high:.1f} %" in text
    assert code(result.words) in text and f"{result.num_parameters:,} parameters" in text
    assert all(code(gene) in text for gene in result.genome)
    assert f"kevo {kevo.__version__}" in text and "floating-point operations" in text


@pytest.mark.long
def test_its_code_loads_the_model(result: SearchResult, stranger: Stranger, tmp_path: Path) -> None:
    picture, label = stripes(240)[0][0], stripes(240)[1][0]
    for name in ("best.keras", "labels.json", "task.json"):
        (tmp_path / name).write_bytes((result.run_folder / name).read_bytes())
    Image.fromarray(picture).save(tmp_path / "picture.jpg", quality=100, subsampling=0)
    (snippet,) = re.findall(r"```python\n(.*?)```", (result.run_folder / "model_card.md").read_text(), re.DOTALL)
    said, probability = stranger.run(snippet, folder=tmp_path).split()
    read = kevo.read_picture(tmp_path / "picture.jpg", model=result.run_folder)
    expected = result.best_model.predict(read[None], verbose=0)[0]
    assert said == str(expected.argmax()) and float(probability) == pytest.approx(expected.max(), abs=1e-5)
    assert label in (0, 1, 2)


def test_hostile_names_are_nothing_but_names(dataset: ImageDataset, result: SearchResult) -> None:
    names = (HOSTILE, "", "plain")
    renamed = dataclasses.replace(
        dataset, name=HOSTILE, output=Classes(names), skipped=(Skipped(HOSTILE, HOSTILE), Skipped("b", "empty"))
    )

    def by_name(values: dict) -> dict:
        return dict(zip(names, values.values(), strict=True))

    test = dataclasses.replace(
        result.test,
        precision=by_name(result.test.precision),
        recall=by_name(result.test.recall),
        support=by_name(result.test.support),
    )
    hostile = dataclasses.replace(
        result, test=test, words=HOSTILE, genome={**CONV_GENOME, "optimizer": HOSTILE, HOSTILE: 1}
    )
    energy = dataclasses.replace(MEASURED, processor=HOSTILE, country=HOSTILE, meter=HOSTILE, gpus=HOSTILE)
    text = model_card.card(Run.open(result.run_folder), renamed, hostile, energy=energy)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert "\n# Safe" not in text and "\u202e" not in text
    # Without its code there is nothing left of the names.
    outside = re.sub(r"`[^`\n]*`", "", re.sub(r"```python.*?```", "", text, flags=re.DOTALL))
    outside = outside.removesuffix(f"{layout.CARD_END}\n")
    assert not re.search(r"<|javascript|onerror|`", outside)
    assert text.count("onerror") > 8
    # Every row of a table has as many cells as its head.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "2 files could not be used" in text


def test_the_cost_is_told_with_its_uncertainty(dataset: ImageDataset, result: SearchResult) -> None:
    run = Run.open(result.run_folder)
    estimate = CacheSavings(candidate_seconds=10.0, saved_seconds=30.0, passes=1200)
    result = dataclasses.replace(result, seconds=60.0)
    text = model_card.card(run, dataset, result, energy=MEASURED, savings=estimate)
    assert "0.25 kWh, 0.1 kg of CO2-equivalent with the electricity of `DEU`" in text
    assert "an estimate from its load and its rated power" in text
    assert "at least 40.0 s instead of 10.0 s, 4.0 times as long. The search would" in text
    # Half a minute more, of the minute that was measured.
    assert "have taken 0.375 kWh and 0.15 kg" in text
    measured = dataclasses.replace(MEASURED, meter="RAPL counters", country="world", gpus="1 x GPU")
    text = model_card.card(
        run, dataset, result, energy=measured, savings=dataclasses.replace(estimate, saved_seconds=0.0)
    )
    assert "was measured by `RAPL counters`, that of the GPUs (`1 x GPU`) by their driver" in text
    assert "the world's average" in text and "so that this saved nothing" in text


def test_a_search_without_the_cache_repeats_every_pass(dataset: ImageDataset) -> None:
    head = pretrained_genome("mobilenet_v2", "out_relu")
    tuned = {**head, **{gene.replace("__", "/"): value for gene, value in FINE_TUNED.items()}, "mirror": True}
    epoch = {"val_accuracy": 0.5}

    def trained(trial_id: str, genome: dict, *stages: str, **changes: object):
        history = [epoch] * len(stages)
        return dataclasses.replace(
            record(trial_id, 0.5), genome=genome, stages=list(stages), history=history, seconds=10.0, **changes
        )

    records = [
        trained("0", dict(CONV_GENOME), *["train"] * 9),
        trained("1", head, *["head"] * 2),
        # The epochs of what is continued are told twice.
        trained("2", head, *["head"] * 5, continues="1"),
        trained("3", tuned, *["head"] * 3, *["fine-tune"] * 4),
    ]
    plain, mirrored = (len(dataset.train) + num * len(dataset.validation) for num in (1, 2))

    def pass_seconds(genome: dict) -> float:
        # What stays frozen while fine-tuning ends before.
        return 0.5 if genome["pretrained/summary"] == "none" else 1.0

    found = cache_savings.estimate(
        records, dataset, pass_seconds=pass_seconds, speeds=[("mobilenet_v2", None, 32, 1.0)]
    )
    assert found.candidate_seconds == 40
    assert found.passes == 4 * plain + 2 * mirrored + 3 * mirrored
    assert found.saved_seconds == 4 * plain + 2 * mirrored + 0.5 * 3 * mirrored
    assert found.factor == pytest.approx(1 + found.saved_seconds / 40)


def test_the_estimate_is_written_and_read(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    assert cache_savings.read(run) is None
    estimate = CacheSavings(candidate_seconds=1.0, saved_seconds=2.0, passes=3, speeds=(("vgg16", None, 32, 0.1),))
    cache_savings.write(run, estimate)
    assert cache_savings.read(run) == estimate
    run.write_json("cache_savings.json", {**dataclasses.asdict(estimate), "saved_seconds": -1.0})
    with pytest.raises(RunError, match="cache_savings.json is damaged"):
        cache_savings.read(run)
