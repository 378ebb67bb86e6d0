"""Which of the candidates on disk are better together than the best of them alone, by what they answered."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from kevo.runs import layout, ranking
from kevo.runs.folder import Run
from kevo.runs.predictions import read_predictions
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.protocols.scores import Outputs, Scores
from kevo.tasks.protocols.task import Task
from kevo.training import ensemble_selection

MAX_MEMBERS = 5
"""How many candidates an ensemble may have."""
TIME_IS_UP = "the time is up"
NO_GAIN = "it would gain nothing"


class NoEnsembleError(Exception):
    """Why there is no ensemble."""


class EnsembleLibrary:
    """The candidates of a search whose models and outputs for the validation split are on disk.

    Args:
        run: The folder of the search.
        task: What is learned.
        settings: How the search is to run.
    """

    def __init__(self, run: Run, task: Task, settings: Settings) -> None:
        self._run = run
        self._task = task
        self._kind = settings.kind
        self._seed = settings.seed
        self._objectives = settings.objectives

    def kept_outputs(self, record: TrialRecord) -> Outputs | None:
        """Reads the outputs for the validation split that a trial left behind."""
        return self._read(layout.predictions(record.trial_id))

    def refit_outputs(self, record: TrialRecord) -> Outputs | None:
        """Reads the same of the model that has learned from the validation split too."""
        return self._read(layout.refit_predictions(record.trial_id))

    def _read(self, name: str) -> Outputs | None:
        return read_predictions(self._run.path / name, shape=self._task.output_shape, are_valid=self._task.are_valid)

    def beats(self, ours: Scores, theirs: Scores) -> bool:
        """Tells whether scores are better than others, by the rule by which candidates win."""
        return ranking.beats(self._metrics(ours), self._metrics(theirs), self._objectives, num_judged=theirs.num_judged)

    def is_level(self, ours: Scores, theirs: Scores) -> bool:
        """Tells whether scores are better than others, or no further behind than chance may account for."""
        return ranking.is_level(
            self._metrics(ours), self._metrics(theirs), self._objectives, num_judged=theirs.num_judged
        )

    def _metrics(self, scores: Scores) -> dict[str, float]:
        return {name: scores.value(name.removeprefix("val_")) for name in self._objectives[0].metrics}

    def gains(self, saved: Sequence[TrialRecord]) -> bool:
        """Tells whether an ensemble is worth the time that it takes, as far as can be told.

        Args:
            saved: The candidates to choose from, the winner first.
        """
        if len(saved) < 2:
            return False
        if (outputs := self.kept_outputs(saved[0])) is None:
            return True
        try:
            self.weighed(saved, outputs, MAX_MEMBERS)
        except NoEnsembleError:
            return False
        return True

    def weighed(
        self, saved: Sequence[TrialRecord], outputs: Outputs, num_networks: int
    ) -> list[tuple[TrialRecord, float]]:
        """Returns the candidates that are better together, with their weights, the heaviest first.

        Args:
            saved: The candidates to choose from, the winner first.
            outputs: The winner's for the validation split.
            num_networks: How many different networks there is time for; heads on the same frozen features count once.

        Raises:
            NoEnsembleError: there is no time for others, or together they are no better.
        """
        networks = {self._network_key(saved[0])}
        records, library = [saved[0]], [outputs]
        for record in saved[1:]:
            if len(networks | {self._network_key(record)}) > num_networks:
                continue
            if (kept := self.kept_outputs(record)) is not None:
                networks.add(self._network_key(record))
                records.append(record)
                library.append(kept)
        if len(records) == 1 < len(saved) and num_networks < MAX_MEMBERS:
            raise NoEnsembleError(TIME_IS_UP)
        shares = ensemble_selection.select(
            library,
            loss=lambda mean: self._task.loss(mean, "validation"),
            seed=self._seed,
            max_members=MAX_MEMBERS,
        )
        together, best = np.tensordot(shares.astype(np.float32), library, 1), library[0]
        gains = self.beats(*(self._task.score(one, "validation") for one in (together, best)))
        if np.count_nonzero(shares) == 1 or not gains:
            raise NoEnsembleError(NO_GAIN)
        members = [(record, float(share)) for record, share in zip(records, shares, strict=True) if share]
        return sorted(members, key=lambda member: member[1], reverse=True)

    def _network_key(self, record: TrialRecord) -> Hashable:
        """Key of a candidate's frozen network, which costs nothing more for another head on it."""
        return self._kind.extractor_key(record.genome) or record.trial_id
