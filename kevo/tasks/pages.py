"""A task's part of pages about a search, as plain blocks: the report, the model card and notebooks draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """A cell of a table that shows a share, from 0 to 1, as a bar."""

    value: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text.

    Args:
        label: What the rows are.
        head: The names of the columns.
        rows: As many cells in each as there are columns.
        numbers: The columns that hold numbers, by their places.
        sentences: The columns that hold longer text, by their places.
    """

    label: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Share, ...], ...]
    numbers: tuple[int, ...] = ()
    sentences: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CountMatrix:
    """Numbers of examples by true and predicted name.

    Args:
        name: A short name, fit for a file.
        title: What stands above the drawing.
        caption: What it shows, in a sentence.
        counts: True names in rows, predicted ones in columns.
        names: The names of both.
    """

    name: str
    title: str
    caption: str
    counts: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Numbers beside each other.

    Args:
        name: A short name, fit for a file.
        title: What stands above the drawing.
        caption: What it shows, in a sentence.
        label: What the numbers are.
        values: A name and a number for each bar, in their order.
    """

    name: str
    title: str
    caption: str
    label: str
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Pairs of numbers as points, with the line on which both are the same.

    Args:
        name: A short name, fit for a file.
        title: What stands above the drawing.
        caption: What it shows, in a sentence.
        x_label: What the first number is.
        y_label: What the second number is.
        points: The pairs.
    """

    name: str
    title: str
    caption: str
    x_label: str
    y_label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves in the unit square, beside the diagonal on which nothing is known.

    Args:
        name: A short name, fit for a file.
        title: What stands above the drawing.
        caption: What it shows, in a sentence.
        x_label: What the first number of a point is.
        y_label: What the second number is.
        curves: The name of each curve, and its points from left to right.
    """

    name: str
    title: str
    caption: str
    x_label: str
    y_label: str
    curves: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Numbers in order, as lines over the same steps.

    Args:
        name: A short name, fit for a file.
        title: What stands above the drawing.
        caption: What it shows, in a sentence.
        x_label: What the steps are.
        y_label: What the numbers are.
        lines: The name of each line, and its numbers from left to right, as many in each.
    """

    name: str
    title: str
    caption: str
    x_label: str
    y_label: str
    lines: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture.

    Args:
        address: The picture itself, as a `data:` address.
        alternative: What it shows, for who cannot see it.
        caption: What stands below it.
    """

    address: str
    alternative: str
    caption: str


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Small pictures beside each other."""

    pictures: tuple[Thumbnail, ...]


Drawing = CountMatrix | Bars | Scatter | Curves | Lines
Block = Paragraph | Table | Drawing | Thumbnails


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Args:
        key: A short name, fit for an anchor.
        title: Its headline.
        blocks: What it holds.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The scores and the data of a search, as far as they are known.

    Args:
        run_folder: Where the search left its files.
        validation: The best model's scores on the validation split; `None` where the search has not ended.
        test: The same for the test split.
        dataset: The data, read again; `None` where it cannot be had.
        reason: Why not.
    """

    run_folder: Path
    validation: Any
    test: Any
    dataset: Any
    reason: str


class Pages(Protocol):
    """A task's part of pages about a search."""

    def headline(self, test: Any) -> tuple[str, str]:
        """The most important score on the test split, and its meaning, as two parts of one sentence."""

    def chance_note(self, test: Any) -> str:
        """A sentence that says so where a model is no better than a guess; empty where it is better."""

    def in_brief(self, scores: Any) -> str:
        """The score that matters most, in a few words."""

    def remarks(self, test: Any) -> Sequence[str]:
        """Sentences on what the most important score hides; none where it hides nothing."""

    @property
    def score_name(self) -> str:
        """What the most important score is called."""

    has_right_answers: bool
    """Whether an answer is either right or wrong, so that `is_right` can tell."""

    def reference(self, run_folder: Path, test: Any) -> str:
        """How a cheap model of another kind does on the test split, in a sentence; empty where that is not known."""

    def is_behind(self, run_folder: Path, test: Any) -> bool:
        """Whether that model is better than these scores."""

    def details(self, test: Any, validation: Any) -> Sequence[tuple[str, str]]:
        """Other scores on the test split, and the one that matters most on the validation split, by name."""

    def sections(self, known: Known) -> Sequence[Section]:
        """Sections of the report: confusions of the model, and facts on the data."""

    def how_to_use(self, run_folder: Path, model: Path) -> tuple[list[str], list[list[str]]]:
        """Lines of Python that use a saved model, and arguments of `kevo` that use it.

        Args:
            run_folder: The folder of the search.
            model: The model's file in it.
        """

    def card(self, run: Any, dataset: Any, outcome: Any) -> Mapping[str, Sequence[str]]:
        """Sections of the model card, as paragraphs of Markdown by their titles, in the order of the card.

        "Model details" and "What the search cost" must be among them: the card adds what holds for every task.

        Args:
            run: The run folder.
            dataset: The data.
            outcome: What the search found.
        """

    def ranked_score(self, scores: Any) -> tuple[float, float, float]:
        """The score by which models of several searches are compared, and its 95 % confidence interval."""

    def is_right(self, path: Path, dataset: Any, test: Any) -> npt.NDArray[np.bool_] | None:
        """Which test examples a model answers rightly; `None` where that is not known, or no answer is just right.

        Args:
            path: The file of the model's outputs for the test split.
            dataset: The data.
            test: The model's scores on that split.
        """
