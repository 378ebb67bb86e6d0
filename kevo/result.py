"""What a search hands over."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kevo.errors import RunError
from kevo.objective import COSTS, Objective
from kevo.report.tables import table
from kevo.runs import layout
from kevo.runs.atomic_files import damage
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.system.text import count, duration, metric_name, plural, printable
from kevo.tasks.outputs.classes.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kevo.runs.reader import Facts


@dataclass(frozen=True, slots=True)
class FrontMember:
    """A model that no other beats in every objective; `metrics` are its best epoch's, and its costs."""

    trial_id: str
    genome: dict[str, Any]
    words: str
    metrics: dict[str, float]
    model_path: Path


@dataclass(frozen=True, slots=True)
class EnsembleMember:
    """A candidate in an ensemble, and what its probabilities count for; all weights sum to 1."""

    trial_id: str
    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Candidates that are better together on the validation split than the best of them alone.

    `validation` and `test` are the scores of the saved model, after it was loaded again.
    """

    members: tuple[EnsembleMember, ...]
    num_parameters: int
    validation: Evaluation
    test: Evaluation
    model_path: Path

    @property
    def model(self) -> keras.Model:
        """The ensemble, loaded from its file: raw pixels 0-255 in, class probabilities out."""
        return keras.models.load_model(self.model_path, safe_mode=True)


@dataclass(frozen=True, slots=True, repr=False)
class SearchResult:
    """What a search found. It may be looked at long after: `SearchResult.open` reads it from a run folder.

    Example:
        >>> result = SearchResult.open("kevo-runs/digits-20260101-120000")  # doctest: +SKIP
        >>> result.plot_fitness().savefig("fitness.pdf")  # doctest: +SKIP

    `validation` and `test` are the scores of the saved model, after it was loaded again. `seconds` counts all sessions
    of a resumed search. `interrupted` says that the search was stopped by hand, and can be resumed.

    Where something was minimized beside the objective, `front` holds the models that are worth a choice, the best of
    the objective first. `hypervolume` is how much of what is thinkable they cover, from 0 to 1: accuracy counts from 0
    to 1, costs and losses from those of the worst candidate down to 0.

    `is_refit` says that the model has learned from the validation pictures too, after all was decided: `validation`
    then tells how its like did that had not.

    `ensemble` is `None` where there is none that is better than the best model, or there was no time for one.
    """

    run_folder: Path
    model_path: Path
    genome: dict[str, Any]
    words: str
    num_parameters: int
    validation: Evaluation
    test: Evaluation
    trials_completed: int
    trials_failed: int
    seconds: float
    interrupted: bool
    is_refit: bool = False
    front: tuple[FrontMember, ...] = ()
    hypervolume: float | None = None
    ensemble: Ensemble | None = None

    @property
    def best_model(self) -> keras.Model:
        """The best model, loaded from its file: raw pixels 0-255 in, class probabilities out."""
        return keras.models.load_model(self.model_path, safe_mode=True)

    @property
    def trials(self) -> Any:
        """Every candidate with its fate and its genes, in the order in which they finished.

        A `pandas.DataFrame` if pandas is installed, and otherwise a list of dicts.
        """
        return table([_row(record) for record in self._facts.records])

    def plot_fitness(self) -> Figure:
        """Draws the best and the mean fitness of each generation."""
        from kevo.report import plots

        return plots.fitness_by_generation(self._facts.records, objective=self._facts.objective)

    def plot_minutes(self) -> Figure:
        """Draws what was found when."""
        from kevo.report import plots

        facts = self._facts
        return plots.fitness_by_minute(facts.records, objective=facts.objective, winners=facts.winners)

    def plot_learning_curves(self) -> Figure:
        """Draws how the best candidate learned.

        Raises:
            RunError: the run folder tells of no candidate.
        """
        from kevo.report import plots

        return plots.learning_curves(self._winner)

    def plot_confusion(self) -> Figure:
        """Draws which classes of the test pictures are taken for which."""
        from kevo.report import plots

        return plots.confusion_matrix(self.test.confusion, class_names=list(self.test.support))

    def plot_parameters(self) -> Figure:
        """Draws what accuracy the candidates reach at what size."""
        from kevo.report import plots

        return plots.parameters_against_accuracy(self._facts.records)

    def plot_importance(self) -> Figure:
        """Draws which genes mattered."""
        from kevo.report import plots
        from kevo.report.gene_importance import importance

        return plots.gene_importance(importance(self._facts.records))

    def plot_family_tree(self) -> Figure:
        """Draws where the best candidate comes from.

        Raises:
            RunError: the run folder tells of no candidate.
        """
        from kevo.report import plots

        return plots.family_tree(self._facts.records, winner=self._winner)

    def plot_parallel(self) -> Figure:
        """Draws which genes went together with which fitness."""
        from kevo.report import plots

        return plots.parallel_coordinates(self._facts.records, objective=self._facts.objective)

    def plot_front(self) -> Figure:
        """Draws the candidates that no other beats in everything: in quality, size and time at least."""
        from kevo.report import plots
        from kevo.report.drawings import front, priced

        measured, objectives = priced(self._facts)
        return plots.front_of(measured, front=front(measured, objectives), objectives=objectives)

    def report(self, path: str | Path | None = None, *, data: Any = None) -> Path:
        """Writes all of this as one HTML page; see `kevo.report.files.write`.

        Args:
            path: The page. Defaults to `report.html` in the run folder.
            data: The pictures of the search, if they are no longer where they were.
        """
        from kevo.report.files import write

        return write(self.run_folder, path, data=data)

    @classmethod
    def open(cls, run_folder: str | Path) -> SearchResult:
        """Reads what a search found from its run folder, wherever that is now.

        Args:
            run_folder: The folder.

        Raises:
            RunError: it is no run folder, or its search has found nothing yet, or what it found is damaged.
        """
        from kevo.runs import reader

        known, run = reader.read(run_folder), Run.open(run_folder)
        if known.outcome is None:
            reason = " ".join(known.damages) or f"{run.path} holds no result yet. Go on with it: kevo resume {run.path}"
            raise RunError(reason)
        with damage(run.path / layout.RESULT):
            return cls.from_json(run.read_json(layout.RESULT))._moved(run.path)

    def to_json(self) -> dict[str, Any]:
        """Returns a mapping of JSON values."""
        values = dataclasses.asdict(self)
        front = [{**member, "model_path": str(member["model_path"])} for member in values["front"]]
        paths = {name: str(values[name]) for name in ("run_folder", "model_path")}
        ensemble = self.ensemble and {**values["ensemble"], "model_path": str(self.ensemble.model_path)}
        return {**values, **paths, "front": front, "ensemble": ensemble}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SearchResult:
        """Reads what `to_json` wrote."""
        splits = _splits(values)
        paths = {name: Path(values[name]) for name in ("run_folder", "model_path")}
        front = tuple(FrontMember(**{**member, "model_path": Path(member["model_path"])}) for member in values["front"])
        if (ensemble := values["ensemble"]) is not None:
            members = tuple(EnsembleMember(**member) for member in ensemble["members"])
            path = Path(ensemble["model_path"])
            ensemble = Ensemble(**{**ensemble, **_splits(ensemble), "members": members, "model_path": path})
        return cls(**{**values, **splits, **paths, "front": front, "ensemble": ensemble})

    def __repr__(self) -> str:
        lines = (f"{name:<11}{value}" for name, value in self._lines().items())
        return "\n".join(["SearchResult", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self._lines().items())
        return f"<table>{''.join(rows)}</table>"

    def _lines(self) -> dict[str, str]:
        low, high = self.test.interval
        words = {
            "test": f"accuracy {self.test.accuracy:.4f}, {low:.4f} to {high:.4f} with a confidence of 95 %, "
            f"on {self.test.num_examples:,} pictures",
            "validation": f"accuracy {self.validation.accuracy:.4f}",
            "model": f"{self.num_parameters:,} parameters, {self.words}",
            "search": f"{self.trials_completed} candidates completed, {self.trials_failed} failed, in "
            f"{duration(self.seconds)}{', interrupted' if self.interrupted else ''}",
            "file": str(self.model_path),
        }
        if self.front:
            words["front"] = f"{len(self.front)} models that no other beats in everything"
        if self.ensemble is not None:
            words["ensemble"] = f"{len(self.ensemble.members)} models, test accuracy {self.ensemble.test.accuracy:.4f}"
        return {name: printable(value) for name, value in words.items()}

    @property
    def _facts(self) -> Facts:
        from kevo.runs import reader

        return reader.read(self.run_folder)

    @property
    def _winner(self) -> TrialRecord:
        winner = self._facts.winner
        if winner is None:
            raise RunError(f"{self.run_folder} tells of no candidate any more. Restore its {layout.TRIALS}.")
        return winner

    def _moved(self, folder: Path) -> SearchResult:
        """Returns the same with all its files in a folder: it may have been moved, or come from someone else."""
        ensemble = self.ensemble
        return dataclasses.replace(
            self,
            run_folder=folder,
            model_path=folder / self.model_path.name,
            front=tuple(
                dataclasses.replace(member, model_path=folder / layout.CHECKPOINTS / member.model_path.name)
                for member in self.front
            ),
            ensemble=ensemble and dataclasses.replace(ensemble, model_path=folder / ensemble.model_path.name),
        )


def open(run_folder: str | Path) -> SearchResult:
    """Reads what a search found from its run folder; see `SearchResult.open`."""
    return SearchResult.open(run_folder)


def describe_front(result: SearchResult, objectives: Sequence[Objective]) -> Iterator[str]:
    """Yields a headline and one line for each model of a front."""
    models = plural(len(result.front), "model")
    yield f"Front: {models} that no other beats in everything, hypervolume {result.hypervolume:.4f}"
    for member in result.front:
        values = ", ".join(_format_metric(one.metric, member.metrics[one.metric]) for one in objectives)
        yield f"  {member.model_path.relative_to(result.run_folder)}  {values}"


def describe_ensemble(ensemble: Ensemble, *, best: SearchResult) -> str:
    """Returns in one line what an ensemble is and how much better it is than the best single model."""
    scores = ", ".join(
        f"{split} {name.replace('_', ' ')} {getattr(getattr(ensemble, split), name):.4f} "
        f"(best single {getattr(getattr(best, split), name):.4f})"
        for split, name in (("validation", "cross_entropy"), ("validation", "accuracy"), ("test", "accuracy"))
    )
    size = f"{len(ensemble.members)} models as one, {count(ensemble.num_parameters)} parameters"
    return f"Ensemble: {ensemble.model_path.name}, {size}, {scores}"


def _format_metric(metric: str, value: float) -> str:
    if metric not in COSTS:
        return f"{metric_name(metric)} {value:.4f}"
    return duration(value) if metric == "seconds" else f"{count(round(value))} {COSTS[metric]}"


def _row(record: TrialRecord) -> dict[str, Any]:
    fate = {
        "number": record.number,
        "trial_id": record.trial_id,
        "generation": record.generation,
        "origin": record.origin,
        "parents": " ".join(record.parents),
        "status": record.status,
        "fitness": record.fitness,
        "seconds": record.seconds,
        "finished_at": record.finished_at,
        "num_epochs": record.num_epochs,
        "num_parameters": record.num_parameters,
        "full_length": record.full_length,
        "reason": record.reason,
    }
    return {**fate, **{name: value for name, value in {**record.metrics, **record.genome}.items() if name not in fate}}


def _splits(values: Mapping[str, Any]) -> dict[str, Evaluation]:
    return {split: Evaluation(**values[split]) for split in ("validation", "test")}
