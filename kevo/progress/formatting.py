"""Numbers and results in words, and words that a terminal can be trusted with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kevo.objective import COSTS, Objective
from kevo.runs.records import TrialRecord

if TYPE_CHECKING:
    from kevo.result import Ensemble, SearchResult


def front_in_words(result: SearchResult, objectives: Sequence[Objective]) -> Iterator[str]:
    """Yields a headline and one line for each model of a front."""
    models = f"{len(result.front)} model{'s' if len(result.front) > 1 else ''}"
    yield f"Front: {models} that no other beats in everything, hypervolume {result.hypervolume:.4f}"
    for member in result.front:
        values = ", ".join(value_in_words(one.metric, member.metrics[one.metric]) for one in objectives)
        yield f"  {member.model_path.relative_to(result.run_folder)}  {values}"


def ensemble_in_words(ensemble: Ensemble, *, best: SearchResult) -> str:
    """Says in one line what an ensemble is and gains over the best single model."""
    scores = ", ".join(
        f"{split} {name.replace('_', ' ')} {getattr(getattr(ensemble, split), name):.4f} "
        f"(best single {getattr(getattr(best, split), name):.4f})"
        for split, name in (("validation", "cross_entropy"), ("validation", "accuracy"), ("test", "accuracy"))
    )
    size = f"{len(ensemble.members)} models as one, {count(ensemble.num_parameters)} parameters"
    return f"Ensemble: {ensemble.model_path.name}, {size}, {scores}"


def value_in_words(metric: str, value: float) -> str:
    """Says a metric or a cost of a model in words."""
    if metric not in COSTS:
        return f"{metric_name(metric)} {value:.4f}"
    return duration(value) if metric == "seconds" else f"{count(round(value))} {COSTS[metric]}"


def metric_name(metric: str) -> str:
    """Returns a validation metric's name as people say it."""
    return metric.removeprefix("val_").replace("_", " ")


def duration(seconds: float) -> str:
    """Says a number of seconds in words.

    Example:
        >>> duration(3.21), duration(75), duration(7260)
        ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count(number: int) -> str:
    """Says a large number in few letters.

    Example:
        >>> count(950), count(410208), count(138357544)
        ('950', '410k', '138.4M')
    """
    if number < 1000:
        return str(number)
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def ended_in_words(record: TrialRecord, best: TrialRecord | None, objective: Objective) -> str:
    """Says in one line what came of a candidate, and whether it is the best so far."""
    number = f"{record.number + 1:>4}{' full' if record.full_length else ''}"
    if record.fitness is None:
        return f"{number}  failed after {duration(record.seconds)}: {record.reason}"
    marker = "  best so far" if best is record else f"  best {best.fitness:.4f}" if best else ""
    size = f"{count(record.num_parameters or 0)} parameters"
    cost = f"{record.num_epochs} epochs  {duration(record.seconds)}"
    return f"{number}  {metric_name(objective.metric)} {record.fitness:.4f}  {size}  {cost}{marker}"


def printable(text: str) -> str:
    r"""Returns text in one line, without what a terminal would obey: class names and errors come from anywhere.

    Example:
        >>> printable("cats\tand\x1b[2J dogs")
        'cats and?[2J dogs'
    """
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in text)
