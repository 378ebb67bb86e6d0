"""Draws the blocks of which a task's sections consist."""

from __future__ import annotations

from kevo.report.markup import Html, join, table, tag
from kevo.report.sections import Draw
from kevo.tasks.pages import Bars, Block, CountMatrix, Curves, Lines, Paragraph, Scatter, Share, Table, Thumbnail

_BAR_WIDTH = 6
"""Of a whole share, in the width of a letter."""


def blocks(parts: tuple[Block, ...], draw: Draw) -> Html:
    """Returns the inside of a section.

    Args:
        parts: What it holds.
        draw: Returns the figure of a name.
    """
    return join([_block(part, draw) for part in parts])


def _block(part: Block, draw: Draw) -> Html | None:
    match part:
        case Paragraph(text):
            return tag("p", text)
        case Table():
            rows = [[_cell(cell) for cell in row] for row in part.rows]
            return table(list(part.head), rows, label=part.label, numbers=part.numbers, sentences=part.sentences)
        case CountMatrix() | Bars() | Scatter() | Curves() | Lines():
            return draw(part.name)
        case _:
            return tag("ul", *map(_thumbnail, part.pictures), class_="pictures")


def _cell(cell: str | Share) -> str | Html:
    if isinstance(cell, Share):
        return tag("span", class_="bar", style=f"width: {_BAR_WIDTH * cell.value:.3f}rem")
    return cell


def _thumbnail(one: Thumbnail) -> Html:
    return tag("li", tag("figure", tag("img", src=one.address, alt=one.alternative), tag("figcaption", one.caption)))
