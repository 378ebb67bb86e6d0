"""How a search is doing: written while it runs, and read by `kevo status`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from kevo.errors import RunError
from kevo.runs import failure, layout, notes, reader, trial_reader
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome, finite
from kevo.runs.phases import PHASES
from kevo.runs.records import TrialRecord
from kevo.runs.training_curve import MOST_POINTS, Point
from kevo.settings import Settings
from kevo.system.text import byte_size, duration, metric_name

State = Literal["running", "interrupted", "failed", "finished"]
_GO_ON = "; go on with: kevo resume {run}"
_HINTS: Mapping[State, str] = {"running": "", "interrupted": _GO_ON, "failed": _GO_ON, "finished": ""}
_MEASURING_SECONDS = 10.0
_MOST_WORDS = 200
"""For so long the size of a folder counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training under way.

    Args:
        number: The number of the trial in the search, from 0.
        words: Its genome in words.
        worker: The name of the worker that trains it.
        stage: Its stage; empty before the first step.
        epoch: The epoch of that stage, from 1.
        num_epochs: How many epochs that stage has at most.
        started_at: When the training began, in seconds since 1970.
        metrics: What its last step told, such as `accuracy`, and what the last validation of its stage did, such as
            `val_accuracy`; empty before the first step.
        curve: How these went so far, at 200 moments at most, evenly over the training.
    """

    number: int
    words: str
    worker: str
    stage: str = ""
    epoch: int = 0
    num_epochs: int = 0
    started_at: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of those metrics that say most: those of training, and the first of the validation split."""
        own = [name for name in self.metrics if not name.startswith("val_")]
        return (*own, *[name for name in self.metrics if name not in own][:1])

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `dataclasses.asdict` made."""
        return cls(
            number=int(values["number"]),
            words=str(values["words"]),
            worker=str(values["worker"]),
            stage=str(values["stage"]),
            epoch=int(values["epoch"]),
            num_epochs=int(values["num_epochs"]),
            started_at=finite(values["started_at"]),
            metrics={
                str(name): finite(value) for name, value in values.get("metrics", {}).items() if value is not None
            },
            curve=tuple(map(Point.from_json, values.get("curve", ())))[-MOST_POINTS:],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The trial that has won, or would win now.

    Args:
        number: Its number in the search, from 0.
        words: Its genome in words.
        objective: What the search improves.
        direction: Which scores for that are better: `max` or `min`.
        score: Its own.
    """

    number: int
    words: str
    objective: str
    direction: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The trials that have ended, so that nobody needs to read the record of each; see `Status`.

    Args:
        num_bytes: The size of the records by then; what follows has ended since.
        completed: How many have a fitness, without final trainings.
        failed: How many failed.
        best: The trial that would win now; `None` before the first fitness.
    """

    num_bytes: int
    completed: int = 0
    failed: int = 0
    best: Best | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `dataclasses.asdict` made."""
        best = values["best"]
        return cls(
            num_bytes=int(values["num_bytes"]),
            completed=int(values["completed"]),
            failed=int(values["failed"]),
            best=best
            and Best(
                number=int(best["number"]),
                words=str(best["words"]),
                objective=str(best["objective"]),
                direction=str(best["direction"]),
                score=finite(best["score"]),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a search is doing.

    Args:
        run_folder: Its folder.
        state: `running`, `interrupted` (it can be resumed), `failed` (`failure` says why) or `finished`.
        seconds: How long it has taken, over all sessions; of one that was interrupted, as `kevo resume` counts it.
        seconds_left: How long it may still take; `None` for no limit.
        trials_completed: How many trials have a fitness, without final trainings.
        trials_failed: How many failed.
        max_trials: How many trials there may be; `None` for no limit.
        best: The trial that has won, or would win now; `None` before the first fitness.
        trainings: The trainings under way.
        num_bytes: The size of its folder, as it was some seconds ago while it runs; features of frozen backbones are
            kept elsewhere.
        num_bytes_of_checkpoints: The size of the models in it that may still be needed.
        failure: Why its last session failed; `None` where it did not.
        notes: What it has told its user, the newest at the end; the last 100.
        phase: What it is doing, one of `kevo.runs.phases.PHASES`; `None` where no session is at work.
        phase_words: The same in words; empty where that is unknown.
        skipped: What it has left out while at work, `genomes` or examples such as `pictures`: what, why, and how many.
    """

    run_folder: Path
    state: State
    seconds: float
    seconds_left: float | None
    trials_completed: int
    trials_failed: int
    max_trials: int | None
    best: Best | None
    trainings: tuple[Training, ...]
    num_bytes: int
    num_bytes_of_checkpoints: int
    failure: str | None = None
    notes: tuple[str, ...] = ()
    phase: str | None = None
    phase_words: str = ""
    skipped: tuple[tuple[str, str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        return {**dataclasses.asdict(self), "run_folder": str(self.run_folder)}


class Sizes(NamedTuple):
    """The size of a run folder, and of the models in it that may still be needed, in bytes."""

    whole: int
    checkpoints: int

    @classmethod
    def of(cls, run: Run) -> Self:
        """Measures a folder; with thousands of candidates that takes a while."""
        return cls(run.num_bytes(), run.num_bytes(layout.CHECKPOINTS))


def write(
    run: Run,
    trainings: Iterable[Training],
    *,
    seconds: float,
    ended: Ended | None = None,
    sizes: Sizes | None = None,
    phase: tuple[str, str] | None = None,
    skipped: Iterable[tuple[str, str, int]] = (),
) -> None:
    """Writes what a search at work is doing.

    Args:
        run: The run folder.
        trainings: The trainings under way.
        seconds: How long the search has taken.
        ended: The trials that have ended; `None` where that is to be read from their records.
        sizes: Those of the folder; `None` where that is to be measured.
        phase: What it is doing, one of `phases.PHASES`, and the same in words.
        skipped: What it has left out: what, why, and how many.

    Raises:
        RunError: the folder cannot be written.
    """
    values = {
        "seconds": seconds,
        "written_at": time.time(),
        "trainings": list(map(dataclasses.asdict, trainings)),
        "ended": ended and dataclasses.asdict(ended),
        "sizes": sizes,
        "phase": phase,
        "skipped": list(skipped),
    }
    run.write_json(layout.STATUS, values, indent=None)


def remove(run: Run) -> None:
    """Removes what `write` wrote."""
    with contextlib.suppress(OSError):
        (run.path / layout.STATUS).unlink()


def read(path: str | Path) -> Status:
    """Reads how the search in a run folder is doing, also while it runs.

    Args:
        path: The folder.

    Raises:
        RunError: the folder holds no run, or a damaged one.

    Example:
        >>> read("kevo-runs/digits-20260101-120000").state  # doctest: +SKIP
        'finished'
    """
    return StatusReader(path).read()


class StatusReader:
    """Reads again and again how one search is doing; what was read once is not read anew.

    This takes milliseconds however many candidates there were: a search at work says itself what has ended, and a
    session that is over has said it.

    Args:
        path: The run folder.

    Raises:
        RunError: the folder holds no run, or a damaged one.
    """

    def __init__(self, path: str | Path) -> None:
        self._run = Run.open(path, without=layout.SEARCH)
        self._settings = self._run.search_settings()
        self._trials = trial_reader.TrialReader(self._run, check=self._check, is_brief=True)
        self._sizes: Sizes | None = None
        self._measured_at = 0.0

    def read(self) -> Status:
        """Returns how the search is doing now.

        Raises:
            RunError: the folder is damaged.
        """
        run, settings = self._run, self._settings
        state: State = "running" if run.is_busy else "interrupted"
        live = _live(run) if state == "running" else None
        if live is not None and live.ended is not None and live.ended.num_bytes <= run.num_trial_bytes:
            seconds, ended = live.seconds, self._counted(live.ended)
        else:
            outcome = None if state == "running" else reader.read_outcome(run)
            told = None if outcome is None else self._read_result(outcome)
            seconds, ended = told or self._read_records(outcome)
            if live is not None:
                seconds = live.seconds
            elif outcome is not None and not outcome.interrupted:
                state, seconds = "finished", outcome.seconds
        failed = failure.read(run) if state == "interrupted" else None
        limit = None if state == "finished" else settings.resolved_max_time
        sizes = self._measured() if live is None or live.sizes is None else live.sizes
        return Status(
            run_folder=run.path,
            state="failed" if failed else state,
            seconds=seconds,
            seconds_left=None if limit is None else max(0.0, limit - seconds),
            trials_completed=ended.completed,
            trials_failed=ended.failed,
            max_trials=settings.max_trials,
            best=ended.best,
            trainings=() if live is None else live.trainings,
            num_bytes=sizes.whole,
            num_bytes_of_checkpoints=sizes.checkpoints,
            failure=None if failed is None else failed.words,
            notes=notes.read(run),
            phase=None if live is None or live.phase is None else live.phase[0],
            phase_words="" if live is None or live.phase is None else live.phase[1],
            skipped=() if live is None else live.skipped,
        )

    def _counted(self, ended: Ended) -> Ended:
        """Returns how many trials have ended by now. Which is best the search says itself, within a second."""
        new = trial_reader.TrialReader(self._run, check=self._check, start=ended.num_bytes).update()
        completed, failed = _num_ended(new)
        return dataclasses.replace(ended, completed=ended.completed + completed, failed=ended.failed + failed)

    def _read_result(self, outcome: Outcome) -> tuple[float, Ended] | None:
        """Returns when the last trial ended, and the numbers of trials and the best one, as the result names them.

        Only the records of the winner and of the last trial are read. `None` where records are newer than the result.
        """
        result, trials = self._run.path / layout.RESULT, self._run.path / layout.TRIALS
        if not trials.is_file() or trials.stat().st_mtime_ns > result.stat().st_mtime_ns:
            return None
        winner, last = trial_reader.find(self._run, outcome.trial_id), trial_reader.find_last(self._run)
        if winner is None or last is None:
            return None
        with damage(trials):
            self._check(winner)
            ended = Ended(
                num_bytes=self._run.num_trial_bytes,
                completed=outcome.trials_completed,
                failed=outcome.trials_failed,
                best=best(winner, self._settings),
            )
        return last.finished_at, ended

    def _read_records(self, outcome: Outcome | None) -> tuple[float, Ended]:
        """Returns when the last trial ended, and all that have, by their records."""
        self._trials.update()
        records = self._trials.records
        if outcome is not None and all(record.trial_id != outcome.trial_id for record in records):
            # By its genome it may be known.
            alike = self._trials.named(outcome.genome)
            records = [
                dataclasses.replace(record, genome=outcome.genome) if record.trial_id in alike else record
                for record in records
            ]
        seconds = max((record.finished_at for record in records), default=0.0)
        num_judged = reader.num_judged(self._run.settings, outcome)
        winner = reader.find_winner(records, self._settings.objectives, num_judged=num_judged, outcome=outcome)
        completed, failed = _num_ended(records)
        return seconds, Ended(
            num_bytes=self._run.num_trial_bytes,
            completed=completed,
            failed=failed,
            best=None if winner is None else best(self._trials.whole(winner), self._settings),
        )

    def _measured(self) -> Sizes:
        now = time.monotonic()
        if self._sizes is None or now - self._measured_at > _MEASURING_SECONDS:
            self._sizes, self._measured_at = Sizes.of(self._run), now
        return self._sizes

    def _check(self, record: TrialRecord) -> None:
        self._settings.kind.check_genome(record.genome)
        trial_reader.check_record(record, self._settings.objectives)


def _num_ended(records: Iterable[TrialRecord]) -> tuple[int, int]:
    """Counts the trials that completed and those that failed, without final trainings."""
    statuses = [record.status for record in records if not record.full_length]
    return statuses.count("completed"), statuses.count("failed")


def describe_status(status: Status) -> Iterator[str]:
    """Yields the lines of a status for a terminal."""
    yield f"{status.run_folder}: {status.state}{_HINTS[status.state].format(run=status.run_folder)}"
    if status.failure is not None:
        yield f"failed      {status.failure}"
    left = "" if status.seconds_left is None else f" so far, {duration(status.seconds_left)} left"
    yield f"time        {duration(status.seconds)}{left}"
    most = "" if status.max_trials is None else f", of {status.max_trials} at most"
    yield f"candidates  {status.trials_completed} completed, {status.trials_failed} failed{most}"
    if (one := status.best) is not None:
        yield f"best        {one.number + 1}: {metric_name(one.objective)} {one.score:.4f}, {one.words}"
    for training in status.trainings:
        epoch = f"{training.stage}, epoch {training.epoch}/{training.num_epochs}" if training.stage else "begins"
        shown = [f", {metric_name(name, with_split=True)} {training.metrics[name]:.3f}" for name in training.shown]
        yield (
            f"now         {training.number + 1}: {epoch}{''.join(shown)}, with {training.worker}, "
            f"for {duration(max(0.0, time.time() - training.started_at))}, {training.words}"
        )
    if status.state == "running" and status.phase_words:
        yield f"phase       {'' if status.trainings else 'nothing trains: '}{status.phase_words}"
    elif status.state == "running" and not status.trainings:
        yield "phase       nothing trains: the search begins, or ends"
    yield (
        f"disk        {byte_size(status.num_bytes)}, "
        f"{byte_size(status.num_bytes_of_checkpoints)} of it models that may still be needed"
    )


class _Live(NamedTuple):
    """What a search at work has written last."""

    seconds: float
    trainings: tuple[Training, ...]
    ended: Ended | None
    sizes: Sizes | None
    phase: tuple[str, str] | None
    skipped: tuple[tuple[str, str, int], ...]


def _live(run: Run) -> _Live | None:
    """Returns what a search at work has written; `None` at its very begin and end."""
    path = run.path / layout.STATUS
    try:
        values = run.read_json(layout.STATUS)
    except RunError:
        if path.exists():
            raise
        return None
    with damage(path):
        age = max(0.0, time.time() - finite(values["written_at"]))
        ended, sizes = values.get("ended"), values.get("sizes")
        return _Live(
            finite(values["seconds"]) + age,
            tuple(map(Training.from_json, values["trainings"])),
            ended and Ended.from_json(ended),
            sizes and Sizes(*map(int, sizes)),
            _phase(values.get("phase")),
            tuple((str(what), str(reason), int(num)) for what, reason, num in values.get("skipped", ())),
        )


def _phase(value: object) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or value[0] not in PHASES:
        raise ValueError("its phase is none of a search")
    return value[0], str(value[1])[:_MOST_WORDS]


def best(record: TrialRecord, settings: Settings) -> Best:
    """Returns what is said of the best trial."""
    return Best(
        number=record.number,
        words=settings.kind.describe(record.genome),
        objective=settings.resolved_objective,
        direction=settings.objectives[0].direction,
        score=record.metrics[settings.objectives[0].metric],
    )
