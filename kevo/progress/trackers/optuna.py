"""A search as a study of Optuna, which optuna-dashboard shows while it runs: `optuna-dashboard sqlite:///runs.db`.

Optuna is an extra. Nothing is proposed by it: its storage is written to only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from kevo.errors import SettingsError, describe_error
from kevo.objective import Objective
from kevo.progress import NullListener
from kevo.progress.trackers.background import Background
from kevo.progress.trackers.values import tracked_values
from kevo.runs import trial_reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Outcome
from kevo.runs.records import TrialRecord
from kevo.system import versions
from kevo.tasks.protocols.task import Task

_RUN, _TRIAL = "kevo.run", "kevo.trial_id"
_MAX_TEXT = 2000
"""As long as an attribute may be in any database."""


class Optuna(NullListener):
    """Writes every candidate into a storage of Optuna, as it trains and when it has ended.

    The search is a study, and a candidate a trial: its genes are the parameters, its objectives the values, the metric
    of each epoch an intermediate value. A search that is taken up again goes on in the same study.

    Args:
        storage: The database, such as `sqlite:///runs.db`.

    Raises:
        SettingsError: Optuna is not installed, or the database cannot be opened.

    Example:
        >>> result = kevo.search("digits", listener=Optuna("sqlite:///runs.db"))  # doctest: +SKIP
    """

    def __init__(self, storage: str) -> None:
        self._storage = _opened(storage)
        self._background = Background("optuna")
        self._study = 0
        self._objectives: tuple[Objective, ...] = ()
        self._genes: dict[str, Any] = {}
        self._running: dict[int, int] = {}
        """Optuna's trials under way, by the numbers of their candidates."""
        self._epochs: dict[int, int] = {}

    def on_search_begin(self, run: Run, task: Task) -> None:
        """Begins the study, or goes on with it, and writes the candidates that are not there yet."""
        records = trial_reader.read_trials(run)
        self._background.later(lambda: self._begin(run, task, records))

    def trial_started(self, number: int, words: str, seconds_left: float | None, worker: str) -> None:
        """Shows a candidate as running."""
        self._background.later(lambda: self._start(number, words))

    def progress(self, number: int, stage: str, done: float, total: int, metrics: Mapping[str, float]) -> None:
        """Shows the loss of each epoch, once it has ended."""
        epoch = math.floor(done)
        if epoch > self._epochs.get(number, 0) and (loss := metrics.get("loss")) is not None:
            self._epochs[number] = epoch
            self._background.later(lambda: self._report(number, epoch, loss))

    def trial_lost(self, number: int, reason: str) -> None:
        """Shows a candidate as failed."""
        self._background.later(lambda: self._lose(number, reason))

    def trial_ended(self, record: TrialRecord, best: TrialRecord | None) -> None:
        """Writes all of a candidate."""
        self._background.later(lambda: self._write(record))

    def on_result(self, result: Outcome) -> None: ...

    def on_search_end(self, result: Outcome | None) -> None:
        """Writes the scores of the best model, and waits until all is written."""
        self._background.later(lambda: self._end(result))
        self._background.finish()

    def _begin(self, run: Run, task: Task, records: Iterable[TrialRecord]) -> None:
        from optuna.distributions import distribution_to_json
        from optuna.study import StudyDirection

        settings = run.search_settings()
        self._objectives = settings.objectives
        self._genes = _distributions(task)
        key = f"{run.settings.get('started')} {run.settings.get('fingerprint')}"
        known = [study for study in self._storage.get_all_studies() if study.user_attrs.get(_RUN) == key]
        if known:
            self._study = known[0]._study_id
        else:
            names = {study.study_name for study in self._storage.get_all_studies()}
            numbered = (f"{run.path.name}-{number}" for number in range(2, len(names) + 3))
            name = next(one for one in (run.path.name, *numbered) if one not in names)
            directions = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
            self._study = self._storage.create_new_study([directions[one.direction] for one in self._objectives], name)
            for attribute, value in {
                _RUN: key,
                "data": task.dataset.summary(),
                "space": {gene: distribution_to_json(one) for gene, one in self._genes.items()},
                "kevo": versions.KEVO,
            }.items():
                self._storage.set_study_user_attr(self._study, attribute, value)
            metrics = [one.metric for one in self._objectives]
            self._storage.set_study_system_attr(self._study, "study:metric_names", metrics)
        written = set()
        for trial in self._storage.get_all_trials(self._study):
            written.add(trial.user_attrs.get(_TRIAL))
            if not trial.state.is_finished():
                # A session that was killed has left it behind.
                self._fail(trial._trial_id, "the search was interrupted")
        for record in records:
            if record.trial_id not in written:
                self._write(record)

    def _start(self, number: int, words: str) -> None:
        trial = self._storage.create_new_trial(self._study)
        self._running[number] = trial
        self._set(trial, {"model": words, "candidate": number + 1})

    def _report(self, number: int, epoch: int, loss: float) -> None:
        if number in self._running and math.isfinite(loss):
            self._storage.set_trial_intermediate_value(self._running[number], epoch, loss)

    def _lose(self, number: int, reason: str) -> None:
        if (trial := self._running.pop(number, None)) is not None:
            self._fail(trial, reason)

    def _write(self, record: TrialRecord) -> None:
        from optuna.trial import TrialState

        trial = self._running.pop(record.number, None)
        self._epochs.pop(record.number, None)
        if trial is None:
            trial = self._storage.create_new_trial(self._study)
            self._set(trial, {"candidate": record.number + 1})
        others = {}
        for gene, value in record.genome.items():
            distribution = self._genes.get(gene)
            if distribution is not None and _is_in(value, distribution):
                self._storage.set_trial_param(trial, gene, distribution.to_internal_repr(value), distribution)
            else:
                others[gene] = value
        metric = self._objectives[0].metric
        for epoch, values in enumerate(record.history, start=1):
            if math.isfinite(value := values.get(metric, math.nan)):
                self._storage.set_trial_intermediate_value(trial, epoch, value)
        facts = {_TRIAL: record.trial_id, "final training": record.full_length, **tracked_values(record), **others}
        self._set(trial, facts)
        if record.fitness is None:
            self._fail(trial, record.reason or "")
            return
        scores = [float(record.metrics[one.metric]) for one in self._objectives]
        self._storage.set_trial_state_values(trial, TrialState.COMPLETE, scores)

    def _fail(self, trial: int, reason: str) -> None:
        from optuna.trial import TrialState

        self._set(trial, {"reason": reason})
        self._storage.set_trial_state_values(trial, TrialState.FAIL)

    def _end(self, result: Outcome | None) -> None:
        from optuna.trial import TrialState

        if result is None:
            for number in list(self._running):
                self._lose(number, "the search has ended")
        else:
            for trial in self._running.values():
                # The winner, which learned from all examples: nothing is measured then.
                self._set(trial, {"reason": "nothing is measured: it learned from the validation examples too"})
                self._storage.set_trial_state_values(trial, TrialState.PRUNED)
            metric = self._objectives[0].metric.removeprefix("val_")
            best = {"validation": result.validation.value(metric), "test": result.test.value(metric)}
            self._storage.set_study_user_attr(self._study, "best model", {"model": result.words, **best})

    def _set(self, trial: int, facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            shown = value if isinstance(value, bool | int | float) else str(value)[:_MAX_TEXT]
            self._storage.set_trial_user_attr(trial, name, shown)


def _opened(storage: str) -> Any:
    """Returns a storage of Optuna at a database that can be opened."""
    try:
        import optuna
    except ImportError:
        raise SettingsError(f"Optuna is not installed here. Install it: {versions.how_to_install('optuna')}") from None
    # It tells of each study that it begins.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.storages.RDBStorage(storage)
    except Exception as error:
        reason = describe_error(error).splitlines()[0]
        raise SettingsError(
            f"Cannot open the database for Optuna ({reason}). Expected one such as sqlite:///runs.db."
        ) from error


def _is_in(value: Any, distribution: Any) -> bool:
    """Returns whether a gene is what its distribution says: a run folder may come from someone else."""
    if hasattr(distribution, "choices"):
        return any(value == one and type(value) is type(one) for one in distribution.choices)
    return isinstance(value, int | float) and distribution.low <= value <= distribution.high


def _distributions(task: Task) -> dict[str, Any]:
    """Returns what each gene may be, as Optuna says it; of a gene that is declared several times, all together."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    choices: dict[str, list[Any]] = {}
    for gene in task.hyperparameters.space:
        name, kind, values = gene.name, type(gene).__name__, gene.get_config()
        if kind in ("Int", "Float") and name not in choices:
            low, high = values["min_value"], values["max_value"]
            if (before := found.get(name)) is not None:
                low, high = min(low, before.low), max(high, before.high)
            is_log = values["sampling"] == "log"
            found[name] = (IntDistribution if kind == "Int" else FloatDistribution)(low, high, log=is_log)
            continue
        options = {"Boolean": [False, True], "Fixed": [values.get("value")]}.get(kind, values.get("values", []))
        known = choices.setdefault(name, [])
        known += [one for one in options if not any(one == other and type(one) is type(other) for other in known)]
        found[name] = CategoricalDistribution(known)
    return found
