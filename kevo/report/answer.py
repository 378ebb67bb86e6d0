"""The head of a report: the scores of the model, its description, and its use."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from kevo.report.markup import Html, definitions, join, tag, verbatim
from kevo.runs import layout
from kevo.runs.outcome import Ensemble, Outcome
from kevo.runs.reader import Facts
from kevo.runs.records import TrialRecord
from kevo.system.text import byte_size, count, duration, metric_name

_MOST_DAMAGES = 20


def answer(facts: Facts) -> Html:
    """Returns the answer, also where there is none yet."""
    return join(
        [
            *(_of_outcome(facts, facts.outcome) if facts.outcome else _so_far(facts)),
            _damages(facts.damages) if facts.damages else None,
        ]
    )


def _of_outcome(facts: Facts, outcome: Outcome) -> Iterator[Html | None]:
    pages = facts.kind.pages()
    score, meaning = pages.headline(outcome.test)
    advice = f" {outcome.advice}" if outcome.advice else None
    reference = pages.reference(facts.run_folder, outcome.test)
    is_behind = pages.is_behind(facts.run_folder, outcome.test)
    if is_behind:
        yield tag("p", reference, class_="notice")
    yield tag("p", tag("strong", score, class_="headline"), meaning, advice, class_="answer")
    if reference and not is_behind:
        yield tag("p", reference)
    if facts.state != "finished":
        yield tag("p", "That is how it stood when the search was interrupted. ", _going_on(facts), class_="notice")
    yield tag("p", tag("strong", "The model: "), f"{outcome.words}.")
    yield definitions(
        [
            *pages.details(outcome.test, outcome.validation),
            ("Parameters", f"{outcome.num_parameters:,}"),
            ("File", None if facts.model_bytes is None else byte_size(facts.model_bytes)),
            *_effort(facts),
        ]
    )
    if outcome.num_folds is not None:
        _, low, high = pages.ranked_score(outcome.validation)
        yield tag(
            "p",
            f"Candidates were compared over {outcome.num_folds} folds: each of "
            f"{outcome.validation.num_examples:,} {facts.kind.examples} was judged by a training that had not learned "
            f"from it (95 % interval {low:.3f} to {high:.3f}). The model has then learned from all of them.",
        )
    elif outcome.is_refit:
        yield tag(
            "p",
            "After all was decided it learned from the validation split too; its score there is of the same model "
            "before that.",
        )
    if outcome.default_recipe is not None:
        yield tag("p", tag("strong", "The default recipe alone: "), f"{outcome.default_recipe}.")
    if outcome.ensemble is not None:
        yield _ensemble(facts, outcome.ensemble)
    yield _use(facts, facts.run_folder / layout.MODEL)


def _so_far(facts: Facts) -> Iterator[Html | None]:
    if (best := facts.winner) is None:
        reason = "Every candidate so far has failed; the reasons are below." if facts.failed else "No candidate yet."
        yield tag("p", tag("strong", "No model", class_="headline"), f" so far. {reason}", class_="answer")
    else:
        yield tag(
            "p",
            tag("strong", _score(facts, best), class_="headline"),
            f" {metric_name(facts.objective.metric, with_split=True)}, the best so far. The test split has not been "
            "looked at yet; chosen as the best, a candidate does a little worse there, as a rule.",
            class_="answer",
        )
    yield tag("p", _going_on(facts), class_="notice")
    if best is None:
        yield definitions(_effort(facts))
        return
    yield tag("p", tag("strong", f"Candidate {best.number + 1}: "), f"{facts.describe(best.genome)}.")
    size = None if best.num_parameters is None else f"{best.num_parameters:,}"
    yield definitions([("Parameters", size), *_effort(facts)])
    if (model := facts.run_folder / layout.checkpoint(best.trial_id)).is_file():
        yield _use(facts, model)


def _score(facts: Facts, best: TrialRecord) -> str:
    value = best.metrics[facts.objective.metric]
    return f"{value:.1%}" if facts.objective.metric == "val_accuracy" else f"{value:.4f}"


def _going_on(facts: Facts) -> Html:
    command = "status" if facts.state == "running" else "resume"
    words = "The search is at work: " if facts.state == "running" else "The search can go on: "
    return join([words, tag("code", shlex.join(["kevo", command, str(facts.run_folder)]))])


def _effort(facts: Facts) -> Iterator[tuple[str, str | None]]:
    evolved = facts.evolved
    failed = sum(record.status == "failed" for record in evolved)
    yield "Time of the search", duration(facts.seconds)
    yield "Candidates", f"{len(evolved) - failed:,} trained, {failed:,} failed"


def _ensemble(facts: Facts, found: Ensemble) -> Html:
    score, _ = facts.kind.pages().headline(found.test)
    return join(
        [
            tag(
                "p",
                tag("strong", "An ensemble "),
                f"of {len(found.members)} candidates was better on the validation split. On the test split it has "
                f"{score}, with {count(found.num_parameters)} parameters: ",
                tag("code", str(facts.run_folder / layout.ENSEMBLE)),
            ),
            tag("ul", *(tag("li", f"{member.weight:.0%} {member.words}") for member in found.members)),
        ]
    )


def _use(facts: Facts, model: Path) -> Html:
    python, commands = facts.kind.pages().how_to_use(facts.run_folder, model)
    return join(
        [
            tag("h3", "How to use it"),
            verbatim(python),
            verbatim([shlex.join(["kevo", *words]) for words in commands]),
        ]
    )


def _damages(damages: tuple[str, ...]) -> Html:
    more = f"And {len(damages) - _MOST_DAMAGES} more." if len(damages) > _MOST_DAMAGES else None
    return tag(
        "div",
        tag("p", tag("strong", "Parts of the run folder cannot be used, and are left out here:")),
        tag("ul", *(tag("li", one) for one in damages[:_MOST_DAMAGES]), more and tag("li", more)),
        class_="notice",
    )
