"""Children that begin with the weights of their parent, and then train for less long.

As in population-based training (Jaderberg et al. 2017, arXiv:1711.09846), where the network is another one through
morphs of its weights. An inherited child has learned for as long as all of its ancestors together, which tells less of
its genome: so some children are controls, trained from scratch as long as without inheritance.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable

from keras_tuner.engine.trial import Trial

from kevo.engine import partial_trainings
from kevo.engine.archive import Archive
from kevo.engine.budget import LEAST_EPOCHS
from kevo.engine.trial_records import last_record
from kevo.runs import layout
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.system.text import plural
from kevo.training.effort import Effort
from tuners.genome import Genome
from tuners.oracle import GeneticOracle

SHARE_OF_EPOCHS = 0.3
"""The part of a full training, and of its time, that a child takes that begins with its parent's weights."""
_RATE = 1 / 3
"""The child's highest learning rate is this part of the usual one: a higher rate would destroy inherited weights."""
CONTROL_EVERY = 4
"""One of so many candidates begins from scratch, whatever its parents are."""


def parent_of(
    trial: Trial, genome: Genome, *, archive: Archive, settings: Settings, oracle: GeneticOracle
) -> TrialRecord | None:
    """Returns the trial with whose weights a new one begins; `None` for new weights.

    Args:
        trial: The new trial, with the parent that the oracle names.
        genome: What it trains.
        archive: The candidates so far, and their models.
        settings: Whether children inherit, and the task, which knows what can.
        oracle: Has bred it.
    """
    kept = partial_trainings.find(archive.folder, trial.trial_id, genome)
    if kept is not None:
        # What broke off goes on as it began, unless the record of its parent is lost.
        return None if kept.inherits is None else archive.records.get(kept.inherits)
    if oracle.individual_of(trial.trial_id).number % CONTROL_EVERY == 0:
        return None
    parent = last_record(trial.hyperparameters.values.get("tuner/parent_id"), archive, oracle)
    if parent is None or not (archive.folder.path / layout.checkpoint(parent.trial_id)).is_file():
        return None
    return parent if settings.kind.can_inherit(parent.genome, genome) else None


def summary(records: Iterable[TrialRecord]) -> str:
    """Returns in one sentence what was inherited."""
    evolved = [record for record in records if record.is_evolved]
    shares = [
        record.inherited_share for record in evolved if record.inherits is not None and record.fitness is not None
    ]
    if not shares:
        return "Nothing was inherited: no candidate was the child of a conv stack like it whose model is kept."
    return (
        f"{len(shares)} of {plural(len(evolved), 'candidate')} began with their parent's weights, which are "
        f"{statistics.median(shares):.0%} of their own in the median."
    )


def shortened(effort: Effort) -> Effort:
    """Returns the effort of a child that begins with its parent's weights, in place of one from scratch."""
    return dataclasses.replace(
        effort,
        num_epochs=min(effort.num_epochs, max(LEAST_EPOCHS, math.ceil(SHARE_OF_EPOCHS * effort.num_epochs))),
        seconds=None if effort.seconds is None else max(1.0, SHARE_OF_EPOCHS * effort.seconds),
        rate=_RATE * effort.rate,
    )
