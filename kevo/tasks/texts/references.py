"""A strong cheap model on the same splits: is a network worth it for these texts?

TF-IDF with logistic regression is hard to beat on short texts and little data (Wang and Manning 2012, "Baselines and
bigrams: simple, good sentiment and topic classification").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kevo.tasks.folds import rows_of
from kevo.tasks.outputs.classes.output import Classes
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.prepared import references
from kevo.tasks.texts.dataset import TextDataset
from kevo.tasks.texts.scripts import have_spaces

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
    from sklearn.base import clone
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    has_words = have_spaces(dataset.train.texts)
    counts = TfidfVectorizer(
        max_features=_MAX_TOKENS, **({} if has_words else {"analyzer": "char", "ngram_range": (2, 5)})
    )
    model: Any = Ridge()
    name = "TF-IDF + ridge regression"
    if isinstance(dataset.output, Classes):
        model, name = LogisticRegression(max_iter=_MAX_ITERATIONS), "TF-IDF + logistic regression"

    def matrix(part: TextDataset) -> Callable[[str], Any]:
        known = clone(counts).fit(part.train.texts)
        return lambda split: known.transform(part.split(split).texts)

    parts = [] if dataset.folds is None else list(rows_of(dataset.folds))
    try:
        folds = [
            references.Fold(judged, part, matrix(part))
            for judged, part in ((judged, dataset.part(learned, judged)) for learned, judged in parts)
        ]
        whole = matrix(dataset)
    except ValueError:
        # Its words have two letters at least: there may be none.
        return []
    words = _WORDS if has_words else _LETTERS
    return [references.fit(name, words, model, dataset, whole, seed=seed, folds=folds)]
