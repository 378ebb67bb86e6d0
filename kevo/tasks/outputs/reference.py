"""Cheap models of another kind on the same splits, beside which a search's winner has to stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kevo.objective import Objective
from kevo.runs import layout
from kevo.runs.atomic_files import loads
from kevo.tasks.protocols.scores import Scores

ParseScores = Callable[[Mapping[str, Any]], Scores]


@dataclass(frozen=True, slots=True)
class Reference:
    """How good a cheap model is.

    Args:
        name: What it is called.
        words: What it is, in a few words.
        validation: Its scores on the validation split.
        test: Its scores on the test split.
        seconds: How long it took to train and to score.
    """

    name: str
    words: str
    validation: Any
    test: Any
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values, from which `from_json` makes the same."""
        return {
            "name": self.name,
            "words": self.words,
            "validation": self.validation.to_json(),
            "test": self.test.to_json(),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], parse: ParseScores) -> Reference:
        """Reads what `to_json` wrote.

        Args:
            values: The JSON values.
            parse: Reads scores of the task's.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        validation, test = parse(values["validation"]), parse(values["test"])
        return cls(str(values["name"]), str(values["words"]), validation, test, float(values["seconds"]))


def to_json(references: Sequence[Reference]) -> dict[str, Any]:
    """Returns the content of the file of a search's references."""
    return {"references": [one.to_json() for one in references]}


def from_json(values: Mapping[str, Any], parse: ParseScores) -> list[Reference]:
    """Reads what `to_json` wrote.

    Raises:
        LookupError, TypeError, ValueError: it is something else.
    """
    return [Reference.from_json(one, parse) for one in values["references"]]


def read(run_folder: Path, parse: ParseScores) -> list[Reference]:
    """Reads the references of a run folder; returns none where their file is missing or damaged."""
    try:
        return from_json(loads((run_folder / layout.BASELINE).read_bytes()), parse)
    except (OSError, LookupError, TypeError, ValueError, RecursionError):
        return []


def best(references: Sequence[Reference], objective: Objective) -> Reference | None:
    """Returns the reference that is best on the validation split; `None` where there is none."""
    return max(references, key=lambda one: _key(one.validation, objective), default=None)


def is_ahead(found: Reference, test: Scores, objective: Objective) -> bool:
    """Tells whether a reference is better than a network's scores on the test split."""
    return _key(found.test, objective) > _key(test, objective)


def sentence(found: Reference, test: Scores, objective: Objective, *, name: str) -> str:
    """Says how a reference does beside a network on the test split, and first of all where it is ahead.

    Args:
        found: The reference.
        test: The network's scores.
        objective: What was to be improved.
        name: What its metric is called.
    """
    metric = objective.metric.removeprefix("val_")
    theirs, ours = found.test.value(metric), test.value(metric)
    if is_ahead(found, test, objective):
        return (
            f"{found.name} ({found.words}) is ahead on the same test split: {name} {theirs:.4f}, this network "
            f"{ours:.4f}. It took {found.seconds:.1f} s."
        )
    return f"{found.name} ({found.words}) has {name} {theirs:.4f} on the same test split, this network {ours:.4f}."


def metric(objective: Objective, objectives: Mapping[str, Objective]) -> str:
    """Returns the metric by which references are told: the objective's, where it is always computed.

    Args:
        objective: What is improved.
        objectives: What may be; the first is the default.
    """
    return objective.metric if objective.measure is None else next(iter(objectives.values())).metric


def _key(scores: Scores, objective: Objective) -> float:
    value = scores.value(objective.metric.removeprefix("val_"))
    return value if objective.direction == "max" else -value
