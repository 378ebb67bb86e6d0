"""The report: how children fare with their parent's weights, and how far ranks agree with those from scratch."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inheritance.measuring import LONG, NUM_PICTURES, SHORT, WAYS, Measurement
from benchmarks.inheritance.searching import EPOCHS, FINAL_EPOCHS, SECONDS, SearchMeasurement
from benchmarks.inheritance.searching import NUM_PICTURES as NUM_SEARCHED
from benchmarks.inheritance.searching import WAYS as ARMS
from benchmarks.support.numbers import median
from benchmarks.support.pages import table

_ABOUT = f"""\
A parent was trained for {LONG} epochs on {NUM_PICTURES:,} pictures of CIFAR-10, and its mutants in several ways;
accuracy on 1,000 validation pictures, whose standard error is 0.015. Mutants differ from it in the shape of the network
at least. Ranks are compared with those of a full training from scratch by Kendall's tau-b: 1 for the same order, 0 for
none in common. Medians over the seeds; in brackets the lowest and the highest. Measured by
`python -m benchmarks.inheritance`, at the full learning rate (`--inherit` takes a third of it), and when children with
another number of dense layers still had a new head."""


_ABOUT_SEARCHES = f"""\
The same search with and without `--inherit`, at the same time, each on a core of its own: conv stacks of the space
`small`, a population of four, {EPOCHS} epochs for a candidate from scratch. What an evolution may cost is counted in
seconds of the processor, which other work on the machine changes little. Of CIFAR-10 {NUM_SEARCHED:,} pictures are
learned from. The best candidate is then trained for {FINAL_EPOCHS} epochs, once from scratch and once from its own
weights, with a third of its learning rate; test accuracy is that of the training from scratch, which is what a search
does. Medians over the seeds; in brackets the lowest and the highest. Measured by
`python -m benchmarks.inheritance --searches {" ".join(SECONDS)}`."""


def report(rows: Sequence[Measurement], searches: Sequence[SearchMeasurement] = ()) -> str:
    """Returns the report as Markdown: of single children, and of whole searches."""
    parts = [_children(rows)] if rows else []
    parts += [_searches(searches)] if searches else []
    return "\n\n".join(("# Children that begin with their parent's weights", *parts))


def _searches(rows: Sequence[SearchMeasurement]) -> str:
    lines = []
    for data in dict.fromkeys(row.data for row in rows):
        of_data = [row for row in rows if row.data == data]
        for way, words in ARMS.items():
            counts = [[getattr(row, name)[way] for row in of_data] for name in ("candidates", "inherited", "lineages")]
            scores = [[getattr(row, name)[way] for row in of_data] for name in ("best", "finals", "gone_on", "tests")]
            numbers = [*(f"{median(one):.0f}" for one in counts), *map(_spread, scores)]
            lines.append((data, f"{SECONDS[data]} s", words, str(len(of_data)), *numbers))
    head = (
        *("data", "cost", "search", "seeds", "candidates", "that inherit", "epochs of the best's weights"),
        *("the best in the evolution", "trained from scratch", "gone on with", "test"),
    )
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return "\n\n".join(("## Whole searches", _ABOUT_SEARCHES, table(head, lines), f"Machine: {machines}.\n"))


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _children(rows: Sequence[Measurement]) -> str:
    lines = []
    for name, words in WAYS.items():
        means = [sum(row.accuracies[name]) / row.children for row in rows]
        gains = [max(row.accuracies[name]) for row in rows]
        taus = [row.tau(name) for row in rows]
        spread = "" if name == "full" else f"{median(taus):.2f} ({min(taus):.2f} to {max(taus):.2f})"
        lines.append((words, str(len(rows)), f"{median(means):.3f}", f"{median(gains):.3f}", spread))
    parents = ", ".join(f"{row.parent:.3f}" for row in rows)
    shares = median(share for row in rows for share in row.shares)
    machines = "; ".join(dict.fromkeys(row.machine for row in rows))
    return "\n\n".join(
        (
            "## Single children",
            _ABOUT,
            table(("each child", "seeds", "mean accuracy", "the best child", "ranks as of a full training"), lines),
            f"The parents reached {parents}. The median child inherits {shares:.0%} of its weights. "
            f"A child costs {SHORT} epochs in place of {LONG}.",
            f"Machine: {machines}.\n",
        )
    )
