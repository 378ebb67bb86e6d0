"""The result of a search."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from pathlib import Path
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Any

from kevo.errors import RunError
from kevo.report.tables import table
from kevo.runs import layout, reader
from kevo.runs.outcome import Outcome
from kevo.runs.reader import Facts
from kevo.runs.records import TrialRecord
from kevo.system import model_files
from kevo.system.text import duration, metric_name, plural, printable

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, repr=False)
class SearchResult(Outcome):
    """The result of a search, as `kevo.search` returns it and `SearchResult.open` reads it from a run folder.

    Its attributes are those of `kevo.runs.outcome.Outcome`.

    Example:
        >>> result = SearchResult.open("kevo-runs/digits-20260101-120000")  # doctest: +SKIP
        >>> result.plot_fitness().savefig("fitness.pdf")  # doctest: +SKIP
    """

    @property
    def best_model(self) -> keras.Model:
        """The best model, loaded from its file: raw examples in, such as pixels 0-255, and answers out."""
        return model_files.load(self.model_path)

    @property
    def classifier(self) -> Any:
        """The best model in use, as `kevo.Classifier.open` has it; of another task, what predicts its examples."""
        return self.kind.predictor(self.run_folder)

    @property
    def trials(self) -> Any:
        """All trials with their genes and metrics, in the order in which they finished, numbered as in the report.

        A `pandas.DataFrame` if pandas is installed, and otherwise a list of dicts.
        """
        return table([_row(record) for record in self._facts.records])

    def plot_fitness(self) -> Figure:
        """Draws the best and the mean fitness of each generation."""
        from kevo.report import plots

        return plots.fitness_by_generation(self._facts.records, objective=self._facts.objective)

    def plot_minutes(self) -> Figure:
        """Draws the fitness of each candidate against time."""
        from kevo.report import plots

        facts = self._facts
        return plots.fitness_by_minute(facts.records, objective=facts.objective, winners=facts.winners)

    def plot_learning_curves(self) -> Figure:
        """Draws how the best candidate learned.

        Raises:
            RunError: the run folder tells of no candidate.
        """
        from kevo.report import plots

        return plots.learning_curves(self._winner, kind=self.kind)

    def plot_confusion(self) -> Figure:
        """Draws which classes of the test split are taken for which; of numbers, predicted against true ones."""
        from kevo.report import plots

        (drawing,) = self.kind.drawings(self.test)
        return plots.task_figure(drawing)

    def plot_parameters(self) -> Figure:
        """Draws the score of the candidates against their size."""
        from kevo.report import plots

        level = next(iter(self.kind.objectives.values())).level(self.validation)
        return plots.parameters_against_score(self._facts.records, kind=self.kind, level=level)

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

        return plots.family_tree(self._facts.records, winner=self._winner, kind=self.kind)

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
            data: The data of the search, if it is no longer where it was.
        """
        from kevo.report.files import write

        return write(self.run_folder, path, data=data)

    @classmethod
    def open(cls, run_folder: str | Path) -> SearchResult:
        """Reads the result of a search from its run folder, which may have been moved.

        Args:
            run_folder: The folder.

        Raises:
            RunError: it is no run folder, or its search has found nothing yet, or what it found is damaged.
        """
        known = reader.read(run_folder)
        if known.outcome is None:
            hint = f"{known.run_folder} holds no result yet. Go on with it: kevo resume {known.run_folder}"
            raise RunError(" ".join(known.damages) or hint)
        return cls.of(known.outcome)

    @classmethod
    def of(cls, outcome: Outcome) -> SearchResult:
        """Returns an outcome with the methods of a result."""
        return cls(**{field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)})

    def summary(self, *, columns: int | None = None) -> str:
        """Returns in a few lines how good the best model is, what it is, and where it lies.

        Args:
            columns: What is longer goes on in the next line, with its next word. `None` for lines of any length.
        """
        lines = self._lines()
        width = max(11, *(len(name) + 1 for name in lines))
        return "\n".join(_entry(name, value, width, columns) for name, value in lines.items())

    def __repr__(self) -> str:
        return f"SearchResult\n{indent(self.summary(), '  ')}"

    def _repr_html_(self) -> str:
        rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self._lines().items())
        return f"<table>{''.join(rows)}</table>"

    def _lines(self) -> dict[str, str]:
        pages = self.kind.pages()
        _, low, high = pages.ranked_score(self.test)
        words = {
            "test": f"{pages.in_brief(self.test)}, {low:.4f} to {high:.4f} with a confidence of 95 %, "
            f"on {self.test.num_examples:,} {self.kind.examples}",
            "validation": pages.in_brief(self.validation) + self._over_folds(),
            **self._objective(),
            "model": f"{self.num_parameters:,} parameters, {self.words}",
            "search": f"{plural(self.trials_completed, 'candidate')} completed, {self.trials_failed} failed, in "
            f"{duration(self.seconds)}{', interrupted' if self.interrupted else ''}",
            "file": str(self.model_path),
        }
        if self.default_recipe is not None:
            words["default"] = f"the default recipe alone: {self.default_recipe}"
        if reference := pages.reference(self.run_folder, self.test):
            words["reference"] = reference
        if self.warning:
            words["warning"] = self.warning
        if self.front:
            words["front"] = f"{len(self.front)} models that no other beats in everything"
        if self.ensemble is not None:
            words["ensemble"] = f"{len(self.ensemble.members)} models, test {pages.in_brief(self.ensemble.test)}"
        return {name: printable(value) for name, value in words.items()}

    def _over_folds(self) -> str:
        """Returns the interval of the scores over folds, in words; nothing where there was one validation split."""
        if self.num_folds is None:
            return ""
        _, low, high = self.kind.pages().ranked_score(self.validation)
        examples = f"{self.validation.num_examples:,} {self.kind.examples}"
        return f", {low:.4f} to {high:.4f}, over {self.num_folds} folds of {examples}"

    def _objective(self) -> dict[str, str]:
        """Returns the objective's own scores, where it is none of those that are always told."""
        return {
            metric_name(name).lower(): f"test {value:.4f}, validation {self.validation.further[name]:.4f}"
            for name, value in self.test.further.items()
            if name in self.validation.further
        }

    @property
    def _facts(self) -> Facts:
        return reader.read(self.run_folder)

    @property
    def _winner(self) -> TrialRecord:
        winner = self._facts.winner
        if winner is None:
            raise RunError(f"{self.run_folder} tells of no candidate any more. Restore its {layout.TRIALS}.")
        return winner


def _entry(name: str, value: str, width: int, columns: int | None) -> str:
    """Returns a name and its value in lines of so many columns; no word, such as a path, is divided."""
    if columns is None:
        return f"{name:<{width}}{value}"
    room = max(20, columns - width)
    lines = wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f"{head:<{width}}{line}" for head, line in zip_longest([name], lines, fillvalue=""))


def open(run_folder: str | Path) -> SearchResult:
    """Reads the result of a search from its run folder; see `SearchResult.open`."""
    return SearchResult.open(run_folder)


def _row(record: TrialRecord) -> dict[str, Any]:
    facts = {
        "number": record.number + 1,
        "trial_id": record.trial_id,
        "generation": record.generation,
        "origin": record.origin,
        "parents": " ".join(record.parents),
        "inherits": record.inherits,
        "inherited_share": record.inherited_share,
        "lineage_epochs": record.lineage_epochs,
        "status": record.status,
        "fitness": record.fitness,
        "seconds": record.seconds,
        "finished_at": record.finished_at,
        "num_epochs": record.num_epochs,
        "num_parameters": record.num_parameters,
        "full_length": record.full_length,
        "reason": record.reason,
    }
    return {
        **facts,
        **{name: value for name, value in {**record.metrics, **record.genome}.items() if name not in facts},
    }
