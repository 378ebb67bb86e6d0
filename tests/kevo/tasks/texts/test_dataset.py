"""Texts in memory and in files."""

import dataclasses
from pathlib import Path

import numpy as np

from kevo.tasks.texts.dataset import Split, packed, read, unpacked
from tests.support.texts import dataset_with_vectors, rated_dataset, small_dataset


def test_texts_are_packed_and_unpacked() -> None:
    texts = ("", "día", "好", "a\nb", "")
    assert unpacked(*packed(texts)) == texts
    assert unpacked(*packed(())) == ()


def test_workers_read_all_but_the_test_split(tmp_path: Path) -> None:
    for number, dataset in enumerate((small_dataset(40), rated_dataset(40))):
        dataset.write(tmp_path / str(number))
        found = read(tmp_path / str(number))
        assert (found.train.texts, found.validation.texts) == (dataset.train.texts, dataset.validation.texts)
        np.testing.assert_array_equal(found.labels("train"), dataset.labels("train"))
        assert (found.output, found.text, found.target) == (dataset.output, dataset.text, dataset.target)
        assert len(found.test) == 0


def test_the_fingerprint_tells_texts_apart() -> None:
    dataset = small_dataset(40)
    # The same letters, divided otherwise.
    first, second, *others = dataset.test.texts
    moved = Split((first + second[0], second[1:], *others), dataset.test.labels)
    assert dataset.fingerprint() != dataclasses.replace(dataset, test=moved).fingerprint()
    assert dataset.fingerprint() == dataclasses.replace(dataset, notes=()).fingerprint()


def test_workers_have_the_same_word_vectors(tmp_path: Path) -> None:
    dataset = dataset_with_vectors(tmp_path)
    dataset.write(tmp_path / "work")
    found = read(tmp_path / "work").vectors
    assert found is not None and dataset.vectors is not None
    assert found.words == dataset.vectors.words
    np.testing.assert_array_equal(found.table, dataset.vectors.table)


def test_other_word_vectors_are_other_data(tmp_path: Path) -> None:
    dataset = dataset_with_vectors(tmp_path)
    assert dataset.vectors is not None
    other = dataclasses.replace(dataset.vectors, table=dataset.vectors.table + 1)
    prints = {one.fingerprint() for one in (dataset, dataclasses.replace(dataset, vectors=other), small_dataset(60))}
    assert len(prints) == 3


def test_class_weights() -> None:
    dataset = small_dataset(40)
    train = Split(dataset.train.texts[:8], np.array([0, 1, 1, 1, 1, 1, 1, 1]))
    weights = dataclasses.replace(dataset, train=train).class_weights()
    assert weights is not None and weights[0] == 7 * weights[1]
