"""The trials of a search: their ranking, and the models that may still be needed."""

from __future__ import annotations

import itertools
import operator
import os
import shutil
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kevo.runs import checksums, layout, ranking, trial_reader
from kevo.runs.folder import Run
from kevo.runs.predictions import write_predictions
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.scores import Outputs
from tuners import pareto

_MAX_PAUSED = 4
"""Of so many paused candidates the models are kept, for each kind and rung; another one would begin from the start."""
_LIBRARY = 8
"""Of so many candidates the models are kept, for an ensemble to choose from."""
_MAX_ALIKE = 3
"""At most this many of them may share a frozen network: models that err alike gain little together."""


class Archive:
    """The candidates of one search, and their models in its run folder.

    Args:
        run: The folder.
        settings: How the search is to run.
        num_judged: Number of independent validation examples.
    """

    def __init__(self, run: Run, settings: Settings, *, num_judged: int) -> None:
        self.folder = run
        self._num_judged = num_judged
        self._settings = settings
        self._kind = settings.kind
        self.objective = settings.objectives[0]
        self.objectives = settings.objectives
        self._extractor_keys: dict[str, Any] = {}
        self.records = {}
        self.pinned: set[str] = set()
        """Trials whose models are in use."""
        self._published: str | None = None
        """Whose model is where the best is."""

    @property
    def records(self) -> Mapping[str, TrialRecord]:
        """The trials by their names, in the order in which they ended."""
        return MappingProxyType(self._records)

    @records.setter
    def records(self, records: Mapping[str, TrialRecord]) -> None:
        self._records = dict(records)
        # They may have files beside their records.
        self._kept = set(records)
        self._ranking = self._ranked(self._records.values())
        self._evolved = self._ranked(record for record in self._records.values() if record.is_evolved)
        self._has_finals = any(record.full_length for record in self._ranking)
        # What `num_without_news` knows so far, and of how many records.
        self._num_without_news, self._num_looked_at = 0, 0
        self._fronts: dict[tuple[Any, ...], list[TrialRecord]] = defaultdict(list)

    def read(self, *, read_outputs: Callable[[Path], Outputs | None] | None = None) -> list[str]:
        """Reads the trials of earlier sessions, and sets damaged files aside.

        Args:
            read_outputs: Reads a file of predictions for the validation split; returns `None` where it is damaged.
                Predictions are not looked at by default.

        Returns:
            What is damaged and was set aside, in words.

        Raises:
            RunError: the folder cannot be read or written.
        """
        records, problems = trial_reader.mend_trials(self.folder, check=self.check)
        self.records = {**self.records, **{record.trial_id: record for record in records}}
        for name in (layout.CHECKPOINTS, layout.UNFINISHED):
            for path in sorted((self.folder.path / name).glob("*.keras")):
                if (reason := checksums.flaw(path)) is not None:
                    problems.append(self.folder.set_aside(f"{name}/{path.name}", f"{path} is damaged: {reason}"))
        for path in map(self.folder.path.joinpath, map(layout.predictions, sorted(self.records))):
            if read_outputs is not None and path.exists() and read_outputs(path) is None:
                reason = f"{path} is damaged: it holds no predictions for the validation split"
                problems.append(self.folder.set_aside(f"{layout.PREDICTIONS}/{path.name}", reason))
        return problems

    def check(self, record: TrialRecord) -> None:
        """Raises an error of any kind where a record is not one of this search."""
        self._kind.check_genome(record.genome)
        trial_reader.check_record(record, self.objectives)

    @property
    def completed(self) -> list[TrialRecord]:
        """The candidates that have a fitness, best first; the earlier one where two are equal.

        What was continued counts once, by its last training.
        """
        return ranking.ranked(self.records.values(), self.objective)

    @property
    def saved(self) -> list[TrialRecord]:
        """The completed trials with a model on disk, the winner first; see `kevo.runs.ranking`."""
        return list(self._saved())

    @property
    def best_saved(self) -> TrialRecord | None:
        """The first of `saved`."""
        return next(self._saved(), None)

    @property
    def winner(self) -> TrialRecord | None:
        """The one that would win now, whether or not its model is on disk."""
        return next(iter(self._ranking), None)

    @property
    def finalists(self) -> list[TrialRecord]:
        """The best trials of the evolution, without their final trainings; those of a front come first."""
        return self._finalists(self._evolved)

    @property
    def equals(self) -> list[TrialRecord]:
        """The best trials of the evolution, as far as one can tell them apart; see `kevo.runs.ranking`."""
        return list(self._evolved.equals)

    @property
    def equals_of_winner(self) -> Iterator[TrialRecord]:
        """The trials, final trainings among them, that cannot be told from the one that would win now; that first."""
        return self._ranking.equals

    @property
    def has_finals(self) -> bool:
        """Whether a final training has come out."""
        return self._has_finals

    def is_clearly_behind(self, record: TrialRecord) -> bool:
        """Tells whether a trial is behind the best of the evolution by more than chance; see `kevo.runs.ranking`."""
        return self._evolved.is_clearly_behind(record)

    def front(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the candidates that no other beats in every objective, in their order; none if there is but one."""
        if not self._settings.minimize:
            return []
        points = [self._point(record) for record in records]
        # Of equals the first is enough.
        return [records[index] for index in pareto.front(points) if points.index(points[index]) == index]

    @property
    def num_without_news(self) -> int:
        """How many candidates in a row, up to the last that ended, have brought nothing new.

        News is a candidate that is better than all before it or, where something is minimized, belongs to the front.
        One that has paused has to be so only among those of its kind that paused after as many epochs, since it may go
        on. When it does, it does not count once more, but may be news. Final trainings count for nothing.
        """
        for record in itertools.islice(self._records.values(), self._num_looked_at, None):
            self._look_for_news(record)
        self._num_looked_at = len(self._records)
        return self._num_without_news

    def hypervolume(self, front: Sequence[TrialRecord]) -> float | None:
        """Returns the hypervolume of the front, from 0 to 1; see `kevo.runs.outcome.Outcome`."""
        if not front:
            return None
        # A loss of exactly nothing is as good as can be.
        worst = {
            one.metric: max(record.metrics[one.metric] for record in self.completed) or 1.0 for one in self.objectives
        }
        points = [
            [
                record.metrics[one.metric]
                if one.direction == "max"
                else 1 - record.metrics[one.metric] / worst[one.metric]
                for one in self.objectives
            ]
            for record in front
        ]
        return pareto.hypervolume(points, [0.0] * len(self.objectives))

    def wants(self, record: TrialRecord) -> bool:
        """Tells whether a new candidate's model may be needed."""
        evolved = self._evolved.with_one(record) if record.is_evolved else self._evolved
        records = ChainMap({record.trial_id: record}, self._records)
        return record.trial_id in self._needed(records, self._ranking.with_one(record), evolved)

    def leads(self, record: TrialRecord) -> bool:
        """Tells whether a new candidate would win now."""
        return self._ranking.with_one(record)[0].trial_id == record.trial_id

    def add(
        self,
        record: TrialRecord,
        *,
        save: Callable[[Path], object] | None = None,
        outputs: Outputs | None = None,
    ) -> None:
        """Writes a candidate down.

        Args:
            record: The candidate.
            save: Writes its model, where it is wanted.
            outputs: The model's outputs for the validation split, where they are known.
        """
        if save is not None:
            with self.folder.replacing(layout.checkpoint(record.trial_id)) as path:
                save(path)
            if outputs is not None:
                with self.folder.replacing(layout.predictions(record.trial_id)) as path:
                    write_predictions(path, outputs)
        # A candidate counts as finished only when its model is safe.
        self.folder.append_trial(record)
        self._note(record)
        self._kept.add(record.trial_id)
        self.tidy()
        self.publish()

    def publish(self) -> None:
        """Puts a copy of the model that would win now where the best is, so that there is one however the search ends.

        What an earlier session has handed over stays until the next one is at its end, also where its scores are gone.
        """
        winner = self.best_saved
        is_handed_over = (self.folder.path / layout.RESULT).exists() or self.folder.has_set_aside(layout.RESULT)
        if winner is None or winner.trial_id == self._published or is_handed_over:
            return
        with self.folder.replacing(layout.MODEL) as path:
            shutil.copyfile(self.folder.path / layout.checkpoint(winner.trial_id), path)
        self._published = winner.trial_id

    def tidy(self) -> None:
        """Removes the models that are no longer needed."""
        for trial_id in self._kept - self._needed(self._records, self._ranking, self._evolved):
            for name in (layout.checkpoint, layout.predictions, layout.refit_model, layout.refit_predictions):
                (self.folder.path / name(trial_id)).unlink(missing_ok=True)
            self._kept.remove(trial_id)

    def _saved(self) -> Iterator[TrialRecord]:
        # Few of thousands have models.
        folder = str(self.folder.path)
        left = {name for name in self._kept if os.path.isfile(os.path.join(folder, layout.checkpoint(name)))}
        for record in self._ranking:
            if not left:
                return
            if record.trial_id in left:
                left.remove(record.trial_id)
                yield record

    def _finalists(self, evolved: Sequence[TrialRecord]) -> list[TrialRecord]:
        front = self.front(evolved)
        names = {record.trial_id for record in front}
        others = (record for record in evolved if record.trial_id not in names)
        return list(itertools.islice(itertools.chain(front, others), self._settings.num_finalists))

    def _joins(self, record: TrialRecord, front: list[TrialRecord]) -> bool:
        """Puts a candidate in the place of those that it beats, unless one of them is as good."""
        if any(self._matches(rival, record) for rival in front):
            return False
        front[:] = [*(rival for rival in front if not self._matches(record, rival)), record]
        return True

    def _matches(self, first: TrialRecord, second: TrialRecord) -> bool:
        """Tells whether a candidate is at least as good as another, in everything that counts."""
        if not self._settings.minimize:
            return self.objective.rank(first.metrics) >= self.objective.rank(second.metrics)
        return all(map(operator.ge, self._point(first), self._point(second)))

    def _point(self, record: TrialRecord) -> tuple[float, ...]:
        return tuple(record.metrics[one.metric] * (1 if one.direction == "max" else -1) for one in self.objectives)

    def _ranked(self, records: Iterable[TrialRecord]) -> ranking.Ranking:
        return ranking.Ranking(self.objectives, num_judged=self._num_judged, records=records)

    def _note(self, record: TrialRecord) -> None:
        """Takes in a trial that has ended just now."""
        self._records[record.trial_id] = record
        self._ranking.add(record)
        if record.is_evolved:
            self._evolved.add(record)
        self._has_finals |= record.full_length and record.fitness is not None

    def _look_for_news(self, record: TrialRecord) -> None:
        if record.full_length:
            return
        self._num_without_news += record.continues is None
        if record.fitness is not None:
            fronts = self._fronts
            rivals = [fronts[()], fronts[self._rung(record)]] if record.is_paused else [fronts[()]]
            *_, is_news = [self._joins(record, front) for front in rivals]
            if is_news:
                self._num_without_news = 0

    def _needed(
        self, records: Mapping[str, TrialRecord], completed: Sequence[TrialRecord], evolved: Sequence[TrialRecord]
    ) -> set[str]:
        """Returns the trials with a model that may still win, be trained further or join an ensemble.

        Args:
            records: The trials by their names.
            completed: Their ranking.
            evolved: The same, without final trainings.
        """
        num = self._settings.num_finalists
        needed = [*completed[:num], *self.front(completed), *self._library(completed)]
        # A finalist that has paused may go on when its turn comes.
        needed += [one for one in self._finalists(evolved) if full_length_id(one) not in records]
        if self._settings.inherit and not self._has_finals:
            # Those that breed: their children begin with their weights.
            needed += [
                one for one in evolved[: self._settings.population] if self._kind.can_inherit(one.genome, one.genome)
            ]
        if self._settings.num_rungs > 1 and not self._has_finals:
            taken_up = {record.continues for record in records.values()}
            paused: dict[tuple[Any, ...], list[TrialRecord]] = defaultdict(list)
            for record in completed:
                if record.is_paused and record.trial_id not in taken_up:
                    paused[self._rung(record)].append(record)
            needed += [record for rivals in paused.values() for record in rivals[:_MAX_PAUSED]]
        return {record.trial_id for record in needed} | self.pinned

    def _rung(self, record: TrialRecord) -> tuple[Any, ...]:
        """Key of the candidates that compete for the same higher rung."""
        return len(record.history), *map(record.genome.get, self._kind.rung_genes)

    def _library(self, completed: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the candidates for an ensemble: the best, but few on the same frozen network."""
        chosen: list[TrialRecord] = []
        num_alike: dict[Any, int] = defaultdict(int)
        for record in completed:
            if len(chosen) >= _LIBRARY:
                break
            key = self._extractor_key(record)
            num_alike[key] += 1
            if num_alike[key] <= _MAX_ALIKE:
                chosen.append(record)
        return chosen

    def _extractor_key(self, record: TrialRecord) -> Any:
        if record.trial_id not in self._extractor_keys:
            self._extractor_keys[record.trial_id] = self._kind.extractor_key(record.genome) or record.trial_id
        return self._extractor_keys[record.trial_id]


def full_length_id(record: TrialRecord) -> str:
    """Returns the name of a finalist's final training."""
    return f"{record.trial_id}-full"
