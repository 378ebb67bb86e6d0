"""A search on a part of the data: the same part when it goes on, is scored again, and where the time sets it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kevo
from kevo.runs.folder import Run
from kevo.tasks.images.datasets import reading
from tests.support.samples import stripes
from tests.support.searches import SETTINGS
from tests.support.tables import write_csv

TINY = dataclasses.replace(SETTINGS, max_trials=1)


def folder_of(path: Path, num: int) -> Path:
    pictures, labels = stripes(num)
    for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        inner = path / f"class {label}"
        inner.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(inner / f"{number}.png")
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "stripes", 240)


@pytest.mark.long
def test_the_same_part_is_read_again(pictures: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, max_examples=90)
    result = kevo.search(pictures, settings, out=tmp_path / "run")
    assert result.test.num_examples < 30
    assert kevo.resume(tmp_path / "run").test == result.test
    scored = result.classifier.evaluate(pictures)
    assert (scored.data, scored.split, scored.is_familiar) == ("stripes", "test", False)
    assert scored.scores == result.test


@pytest.mark.long
def test_a_search_without_the_time_to_read_all_says_what_it_read(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WORTH_TIMING", 90)
    # Any reading takes longer than this part of the time.
    monkeypatch.setattr(kevo.api, "_READING_SHARE", 1e-9)
    settings = dataclasses.replace(TINY, max_time=60.0)
    result = kevo.search(pictures, settings, out=tmp_path / "run")
    assert Run.open(tmp_path / "run").search_settings().max_examples == 90
    assert result.test.num_examples < 30
    # Whoever goes on has all the time that it takes, and reads the same.
    assert kevo.resume(tmp_path / "run").test == result.test


def test_a_part_of_a_table_is_scored_as_the_search_divided_it(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "rows.csv", 240)
    settings = kevo.Settings(
        max_trials=1, epochs=1, workers=0, cache="none", options={"target": "kind", "keep": "number"}, max_examples=100
    )
    result = kevo.search(data, settings, out=tmp_path / "run")
    scored = result.classifier.evaluate(data)
    assert (scored.split, scored.is_familiar) == ("test", False)
    assert scored.scores == result.test
    assert np.isclose(result.test.num_examples, 15, atol=3)
