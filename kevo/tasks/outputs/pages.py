"""The pages of any kind of answer: what they have in common, and what each says for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.objective import Objective
from kevo.runs import layout
from kevo.runs.predictions import read_predictions
from kevo.system.text import metric_name, plural
from kevo.tasks.outputs import reference
from kevo.tasks.outputs.card import CardText, card
from kevo.tasks.outputs.reference import Reference
from kevo.tasks.outputs.words import Shown, Words
from kevo.tasks.pages import Block, Known, Paragraph, Section, Table
from kevo.tasks.protocols.scores import Scores

_MOST_ROWS = 200
_NOT_YET = "The test {} are looked at once, at the end of the search."


class AnswerPages(ABC):
    """Pages of a task; see `kevo.tasks.pages.Pages`.

    Args:
        words: What its examples are called, and their part of the pages.
        asks: What is asked of them.
        objectives: What may be improved; the first one is the score that matters most.
        parse_scores: Reads scores of JSON values.
    """

    has_right_answers = False

    def __init__(
        self,
        words: Words,
        *,
        asks: str,
        objectives: Mapping[str, Objective],
        parse_scores: Callable[[Mapping[str, Any]], Scores],
    ) -> None:
        self._words = words
        self._many = words.many
        self._asks = asks
        self._objective = next(iter(objectives.values()))
        self._parse_scores = parse_scores

    @property
    def score_name(self) -> str:
        """The name of the score that matters most."""
        return metric_name(self._objective.metric)

    @property
    @abstractmethod
    def wrong_title(self) -> str:
        """The headline over examples that the model does worst on."""

    @abstractmethod
    def chance_note(self, test: Any) -> str:
        """See `Pages.chance_note`."""

    @abstractmethod
    def measured(self, known: Known) -> Sequence[Section]:
        """The sections on the scores."""

    @abstractmethod
    def worst(self, dataset: Any, outputs: npt.NDArray[np.float32]) -> Sequence[Shown] | str:
        """The test examples that the model does worst on, or a sentence that says why there are none."""

    @abstractmethod
    def balance(self, known: Known) -> Section:
        """The section on the answers in each split."""

    @abstractmethod
    def text(self, dataset: Any, outcome: Any) -> CardText:
        """The part of the model card."""

    @abstractmethod
    def reference_scores(self, scores: Any) -> tuple[str, ...]:
        """Scores for the table of references, under `reference_head`."""

    @property
    @abstractmethod
    def reference_head(self) -> tuple[str, ...]:
        """What these scores are called."""

    def outputs_shape(self, dataset: Any) -> tuple[int, ...]:
        """The shape of a model's outputs for the test split."""
        return dataset.num_examples("test"), dataset.output.size

    def remarks(self, test: Any) -> Sequence[str]:
        """None."""
        return ()

    def reference(self, run_folder: Path, test: Any) -> str:
        """Says how the best reference does on the test split, in a sentence; empty where there is none."""
        found = self._best_reference(run_folder)
        return "" if found is None else reference.sentence(found, test, self._objective, name=self.score_name)

    def is_behind(self, run_folder: Path, test: Any) -> bool:
        """Tells whether the best reference is better on the test split."""
        found = self._best_reference(run_folder)
        return found is not None and reference.is_ahead(found, test, self._objective)

    def sections(self, known: Known) -> Sequence[Section]:
        """Returns the references, scores, mistakes, the answers in each split, and skipped examples."""
        words = self._words
        return [
            *self._references(known),
            *words.before(known),
            *self.measured(known),
            *([Section("wrong", self.wrong_title, (self._wrong(known),))] if words.show else []),
            self.balance(known),
            Section("skipped", f"Skipped {words.parts}", tuple(self._skipped(known))),
            *words.after(known),
        ]

    def how_to_use(self, run_folder: Path, model: Path) -> tuple[list[str], list[list[str]]]:
        """Returns Python and commands that predict, evaluate and export."""
        return self._words.use(run_folder, model, self._asks)

    def card(self, run: Any, dataset: Any, outcome: Any) -> Mapping[str, Sequence[str]]:
        """Returns the sections of the model card; see `kevo.tasks.outputs.card`."""
        sections = card(self._words, self.text(dataset, outcome), dataset, outcome)
        key, more = "Quantitative analyses", self._words.analyses(run, dataset, outcome)
        beside = [self.reference(run.path, outcome.test)] if self._best_reference(run.path) else []
        return {**sections, key: [*sections[key], *beside, *more]}

    def not_yet(self) -> Paragraph:
        """Says that there are no test scores yet."""
        return Paragraph(_NOT_YET.format(self._many))

    def _best_reference(self, run_folder: Path) -> Reference | None:
        return reference.best(reference.read(run_folder, self._parse_scores), self._objective)

    def _references(self, known: Known) -> list[Section]:
        found = reference.read(known.run_folder, self._parse_scores)
        if not found:
            return []
        # The test rows are looked at once, at the end of the search.
        rows = [(one.name, one.validation, known.test and one.test) for one in found]
        if known.test is not None:
            rows.insert(0, ("This network", known.validation, known.test))
        num = len(self.reference_head)
        cells = tuple(
            (
                name,
                *self.reference_scores(validation),
                *(("",) * num if test is None else self.reference_scores(test)),
            )
            for name, validation, test in rows
        )
        head = ("Model", *(f"{split} {name}" for split in ("Validation", "Test") for name in self.reference_head))
        first = [] if known.test is None else [Paragraph(self.reference(known.run_folder, known.test))]
        text = Paragraph(
            f"They learned from the same training {self._many}, {found[0].words}. Where one of them is ahead, a "
            "network is worth it only for other reasons."
        )
        table = Table("Scores beside other models", head, cells, numbers=tuple(range(1, 2 * num + 1)))
        return [Section("reference", "Against other models", (*first, text, table))]

    def _wrong(self, known: Known) -> Block:
        show, one = self._words.show, self._words.one
        if known.test is None:
            return self.not_yet()
        if known.dataset is None or show is None:
            return Paragraph(known.reason)
        path = known.run_folder / layout.TEST_PREDICTIONS
        outputs = outputs_of_test(path, known.dataset, shape=self.outputs_shape(known.dataset))
        if outputs is None:
            return Paragraph(f"The run folder does not tell, or not any more, what the model made of each test {one}.")
        found = self.worst(known.dataset, outputs)
        return Paragraph(found) if isinstance(found, str) else show(known.dataset, found, outputs)

    def _skipped(self, known: Known) -> list[Block]:
        part = self._words.part
        if known.dataset is None:
            return [Paragraph(known.reason)]
        skipped = known.dataset.skipped
        if not skipped:
            return [Paragraph(f"Every {part} could be used.")]
        rows = tuple((one.path, one.reason) for one in skipped[:_MOST_ROWS])
        left_out = f", the first {_MOST_ROWS} of them here" if len(skipped) > _MOST_ROWS else ""
        table = Table(f"Skipped {self._words.parts}", (part.capitalize(), "Why"), rows, sentences=(1,))
        return [Paragraph(f"{plural(len(skipped), part)} could not be used{left_out}."), table]


def outputs_of_test(path: Path, dataset: Any, *, shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Reads a model's outputs for the test split, of this shape; `None` where they are missing or damaged."""
    return read_predictions(path, shape=shape, are_valid=dataset.output.are_valid)
