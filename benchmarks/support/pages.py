"""Markdown tables, and sections of a page between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(page: Path, name: str) -> str:
    """Returns the text of a section: what stands between `<!-- name -->` and `<!-- end of name -->`."""
    _, text, _ = _split(page, name)
    return text


def replace_section(page: Path, name: str, text: str) -> None:
    """Replaces the text of a section and leaves its marks."""
    before, _, after = _split(page, name)
    page.write_text(f"{before}{text}{after}", encoding="utf-8")


def publish(text: str, *, page: Path, readme: Path, name: str, shown: str) -> None:
    """Writes a report.

    Args:
        text: The report.
        page: Its page, which is created with its folder.
        readme: The page that shows a part of the report.
        name: Name of the section of `readme` that shows it.
        shown: The text of that section.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    replace_section(readme, name, shown)


def _split(page: Path, name: str) -> tuple[str, str, str]:
    """Returns what stands before, in and after a section; its marks are in the first and the last part.

    Raises:
        ValueError: The page has no such section.
    """
    start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    text, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no section {name!r}, expected the lines {start.strip()!r} and {end.strip()!r}.")
    return before + start, text, end + after
