"""What a task adds to pages about a search, as plain blocks: the report, the model card and notebooks draw them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text.

    Args:
        head: The names of the columns.
        rows: As many texts in each as there are columns.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CountMatrix:
    """Numbers of examples by what they are and what they were taken for.

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
class Thumbnails:
    """Small pictures, each with a title.

    Args:
        pictures: A `data:` address and a title for each.
    """

    pictures: tuple[tuple[str, str], ...]


Drawing = CountMatrix | Bars
Block = Paragraph | Table | CountMatrix | Bars | Thumbnails


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
