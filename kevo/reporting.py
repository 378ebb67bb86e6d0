"""What a person sees while a search runs: a bar for the running candidate, a line for each finished one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from kevo.objectives import COSTS, Objective
from kevo.runs import TrialRecord

if TYPE_CHECKING:
    from kevo.results import Ensemble, SearchResult


class Listener(Protocol):
    """Is told what happens while it happens."""

    def note(self, text: str) -> None:
        """Something that a user should know."""

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """A worker starts to train a candidate."""

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """A step of a candidate's training is done."""

    def trial_lost(self, number: int, reason: str) -> None:
        """A candidate's worker is gone; the candidate is begun again, or ends as failed."""

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """A candidate has finished or failed."""

    def closed(self) -> None:
        """Nothing more will be told."""


class Silent:
    """A listener for nobody."""

    def note(self, text: str) -> None: ...
    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None: ...
    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None: ...
    def trial_lost(self, number: int, reason: str) -> None: ...
    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None: ...
    def closed(self) -> None: ...


class Live:
    """Tells about a search on a terminal; plain lines where the console is not one.

    Args:
        console: Where to write. stdout is kept for the result, so this is stderr for the command.
        objective: What the candidates compete for.
    """

    def __init__(self, console: Console, objective: Objective) -> None:
        self._console = console
        self._objective = objective
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[epoch]}"),
            TextColumn("{task.fields[metrics]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[int, TaskID] = {}

    def note(self, text: str) -> None:
        """Writes a line."""
        self._line(escape(text))

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """Starts the bar of a candidate."""
        left = "" if seconds_left is None else f"{duration(max(0.0, seconds_left))} left"
        if self._console.is_terminal:
            self._line(f"[dim]{number + 1:>4}  {escape(words)}[/dim]")
        self._bar.start()
        self._tasks[number] = self._bar.add_task("", total=None, epoch="", metrics="", left=left)

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Moves the bar of a candidate."""
        if number not in self._tasks:
            return
        accuracy = metrics.get("accuracy")
        self._bar.update(
            self._tasks[number],
            description=f"{number + 1:>4}  {stage}",
            completed=done,
            total=total,
            epoch=f"epoch {min(int(done) + 1, total)}/{total}",
            metrics="" if accuracy is None else f"accuracy {accuracy:.3f}",
        )

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Writes the line of a finished candidate."""
        self._take_away(record.number)
        name = _name(self._objective.metric)
        number = f"{record.number + 1:>4}{' full' if record.full_length else ''}"
        if record.fitness is None:
            self._line(f"{number}  failed after {duration(record.seconds)}: {escape(record.reason or '')}")
            return
        marker = "  [bold]best so far[/bold]" if best is record else f"  best {best.fitness:.4f}" if best else ""
        self._line(
            f"{number}  {name} {record.fitness:.4f}  {count(record.num_parameters or 0)} parameters  "
            f"{record.num_epochs} epochs  {duration(record.seconds)}{marker}"
        )

    def closed(self) -> None:
        """Takes all bars away."""
        for number in list(self._tasks):
            self._take_away(number)

    def trial_lost(self, number: int, reason: str) -> None:
        """Writes a line."""
        self._take_away(number)
        self._line(f"{number + 1:>4}  lost: {escape(reason)}")

    def _take_away(self, number: int) -> None:
        if (task := self._tasks.pop(number, None)) is not None:
            self._bar.remove_task(task)
        if not self._tasks:
            self._bar.stop()

    def _line(self, text: str) -> None:
        # A line for a file or a pipe stays one line, however long.
        self._console.print(text, highlight=False, soft_wrap=not self._console.is_terminal)


def front_in_words(result: SearchResult, objectives: Sequence[Objective]) -> Iterator[str]:
    """Yields a headline and one line for each model of a front."""
    models = f"{len(result.front)} model{'s' if len(result.front) > 1 else ''}"
    yield f"Front: {models} that no other beats in everything, hypervolume {result.hypervolume:.4f}"
    for member in result.front:
        values = ", ".join(_value(one.metric, member.metrics[one.metric]) for one in objectives)
        yield f"  {member.model_path.relative_to(result.run_folder)}  {values}"


def ensemble_in_words(ensemble: Ensemble, *, best: SearchResult) -> str:
    """Says in one line what an ensemble is and gains over the best single model."""
    scores = ", ".join(
        f"{split} accuracy {getattr(ensemble, split).accuracy:.4f} (best single {getattr(best, split).accuracy:.4f})"
        for split in ("validation", "test")
    )
    size = f"{len(ensemble.members)} models as one, {count(ensemble.num_parameters)} parameters"
    return f"Ensemble: {ensemble.model_path.name}, {size}, {scores}"


def _value(metric: str, value: float) -> str:
    if metric not in COSTS:
        return f"{_name(metric)} {value:.4f}"
    return duration(value) if metric == "seconds" else f"{count(round(value))} {COSTS[metric]}"


def _name(metric: str) -> str:
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
