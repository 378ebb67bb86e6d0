"""What a kind of examples is called, and what its pages say beside those of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kevo.tasks.pages import Block, Known, Section

Shown = tuple[int, str, str]
"""An example to be shown: its place in the test split, what it is in words, and a caption."""
Use = Callable[[Path, Path, str], tuple[list[str], list[list[str]]]]
"""Returns lines of Python that use a saved model, and arguments of commands; from the run folder, the model's file, and
what is asked."""


def _no_sections(known: Known) -> Sequence[Section]:
    return ()


def _no_paragraphs(run: Any, dataset: Any, outcome: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words for a kind of examples, and its part of pages.

    Args:
        one: An example: `picture`.
        many: Examples: `pictures`.
        part: What a source consists of: `file`.
        takes: Returns what the model takes, from the data set and the genome.
        load: Returns Python that loads the model and predicts one example, without kevo; from what is asked.
        use: How a saved model is used.
        scope: What the model does with what is no example at all.
        unknown: What may matter and is not known of the examples.
        stored: Returns how the examples are kept, from the data set; empty where there is nothing to say.
        alike: What may stand in several splits.
        weighing: Returns how classes of different sizes count in training, from the data set.
        ethics: What kevo does not know of the examples.
        origin: How splits were made, as the end of a sentence, where that is not by chance.
        repeats: Returns sentences on examples that stand in several splits, from the data set.
        uncounted: What the cost of a search leaves out.
        show: Shows examples of the data set's test split, from the data set, what to show, and the outputs for all of
            them; `None` where they cannot be shown.
        before: Returns the sections of the report that come first.
        after: Returns the sections of the report that come last.
        analyses: Returns further paragraphs of the card's quantitative analyses, from the run folder, the data set and
            the outcome.
    """

    one: str
    many: str
    part: str
    takes: Callable[[Any, Mapping[str, Any]], str]
    load: Callable[[str], str]
    use: Use
    scope: str
    unknown: str
    stored: Callable[[Any], str]
    alike: str
    weighing: Callable[[Any], str]
    ethics: str
    origin: str = ""
    repeats: Callable[[Any], Sequence[str]] = lambda dataset: ()
    uncounted: str = ""
    show: Callable[[Any, Sequence[Shown], npt.NDArray[np.float32]], Block] | None = None
    before: Callable[[Known], Sequence[Section]] = _no_sections
    after: Callable[[Known], Sequence[Section]] = _no_sections
    analyses: Callable[[Any, Any, Any], Sequence[str]] = _no_paragraphs

    @property
    def parts(self) -> str:
        """Several parts of a source."""
        return f"{self.part}s"


def like_the_mean(r2: float, interval: tuple[float, float]) -> str:
    """Says that a model of numbers may be no better than their mean; by its test R2 and the 95 % interval of that."""
    return (
        f"The model may be no better than a guess: always to answer with the mean has R2 0, and its R2 is {r2:.3f}, "
        f"between {interval[0]:.3f} and {interval[1]:.3f} with a confidence of 95 %."
    )
