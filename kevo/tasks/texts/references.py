"""A strong cheap model on the same splits: is a network worth it for these texts?

TF-IDF with logistic regression is hard to beat on short texts and little data (Wang and Manning 2012, "Baselines and
bigrams: simple, good sentiment and topic classification").
"""

from __future__ import annotations

from typing import Any

from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared import references
from kevo.tasks.texts import space
from kevo.tasks.texts.dataset import TextDataset

_WORDS = "of scikit-learn, with its default settings, on the words of the texts"
_LETTERS = "of scikit-learn, with its default settings, on 2 to 5 letters in a row"
_MAX_TOKENS = 100_000
_MAX_ITERATIONS = 1000


def fit(dataset: TextDataset, *, seed: int) -> list[Reference]:
    """Trains a linear model on TF-IDF of the texts' words, or of their letters where words have no spaces between.

    Args:
        dataset: The data set.
        seed: Seed of what is left to chance.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    has_words = space.have_spaces(dataset.train.texts)
    counts = TfidfVectorizer(
        max_features=_MAX_TOKENS, **({} if has_words else {"analyzer": "char", "ngram_range": (2, 5)})
    )
    model: Any = Ridge()
    name = "TF-IDF + ridge regression"
    if isinstance(dataset.output, Classes):
        model, name = LogisticRegression(max_iter=_MAX_ITERATIONS), "TF-IDF + logistic regression"
    try:
        counts.fit(dataset.train.texts)
    except ValueError:
        # Its words have two letters at least: there may be none.
        return []
    words = _WORDS if has_words else _LETTERS

    def matrix(split: str) -> Any:
        return counts.transform(dataset.split(split).texts)

    return [references.fit(name, words, model, dataset, matrix, seed=seed)]
