"""The report: medians over seeds, kevo beside cheap references and networks by hand."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.support.numbers import median
from benchmarks.support.pages import table
from benchmarks.tasks import autokeras_peer, evolving, families, genes, long_unet, refits
from benchmarks.tasks.autokeras_peer import AutoKerasResult
from benchmarks.tasks.evolving import Evolved
from benchmarks.tasks.families import Family
from benchmarks.tasks.genes import Gains
from benchmarks.tasks.long_unet import LongTraining
from benchmarks.tasks.measuring import SETS, HandNetwork, Measurement
from benchmarks.tasks.rates import Rates
from benchmarks.tasks.refits import Refits

_ABOUT = """\
# kevo on tables, texts and a series, beside cheap models

All learn from the same splits: kevo within some minutes; scikit-learn's histogram gradient boosting and a linear model
(logistic or ridge regression) with default settings, which every search of a table trains, or TF-IDF with logistic
regression, which every search of texts trains, or the last value, the seasonal last value and a linear autoregression,
which stand beside every search of a series; and a network by hand with early stopping: two dense layers, a mean of word
vectors, an LSTM, or two conv layers for boards, which kevo reads as rows of 42 fields here. Scores are of the test
examples. Medians over seeds, which divide the examples anew, but for boards, whose splits are given; in brackets the
lowest and the highest. The last column is the median over seeds of how far kevo's single model is from the better
reference of the same seed; positive where kevo is ahead. Measured by `python -m benchmarks.tasks`; the network by hand
is in `benchmarks/tasks/measuring.py`. A series is divided by time, the same for all seeds; of MASE lower is better.

Other work ran on the machine while much of this was measured, but not beside tables and masks. Before an epoch of few
rows went through them several times and the winner became the mean of several networks, the three seeds of Auto MPG had
0.913, 0.884 and 0.871, and have 0.918, 0.878 and 0.883 now. Another search with the first seed had 0.897: candidates
end in another order each time. In three minutes, tried after that, they have 0.918, 0.897 and 0.905. Texts were
measured before searches of texts had a worker for each core. Airline passengers were 0.818 (0.791 to 0.983) before
windows that overlap counted once and linear models won among equals. As pictures of 6 x 7 px the boards were learned to
0.588 in a minute (one seed, 2 candidates) when these were squashed into squares, and seen as they are to 0.861 in two
minutes (one seed; validation 0.844). The word vectors are those of all-MiniLM-L6-v2 for single words, by `kevo
vectors`."""


_UNET_PARAMETERS = 31_049_409
"""Of the full one."""
_SCORES = {"r2": "R2", "mase": "MASE", "dice": "Dice"}

_ABOUT_MASKS = """\
## Masks, beside U-Nets

kevo's search and a smaller U-Net by hand had the same minutes at the same time, each on a core of its own, on the same
pictures, scored at the same size, that of the files; the test pictures are given. In the table above boosted trees of
pixels, which every search of masks trains, stand as a reference, and that U-Net as the network by hand. The full U-Net
is trained for longer with `--unets full`; both are in `benchmarks/tasks/unets.py`. The full one is that of Ronneberger
et al. 2015 (arXiv:1505.04597) with batch norm (momentum 0.9, as kevo's networks have it) and padding; the smaller one
has a quarter of its channels. Both learn from batches of 4 random crops of 128 px, mirrored at random, with
cross-entropy and Dice and Keras's Adam, and keep the weights with the best validation Dice, judged after each pass over
the training pictures' area and at the end; kevo's winner may learn from the validation pictures too at last. A step is
a batch; a search trains several networks, so that its steps are not given. In CHASE_DB1 the second observer, who drew
the vessels of the same test pictures, has a Dice of 0.807 against the first, whom all learn from. Before, one after the
other on both cores of a faster day, one seed, kevo came to 0.782, the smaller U-Net to 0.783 after 933 steps, and the
full one to 0.486 after 91."""

_ABOUT_RATES = """\
## Candidates an hour

A whole search, with all that belongs to it, and Keras Tuner's RandomSearch with the same space, splits, epochs and
early stopping, one after the other for the same time. Keras Tuner's candidates are trained by Keras's `fit` and prepare
their examples themselves, as models do that read raw ones; they train one after the other, on as many threads as
TensorFlow takes. kevo has a worker with one thread for each of the two cores, and takes candidates first that cost
little, which is a part of the difference. In a minute a third of the time goes into the start of three processes and
the end. Where a search finds that large networks or small batches are better, it trains fewer of them: with three seeds
kevo trained 13.7, 7.5 and 5.2 times as many on Telco churn in a minute, and 11.5, 11.8 and 8.3 times as many in three.
Three minutes were tried after one had been seen, since starting weighs less then.
Validation accuracy of the best; medians over seeds."""


def report(
    rows: Sequence[Measurement],
    rates: Sequence[Rates] = (),
    gains: Sequence[Gains] = (),
    compared: Sequence[Family] = (),
    long: Sequence[LongTraining] = (),
    evolved: Sequence[Evolved] = (),
    refitted: Sequence[Refits] = (),
    autokeras: Sequence[AutoKerasResult] = (),
) -> str:
    """Returns the report as Markdown."""
    lines = []
    for name, minutes in dict.fromkeys((row.name, row.minutes) for row in rows):
        found = [row for row in rows if (row.name, row.minutes) == (name, minutes)]
        references = dict.fromkeys(model for row in found for model in row.references)
        shown = "; ".join(
            f"{model} {_spread([row.references[model] for row in found if model in row.references])}"
            for model in references
        )
        ahead = median(_ahead(row) for row in found)
        lines.append(
            (
                SETS[name].title,
                _SCORES.get(SETS[name].score, SETS[name].score),
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
    masks = [_masks(rows), long_unet.report(long), families.report(compared)]
    others = [
        autokeras_peer.report(autokeras),
        _rates(rates),
        genes.report(gains),
        refits.report(refitted),
        evolving.report(evolved),
    ]
    parts = [_ABOUT, f"Machine: {machines}.", table(head, lines), *masks, *others]
    return "\n\n".join(filter(None, parts)) + "\n"


def _masks(rows: Sequence[Measurement]) -> str:
    lines = []
    for row in filter(lambda row: row.networks, rows):
        kevo = HandNetwork(score=row.kevo, num_parameters=row.num_parameters, num_steps=0)
        for name, one in {"kevo": kevo, **row.networks}.items():
            lines.append(
                (
                    SETS[row.name].title,
                    f"{row.minutes:g}",
                    str(row.seed),
                    name,
                    f"{one.num_parameters:,}",
                    f"{100 * one.num_parameters / _UNET_PARAMETERS:.1f} %",
                    str(one.num_steps) if one.num_steps else "-",
                    f"{one.score:.3f}",
                )
            )
    head = ("data", "minutes", "seed", "network", "parameters", "of the U-Net's", "steps", "test Dice")
    return f"{_ABOUT_MASKS}\n\n{table(head, lines)}" if lines else ""


def _rates(rows: Sequence[Rates]) -> str:
    if not rows:
        return ""
    lines = []
    for name, minutes in dict.fromkeys((row.name, row.minutes) for row in rows):
        found = [row for row in rows if (row.name, row.minutes) == (name, minutes)]
        lines.append(
            (
                SETS[name].title,
                f"{minutes:g}",
                str(len(found)),
                f"{median(row.kevo for row in found):.0f}",
                f"{median(row.other for row in found):.0f}",
                f"{median(row.kevo / row.other for row in found):.1f}",
                f"{median(row.kevo_best for row in found):.3f}",
                f"{median(row.other_best for row in found):.3f}",
            )
        )
    head = ("data", "minutes", "seeds", "kevo", "Keras Tuner", "times as many", "best of kevo", "best of Keras Tuner")
    return f"{_ABOUT_RATES}\n\n{table(head, lines)}"


def _ahead(row: Measurement) -> float:
    """Returns how far kevo is ahead of the better reference."""
    if SETS[row.name].is_lower_better:
        return min(row.references.values()) - row.kevo
    return row.kevo - max(row.references.values())


def _spread(values: Sequence[float]) -> str:
    middle = f"{median(values):.3f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3f} to {max(values):.3f})"
