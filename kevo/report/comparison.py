"""Compares searches: settings, costs, results, and whether a difference in their scores may be chance.

Two classifiers of the same examples are compared by those that only one of them gets right (McNemar 1947, "Note on the
sampling error of the difference between correlated proportions or percentages", doi:10.1007/BF02295996), by the exact
test: each such example is a toss of a coin if neither is better.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.errors import KevoError, RunError
from kevo.runs import layout, reader
from kevo.runs.reader import Facts
from kevo.settings import Settings
from kevo.system.text import duration
from kevo.tasks.protocols.kind import AnyKind

_SIGNIFICANT = 0.05
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that runs may differ in.

    Args:
        group: What kind of thing: `run`, `settings`, `space` or `outcome`.
        name: What it is.
        values: As JSON values, one for each run; `None` where it is not known.
        words: The same for people.
    """

    group: str
    name: str
    values: tuple[Any, ...]
    words: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all runs agree in it."""
        return all(value == self.values[0] for value in self.values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one run's model is better than another's on test examples.

    Args:
        better: The place of the run with the better score among those compared, from 0; the first if they are equal.
        other: The other's.
        is_more_than_chance: `None` where that cannot be said.
        p_value: Of McNemar's exact test; `None` where there was none.
        words: All of it for people, who count runs from 1.
    """

    better: int
    other: int
    is_more_than_chance: bool | None
    p_value: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between runs.

    Args:
        runs: Their folders.
        rows: What they may differ in.
        verdicts: The one with the best test score against each other one.
        notes: What is unfinished or damaged.
        refused: The folders that cannot be read, with the reasons.
    """

    runs: tuple[str, ...]
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    refused: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        rows = [{**dataclasses.asdict(row), "is_equal": row.is_equal} for row in self.rows]
        return {**dataclasses.asdict(self), "rows": rows}


def compare(run_folders: Sequence[str | Path], *, data: Any = None) -> Comparison:
    """Compares searches.

    Args:
        run_folders: Their folders. A search may still be at work.
        data: The data, as for `kevo.search`, if it is no longer where it was. It is read only where
            several of the searches had the same, to ask which of them each model gets right.

    Raises:
        RunError: fewer than two of them can be read.

    Example:
        >>> print(*compare(["kevo-runs/first", "kevo-runs/second"]).verdicts)  # doctest: +SKIP
    """
    known: list[Facts] = []
    refused = {}
    for folder in run_folders:
        try:
            known.append(reader.read(folder))
        except KevoError as error:
            refused[str(folder)] = str(error)
    if len(known) < 2:
        which = "Only one" if known else "None"
        raise RunError(
            f"{which} of these runs can be read, and two at least are compared. {' '.join(refused.values())}"
        )
    return Comparison(
        runs=tuple(str(one.run_folder) for one in known),
        rows=tuple(_rows(known)),
        verdicts=tuple(_verdicts(known, data)),
        notes=tuple(_notes(known)),
        refused=refused,
    )


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    """Returns how probable it is that two classifiers that are equally good differ at least as much as these.

    Args:
        first: Which examples one gets right, shape (n,).
        second: Which of the same examples the other gets right.

    Example:
        >>> import numpy as np
        >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [False]))
        0.03125
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    num = only_first + only_second
    return float(binomtest(only_first, num).pvalue) if num else 1.0


def _rows(known: Sequence[Facts]) -> Iterator[Row]:
    def row(group: str, name: str, values: Iterable[Any], words: Callable[[Any], str] = str) -> Row:
        values = tuple(values)
        return Row(group, name, values, tuple(_UNKNOWN if value is None else words(value) for value in values))

    yield row("run", "state", (one.state for one in known))
    yield row("run", "data", (one.data for one in known))
    # Of so many letters a few tell it from any other.
    yield row("run", "fingerprint", (one.fingerprint for one in known), lambda digest: digest[:8])
    yield row("run", "kevo", (one.kevo_version for one in known))
    searches = [one.search for one in known]
    for name in (item.name for item in dataclasses.fields(Settings)):
        # Spaces are compared gene by gene, weights wherever their files lie, and seeds by their number.
        if name not in ("space", "weights", "seeds"):
            yield row("settings", _name(name), (one and getattr(one, name) for one in searches), _format_value)
    presets = (one and (one.space if isinstance(one.space, str) else "of its own") for one in searches)
    yield row("settings", "space", presets)
    yield row("settings", "seeds", (one and len(one.seeds) for one in searches), _format_value)
    yield row("settings", "weights", (one and _weights(one) for one in searches), _format_value)
    spaces = [one and one.kind.varied(one) for one in searches]
    for name in dict.fromkeys(name for one in spaces for name in one or ()):
        yield row("space", _name(name), (one and one.get(name) for one in spaces), _format_value)
    outcomes = [one.outcome for one in known]
    names = list(dict.fromkeys(one.kind.pages().score_name for one in known))
    yield row(
        "outcome", f"test {' or '.join(names)}", (one and _score(one.kind, one.test) for one in outcomes), _format_score
    )
    yield row(
        "outcome",
        "with ensemble",
        (one and one.ensemble and _score(one.kind, one.ensemble.test) for one in outcomes),
        _format_score,
    )
    yield row(
        "outcome",
        f"validation {' or '.join(names)}",
        (one and _score(one.kind, one.validation)[0] for one in outcomes),
        "{:.4f}".format,
    )
    yield row("outcome", "seconds", (one.seconds for one in known), duration)
    yield row("outcome", "candidates", (len(one.evolved) for one in known))
    yield row("outcome", "failed", (sum(not record.full_length for record in one.failed) for one in known))
    yield row("outcome", "parameters", map(_num_parameters, known), "{:,}".format)
    yield row("outcome", "winner", (one.winner and one.describe(one.winner.genome) for one in known))


def _verdicts(known: Sequence[Facts], data: Any) -> Iterator[Verdict]:
    ended = [(place, one, one.outcome.test) for place, one in enumerate(known) if one.outcome]
    if len(ended) < 2:
        return
    best = max(ended, key=lambda one: (_sign(one[1].kind) * _score(one[1].kind, one[2])[0], -one[0]))
    alike = [one for _, one, _ in ended if one.fingerprint is not None and one.fingerprint == best[1].fingerprint]
    dataset, reason = _dataset(alike, data) if len(alike) > 1 else (None, "")
    examples = best[1].kind.examples
    for place, one, test in ended:
        if place == best[0]:
            continue
        if any(one is other for other in alike):
            right = [_right(each, dataset) for each in (best[1], one)]
            if not best[1].kind.pages().has_right_answers:
                reason = "Their answers are neither right nor wrong, so that the intervals decide."
            intervals = [_score(each.kind, scores)[1:] for each, scores in ((best[1], best[2]), (one, test))]
            yield _verdict((best[0], place), intervals, right, reason, examples=examples, sign=_sign(best[1].kind))
        else:
            pair = f"Runs {best[0] + 1} and {place + 1}"
            words = f"{pair} were tested on different {examples}: their scores cannot be compared."
            yield Verdict(best[0], place, None, None, words)


def _verdict(
    places: tuple[int, int],
    intervals: Sequence[Sequence[float]],
    right: Sequence[npt.NDArray[np.bool_] | None],
    reason: str,
    *,
    examples: str,
    sign: int,
) -> Verdict:
    """Says whether the first of two models is better than the other.

    Args:
        places: Of their runs.
        intervals: The confidence intervals of their scores.
        right: Which test examples each gets right, if that is known.
        reason: Why not, if it is for both.
        examples: What the examples are called.
        sign: 1 for scores that are the better the higher they are, -1 for others.
    """
    better, other = (place + 1 for place in places)
    first, second = right
    if first is None or second is None:
        (low, high), (other_low, other_high) = intervals
        is_apart = low > other_high if sign > 0 else high < other_low
        overlap, so = ("do not overlap", "is more than chance") if is_apart else ("overlap", "may be chance")
        reason = reason or f"No {layout.TEST_PREDICTIONS} of these {examples} in one of them."
        words = f"The confidence intervals of runs {better} and {other} {overlap}: the difference {so}. {reason}"
        return Verdict(*places, True if is_apart else None, None, words)
    p_value = mcnemar(first, second)
    is_more = p_value < _SIGNIFICANT
    return Verdict(
        *places,
        is_more,
        p_value,
        f"Run {better} gets {int((first & ~second).sum())} test {examples} right that run {other} gets wrong, and the "
        f"other way round it is {int((second & ~first).sum())}: the difference "
        f"{'is more than chance' if is_more else 'may be chance'} (McNemar's exact test, p = {p_value:.2g}).",
    )


def _dataset(alike: Sequence[Facts], data: Any) -> tuple[Any, str]:
    """Returns the data that searches have in common, or why it cannot be had."""
    kind = alike[0].kind
    sources = list(dict.fromkeys(one.data for one in alike if one.data and one.is_own)) if data is None else [data]
    search = next((one.search for one in alike if one.search), Settings())
    for source in sources:
        with contextlib.suppress(KevoError, OSError):
            dataset = kind.load(source, search)
            if dataset.fingerprint() == alike[0].fingerprint:
                return dataset, ""
    return None, f"The {kind.examples} are not to be had any more. Say where they are: --data."


def _right(one: Facts, dataset: Any) -> npt.NDArray[np.bool_] | None:
    """Returns which test examples a model gets right; `None` where that is not known."""
    if dataset is None or one.outcome is None:
        return None
    return one.kind.pages().is_right(one.run_folder / layout.TEST_PREDICTIONS, dataset, one.outcome.test)


def _notes(known: Sequence[Facts]) -> Iterator[str]:
    for place, one in enumerate(known, start=1):
        if one.state != "finished":
            hint = "" if one.state == "running" else f" Go on with: kevo resume {one.run_folder}"
            states = {"running": "it is at work", "interrupted": "it is interrupted", "failed": "it failed"}
            yield f"Run {place} has not ended: {states[one.state]}.{hint}"
        yield from (f"Run {place}: {damage}" for damage in one.damages)


def _score(kind: AnyKind, scores: Any) -> list[float]:
    """Returns the score that matters most, and its confidence interval."""
    return list(kind.pages().ranked_score(scores))


def _sign(kind: AnyKind) -> int:
    """Returns 1 where a higher score is better, else -1."""
    return 1 if next(iter(kind.objectives.values())).direction == "max" else -1


def _format_score(values: Sequence[float]) -> str:
    score, low, high = values
    return f"{score:.4f} ({low:.4f} to {high:.4f})"


def _num_parameters(one: Facts) -> int | None:
    return one.outcome.num_parameters if one.outcome else one.winner.num_parameters if one.winner else None


def _weights(search: Settings) -> list[str]:
    return sorted(f"{name}={Path(source).name}" for name, source in search.weights.items())


def _format_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_format_value, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _name(field: str) -> str:
    return field.replace("num_", "").replace("_", " ")
