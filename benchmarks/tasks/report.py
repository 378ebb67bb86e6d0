"""The report: medians over seeds, kevo beside cheap references and a network by hand."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.support.numbers import median
from benchmarks.support.pages import table
from benchmarks.tasks.measuring import SETS, Measurement

_ABOUT = """\
# kevo on tables, beside cheap models

All learn from the same splits: kevo within some minutes; scikit-learn's histogram gradient boosting and a linear model
(logistic or ridge regression) with default settings, which every search of a table trains; and two dense layers by
hand, with dropout and early stopping. Scores are of the test rows. Medians over seeds, which divide the rows anew; in
brackets the lowest and the highest. The last column is the median over seeds of how far kevo's single model is from the
better reference of the same seed; positive where kevo is ahead. Measured by `python -m benchmarks.tasks`; the network
by hand is in `benchmarks/tasks/measuring.py`."""


def report(rows: Sequence[Measurement]) -> str:
    """Returns the report as Markdown."""
    lines = []
    for name, minutes in dict.fromkeys((row.name, row.minutes) for row in rows):
        found = [row for row in rows if (row.name, row.minutes) == (name, minutes)]
        references = dict.fromkeys(model for row in found for model in row.references)
        shown = "; ".join(
            f"{model} {_spread([row.references[model] for row in found if model in row.references])}"
            for model in references
        )
        ahead = median(row.kevo - max(row.references.values()) for row in found)
        lines.append(
            (
                SETS[name].title,
                SETS[name].score.replace("r2", "R2"),
                f"{minutes:g}",
                str(len(found)),
                _spread([row.kevo for row in found]),
                _spread([row.ensemble for row in found]),
                shown,
                _spread([row.by_hand for row in found]),
                f"{ahead:+.3f}",
            )
        )
    head = ("data", "score", "minutes", "seeds", "kevo", "its ensemble", "references", "by hand", "ahead by")
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return f"{_ABOUT}\n\nMachine: {machines}.\n\n{table(head, lines)}\n"


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
