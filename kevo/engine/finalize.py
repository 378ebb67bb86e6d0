"""The end of a search: scores and writes the winner, and perhaps an ensemble beside it."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kevo.engine.budget import Budget
from kevo.engine.default_recipe import default_recipe
from kevo.engine.ensemble import MAX_MEMBERS, NO_GAIN, TIME_IS_UP, EnsembleLibrary, NoEnsembleError
from kevo.errors import RunError, describe_error
from kevo.objective import Objective
from kevo.progress import Listener
from kevo.report import plots
from kevo.runs import checksums, layout, phases, ranking, reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Ensemble, EnsembleMember, FrontMember, Outcome, describe_ensemble, describe_front
from kevo.runs.predictions import write_predictions
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.system import model_files
from kevo.tasks.protocols.scores import Outputs, Scores
from kevo.tasks.protocols.task import Member, Task
from kevo.training.mean_network import num_networks
from tuners.genome import Genome

_MEMBER_COST = 2.0
"""How much longer it takes with a member than with the best model alone: it is loaded twice, saved once more, and also
answers for the validation split."""


class Finalizer:
    """The end of one search.

    Args:
        run: Its folder.
        task: What was learned.
        settings: How it was to run.
        listener: Is told about the ensemble and the front.
        budget: Its time.
        objectives: What was to be improved, the objective of its settings first.
        refute: Is told the scores that were claimed for a winner, and what its model answers for the validation split;
            returns why they do not fit, in words. `None` where scores are believed.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        settings: Settings,
        listener: Listener,
        budget: Budget,
        *,
        objectives: Sequence[Objective],
        refute: Callable[[Mapping[str, float], Outputs], str | None] | None = None,
    ) -> None:
        self._refute = refute
        self._folder = run
        self._task = task
        self._kind = settings.kind
        self._settings = settings
        self._listener = listener
        self._budget = budget
        self._objectives = objectives
        self._library = EnsembleLibrary(run, task, settings)
        self.unusable: set[str] = set()
        """Models that cannot be used, by their names in the run folder; their files are left as they are."""

    def hand_over(
        self,
        saved: Sequence[TrialRecord],
        *,
        records: Sequence[TrialRecord],
        front: Sequence[TrialRecord],
        hypervolume: float | None,
        interrupted: bool,
        lost: TrialRecord | None = None,
    ) -> Outcome:
        """Writes the winner, loads it again, scores it, and writes everything that a person looks at.

        The best model of an earlier session stays where it may come from a model that is gone since, unless the new one
        beats it.

        Args:
            saved: The candidates whose models are on disk, best first, at least one.
            records: All candidates.
            front: Those of `saved` that no other one beats in every objective; none where there is but one objective.
            hypervolume: What the front covers, see `Outcome`.
            interrupted: Whether the search was ended by hand. Then there is no new ensemble.
            lost: The candidate that has won, if its model is gone.

        Raises:
            BrokenModelError: the winner's model cannot be loaded.
            WrongScoreError: it is not as good as was claimed.
        """
        folder, winner = self._folder.path, saved[0]
        earlier = self._earlier_ensemble()
        began = self._budget.seconds
        name, model, outputs = self._best(winner)
        is_refit = self._settings.folds is not None or name != layout.checkpoint(winner.trial_id)
        validation = self._task.score(outputs, "validation")
        standing = self._standing_outcome()
        if (
            standing is not None
            and not self._may_replace(standing, winner, is_refit, records, lost)
            and not self._library.beats(validation, standing.validation)
        ):
            return self._kept(standing, records, interrupted=interrupted)
        model, calibration = self._task.calibrate(model, outputs)
        was_handed_over = self._was_handed_over(lost)
        is_there = (standing is not None or was_handed_over) and self._is_there(model)
        if standing is None and was_handed_over and not is_there:
            # Nobody knows how good it is.
            reason = f"{folder / layout.MODEL} has no scores in {layout.RESULT} that can be read"
            self._listener.note(self._folder.set_aside(layout.MODEL, reason))
        if calibration is None:
            self._copy(name)
        elif not is_there:
            with self._folder.replacing(layout.MODEL) as path:
                model_files.save(model, path)
            model = self._loaded(layout.MODEL)
        predicted = self._task.predict(model, "test")
        test = self._task.score(predicted, "test")
        scoring_seconds = self._budget.seconds - began
        with self._folder.replacing(layout.TEST_PREDICTIONS) as path:
            write_predictions(path, predicted)
        front = ranking.informed(front, self._objectives[0], self._objectives[0].level(validation))
        result = Outcome(
            run_folder=folder,
            model_path=folder / layout.MODEL,
            genome=winner.genome,
            words=self._words(winner.genome, num_networks(model)),
            num_parameters=model.count_params(),
            validation=validation,
            test=test,
            trials_completed=_num_ended(records, "completed"),
            trials_failed=_num_ended(records, "failed"),
            seconds=self._budget.seconds,
            interrupted=interrupted,
            is_refit=is_refit,
            num_folds=self._settings.folds,
            front=tuple(
                FrontMember(
                    trial_id=record.trial_id,
                    genome=record.genome,
                    words=self._kind.describe(record.genome),
                    metrics=record.metrics,
                    model_path=folder / layout.checkpoint(record.trial_id),
                )
                for record in front
            ),
            hypervolume=hypervolume,
            # What an earlier session found stands until there is another.
            ensemble=earlier if earlier and self._library.beats(earlier.validation, validation) else None,
            task=self._kind.name,
            is_chance=test.is_chance,
            advice=self._task.advice if test.is_chance else "",
            trial_id=winner.trial_id,
            default_recipe=default_recipe(records, self._objectives[0], self._kind),
            calibration=calibration,
        )
        self._write(result)
        if result.ensemble is None:
            (folder / layout.ENSEMBLE).unlink(missing_ok=True)
        plots.save_all(
            folder,
            records,
            objective=self._objectives[0],
            winner=winner,
            kind=self._kind,
            drawings=self._kind.drawings(result.test),
            level=next(iter(self._kind.objectives.values())).level(validation),
        )
        if front:
            plots.save_front(folder, records, front=front, objectives=self._objectives)
        if (recipe := result.default_recipe) is not None and recipe.words != self._kind.describe(winner.genome):
            self._listener.note(f"The default recipe alone: {recipe}.")
        # What is found so far is safe: an ensemble may only add to it.
        if not interrupted:
            result = self._with_ensemble(result, saved, name, outputs, scoring_seconds)
        if front:
            for line in describe_front(result, self._objectives):
                self._listener.note(line)
        return result

    def _best(self, winner: TrialRecord) -> tuple[str, keras.Model, Outputs]:
        """Chooses between a trial's model and the same one refit.

        Returns:
            The name of the model's file; the model; and the outputs for the validation split, which are those of the
            model before it learned from that split.
        """
        name, refit = layout.checkpoint(winner.trial_id), layout.refit_model(winner.trial_id)
        model, outputs = None, self._library.kept_outputs(winner)
        if self._settings.folds is not None:
            if outputs is None:
                raise WrongScoreError(self._folder.path, name, "what it answered over the folds is gone")
            return name, self._loaded(name), outputs
        if outputs is None or self._refute is not None:
            model = self._loaded(name)
            outputs = self._task.predict(model, "validation")
            with self._folder.replacing(layout.predictions(winner.trial_id)) as path:
                write_predictions(path, outputs)
        if self._refute is not None and (reason := self._refute(winner.metrics, outputs)) is not None:
            raise WrongScoreError(self._folder.path, name, reason)
        if refit not in self.unusable and (self._folder.path / refit).is_file():
            again = self._loaded(refit)
            # Whoever trained it had the features of these pictures at hand.
            learned = self._library.refit_outputs(winner) if self._refute is None else None
            if learned is None:
                learned = self._task.predict(again, "validation")
            if self._has_learned(again, learned, outputs):
                return refit, again, outputs
        # What it answered when it was trained need not be made once more: that would be another pass of all pictures.
        return name, model or self._loaded(name), outputs

    def _has_learned(self, refit: keras.Model, learned: Outputs, outputs: Outputs) -> bool:
        """Tells whether a refit, which has seen the answers, knows them better: else it has gone wrong.

        Args:
            refit: The model.
            learned: What it answers for the validation split.
            outputs: The same of the winner, which has not seen the answers.
        """
        if self._task.loss(learned, "validation") < self._task.loss(outputs, "validation"):
            return True
        # Others in a mean may be less sure than the winner, and just as good.
        return num_networks(refit) > 1 and self._library.is_level(
            self._task.score(learned, "validation"), self._task.score(outputs, "validation")
        )

    def _words(self, genome: Genome, num: int) -> str:
        """Returns a genome in words, and of how many the winner is the mean."""
        words = self._kind.describe(genome)
        if num == 1:
            return words
        parts = "networks" if self._kind.extractor_key(genome) is None else "heads on one network"
        return f"the mean of {num} {parts}: {words}"

    def _loaded(self, name: str) -> keras.Model:
        """Loads a model of the run folder."""
        try:
            return model_files.load(self._folder.path / name)
        except Exception as error:
            raise BrokenModelError(self._folder.path, name, error) from error

    def _is_there(self, model: keras.Model) -> bool:
        """Tells whether this very model has been handed over."""
        try:
            loaded = self._loaded(layout.MODEL)
        except BrokenModelError:
            return False
        ours, there = model.get_weights(), loaded.get_weights()
        # A temperature may be a layer without weights.
        return (
            len(model.layers) == len(loaded.layers)
            and len(ours) == len(there)
            and all(map(np.array_equal, ours, there))
        )

    def _copy(self, name: str) -> None:
        """Makes a model of the run folder the best one."""
        with self._folder.replacing(layout.MODEL) as path:
            shutil.copyfile(self._folder.path / name, path)

    def _write(self, result: Outcome) -> None:
        """Writes the result with paths relative to the run folder, which may be moved."""
        self._folder.write_json(layout.RESULT, result.moved(Path()).to_json())

    def _standing_outcome(self) -> Outcome | None:
        """Returns what an earlier session handed over; `None` where its model or its scores cannot be read."""
        try:
            outcome = reader.read_outcome(self._folder)
            if outcome is not None:
                self._loaded(layout.MODEL)
        except (RunError, BrokenModelError):
            return None
        return outcome

    def _was_handed_over(self, lost: TrialRecord | None) -> bool:
        """Tells whether an earlier session may have handed over the model that is there, whose scores are gone."""
        return (self._folder.path / layout.MODEL).is_file() and (
            lost is not None or self._folder.has_set_aside(layout.RESULT)
        )

    def _may_replace(
        self,
        standing: Outcome,
        winner: TrialRecord,
        is_refit: bool,
        records: Sequence[TrialRecord],
        lost: TrialRecord | None,
    ) -> bool:
        """Tells whether the records alone say that a model is at least as good as what an earlier session found."""
        # An older kevo did not write down whose it is.
        is_same = standing.trial_id == winner.trial_id or (not standing.trial_id and standing.genome == winner.genome)
        if is_same:
            return is_refit or not standing.is_refit
        return lost is None and any(record.trial_id == standing.trial_id for record in records)

    def _kept(self, standing: Outcome, records: Sequence[TrialRecord], *, interrupted: bool) -> Outcome:
        """Lets what an earlier session found stand, and says so."""
        ensemble = standing.ensemble
        if ensemble is not None and checksums.flaw(ensemble.model_path) is not None:
            ensemble = None
        result = dataclasses.replace(
            standing,
            ensemble=ensemble,
            front=tuple(member for member in standing.front if member.model_path.is_file()),
            seconds=self._budget.seconds,
            interrupted=interrupted,
            trials_completed=_num_ended(records, "completed"),
            trials_failed=_num_ended(records, "failed"),
            default_recipe=default_recipe(records, self._objectives[0], self._kind) or standing.default_recipe,
        )
        self._write(result)
        self._listener.note(
            f"{layout.MODEL} stays as it was: the record of its candidate or a model in {layout.CHECKPOINTS} is gone, "
            "and no other model is better."
        )
        return result

    def _with_ensemble(
        self,
        result: Outcome,
        saved: Sequence[TrialRecord],
        name: str,
        outputs: Outputs,
        scoring_seconds: float,
    ) -> Outcome:
        """Adds an ensemble to the result, or says why there is none.

        Args:
            result: What was found, and is written already.
            saved: The candidates whose models are on disk, the winner first.
            name: The winner's model: its own, or the one that was refit.
            outputs: The winner's for the validation split, before it learned from that.
            scoring_seconds: How long it took to load and score the winner.
        """
        found, reason = result.ensemble, ""
        try:
            num_networks = int(min(self._seconds_left() / (_MEMBER_COST * scoring_seconds), MAX_MEMBERS))
            if num_networks < 1:
                raise NoEnsembleError(TIME_IS_UP)
            self._listener.phase_began(phases.COMBINING, phases.words(phases.COMBINING))
            best = result if found is None else found
            winner = saved[0]
            is_refit = name != layout.checkpoint(winner.trial_id)
            weighed = self._library.weighed(saved, outputs, num_networks)
            found = self._ensemble(weighed, {winner.trial_id: name} if is_refit else {}, best.validation)
        except NoEnsembleError as error:
            reason = str(error)
        except KeyboardInterrupt:
            result, reason = dataclasses.replace(result, interrupted=True), "interrupted"
        except Exception as error:
            # A damaged model, no memory, a full disk: what was found without it stands.
            reason = describe_error(error)
        result = dataclasses.replace(result, ensemble=found, seconds=self._budget.seconds)
        self._write(result)
        self._listener.note(describe_ensemble(found, best=result) if found else f"No ensemble: {reason.rstrip('.:')}.")
        return result

    def _earlier_ensemble(self) -> Ensemble | None:
        """Returns the ensemble of an earlier session, if its file is still there and whole."""
        try:
            outcome = reader.read_outcome(self._folder)
        except RunError:
            return None
        ensemble = None if outcome is None else outcome.ensemble
        if ensemble is None or checksums.flaw(ensemble.model_path) is not None:
            return None
        return ensemble

    def _ensemble(
        self, weighed: Sequence[tuple[TrialRecord, float]], models: Mapping[str, str], best: Scores
    ) -> Ensemble:
        """Writes candidates as one model, loads it again and scores it.

        Args:
            weighed: The candidates and their weights.
            models: The models of those that have learned from the validation split since, by the candidates' names.
            best: What has to be beaten on the validation split.
        """
        members = []
        for record, weight in weighed:
            name = models.get(record.trial_id, layout.checkpoint(record.trial_id))
            members.append(Member(model_files.load(self._folder.path / name), weight, record.genome))
            self._seconds_left()
        together = self._task.combine(members)
        num_parameters, limit = together.count_params(), self._settings.max_params
        if limit is not None and num_parameters > limit:
            raise NoEnsembleError(f"together its models would have {num_parameters:,} parameters")
        # It takes its place only when it has proved worth it.
        with self._folder.replacing(layout.ENSEMBLE) as path:
            model_files.save(together, path)
            model = model_files.load(path)
            have_learned = self._settings.folds is not None or any(record.trial_id in models for record, _ in weighed)
            outputs = self._outputs(model, weighed if have_learned else ())
            scores = self._task.score(outputs, "validation")
            if not self._library.beats(scores, best):
                raise NoEnsembleError(NO_GAIN)
            calibrated, calibration = self._task.calibrate(model, outputs)
            if calibration is not None:
                model_files.save(calibrated, path)
                model = model_files.load(path)
            return Ensemble(
                members=tuple(
                    EnsembleMember(record.trial_id, weight, self._kind.describe(record.genome))
                    for record, weight in weighed
                ),
                num_parameters=num_parameters,
                validation=scores,
                test=self._task.score(self._task.predict(model, "test", watch=self._seconds_left), "test"),
                model_path=self._folder.path / layout.ENSEMBLE,
                calibration=calibration,
            )

    def _outputs(self, model: keras.Model, seen: Sequence[tuple[TrialRecord, float]]) -> Outputs:
        """Returns an ensemble's outputs for the validation split.

        Args:
            model: The ensemble.
            seen: Its members, if one of them has learned from that split since it was chosen. Then the outputs are
                those that the members gave before.
        """
        predicted = self._task.predict(model, "validation", watch=self._seconds_left)
        if not seen:
            return predicted
        kept = [(self._library.kept_outputs(record), weight) for record, weight in seen]
        parts = [outputs * np.float32(weight) for outputs, weight in kept if outputs is not None]
        if len(parts) < len(kept):
            raise NoEnsembleError("what a member answered for the validation split is gone")
        outputs = np.asarray(np.sum(parts, axis=0), np.float32)
        if self._task.loss(predicted, "validation") > self._task.loss(outputs, "validation"):
            # As with the winner: what has seen the answers knows them better, or has gone wrong.
            raise NoEnsembleError("its members have seen the validation split and know it no better")
        return outputs

    def _seconds_left(self) -> float:
        """Returns how long an ensemble may still take; raises an error where that is nothing."""
        whole = self._settings.resolved_max_time
        left = math.inf if whole is None else whole - self._budget.seconds
        if left <= 0:
            raise NoEnsembleError(TIME_IS_UP)
        return left


class BrokenModelError(Exception):
    """A model cannot be loaded.

    Args:
        folder: The run folder.
        name: The model's name in it.
        cause: Why.
    """

    def __init__(self, folder: Path, name: str, cause: Exception) -> None:
        super().__init__(f"{folder / name} cannot be loaded: {describe_error(cause)}")
        self.name = name
        self.cause = cause


class WrongScoreError(Exception):
    """A model is not as good as was claimed.

    Args:
        folder: The run folder.
        name: The model's name in it.
        reason: What was claimed and found, in words.
    """

    def __init__(self, folder: Path, name: str, reason: str) -> None:
        super().__init__(f"{folder / name} is passed over: {reason}")
        self.name = name


def _num_ended(records: Sequence[TrialRecord], status: str) -> int:
    """Counts the trials that ended so, without final trainings."""
    return sum(record.status == status and not record.full_length for record in records)
