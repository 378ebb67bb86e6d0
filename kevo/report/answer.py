"""The head of a report: how good the model is, what it is, and how it is put to use."""

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
from kevo.tasks.outputs.classes.evaluation import Evaluation

_MOST_DAMAGES = 20
_MANY_LETTERS = 200


def answer(facts: Facts) -> Html:
    """Returns the answer, also where there is none yet."""
    return join(
        [
            *(_of_outcome(facts, facts.outcome) if facts.outcome else _so_far(facts)),
            _damages(facts.damages) if facts.damages else None,
        ]
    )


def _of_outcome(facts: Facts, outcome: Outcome) -> Iterator[Html | None]:
    test = outcome.test
    low, high = test.interval
    yield tag(
        "p",
        tag("strong", f"{test.accuracy:.1%}", class_="headline"),
        f" test accuracy. On pictures like these it lies between {low:.1%} and {high:.1%} (95% confidence), by "
        f"{test.num_examples:,} pictures that played no part in the search.",
        class_="answer",
    )
    if facts.state != "finished":
        yield tag("p", "That is how it stood when the search was interrupted. ", _going_on(facts), class_="notice")
    yield tag("p", tag("strong", "The model: "), f"{facts.describe(outcome.genome)}.")
    yield definitions(
        [
            *_scores(test),
            ("Validation accuracy", f"{outcome.validation.accuracy:.1%}"),
            ("Parameters", f"{outcome.num_parameters:,}"),
            ("File", None if facts.model_bytes is None else byte_size(facts.model_bytes)),
            *_effort(facts),
        ]
    )
    if outcome.is_refit:
        yield tag(
            "p",
            "After all was decided it learned from the validation pictures too; the validation accuracy is of the same "
            "model before that.",
        )
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
            f" {metric_name(facts.objective.metric, with_split=True)}, the best so far. The test "
            "pictures have not been looked at yet; chosen as the best, a candidate does a little worse on those, as a "
            "rule.",
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


def _scores(test: Evaluation) -> Iterator[tuple[str, str | None]]:
    yield "Balanced accuracy", f"{test.balanced_accuracy:.1%}"
    yield "Macro F1", f"{test.macro_f1:.3f}"
    yield "Cross-entropy", f"{test.cross_entropy:.3f}"
    if test.sensitivity is not None and test.specificity is not None:
        negative, positive = test.support
        yield f"Sensitivity ({positive} found)", f"{test.sensitivity:.1%}"
        yield f"Specificity ({negative} found)", f"{test.specificity:.1%}"


def _effort(facts: Facts) -> Iterator[tuple[str, str | None]]:
    evolved = facts.evolved
    failed = sum(record.status == "failed" for record in evolved)
    yield "Time of the search", duration(facts.seconds)
    yield "Candidates", f"{len(evolved) - failed:,} trained, {failed:,} failed"


def _ensemble(facts: Facts, found: Ensemble) -> Html:
    low, high = found.test.interval
    return join(
        [
            tag(
                "p",
                tag("strong", "An ensemble "),
                f"of {len(found.members)} candidates was better on the validation pictures. On the test pictures its "
                f"accuracy is {found.test.accuracy:.1%} ({low:.1%} to {high:.1%}), with {count(found.num_parameters)} "
                "parameters: ",
                tag("code", str(facts.run_folder / layout.ENSEMBLE)),
            ),
            tag("ul", *(tag("li", f"{member.weight:.0%} {member.words}") for member in found.members)),
        ]
    )


def _use(facts: Facts, model: Path) -> Html:
    names = list(facts.class_names)
    is_short = sum(map(len, names)) < _MANY_LETTERS
    labels = facts.run_folder / layout.LABELS
    # A candidate's model has no names of classes beside it.
    where = [] if model.parent == labels.parent else ["--labels", str(labels)]
    commands = [["predict", str(model), *where, "PICTURE.jpg"], ["evaluate", str(model), *where, "OTHER-PICTURES/"]]
    if facts.outcome is not None:
        commands.append(["export", str(facts.run_folder), "--format", "onnx"])
    return join(
        [
            tag("h3", "How to use it"),
            verbatim(
                [
                    "import keras" if is_short else "import json, keras",
                    "",
                    f"model = keras.models.load_model({str(model)!r})",
                    "# Pixels 0-255, shape (num_pictures, height, width, 3), of any height and width.",
                    "probabilities = model.predict(pictures)",
                    f"class_names = {names!r}" if is_short else f"class_names = json.load(open({str(labels)!r}))",
                ]
            ),
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
