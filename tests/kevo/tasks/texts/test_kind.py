"""The row of the table of tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kevo
from kevo.errors import ExportError, SettingsError
from kevo.tasks.registry import choose, kind_of
from kevo.tasks.texts.kind import KIND, REGRESSION
from kevo.tasks.texts.space import PRESETS
from tests.support.texts import CONV, GENOME, RECURRENT, VECTORS, reviews, write_csv


def test_the_rows_are_in_the_table() -> None:
    assert kind_of("texts") is KIND
    assert kind_of("text-regression") is REGRESSION


def test_loads_no_tensorflow(tmp_path: Path) -> None:
    script = """
import sys
import kevo
from kevo.tasks.registry import choose
kind, note = choose("auto", sys.argv[1], {})
print(kind.load(sys.argv[1], kevo.Settings(task=kind.name)).summary())
print(sorted({"tensorflow", "keras", "keras_tuner"} & sys.modules.keys()))
"""
    path = write_csv(tmp_path / "reviews.csv")
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    summary, loaded = done.stdout.splitlines()
    assert summary.startswith("reviews: 240 texts, 2 classes")
    assert loaded == "[]"


def test_sources_that_are_texts(tmp_path: Path) -> None:
    texts, kinds, stars = reviews(20)
    for split in ("train", "test"):
        for number, text in enumerate(texts):
            path = tmp_path / "folder" / split / kinds[number] / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for data, name in (
        (tmp_path / "folder", "texts"),
        ((texts, kinds), "texts"),
        ((texts, stars), "text-regression"),
        ({"train": (texts, kinds)}, "texts"),
        (write_csv(tmp_path / "a.csv", 20), "texts"),
    ):
        kind, note = choose("auto", data, {})
        assert kind.name == name
        assert kind.load(data, kevo.Settings(task=name)).num_examples("train") > 0
    assert note == "This is learned as texts; --task tables learns from the other columns."
    assert KIND.source((texts, kinds)) is None
    assert KIND.source(tmp_path / "a.csv") == str(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"space": 7}, "a Space for texts. Received: 7"),
        ({"weights": {"mobilenet_v2": "none"}}, "Networks for texts have no backbones"),
        ({"options": {"keep": "a"}}, "'keep'"),
    ],
)
def test_settings_that_texts_have_not(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        kevo.Settings(task="texts", **options)


def test_settings() -> None:
    settings = kevo.Settings(task="texts", options={"text": "review"}, space=PRESETS["small"])
    assert kevo.Settings.from_json(settings.to_json()) == settings
    assert kevo.Settings(options={"text": "review"}).kind is KIND
    assert KIND.varied(settings)["families"] == ("bag", "conv", "vectors")


def test_kinds_of_networks() -> None:
    names = [KIND.network_name(genome) for genome in (GENOME, {**GENOME, "bag/units": 8}, CONV, RECURRENT, VECTORS)]
    assert names == ["linear model", "bag of words", "conv network", "recurrent network", "mean of word vectors"]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="takes texts, and is written in no other format"):
        KIND.exportable(tmp_path / "best.keras")
    with pytest.raises(SettingsError, match="names what it answers"):
        KIND.predictor(tmp_path, labels=tmp_path / "labels.json")
