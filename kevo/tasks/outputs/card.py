"""The model card of whatever is asked; its sections are those of Mitchell et al. 2019.

"Model cards for model reporting", doi:10.1145/3287560.3287596.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kevo.system.markdown import code
from kevo.tasks.outputs.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class CardText:
    """What a kind of answer says on the card.

    Args:
        title: What is asked, behind the name of the data: `in 3 classes`.
        claim: The score that matters most: `Accuracy 90.0 %`.
        interval: Its confidence interval in words.
        warning: That the model may be no better than a guess, and why; empty where it is better.
        ensemble: The score of the ensemble with its interval; empty where there is none.
        use: Paragraphs on what the model answers.
        factors: Whether results are told apart by anything.
        metrics: What the scores mean.
        alike: What each split has the same part of.
        counts: The answers in each split, as a table.
        analyses: Paragraphs with all scores.
        caveats: Sentences on what the scores hide.
    """

    title: str
    claim: str
    interval: str
    warning: str
    ensemble: str
    use: Sequence[str]
    factors: str
    metrics: str
    alike: str
    counts: str
    analyses: Sequence[str]
    caveats: Sequence[str]


def card(words: Words, text: CardText, dataset: Any, outcome: Any) -> dict[str, Sequence[str]]:
    """Returns the paragraphs of each section, in Markdown. Names that come from anywhere mean nothing in it.

    Args:
        words: What the examples are called.
        text: What the answers are called.
        dataset: The data.
        outcome: What the search found.
    """
    repeats = words.repeats(dataset)
    played = f". {' '.join(repeats)}" if repeats else " that played no part in training or choosing the model."
    unknown = f"Whatever else may matter ({words.unknown}) is not known of them, so that nobody has looked whether"
    return {
        f"Model card: {words.many} of {code(dataset.name)} {text.title}": [
            f"**{text.claim} on {outcome.test.num_examples} test {words.many}** ({text.interval}){played} "
            f"Evolved by kevo, {date.today().isoformat()}.",
            *(
                [f"**It may be no better than a guess**: {text.warning} {outcome.advice}".rstrip()]
                if text.warning
                else []
            ),
        ],
        "Model details": [f"- {words.takes(dataset, outcome.genome)}", *_ensemble(words, text, outcome)],
        "How to load it": [
            f"In the folder of this card, without kevo:\n\n```python\n{words.load(dataset.output.asks)}```"
        ],
        "Intended use": [
            *text.use,
            "Out of scope: decisions about people, and any use in which a wrong answer does harm, unless it was "
            "measured there before.",
        ],
        "Factors": [f"{text.factors} {unknown} the model is worse for some."],
        "Metrics": [text.metrics],
        "Evaluation data": [
            f"{len(dataset.test)} test {words.many}, {_origin(words, text, dataset, 'test')} They were looked at once, "
            "when all was decided."
        ],
        "Training data": list(_training_data(words, text, dataset, outcome)),
        "Quantitative analyses": [text.analyses[0], _chosen(words, outcome), *text.analyses[1:]],
        "Ethical considerations": [words.ethics],
        "Caveats and recommendations": [_caveats(words, text, dataset, outcome)],
        "What the search cost": [words.uncounted] if words.uncounted else [],
    }


def _ensemble(words: Words, text: CardText, outcome: Any) -> Iterator[str]:
    if outcome.ensemble is not None:
        found = outcome.ensemble.calibration
        calibrated = f" Its probabilities are calibrated, by a temperature of {found.temperature:.2f}." if found else ""
        yield (
            f"- Beside it stands {code(outcome.ensemble.model_path.name)}, {len(outcome.ensemble.members)} models as "
            f"one, with {text.ensemble} on the same test {words.many}.{calibrated} This card is about the single model."
        )


def judged(outcome: Any) -> str:
    """Returns what candidates were judged by, as the head of a column."""
    return "validation" if outcome.num_folds is None else f"over {outcome.num_folds} folds"


def _training_data(words: Words, text: CardText, dataset: Any, outcome: Any) -> Iterator[str]:
    many = words.many
    yield from _folded(words, text, dataset, outcome) if outcome.num_folds else _divided(words, text, dataset, outcome)
    yield f"{many.capitalize()} in each split:\n\n{text.counts}"
    if not dataset.skipped:
        yield f"No {words.part} was skipped."
        return
    reasons = Counter(skipped.reason for skipped in dataset.skipped)
    listed = "\n".join(f"- {num} of {code(reason)}" for reason, num in reasons.most_common(10))
    yield f"{len(dataset.skipped)} {words.parts} could not be used, for reasons such as:\n\n{listed}"


def _folded(words: Words, text: CardText, dataset: Any, outcome: Any) -> Iterator[str]:
    many, num = words.many, outcome.num_folds
    yield (
        f"{code(dataset.name)}: {len(dataset.train)} {many}, divided into {num} folds with about the same part of "
        f"{text.alike} in each. {words.stored(dataset)}Every candidate was trained once for each fold, on all others, "
        f"and judged by the answers that it gave for {many} which it had not learned from. The model has then learned "
        "from all of them."
    )


def _divided(words: Words, text: CardText, dataset: Any, outcome: Any) -> Iterator[str]:
    many = words.many
    learned = (
        f"It learned from the training and the validation {many}: a like model that had learned from the training "
        f"{many} only was chosen by the validation {many}."
        if outcome.is_refit
        else f"It learned from the training {many}; the validation {many} chose it among the candidates."
    )
    yield (
        f"{code(dataset.name)}: {len(dataset.train)} training {many} and {len(dataset.validation)} validation {many}, "
        f"{_origin(words, text, dataset, 'validation')} {words.stored(dataset)}{learned}"
    )


def _chosen(words: Words, outcome: Any) -> str:
    if outcome.num_folds is not None:
        return (
            f"The scores over the folds chose the model, and are a little too good for that reason; their intervals "
            f"count every {words.one} that was judged as one, though the trainings of the folds share most of theirs."
        )
    return (
        f"The validation {words.many} chose the model, and its scores on them are too good for that reason. The scores "
        + (
            "of its like that had not learned from them stand here."
            if outcome.is_refit
            else f"of the test {words.many} count."
        )
    )


def _caveats(words: Words, text: CardText, dataset: Any, outcome: Any) -> str:
    many = words.many
    lines = [
        f"Its scores hold for {many} from the same source. Measure it on {many} of your own before you rely on it.",
    ]
    if "test" in dataset.made_splits and not words.origin:
        lines.append(
            f"The test {many} were taken out of the same collection by chance. {words.alike} may stand on both sides, "
            "unless they are identical: then the scores are too good."
        )
    lines += text.caveats
    if outcome.interrupted:
        lines.append("The search was interrupted: if it goes on it may find a better model.")
    return "\n".join(f"- {line}" for line in lines)


def _origin(words: Words, text: CardText, dataset: Any, split: str) -> str:
    if words.origin:
        return words.origin
    if split in dataset.made_splits:
        return (
            f"taken by chance out of the training {words.many}, the same part of {text.alike}; identical {words.many} "
            "stayed together."
        )
    return "as the source divided them."
