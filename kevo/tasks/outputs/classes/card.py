"""What the model card of a classifier says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kevo.system.markdown import code, table
from kevo.tasks.folds import splits_of
from kevo.tasks.outputs.card import CardText, judged
from kevo.tasks.outputs.classes.evaluation import Evaluation, remarks
from kevo.tasks.outputs.words import Words
from kevo.tasks.protocols.scores import Calibration

_MAX_CLASSES = 200
"""How many classes have a line of their own."""
_FEW = 30
"""With fewer test examples, the scores of a class say little."""


def card_text(words: Words, dataset: Any, outcome: Any) -> CardText:
    """Returns what a classifier's card says; see `CardText`.

    Args:
        words: What the examples are called.
        dataset: The data.
        outcome: What the search found.
    """
    test: Evaluation = outcome.test
    name, share = test.most_frequent
    ensemble = outcome.ensemble and outcome.ensemble.test
    return CardText(
        title=f"in {dataset.num_classes} classes",
        claim=f"Accuracy {_percent(test.accuracy)}",
        interval=_interval(test),
        warning=f"always to answer {code(name)} is right for {_percent(share)} of the test {words.many}."
        if test.is_chance
        else "",
        ensemble=f"an accuracy of {_percent(ensemble.accuracy)} ({_interval(ensemble)})" if ensemble else "",
        use=list(_use(words, dataset)),
        factors="Results are told apart by class only.",
        metrics=f"Accuracy is the share of {words.many} whose likeliest class is the true one; its interval (Wilson "
        f"1927, doi:10.1080/01621459.1927.10502953) knows of chance in the choice of the {words.many}, and of nothing "
        "else. Balanced accuracy and macro F1 count every class the same. Cross-entropy is lower for probabilities "
        "that are sure where they are right, and unsure where not.",
        alike="every class",
        counts=_counts(dataset),
        analyses=list(_analyses(words, outcome)),
        caveats=list(_caveats(words, dataset, outcome)),
    )


def _use(words: Words, dataset: Any) -> Iterator[str]:
    yield (
        f"To tell which of {dataset.num_classes} classes a {words.one} belongs to, for {words.many} like those it was "
        f"measured on. It always answers with one of these classes, {words.scope}: its probability is no sign that a "
        f"{words.one} belongs to any of them."
    )
    names = ", ".join(map(code, dataset.class_names[:_MAX_CLASSES]))
    more = dataset.num_classes - _MAX_CLASSES
    yield f"The classes, in the order of the outputs: {names}{f' and {more} more' if more > 0 else ''}."


def _counts(dataset: Any) -> str:
    counts = [
        np.bincount(getattr(dataset, split).labels, minlength=dataset.num_classes) for split in splits_of(dataset)
    ]
    shown = dataset.class_names[:_MAX_CLASSES]
    rows = ([code(name), *(str(one[label]) for one in counts)] for label, name in enumerate(shown))
    total = ["all", *(str(one.sum()) for one in counts)]
    return table(["class", *splits_of(dataset)], [*rows, total])


def _analyses(words: Words, outcome: Any) -> Iterator[str]:
    splits: list[tuple[str, Evaluation]] = [("test", outcome.test), (judged(outcome), outcome.validation)]
    yield table(
        ["", *(split for split, _ in splits)],
        [
            [words.many, *(str(scores.num_examples) for _, scores in splits)],
            ["accuracy", *(_percent(scores.accuracy) for _, scores in splits)],
            ["95 % interval", *(" to ".join(map(_percent, scores.interval)) for _, scores in splits)],
            ["balanced accuracy", *(_percent(scores.balanced_accuracy) for _, scores in splits)],
            ["macro F1", *(f"{scores.macro_f1:.4f}" for _, scores in splits)],
            ["cross-entropy", *(f"{scores.cross_entropy:.4f}" for _, scores in splits)],
        ],
    )
    test: Evaluation = outcome.test
    names = list(test.support)[:_MAX_CLASSES]
    rows = (
        [code(name), str(test.support[name]), f"{test.precision[name]:.3f}", f"{test.recall[name]:.3f}"]
        for name in names
    )
    yield f"By class, on the test {words.many}:\n\n" + table(["class", words.many, "precision", "recall"], rows)
    if confused := _confused(test):
        yield "Most often taken for another:\n\n" + "\n".join(confused)


def _caveats(words: Words, dataset: Any, outcome: Any) -> Iterator[str]:
    test: Evaluation = outcome.test
    yield f"The model knows these classes only, and only as these {words.many} show them."
    yield _calibrated(words, outcome.calibration, outcome.num_folds)
    if scarce := [name for name, num in test.support.items() if num < _FEW]:
        yield (
            f"{len(scarce)} of {dataset.num_classes} classes have fewer than {_FEW} test {words.many}: their rows say "
            "little."
        )
    yield from remarks(test, examples=words.many)


def _calibrated(words: Words, found: Calibration | None, num_folds: int | None) -> str:
    if found is None:
        return "Its probabilities are not calibrated."
    which = f"validation {words.many}" if num_folds is None else f"{words.many} of all folds"
    score = "validation" if num_folds is None else "folds'"
    return (
        f"Its probabilities are calibrated on the {found.num_examples:,} {which}, by a temperature of "
        f"{found.temperature:.2f} (Guo et al. 2017, arXiv:1706.04599): there it took the expected calibration error "
        f"from {found.error_before:.3f} to {found.error_after:.3f}, and the cross-entropy from {found.loss_before:.3f} "
        f"to {found.loss_after:.3f}. The {score} scores above are from before that."
    )


def _confused(scores: Evaluation) -> Sequence[str]:
    names = list(scores.support)
    pairs = [
        (num, true, predicted)
        for true, row in enumerate(scores.confusion)
        for predicted, num in enumerate(row)
        if num and true != predicted
    ]
    # `sorted` is stable: equals stay in the order of the classes.
    worst = sorted(pairs, key=lambda pair: -pair[0])[:5]
    return [f"- {code(names[true])} for {code(names[predicted])}: {num}" for num, true, predicted in worst]


def _interval(scores: Evaluation) -> str:
    return f"95 % interval {' to '.join(map(_percent, scores.interval))}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
