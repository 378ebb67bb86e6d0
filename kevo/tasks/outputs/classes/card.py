"""The model card of a classifier; its sections are those of Mitchell et al. 2019.

"Model cards for model reporting", doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from kevo.system.markdown import code, table
from kevo.tasks.outputs.classes.evaluation import Evaluation, remarks

_MAX_CLASSES = 200
"""How many classes have a line of their own."""
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWords:
    """The words for a kind of examples, and its sentences on the card.

    Args:
        one: An example: `picture`.
        many: Examples: `pictures`.
        part: What a source consists of: `file`.
        takes: Returns what the model takes, from the data set and the genome.
        load: Python that loads the model and predicts one example, without kevo.
        scope: What the model does with what is no example at all.
        unknown: What may matter and is not known of the examples.
        stored: Returns how the examples are kept, from the data set; empty where there is nothing to say.
        alike: What may stand in several splits.
        weighing: Returns how classes of different sizes count in training, from the data set.
        ethics: What kevo does not know of the examples.
        repeats: Returns sentences on examples that stand in several splits, from the data set.
        uncounted: What the cost of a search leaves out.
    """

    one: str
    many: str
    part: str
    takes: Callable[[Any, Mapping[str, Any]], str]
    load: str
    scope: str
    unknown: str
    stored: Callable[[Any], str]
    alike: str
    weighing: Callable[[Any], str]
    ethics: str
    repeats: Callable[[Any], Sequence[str]] = lambda dataset: ()
    uncounted: str = ""

    @property
    def parts(self) -> str:
        """Several parts of a source."""
        return f"{self.part}s"


def card(words: CardWords, dataset: Any, outcome: Any) -> dict[str, Sequence[str]]:
    """Returns the paragraphs of each section, in Markdown. Names that come from anywhere mean nothing in it.

    Args:
        words: What the examples are called.
        dataset: The data.
        outcome: What the search found.
    """
    return {
        f"Model card: {words.many} of {code(dataset.name)} in {dataset.num_classes} classes": [
            _summary(words, outcome.test, words.repeats(dataset)),
            *_warning(words, outcome),
        ],
        "Model details": [f"- {words.takes(dataset, outcome.genome)}", *_ensemble(words, outcome)],
        "How to load it": [f"In the folder of this card, without kevo:\n\n```python\n{words.load}```"],
        "Intended use": list(_use(words, dataset)),
        "Factors": [
            f"Results are told apart by class only. Whatever else may matter ({words.unknown}) is not known of them, "
            "so that nobody has looked whether the model is worse for some."
        ],
        "Metrics": [
            f"Accuracy is the share of {words.many} whose likeliest class is the true one; its interval (Wilson 1927, "
            f"doi:10.1080/01621459.1927.10502953) knows of chance in the choice of the {words.many}, and of nothing "
            "else. Balanced accuracy and macro F1 count every class the same. Cross-entropy is lower for probabilities "
            "that are sure where they are right, and unsure where not."
        ],
        "Evaluation data": [
            f"{len(dataset.test)} test {words.many}, {_origin(words, dataset, 'test')} They were looked at once, when "
            "all was decided."
        ],
        "Training data": list(_training_data(words, dataset, outcome)),
        "Quantitative analyses": list(_analyses(words, outcome)),
        "Ethical considerations": [words.ethics],
        "Caveats and recommendations": [_caveats(words, dataset, outcome)],
        "What the search cost": [words.uncounted] if words.uncounted else [],
    }


def _summary(words: CardWords, test: Evaluation, repeats: Sequence[str]) -> str:
    claim = f". {' '.join(repeats)}" if repeats else " that played no part in training or choosing the model."
    return (
        f"**Accuracy {_percent(test.accuracy)} on {test.num_examples} test {words.many}** ({_interval(test)}){claim} "
        f"Evolved by kevo, {date.today().isoformat()}."
    )


def _warning(words: CardWords, outcome: Any) -> Iterator[str]:
    test: Evaluation = outcome.test
    if test.is_chance:
        name, share = test.most_frequent
        yield (
            f"**It may be no better than a guess**: always to answer {code(name)} is right for {_percent(share)} of "
            f"the test {words.many}. {outcome.advice}".rstrip()
        )


def _ensemble(words: CardWords, outcome: Any) -> Iterator[str]:
    if outcome.ensemble is not None:
        test = outcome.ensemble.test
        yield (
            f"- Beside it stands {code(outcome.ensemble.model_path.name)}, {len(outcome.ensemble.members)} models as "
            f"one, with an accuracy of {_percent(test.accuracy)} on the same test {words.many} ({_interval(test)}). "
            "This card is about the single model."
        )


def _use(words: CardWords, dataset: Any) -> Iterator[str]:
    yield (
        f"To tell which of {dataset.num_classes} classes a {words.one} belongs to, for {words.many} like those it was "
        f"measured on. It always answers with one of these classes, {words.scope}: its probability is no sign that a "
        f"{words.one} belongs to any of them."
    )
    names = ", ".join(map(code, dataset.class_names[:_MAX_CLASSES]))
    more = dataset.num_classes - _MAX_CLASSES
    yield f"The classes, in the order of the outputs: {names}{f' and {more} more' if more > 0 else ''}."
    yield (
        "Out of scope: decisions about people, and any use in which a wrong answer does harm, unless it was measured "
        "there before."
    )


def _training_data(words: CardWords, dataset: Any, outcome: Any) -> Iterator[str]:
    many = words.many
    learned = (
        f"It learned from the training and the validation {many}: a like model that had learned from the training "
        f"{many} only was chosen by the validation {many}."
        if outcome.is_refit
        else f"It learned from the training {many}; the validation {many} chose it among the candidates."
    )
    yield (
        f"{code(dataset.name)}: {len(dataset.train)} training {many} and {len(dataset.validation)} validation {many}, "
        f"{_origin(words, dataset, 'validation')} {words.stored(dataset)}{learned}"
    )
    counts = [np.bincount(getattr(dataset, split).labels, minlength=dataset.num_classes) for split in _SPLITS]
    shown = dataset.class_names[:_MAX_CLASSES]
    rows = ([code(name), *(str(one[label]) for one in counts)] for label, name in enumerate(shown))
    total = ["all", *(str(one.sum()) for one in counts)]
    yield f"{many.capitalize()} in each split:\n\n{table(['class', *_SPLITS], [*rows, total])}"
    if not dataset.skipped:
        yield f"No {words.part} was skipped."
        return
    reasons = Counter(skipped.reason for skipped in dataset.skipped)
    listed = "\n".join(f"- {num} of {code(reason)}" for reason, num in reasons.most_common(10))
    yield f"{len(dataset.skipped)} {words.parts} could not be used, for reasons such as:\n\n{listed}"


def _analyses(words: CardWords, outcome: Any) -> Iterator[str]:
    splits: list[tuple[str, Evaluation]] = [("test", outcome.test), ("validation", outcome.validation)]
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
    yield (
        f"The validation {words.many} chose the model, and its scores on them are too good for that reason. The scores "
        + (
            "of its like that had not learned from them stand here."
            if outcome.is_refit
            else f"of the test {words.many} count."
        )
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


def _caveats(words: CardWords, dataset: Any, outcome: Any) -> str:
    many = words.many
    lines = [
        f"The model knows these classes only, and only as these {many} show them.",
        f"Its scores hold for {many} from the same source. Measure it on {many} of your own before you rely on it.",
        "Its probabilities are not calibrated.",
    ]
    if "test" in dataset.made_splits:
        lines.append(
            f"The test {many} were taken out of the same collection by chance. {words.alike} may stand on both sides, "
            "unless they are identical: then the scores are too good."
        )
    scarce = [name for name, num in outcome.test.support.items() if num < 30]
    if scarce:
        lines.append(
            f"{len(scarce)} of {dataset.num_classes} classes have fewer than 30 test {many}: their rows say little."
        )
    lines += remarks(outcome.test, examples=many)
    if outcome.interrupted:
        lines.append("The search was interrupted: if it goes on it may find a better model.")
    return "\n".join(f"- {line}" for line in lines)


def _origin(words: CardWords, dataset: Any, split: str) -> str:
    if split in dataset.made_splits:
        return (
            f"taken by chance out of the training {words.many}, the same part of every class; identical {words.many} "
            "stayed together."
        )
    return "as the source divided them."


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
