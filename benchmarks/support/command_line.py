"""Options that several benchmarks have in common, and messages on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.support.project import DATA


def parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser that shows a module's docstring as it stands."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_data_option(options: argparse.ArgumentParser) -> None:
    """Adds `--data`."""
    options.add_argument("--data", type=Path, default=DATA, help="folder with data sets and weights")


def add_seeds_options(options: argparse.ArgumentParser) -> None:
    """Adds `--seeds`, `--fresh` and `--write`, for a benchmark that has a page of its own."""
    options.add_argument("--seeds", type=int, nargs="*", default=(), help="seeds to measure; none: only report")
    options.add_argument("--fresh", action="store_true", help="measure again what the file holds already")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")


def add_measuring_options(options: argparse.ArgumentParser, *, quick: str) -> None:
    """Adds `--seeds`, `--results`, `--fresh`, `--quick` and `--write`.

    Args:
        options: The parser.
        quick: What `--quick` measures.
    """
    options.add_argument("--seeds", type=int, nargs="*", default=(), help="seeds to measure; none: only report")
    options.add_argument("--results", type=Path, help="file of the measurements")
    options.add_argument("--fresh", action="store_true", help="measure again what the file holds already")
    options.add_argument("--quick", action="store_true", help=f"only show that everything works: {quick}")
    options.add_argument(
        "--write", action="store_true", help="write the report to docs/benchmarks and its table to README.md"
    )


def names_from(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Returns an argument type: names with commas between them, each one of `known`."""
    choices = list(known)

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"Got {name!r}, expected one of: {', '.join(choices)}.")
        return names

    return parse


def show_report(text: str | None, *, results: Path, page: Path | None, went_well: bool) -> int:
    """Prints a report, and returns the exit code: 1 where something failed or nothing is measured, else 0.

    Args:
        text: The report; `None` where nothing is measured.
        results: The file of the measurements.
        page: The page to write it to as well; `None` for none.
        went_well: Whether no measurement failed.
    """
    if text is None:
        log(f"Nothing is measured in {results}. Name seeds: --seeds 0 1 2.")
        return 1
    print(text)
    if page is not None:
        page.write_text(text, encoding="utf-8")
    return 0 if went_well else 1


def log(text: str) -> None:
    """Writes a message to stderr, since stdout is for the report."""
    print(text, file=sys.stderr, flush=True)
