"""What was measured of a search's endurance, in words and tables."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from endurance_command import DISK_MB, FILLED
from endurance_faults import EVERY, FAULTS, LEASE_SECONDS, PATIENCE_SECONDS, WORKER_MB
from endurance_jobs import Facts, Found

from benchmarks.support.numbers import cell, median, slope
from benchmarks.support.pages import table

Promise = tuple[str, str, bool]
"""What is promised, what was measured, and whether the promise was kept."""
_WINDOW = 20
"""So many of the first trials are compared with the last."""


def _of(found: Sequence[Found], value: Callable[[Facts], float]) -> float:
    return median(value(one.facts) for one in found)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "**no**"


def _first(facts: Facts) -> float:
    """Returns the median seconds of the first trials."""
    return median(facts["seconds"][: _num_compared(facts)])


def _last(facts: Facts) -> float:
    """Returns the median seconds of the last trials."""
    return median(facts["seconds"][-_num_compared(facts) :])


def _num_compared(facts: Facts) -> int:
    return max(1, min(_WINDOW, len(facts["seconds"]) // 2))


def tell_memory(found: Sequence[Found]) -> str:
    """Returns the tables of the long search."""
    rows = []
    for tool in found[0].facts:
        own = [dataclasses.replace(one, facts=one.facts[tool]) for one in found]
        values = (
            (_of(own, lambda facts: slope(facts["memory"])), ".3f"),
            (_of(own, lambda facts: slope(facts["memory"][_WINDOW:])), ".3f"),
            (_of(own, itemgetter("peak")), ".0f"),
            (_of(own, lambda facts: facts.get("worker_peak", math.nan)), ".0f"),
            (_of(own, _first), ".2f"),
            (_of(own, _last), ".2f"),
        )
        rows.append((tool, str(len(own)), *(cell(*value) for value in values)))
    head = ("tool", "seeds", "MB more per trial", f"after the first {_WINDOW}", "peak, MB", "a worker's peak, MB")
    ours = _ours(found)
    whole, models, best = (_of(ours, itemgetter(name)) for name in ("folder_mb", "checkpoints_mb", "model_mb"))
    return "\n\n".join(
        (
            "Memory is resident; kevo's is the parent's, its workers' is apart. Slopes are those of least squares "
            f"lines over trials, seconds are medians of {_WINDOW} trials at most, from a trial's begin to its end, its "
            "model saved.",
            table((*head, "first trials, s", "last trials, s"), rows),
            f"The run folder holds {whole:.2f} MB at its end, {models:.2f} MB of it checkpoints; the best model has "
            f"{best:.3f} MB. Worker processes that trained: {_of(ours, itemgetter('num_workers')):.0f}, each replaced "
            "when its memory has grown; the one that trained longest grew by "
            f"{_of(ours, itemgetter('worker_slope')):.2f} MB with each trial of the search.",
        )
    )


def promise_memory(found: Sequence[Found]) -> list[Promise]:
    """Returns what the long search is to keep to."""
    ours = _ours(found)
    growth = _of(ours, lambda facts: slope(facts["memory"]))
    slower = _of(ours, lambda facts: _last(facts) / _first(facts))
    peak, limit = (_of(ours, itemgetter(name)) for name in ("worker_peak", "worker_limit"))
    worth = _of(ours, lambda facts: facts["checkpoints_mb"] / facts["model_mb"])
    most = _of(ours, lambda facts: max(facts["checkpoints"]) / facts["model_mb"])
    theirs = [dataclasses.replace(one, facts=next(reversed(one.facts.values()))) for one in found]
    their_growth = _of(theirs, lambda facts: slope(facts["memory"]))
    their_slower = _of(theirs, lambda facts: _last(facts) / _first(facts))
    tool = next(reversed(found[0].facts))
    return [
        ("the parent grows less than 0.2 MB a trial", f"{growth:.3f} MB ({tool}: {their_growth:.1f})", growth < 0.2),
        ("workers stay under their limit", f"{peak:.0f} of {limit:.0f} MB", peak < limit),
        (
            "the last trials take as long as the first (within a tenth)",
            f"{slower:.2f} times as long ({tool}: {their_slower:.2f})",
            slower < 1.1,
        ),
        ("ten models' worth of checkpoints at most", f"{worth:.1f}, and {most:.1f} on the way", max(worth, most) <= 10),
    ]


def _ours(found: Sequence[Found]) -> list[Found]:
    return [dataclasses.replace(one, facts=one.facts["kevo"]) for one in found]


def promised(rows: Iterable[Promise]) -> str:
    """Returns a table of what was promised."""
    return table(("promised", "measured", "kept"), ((words, value, _yes(is_so)) for words, value, is_so in rows))


def _problems(found: Sequence[Found]) -> tuple[str, bool]:
    num = sum(len(one.problems) for one in found)
    return f"{num or 'no'} exception{'s' * (num != 1)}", not num


def tell_faults(found: Sequence[Found]) -> str:
    """Returns the tables of faults."""
    rows = []
    for kind in FAULTS:
        ours = [one.facts["kinds"][kind] for one in found]
        nums = [str(sum(one[name] for one in ours)) for name in ("happened", "begun again", "completed", "failed")]
        words = Counter(words for one in ours for words in one["words"])
        rows.append((kind, *nums, "; ".join(text for text, _ in words.most_common(2))))
    sums = {name: sum(one.facts[name] for one in found) for name in ("completed", "failed", "collateral")}
    return "\n\n".join(
        (
            f"One of every {EVERY} trials meets a fault in the middle of its training, the first time that it is "
            f"trained. A worker may hold {WORKER_MB} MB, give no sign of life for {LEASE_SECONDS:.0f} s, and bring "
            f"nothing new for {PATIENCE_SECONDS:.0f} s.",
            table(("fault", "happened", "begun again", "completed", "failed", "in kevo's words"), rows),
            f"All in all {sums['completed']} trainings completed, final ones included, and {sums['failed']} failed; "
            f"{sums['collateral']} were begun again that had met no fault. Median seconds of a search: "
            f"{_of(found, itemgetter('seconds')):.0f}.",
        )
    )


def promise_faults(found: Sequence[Found]) -> list[Promise]:
    """Returns what is to come of faults."""
    words = (
        "with a fault in every fourth trial the search ends, every completed trial is kept, none is trained twice, no "
        "process and no lock is left"
    )
    return [(words, *_problems(found))]


def tell_kills(found: Sequence[Found]) -> str:
    """Returns the table of kills."""
    head = ("seed", "kills", "trials when killed", "trials undisturbed", "trials at the end")
    rows = [
        (
            str(one.seed),
            str(one.facts["kills"]),
            " ".join(map(str, one.facts["trials_at_kills"])),
            str(one.facts["trials"]),
            str(one.facts["same"]),
        )
        for one in found
    ]
    return "\n\n".join(
        (
            "`kevo search` is killed (SIGKILL) at random instants, every fourth time while it starts, and "
            "`kevo resume` goes on. Trials are compared with those of an undisturbed search: genomes, and the metrics "
            "of every epoch, which may differ only in a training that went on from where it was kept.",
            table(head, rows),
        )
    )


def promise_kills(found: Sequence[Found]) -> list[Promise]:
    """Returns what is to come of kills."""
    fewest = min(one.facts["kills"] for one in found)
    return [
        ("killed at 20 instants", str(fewest), fewest >= 20),
        ("the same trials complete, and the final model exists", *_problems(found)),
    ]


def tell_full(found: Sequence[Found]) -> str:
    """Returns the table of full disks."""
    rows = [
        (way, str(one.seed), *(str(one.facts[way][name]) for name in ("before", "trials", "words")))
        for way in FILLED
        for one in found
        if "skipped" not in one.facts
    ]
    skipped = [f"Seed {one.seed} was not run: {one.facts['skipped']}." for one in found if "skipped" in one.facts]
    words = (
        f"The run folder is on a disk of {DISK_MB} MB, which others fill up after a third of the trials: once, or "
        "again and again as soon as there is room. `kevo search` is to end with exit code 1 and say what it needs, or "
        "to do with the room it finds; then `kevo resume` goes on. Trials are compared with those of an undisturbed "
        "search."
    )
    head = ("filled", "seed", "trials before", "trials at the end", "in kevo's words")
    return "\n\n".join([words, *[table(head, rows)] * bool(rows), *skipped])


def promise_full(found: Sequence[Found]) -> list[Promise]:
    """Returns what is to come of full disks."""
    ran = [one for one in found if "skipped" not in one.facts]
    words = "with room again on a disk that was full, `kevo resume` goes on, and every finished trial is kept"
    return [(words, *_problems(ran))] if ran else []


def tell_workers(found: Sequence[Found]) -> str:
    """Returns the table of trials per hour."""
    rows = [
        (num, str(len(found)), *(cell(_of(found, _per_hour(num, name)), ".0f") for name in _SPANS))
        for num in ("1", "2")
    ]
    rows.append(("2 over 1", str(len(found)), *(cell(_gain(found, name), ".2f") for name in _SPANS)))
    return "\n\n".join(
        (
            "Both searches train the same candidates. Medians over seeds; trials per hour count from when the first "
            "candidate is begun, or from the start of the search, which includes that of the workers, to the end of "
            "the last one.",
            table(("workers", "seeds", "trials per hour", "from the start"), rows),
        )
    )


def promise_workers(found: Sequence[Found]) -> list[Promise]:
    """Returns what a second worker is to gain."""
    gain = _gain(found, _SPANS[0])
    return [("two workers train 1.5 times as many trials per hour as one", f"{gain:.2f} times", gain >= 1.5)]


_SPANS = ("at_work", "seconds")
"""From when on the trials per hour count: the first candidate's begin, the search's start."""


def _per_hour(num: str, span: str) -> Callable[[Facts], float]:
    return lambda facts: 3600 * facts[num]["trials"] / facts[num][span]


def _gain(found: Sequence[Found], span: str) -> float:
    return median(_per_hour("2", span)(one.facts) / _per_hour("1", span)(one.facts) for one in found)
