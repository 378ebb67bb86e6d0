"""Leases: which worker runs which trial, and until when it may be silent."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.oracle import LOCKS

from tuners.oracle import locked

_HAS_ENDED = {TrialStatus.COMPLETED, TrialStatus.FAILED}

_logger = logging.getLogger(__name__)


class Leases:
    """The workers of an oracle and their trials. Only `serve`, `expire` and `lose` take the oracle's lock themselves.

    Args:
        oracle: The search.
        seconds: A worker that says nothing for so long has lost its trial.
        clock: Seconds since whenever.
    """

    def __init__(self, oracle: keras_tuner.Oracle, *, seconds: float, clock: Callable[[], float]) -> None:
        self.oracle = oracle
        self.seconds = seconds
        self.error: Exception | None = None
        """What has ended the search in the oracle."""
        self._clock = clock
        # Keras Tuner makes the lock on first use, where two threads at once may each make one.
        LOCKS.setdefault(oracle, threading.Lock())
        self._guard = threading.Lock()
        # Workers, and when their leases run out.
        self._ends: dict[str, float] = {}
        # Workers that know that the search is over.
        self._told: set[str] = set()
        # Runs that are over, by worker and trial: a sign of life that was under way does not begin them again.
        self._past_runs: set[tuple[str | None, str]] = set()
        self._has_told = False
        self._is_announced = False

    @property
    def workers(self) -> list[str]:
        """The workers that hold a lease, by their tuner ids."""
        with self._guard:
            return list(self._ends)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to do for workers without a trial."""
        return self._has_told or self._is_stopped

    def announce_end(self) -> None:
        """Has every worker told with its next sign of life that the search is over."""
        self._is_announced = True

    def renewed(self, tuner_id: str) -> dict[str, Any]:
        """Returns the answer to a worker's sign of life."""
        if self._is_announced:
            with self._guard:
                self._told.add(tuner_id)
                self._ends.pop(tuner_id, None)
        return {"lease_seconds": self.seconds, "is_over": self._is_announced}

    def expire(self) -> list[str]:
        """Takes back the trials of workers with an expired lease; see `Server.expire`."""
        with locked(self.oracle):
            now = self._clock()
            with self._guard:
                late = [tuner_id for tuner_id, end in self._ends.items() if end < now]
            for tuner_id in late:
                # A worker that comes back in time finds its trial waiting for it.
                self._take_back(tuner_id, f"Worker {tuner_id} gave no sign of life for {self.seconds:g} s.")
        return late

    def lose(self, tuner_id: str, reason: str) -> None:
        """Takes its trial back from a worker that is gone for good; see `Server.lose`."""
        with locked(self.oracle):
            trial = self._take_back(tuner_id, reason)
            if trial is not None:
                self._past_runs.add((tuner_id, trial.trial_id))

    def _take_back(self, tuner_id: str, reason: str) -> Trial | None:
        with self._guard:
            self._ends.pop(tuner_id, None)
        trial = self.oracle.ongoing_trials.get(tuner_id)
        if trial is not None:
            _logger.warning("Trial %s was lost: %s", trial.trial_id, reason)
            trial.status, trial.message = TrialStatus.INVALID, reason
            self._finish(trial)
        return trial

    @property
    def _is_stopped(self) -> bool:
        return self.error is not None or getattr(self.oracle, "is_stopped", False)

    def serve(self, tuner_id: str | None, trial_id: str | None, answer: Callable[[], Any], *, is_oracles: bool) -> Any:
        """Answers a request that names the worker's trial."""
        if tuner_id is not None:
            with self._guard:
                if tuner_id not in self._told:
                    self._ends[tuner_id] = self._clock() + self.seconds
            if trial_id is not None and trial_id in self.oracle._retry_queue:
                self._adopt(tuner_id, trial_id)
        if not is_oracles:
            return answer()
        with locked(self.oracle):
            return answer()

    def _adopt(self, tuner_id: str, trial_id: str) -> None:
        """Leaves a trial to a worker that still trains it, although it waits to be run again."""
        with locked(self.oracle):
            is_free = tuner_id not in self.oracle.ongoing_trials and (tuner_id, trial_id) not in self._past_runs
            if is_free and trial_id in self.oracle._retry_queue:
                self.oracle.ongoing_trials[tuner_id] = self._unqueued(trial_id)

    def _unqueued(self, trial_id: str) -> Trial:
        """Returns a trial that no longer waits to be run again."""
        self.oracle._retry_queue.remove(trial_id)
        trial = self.oracle.trials[trial_id]
        trial.status, trial.message = TrialStatus.RUNNING, None
        # It prints how long a trial took, and must know when it began.
        self.oracle._display.on_trial_begin(trial)
        return trial

    def create(self, tuner_id: str) -> Trial:
        """Returns a worker's next trial; a stopped one where the search is over for it."""
        oracle, trial = self.oracle, None
        if self.error is None:
            try:
                trial = oracle.create_trial(tuner_id)
            except Exception as error:
                self.error = error
        if trial is None:
            trial = Trial(oracle.get_space(), status=TrialStatus.STOPPED)
        self._past_runs.discard((tuner_id, trial.trial_id))
        if trial.status == TrialStatus.STOPPED and self._may_be_needed(tuner_id):
            trial.status = TrialStatus.IDLE
        with self._guard:
            if trial.status == TrialStatus.STOPPED:
                self._has_told = True
                self._told.add(tuner_id)
                self._ends.pop(tuner_id, None)
            elif tuner_id in self._told:
                self._told.remove(tuner_id)
                self._ends[tuner_id] = self._clock() + self.seconds
        return trial

    def _may_be_needed(self, tuner_id: str) -> bool:
        """Whether a worker without a trial should stay, since another one may die and leave its own."""
        oracle = self.oracle
        return not self._is_stopped and any(
            other != tuner_id
            and other in self._ends
            and oracle._run_times.get(trial.trial_id, 0) < oracle.max_retries_per_trial
            for other, trial in oracle.ongoing_trials.items()
        )

    def update(self, tuner_id: str | None, trial_id: str, metrics: Mapping[str, float], step: int) -> Trial:
        """Records a worker's metrics, unless the trial is no longer its own."""
        trial = self.trial(trial_id)
        if trial.status == TrialStatus.RUNNING and self._is_runner(tuner_id, trial_id):
            return self.oracle.update_trial(trial_id, dict(metrics), step=step)
        # It comes again if this worker is the first to end the trial.
        return trial

    def end(self, tuner_id: str | None, trial: Trial, reports: list[tuple[dict[str, float], int]]) -> None:
        """Ends a trial, unless that has happened.

        Args:
            tuner_id: Whose report this is, if known.
            trial: What the worker says of it.
            reports: All that the worker measured; if any, it takes the place of what the oracle has heard.
        """
        oracle, trial_id = self.oracle, trial.trial_id
        known = oracle.trials.get(trial_id)
        # A search that was taken up may lack a trial which the last moment before had created.
        if known is None or known.status in _HAS_ENDED:
            return
        is_waiting = trial_id in oracle._retry_queue
        if trial.status == TrialStatus.INVALID and (is_waiting or not self._is_runner(tuner_id, trial_id)):
            # It is to be run again already, or is so elsewhere.
            return
        if is_waiting:
            self._unqueued(trial_id)
        if reports:
            known.metrics = type(known.metrics)()
            for metrics, step in reports:
                oracle.update_trial(trial_id, metrics, step=step)
        self._past_runs.add((tuner_id, trial_id))
        self._finish(trial)

    def _finish(self, trial: Trial) -> None:
        oracle = self.oracle
        try:
            oracle.end_trial(trial)
        except Exception as error:
            # It would end a search without workers, so it ends this one.
            self.error = self.error or error
        for tuner_id, ongoing in list(oracle.ongoing_trials.items()):
            if ongoing.trial_id == trial.trial_id:
                del oracle.ongoing_trials[tuner_id]

    def _is_runner(self, tuner_id: str | None, trial_id: str) -> bool:
        ongoing = self.oracle.ongoing_trials.get(tuner_id)
        return tuner_id is None or (ongoing is not None and ongoing.trial_id == trial_id)

    def trial(self, trial_id: str) -> Trial:
        """Returns a trial by its name.

        Raises:
            LookupError: There is none.
        """
        try:
            return self.oracle.trials[trial_id]
        except KeyError:
            raise LookupError(f"This search has no trial {trial_id!r}.") from None
