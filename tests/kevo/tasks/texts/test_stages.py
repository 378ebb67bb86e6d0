"""Texts as networks see them."""

from pathlib import Path

import numpy as np

from kevo.tasks.prepared.stages import split_to_learn
from kevo.tasks.texts.stages import PreparedTexts
from kevo.tasks.texts.tokens import Reading
from kevo.training.effort import Effort
from tests.support.texts import CONV, GENOME, VECTORS, dataset_with_vectors, small_dataset


def test_texts_are_prepared_once_for_all_genomes_that_read_them_alike() -> None:
    texts = PreparedTexts(small_dataset(60))
    texts.features(GENOME, "train")
    kept = texts._numbers[Reading("words", 2)]["train"]
    texts.features({**GENOME, "vocabulary": 50}, "train")
    assert texts._numbers[Reading("words", 2)]["train"] is kept
    for genome in (CONV, {**GENOME, "bag/ngrams": 3}):
        texts.features(genome, "train")
    # No more than two are kept.
    assert [how.ngrams for how in texts._numbers] == [1, 3]


def test_a_genome_reads_its_part() -> None:
    dataset = small_dataset(60)
    texts = PreparedTexts(dataset)
    (whole,), (part,) = (
        texts.features({**CONV, "sequence/length": length}, split_to_learn(Effort(num_epochs=1)))
        for length in (1.0, 0.5)
    )
    assert whole.shape == (len(dataset.train), 9)
    np.testing.assert_array_equal(part, whole[:, :4])
    assert texts.size({**GENOME, "vocabulary": 5}) == (7, 17)
    assert texts.features({**GENOME, "vocabulary": 5}, "validation")[0].max() == 6


def test_pretrained_vectors_bring_words_that_no_training_text_has(tmp_path: Path) -> None:
    dataset = dataset_with_vectors(tmp_path)
    texts = PreparedTexts(dataset)
    assert dataset.vectors is not None
    words = texts.reader(VECTORS).get_vocabulary()[2:]
    assert words == list(dataset.vectors.words)
    assert {"splendid", "wretched"} <= set(words)
    # A smaller vocabulary is that of the training texts' commonest words.
    small = {**VECTORS, "vocabulary": 3}
    assert texts.size(small) == (5, 9)
    assert texts.reader(small).get_vocabulary()[2:] == words[:3]
    table = texts.network(small).get_layer("embedding").get_weights()[0]
    np.testing.assert_array_equal(table, np.concatenate([np.zeros((2, 4)), dataset.vectors.table[:3]]))
