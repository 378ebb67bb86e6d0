"""The sections of a report that every task has; each function returns the inside of one."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from kevo.objective import COSTS
from kevo.report.drawings import front, priced
from kevo.report.markup import Html, join, table, tag, verbatim
from kevo.report.repeating import how_to_repeat
from kevo.runs import layout
from kevo.runs.reader import Facts
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.system.text import count, duration, metric_name, plural

Draw = Callable[[str], Html | None]
"""Returns the figure of this name, if there is one."""

_MOST_ROWS = 200
_MOST_CANDIDATES = 1000
_MOST_MEMBERS = 12
_MOST_NAMED = 8
_NOTHING_YET = "No candidate has a fitness yet."


def fitness(facts: Facts, draw: Draw) -> Html:
    """Fitness by generation and by time."""
    if facts.winner is None:
        return _note(_NOTHING_YET)
    return tag("div", draw("fitness"), draw("minutes"), class_="side-by-side")


def family(facts: Facts, draw: Draw) -> Html:
    """Where the winner comes from."""
    return draw("family_tree") or _note(_NOTHING_YET)


def genes(facts: Facts, draw: Draw) -> Html:
    """Which genes mattered, and which of their values went together."""
    if facts.winner is None:
        return _note(_NOTHING_YET)
    return join(
        [
            draw("genes")
            or _note("Too few candidates, or too much chance in how they did, to tell which genes mattered."),
            draw("parallel_coordinates"),
        ]
    )


def trade_offs(facts: Facts, draw: Draw) -> Html:
    """Accuracy against size and time, and the front."""
    measured, objectives = priced(facts)
    if not measured:
        return _note(_NOTHING_YET)
    members = front(measured, objectives)
    head = ["Candidate", *(_metric(one.metric) for one in objectives), "What it is"]
    rows = [
        [
            str(record.number + 1),
            *(_value(one.metric, record.metrics[one.metric]) for one in objectives),
            facts.describe(record.genome),
        ]
        for record in members[:_MOST_MEMBERS]
    ]
    left_out = len(members) - len(rows)
    return join(
        [
            draw("front"),
            table(
                head,
                rows,
                label="Candidates that no other beats in everything",
                numbers=range(1, len(head) - 1),
                sentences=[len(head) - 1],
            ),
            _note(f"And {left_out} more, with less {_metric(objectives[0].metric).lower()}.") if left_out else None,
        ]
    )


def learning(facts: Facts, draw: Draw) -> Html:
    """How the winner learned."""
    return draw("learning_curves") or _note(_NOTHING_YET)


def candidates(facts: Facts) -> Html:
    """All trainings, the best first and what failed at the end, folded up."""
    if not facts.records:
        return _note("No candidate has ended yet.")
    objective = facts.objectives[0]
    done = [record for record in facts.records if record.fitness is not None]
    done.sort(key=lambda record: objective.rank(record.metrics), reverse=True)
    ordered = [*done, *facts.failed]
    by_id = {record.trial_id: record for record in facts.records}
    inherits = any(record.inherits is not None for record in facts.records)
    rows = [
        [
            f"{record.number + 1}{' full' if record.full_length else ''}",
            "failed" if record.fitness is None else _value(objective.metric, record.metrics[objective.metric]),
            count(record.num_parameters) if record.num_parameters else "",
            str(record.num_epochs),
            duration(record.seconds),
            record.origin or "",
            *([_inherited(record, by_id)] if inherits else []),
            facts.describe(record.genome),
        ]
        for record in ordered[:_MOST_CANDIDATES]
    ]
    head = ["Candidate", _metric(objective.metric), "Parameters", "Epochs", "Took", "Made by", "What it is"]
    if inherits:
        head.insert(-1, "Weights of")
    listed = ordered[: len(rows)]
    orders = [
        ("the best first", range(len(rows))),
        ("by number", _places([record.number for record in listed])),
        ("the smallest first", _places([record.num_parameters or math.inf for record in listed])),
        ("the fastest first", _places([record.seconds for record in listed])),
        ("the longest trained first", _places([-record.num_epochs for record in listed])),
    ]
    left_out = len(ordered) - len(rows)
    return tag(
        "details",
        tag("summary", f"{plural(len(ordered), 'training')}, the best first"),
        table(head, rows, label="All candidates", numbers=range(1, 5), sentences=[len(head) - 1], orders=orders),
        _note(f"And {left_out:,} more: result.trials and {layout.TRIALS} have all of them.") if left_out else None,
    )


def _inherited(record: TrialRecord, by_id: Mapping[str, TrialRecord]) -> str:
    """Returns with whose weights a candidate began, how many of its own they are, and for how long they had learned."""
    parent = by_id.get(record.inherits or "")
    if parent is None:
        return ""
    return f"{parent.number + 1}: {record.inherited_share:.0%} after {plural(record.inherited_epochs, 'epoch')}"


def _places(values: Sequence[float]) -> list[int]:
    """Returns the place of each value when they are sorted, the smallest first; equals keep their order."""
    places = [0] * len(values)
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        places[index] = place
    return places


def failures(facts: Facts, draw: Draw) -> Html:
    """Failed trials, grouped by reasons that differ in numbers only."""
    failed = facts.failed
    if not failed:
        return _note("No candidate failed." if facts.records else "No candidate has ended yet.")
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for record in failed:
        groups[re.sub(r"\d+(?:[.,]\d+)*", "0", record.reason or "")].append(record)
    ranked = sorted(groups.values(), key=len, reverse=True)
    rows = [
        [
            group[0].reason or "For no reason that is known",
            str(len(group)),
            duration(sum(record.seconds for record in group)),
            _numbers(group),
        ]
        for group in ranked[:_MOST_ROWS]
    ]
    lost = sum(record.seconds for record in failed)
    return join(
        [
            _note(
                f"{len(failed)} of {plural(len(facts.records), 'training')} failed, after {duration(lost)} together."
            ),
            table(
                ["Reason", "Times", "Took", "Candidates"],
                rows,
                label="Failures by reason",
                numbers=[1, 2],
                sentences=[0],
            ),
            draw("seconds"),
        ]
    )


def repeating(facts: Facts) -> Html:
    """The command, settings and versions to repeat the search."""
    command = how_to_repeat(facts)
    return join(
        [
            verbatim(command.splitlines())
            if command
            else _note("The settings are damaged, so that nobody can repeat it."),
            _note(
                "The same seed, versions and machine give the same search where candidates are limited, not time. The "
                f"{facts.kind.examples} are the same if they have this fingerprint: ",
                tag("code", facts.fingerprint or "unknown"),
            ),
            tag("h3", "Settings"),
            _settings(facts),
            _limits(facts),
            tag("h3", "Genome of the winner") if facts.winner else None,
            _genome(facts.outcome.genome if facts.outcome else facts.winner.genome) if facts.winner else None,
            tag("h3", "Versions"),
            _note(
                f"The search ran with kevo {facts.kevo_version or 'of an unknown version'}"
                f"{f'; its model was written by Keras {facts.keras_version}' if facts.keras_version else ''}. "
                "It began where these were installed:"
            ),
            table(["Package", "Version"], [list(pair) for pair in facts.versions.items()], label="Versions"),
        ]
    )


def _settings(facts: Facts) -> Html:
    if facts.search is None:
        return _note("They are damaged.")
    default = Settings().to_json()
    rows = [
        [name, _json(value), "" if value == default[name] else _json(default[name])]
        for name, value in facts.search.to_json().items()
        if name != "space" or isinstance(value, str)
    ]
    rows.append(["data", facts.data or "given from Python", ""])
    rows.append(["started", facts.started or "unknown", ""])
    return table(["Setting", "Value", "Default, if another"], rows, label="Settings", sentences=[1])


def _limits(facts: Facts) -> Html | None:
    """The limits of before; nothing where the search has had the same from its begin on."""
    if len(facts.limits) < 2:
        return None
    rows = [[one.until or "now", one.words()] for one in facts.limits]
    return table(["Until", "Limits, over all sessions"], rows, label="Limits that the search has had", sentences=[1])


def _genome(genome: Mapping[str, object]) -> Html:
    return table(["Gene", "Value"], [[name, _json(value)] for name, value in genome.items()], label="Genome")


def _json(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not set" if value is None else str(value)


def _numbers(records: Sequence[TrialRecord]) -> str:
    names = ", ".join(str(record.number + 1) for record in records[:_MOST_NAMED])
    return f"{names}, ..." if len(records) > _MOST_NAMED else names


def _value(metric: str, value: float) -> str:
    if metric == "seconds":
        return duration(value)
    return count(round(value)) if metric in COSTS else f"{value:.4f}"


def _metric(metric: str) -> str:
    words = COSTS.get(metric) or metric_name(metric, with_split=True)
    return words[:1].upper() + words[1:]


def _note(*words: str | None) -> Html:
    return tag("p", *words)
