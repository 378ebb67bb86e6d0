"""The report of a search: one page of HTML that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tuners import figures, history
from tuners.oracle import GeneticOracle

_MOST_ROWS = 1000
_LONGEST = 200
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:.85rem}td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left}svg{max-width:100%;height:auto}div{overflow-x:auto}"
)


def page(oracle: GeneticOracle, *, title: str) -> str:
    """Returns the page: a summary, figures, the best trials, and all of them in a table.

    Args:
        oracle: The oracle.
        title: What to call the search.
    """
    rows = history.rows(oracle)
    first = oracle.objectives[0]
    rows.sort(key=lambda row: _rank(row["score"], is_max=first.direction == "max"))
    drawn = [figures.fitness(oracle)]
    if len(oracle.objectives) > 1:
        drawn.append(figures.front(oracle))
    if shares := history.shares(oracle):
        drawn.append(figures.importance(shares))
    ending = oracle.ending
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(history.summary(oracle))}.{f' {escape(ending)}' if ending else ''}</p>",
        *(f"<div>{figures.svg(figure)}</div>" for figure in drawn),
        "<h2>Best trials</h2>",
        table(_best(oracle, rows)),
        f"<details><summary>All {len(rows):,} trials, the best first</summary>{table(rows[:_MOST_ROWS])}</details>",
    ]
    if len(rows) > _MOST_ROWS:
        parts.append(f"<p>And {len(rows) - _MOST_ROWS:,} more: trials() has all of them.</p>")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def fragment(oracle: GeneticOracle) -> str:
    """Returns what a notebook shows of a search: a summary and the best trials."""
    return f"<p>{escape(history.summary(oracle))}</p>{table(_best(oracle, history.rows(oracle)))}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns rows as an HTML table; columns that are empty in all rows are left out."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value not in (None, ""))
    head = "".join(f"<th>{_cell(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}</tr>" for row in rows)
    return f"<div><table><tr>{head}</tr>{body}</table></div>"


def _best(oracle: GeneticOracle, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows of the front, or of the five best trials where there is one objective."""
    trials = oracle.front() if len(oracle.objectives) > 1 else oracle.get_best_trials(5)
    by_name = {row["trial"]: row for row in rows}
    return [by_name[trial.trial_id] for trial in trials]


def _rank(score: float | None, *, is_max: bool) -> tuple[bool, float]:
    return score is None, 0.0 if score is None else -score if is_max else score


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
