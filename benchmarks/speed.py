"""What the benchmarks of speed share: what is written down of a search, a process for each, and the medians of many.

Memory is read from `/proc`, which only Linux has; elsewhere the highest mark so far stands for it.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kevo import Space

_T = TypeVar("_T")

TITLES = {
    "kevo": "kevo",
    "random": "Keras Tuner RandomSearch",
    "bayesian": "Keras Tuner BayesianOptimization",
}
"""The tools, as people call them."""
FROZEN = "frozen"
"""The kind of a candidate whose backbone is not trained."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one tool is to do, with one seed.

    Args:
        setting: What tells it from other tasks, in words; only searches of the same setting are compared.
        data: A folder of pictures, or a built-in name.
        space: What is searched.
        weights: Where the weights of each backbone come from.
        seed: Seed of splits, search and training.
        epochs: How long a candidate trains at most in each stage.
        seconds: For how long to search; `None` for no limit.
        num_trials: How many candidates to train; `None` for no limit.
        num_finalists: How many of them kevo trains once more at the end.
        is_given: Whether to search nothing, and to train `num_trials` random candidates, the same for every tool, for
            all of their epochs.
    """

    setting: str
    data: str
    space: Space
    weights: Mapping[str, str]
    seed: int
    epochs: int
    seconds: float | None = None
    num_trials: int | None = None
    num_finalists: int = 3
    is_given: bool = False


@dataclass(frozen=True)
class Trial:
    """A candidate's training.

    Args:
        kind: `conv`, `frozen` or `fine_tune`.
        part: What candidates with the same frozen part have in common: backbone, width, cut and size.
        ended: When it ended, in seconds from the start of the search.
        seconds: How long it took.
        accuracy: On the validation split; `None` if it failed.
        memory: What the process held after it, in MB.
        is_closing: Whether it is a final training, and no step of the search.
    """

    kind: str
    part: str
    ended: float
    seconds: float
    accuracy: float | None
    memory: float
    is_closing: bool = False


@dataclass(frozen=True)
class Step:
    """From `seconds` on, the search's choice was a model with these accuracies."""

    seconds: float
    validation: float
    test: float


@dataclass(frozen=True)
class Measured:
    """What became of one search.

    Args:
        tool: Its name.
        seed: Of splits, search and training.
        setting: That of its task.
        limit: For how long it was to search, in seconds; `None` for no limit.
        trials: Its candidates.
        steps: Its choices.
        seconds: How long it took, all in all.
        test: The test accuracy of what it handed over.
        ensemble: The test accuracy of the ensemble beside it, if any.
        peak: The most memory that the process held, in MB.
        machine: Where this was measured, in words.
    """

    tool: str
    seed: int
    setting: str
    limit: float | None
    trials: tuple[Trial, ...]
    steps: tuple[Step, ...]
    seconds: float
    test: float | None
    ensemble: float | None
    peak: float
    machine: str

    @classmethod
    def from_json(cls, line: str) -> Measured:
        """Reads what `asdict` and `json` wrote."""
        values = json.loads(line)
        trials = tuple(Trial(**trial) for trial in values["trials"])
        return cls(**{**values, "trials": trials, "steps": tuple(Step(**step) for step in values["steps"])})

    @property
    def searched(self) -> list[Trial]:
        """The candidates of the search itself that did not fail."""
        return [trial for trial in self.trials if trial.accuracy is not None and not trial.is_closing]

    @property
    def num_failed(self) -> int:
        """How many candidates failed."""
        return sum(trial.accuracy is None for trial in self.trials)

    @property
    def search_seconds(self) -> float:
        """When the last candidate of the search itself had ended."""
        return max((trial.ended for trial in self.trials if not trial.is_closing), default=math.nan)

    @property
    def per_hour(self) -> float:
        """Candidates per hour of search, whatever came after the last one."""
        return 3600 * len(self.searched) / self.search_seconds

    @property
    def median_seconds(self) -> float:
        """Median seconds of a candidate."""
        return median(trial.seconds for trial in self.searched)

    @property
    def frozen_per_hour(self) -> float:
        """Candidates with a frozen backbone per hour that was spent on such ones, first passes included."""
        seconds = [trial.seconds for trial in self.searched if trial.kind == FROZEN]
        return 3600 * len(seconds) / sum(seconds) if seconds else math.nan

    @property
    def later_frozen_seconds(self) -> float:
        """Median seconds of a candidate whose frozen part an earlier one had too."""
        seen: set[str] = set()
        seconds = []
        for trial in self.searched:
            if trial.kind == FROZEN:
                if trial.part in seen:
                    seconds.append(trial.seconds)
                seen.add(trial.part)
        return median(seconds)

    @property
    def best_validation(self) -> float:
        """The best validation accuracy of all candidates."""
        return max((trial.accuracy for trial in self.trials if trial.accuracy is not None), default=math.nan)

    @property
    def memory_slope(self) -> float:
        """How much memory grows with each candidate, in MB: the slope of the least squares line."""
        memory = [trial.memory for trial in self.trials]
        return float(np.polyfit(np.arange(len(memory)), memory, 1)[0]) if len(memory) > 1 else math.nan

    def test_at(self, seconds: float) -> float:
        """Returns the test accuracy of the choice after so many seconds; NaN if there was none yet, or no more time."""
        if self.limit is not None and seconds > self.limit:
            return math.nan
        return next((step.test for step in reversed(self.steps) if step.seconds <= seconds), math.nan)

    def seconds_to(self, accuracy: float) -> float:
        """Returns when the choice first had this test accuracy; infinity if never."""
        return next((step.seconds for step in self.steps if step.test >= accuracy), math.inf)


class Clock:
    """Counts the seconds of a search from now on, without those of the measuring itself."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._left_out = 0.0

    @property
    def seconds(self) -> float:
        """The time on the clock."""
        return time.monotonic() - self.started - self._left_out

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stops the clock for a while."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._left_out += time.monotonic() - began


def memory(*, peak: bool = False) -> float:
    """Returns the MB that this process holds, or the most that it ever held."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    # The mark in `getrusage` may be that of the process which started this one.
    name = "VmHWM:" if peak else "VmRSS:"
    return next(1.024e-3 * int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def machine() -> str:
    """Says where this runs."""
    versions = ", ".join(
        f"{title} {version(name)}" for title, name in (("TensorFlow", "tensorflow"), ("Keras", "keras"))
    )
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions}, "
        f"Keras Tuner {version('keras-tuner')}"
    )


def measure(tool: str, task: Task) -> Measured:
    """Lets one tool do its task, in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What Keras Tuner says on stdout is no answer.
    with contextlib.redirect_stdout(sys.stderr):
        # Only a process that measures loads TensorFlow.
        import speed_tools

        return speed_tools.TOOLS[tool](task)


def run(work: Iterable[tuple[str, Task]], *, results: Path, fresh: bool, apart: bool = True) -> bool:
    """Measures what is not measured yet, one after the other, and keeps each as soon as it is done.

    Args:
        work: Tools and tasks.
        results: The file with what is measured.
        fresh: Whether to measure anew what is in there already.
        apart: Whether each gets a process of its own, so that memory is its own too.

    Returns:
        Whether all went well.
    """
    done = {(one.tool, one.seed, one.setting) for one in read(results)}
    went_well = True
    for tool, task in work:
        what = f"{TITLES[tool]}, {task.setting}, seed {task.seed}"
        if not fresh and (tool, task.seed, task.setting) in done:
            say(f"{what}: measured before")
            continue
        try:
            measured = in_its_own_process(measure, tool, task) if apart else measure(tool, task)
        except Exception as error:
            # A night of measuring does not end with one that fails.
            say(f"{what}: failed, {type(error).__name__}: {error}")
            went_well = False
            continue
        keep(measured, results)
        test = "none" if measured.test is None else f"{measured.test:.4f}"
        say(f"{what}: {len(measured.searched)} candidates in {measured.seconds:.0f} s, test accuracy {test}")
    return went_well


def in_its_own_process(function: Callable[..., _T], *arguments: Any) -> _T:
    """Calls a function in a fresh process that ends with it."""
    # Spawned, so that nothing of this process's memory is in the other's.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def read(results: Path) -> list[Measured]:
    """Returns what was measured, ordered by seed; of two for the same, the later one."""
    lines = results.read_text().splitlines() if results.exists() else []
    found = {(one.setting, one.seed, one.tool): one for one in map(Measured.from_json, lines)}
    return [found[key] for key in sorted(found)]


def keep(measured: Measured, results: Path) -> None:
    """Adds to what was measured."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a") as file:
        file.write(json.dumps(asdict(measured)) + "\n")


@dataclass(frozen=True)
class Group:
    """All that was measured in one setting, by tool in the order of the tables."""

    setting: str
    by_tool: dict[str, list[Measured]] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """For how long they searched; 0 where that was not limited."""
        return max(one.limit or 0.0 for rows in self.by_tool.values() for one in rows)


def groups(measured: Sequence[Measured]) -> list[Group]:
    """Returns what belongs together, the longest first."""
    found = []
    for setting in dict.fromkeys(one.setting for one in measured):
        rows = [one for one in measured if one.setting == setting]
        by_tool = {tool: [one for one in rows if one.tool == tool] for tool in TITLES}
        found.append(Group(setting, {tool: of_tool for tool, of_tool in by_tool.items() if of_tool}))
    return sorted(found, key=lambda group: group.limit, reverse=True)


def median(values: Iterable[float]) -> float:
    """Returns the median of what is a number; NaN where nothing is."""
    numbers = [value for value in values if not math.isnan(value)]
    return statistics.median(numbers) if numbers else math.nan


def median_of(rows: Sequence[Measured], value: Callable[[Measured], float | None]) -> float:
    """Returns the median over seeds; NaN unless every seed has a number, since the lucky ones alone would flatter."""
    values = [value(one) for one in rows]
    numbers = [number for number in values if number is not None and not math.isnan(number)]
    return statistics.median(numbers) if numbers and len(numbers) == len(values) else math.nan


def cell(value: float, form: str) -> str:
    """Writes a number into a table; nothing where there is none."""
    if math.isnan(value):
        return ""
    return "never" if math.isinf(value) else format(value, form)


def ratio(first: float, second: float) -> str:
    """Writes how many times `second` fits into `first`."""
    return cell(first / second, ".3g") if second else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machines(measured: Sequence[Measured]) -> str:
    """Says where all this was measured."""
    return "; ".join(dict.fromkeys(one.machine for one in measured))


def fill(page: Path, text: str, *, start: str, end: str) -> None:
    """Puts a text between two marks of a page."""
    before, rest = page.read_text().split(start)
    page.write_text(f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}")


def say(text: str) -> None:
    """Talks, beside the answer."""
    print(text, file=sys.stderr, flush=True)
