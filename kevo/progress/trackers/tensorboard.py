"""A search as TensorBoard shows it: the curves of every candidate, and all of them in the table of HParams.

The table is the plugin's own, see https://www.tensorflow.org/tensorboard/hyperparameter_tuning_with_hparams.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kevo.progress import NullListener
from kevo.progress.trackers.values import tracked_values
from kevo.runs import layout, trial_reader
from kevo.runs.atomic_files import writing
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.tasks.protocols.task import Task

_EXPERIMENT = "search"
"""The run that says what the columns of the table are."""


class TensorBoard(NullListener):
    """Writes every candidate for `tensorboard --logdir FOLDER`, once it has ended.

    A run for each candidate holds its metrics by epoch (`epoch/...`), those of its best epoch (`best/...`) and what it
    cost (`cost/...`). The latter two are the columns of HParams, beside the genes.

    Args:
        folder: Where to write. Defaults to `tensorboard` in the run folder.

    Example:
        >>> result = kevo.search("digits", listener=TensorBoard())  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._given = folder
        self._folder = Path()

    def on_search_begin(self, run: Run, task: Task) -> None:
        """Writes the columns, and the trials that are not there yet."""
        self._folder = run.path / layout.TENSORBOARD if self._given is None else Path(self._given).absolute()
        if not _is_written(self._folder / _EXPERIMENT):
            self._write(_EXPERIMENT, [_columns(run, task)])
        for record in trial_reader.read_trials(run):
            if not _is_written(self._folder / _name(record)):
                self._write_trial(record)

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Writes a candidate."""
        self._write_trial(record)

    def on_result(self, result: Outcome) -> None: ...
    def on_search_end(self, result: Outcome | None) -> None: ...

    def _write_trial(self, record: TrialRecord) -> None:
        from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

        genes = {gene: _plain(value) for gene, value in record.genome.items()}
        has_failed = record.fitness is None
        status = api_pb2.STATUS_FAILURE if has_failed else api_pb2.STATUS_SUCCESS
        self._write(
            _name(record),
            [
                summary_v2.hparams_pb(genes, trial_id=_name(record)),
                *_scalars(record),
                summary.session_end_pb(status),
            ],
        )

    def _write(self, name: str, summaries: Iterable[Any]) -> None:
        """Writes a run; a summary may come with its step."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        with writing(self._folder), contextlib.closing(EventFileWriter(str(self._folder / name))) as writer:
            for one in summaries:
                summary, step = one if isinstance(one, tuple) else (one, 0)
                # Some are TensorFlow's own class of the same message.
                summary = Summary.FromString(summary.SerializeToString())
                writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _scalars(record: TrialRecord) -> Iterator[tuple[Any, int]]:
    """Yields summaries with their steps."""
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    for epoch, metrics in enumerate(record.history, start=1):
        for name, value in metrics.items():
            if math.isfinite(value):
                yield scalar_pb(f"epoch/{name}", value), epoch
    for tag, value in tracked_values(record).items():
        yield scalar_pb(tag, value), record.number


def _columns(run: Run, task: Task) -> Any:
    """Returns the columns of the table: the genes, the metrics with the objective first, and the costs."""
    from tensorboard.plugins.hparams import summary_v2

    settings = run.search_settings()
    domains: dict[str, set[Any]] = {}
    for gene in task.hyperparameters.space:
        domains.setdefault(gene.name, set()).update(getattr(gene, "values", ()))
    objectives = settings.kind.objectives
    compared = (settings.objectives[0].metric, *(name for one in objectives.values() for name in one.metrics))
    metrics = [f"best/{name}" for name in dict.fromkeys(compared)]
    metrics += [f"cost/{name}" for name in dict.fromkeys(("seconds", "params", *settings.minimize))]
    return summary_v2.hparams_config_pb(
        [summary_v2.HParam(name, _domain(values)) for name, values in domains.items()],
        [summary_v2.Metric(tag, display_name=tag.replace("_", " ")) for tag in metrics],
    )


def _domain(values: set[Any]) -> Any:
    from tensorboard.plugins.hparams import summary_v2

    return summary_v2.Discrete(sorted(values)) if values and len({type(value) for value in values}) == 1 else None


def _plain(value: Any) -> bool | int | float | str:
    # A run folder that is taken up again may come from someone else.
    return value if isinstance(value, bool | int | float | str) else str(value)


def _name(record: TrialRecord) -> str:
    return f"trial-{record.number + 1:04}{'-full' if record.full_length else ''}"


def _is_written(folder: Path) -> bool:
    # Who is killed while writing leaves an empty file.
    return any(path.stat().st_size for path in folder.glob("events.*"))
