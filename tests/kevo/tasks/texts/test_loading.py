"""Splits of texts."""

from pathlib import Path

import numpy as np
import pytest

from kevo.errors import DataError, SettingsError
from kevo.tasks.sampling import Sampling
from kevo.tasks.texts.loading import load, suggested
from kevo.tasks.texts.twins import normalized
from tests.support.texts import rated_dataset, reviews, small_dataset, write_csv


def test_classes_have_the_same_part_of_each_split() -> None:
    dataset = small_dataset()
    shares = [np.mean(dataset.labels(split)) for split in ("train", "validation", "test")]
    assert max(shares) - min(shares) < 0.03
    assert dataset.class_names == ("bad", "good")
    assert dataset.made_splits == ("validation", "test")


def test_the_seed_divides() -> None:
    texts, kinds, _ = reviews(60)
    first, again, other = (load((texts, kinds), seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != other.fingerprint()


def test_texts_that_are_alike_stay_together() -> None:
    texts, kinds, _ = reviews(60)
    dataset = load((texts + [f"RT @x: {text.upper()}" for text in texts], kinds + kinds))
    words = [
        {normalized(text).removeprefix("rt ") for text in dataset.split(split).texts}
        for split in ("train", "validation", "test")
    ]
    assert not any(words[one] & words[other] for one, other in ((0, 1), (0, 2), (1, 2)))
    assert not dataset.repeats
    assert any("are alike another one: they stay in one split" in note for note in dataset.notes)


def test_twins_across_given_splits_are_counted() -> None:
    texts, kinds, _ = reviews(60)
    dataset = load({"train": (texts[:40], kinds[:40]), "test": (texts[30:60], kinds[30:60])})
    assert dataset.made_splits == ("validation",)
    assert len(dataset.repeats) == 1
    assert dataset.repeats[0].startswith("10 of 30 test texts are the same as, or nearly, training")
    assert dataset.repeats[0] in dataset.notes


def test_groups_are_never_divided(tmp_path: Path) -> None:
    texts, kinds, _ = reviews(120)
    rows = [f"{text},{kind},{number % 12}" for number, (text, kind) in enumerate(zip(texts, kinds, strict=True))]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["text,label,author", *rows]), encoding="utf-8")
    dataset = load(path, groups="author")
    author = dict(zip(texts, (number % 12 for number in range(120)), strict=True))
    train, test = ({author[text] for text in dataset.split(split).texts} for split in ("train", "test"))
    assert train and test and not train & test


def test_numbers() -> None:
    dataset = rated_dataset()
    assert dataset.output.asks == "regression"
    assert dataset.train.labels.dtype == np.float32
    texts, kinds, stars = reviews(40)
    assert suggested((texts, stars))[0] == "regression"
    assert suggested((texts, kinds))[0] == "classification"


def test_a_part_of_the_texts() -> None:
    texts, kinds, _ = reviews(200)
    dataset = load((texts, kinds), sampling=Sampling(60))
    assert dataset.max_examples == 60
    assert sum(map(dataset.num_examples, ("train", "validation", "test"))) == pytest.approx(60, abs=3)
    assert any("of 200 texts are used" in note for note in dataset.notes)


def test_what_is_refused(tmp_path: Path) -> None:
    texts, kinds, _ = reviews(20)
    with pytest.raises(SettingsError, match="must be positive"):
        load((texts, kinds), test_fraction=0.0)
    with pytest.raises(DataError, match="the same value in all rows"):
        load((texts, ["a"] * 20))
    with pytest.raises(DataError, match="There are no texts to learn from"):
        load((["", " "], ["a", "b"]))
    with pytest.raises(DataError, match="There are no texts to learn from"):
        load(([], []))
    with pytest.raises(DataError, match="too few different texts"):
        load((["the same"] * 20, kinds))
    with pytest.raises(DataError, match="is missing in 1 of 20 rows"):
        load((texts, [*kinds[:-1], ""]))


def test_a_table_is_read_like_arrays(tmp_path: Path) -> None:
    dataset = load(write_csv(tmp_path / "kind.csv"))
    assert dataset.fingerprint() == small_dataset().fingerprint()
    assert dataset.summary().startswith("kind: 240 texts, 2 classes")
