"""The page of a report: one HTML document without any outside resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from kevo.errors import describe_error
from kevo.report import plots, sections
from kevo.report.answer import answer
from kevo.report.blocks import blocks
from kevo.report.drawings import Drawing, drawings
from kevo.report.markup import Html, tag
from kevo.report.style import STYLE
from kevo.runs.reader import Facts
from kevo.system import versions
from kevo.tasks.pages import Known

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_WIDTH = 480.0
"""As wide as a figure with a single panel, at most."""
_STATES = {
    "running": "a search at work, as it stood",
    "interrupted": "an interrupted search, as it stood",
    "failed": "a search that failed, as it stood",
    "finished": "a finished search",
}


def page(facts: Facts, known: Known) -> str:
    """Returns the whole document.

    Args:
        facts: What is known of the search.
        known: Its data, and the scores of its best model.
    """
    drawn = {one.name: one for one in drawings(facts)}

    def draw(name: str) -> Html | None:
        return _figure(drawn[name]) if name in drawn else None

    parts: Mapping[str, tuple[str, Html]] = {
        "answer": ("The answer", answer(facts)),
        "fitness": ("Fitness by generation and by time", sections.fitness(facts, draw)),
        "family": ("Family tree of the winner", sections.family(facts, draw)),
        "genes": ("Which genes mattered", sections.genes(facts, draw)),
        "front": ("Accuracy, size and time", sections.trade_offs(facts, draw)),
        "learning": ("Learning curves", sections.learning(facts, draw)),
        **{one.key: (one.title, blocks(one.blocks, draw)) for one in facts.kind.pages().sections(known)},
        "candidates": ("All candidates", sections.candidates(facts)),
        "failures": ("What failed, and why", sections.failures(facts, draw)),
        "repeat": ("How to repeat it", sections.repeating(facts)),
    }
    title = f"{facts.name}: kevo report"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="generator", content=f"kevo {versions.KEVO}"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    links = (tag("li", tag("a", words, href=f"#{name}")) for name, (words, _) in parts.items())
    now = datetime.now().astimezone()
    body = tag(
        "body",
        tag(
            "header",
            tag("h1", facts.name),
            tag("p", f"Report on {_STATES[facts.state]} on {now:%Y-%m-%d} at {now:%H:%M}"),
        ),
        tag("nav", tag("ol", *links), aria_label="Sections"),
        tag(
            "main",
            *(tag("section", tag("h2", words), inner, id=name) for name, (words, inner) in parts.items()),
        ),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _figure(drawing: Drawing) -> Html:
    """Returns a figure as inline SVG; an error in drawing it costs only itself."""
    try:
        element = plots.svg(drawing.figure())
    except Exception as error:
        # Records may come from someone else, and hold what no figure was made for.
        return tag("p", f"There is no figure here: {describe_error(error)}", class_="notice")
    found = re.search(r'viewBox="0 0 ([0-9.]+) ', element)
    width = float(found.group(1)) if found else _WIDTH
    # What is wider than a narrow window scrolls, and then there is no need for its words to be small.
    least = width if width > _WIDTH else 0.75 * width
    style = f"--width: {width:g}px; --least: {least:g}px"
    picture = tag("div", Html(element), role="img", aria_label=drawing.words, style=style)
    return tag("figure", tag("div", picture, class_="scroll", tabindex="0"), tag("figcaption", drawing.words))
