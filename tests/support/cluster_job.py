"""The job of workers on a cluster in tests: as that of a search, but trainings are kept every half second."""

from typing import Any

from kevo.execution import cluster
from kevo.execution.job import TrialWork
from kevo.training import checkpoints


def build(**arguments: Any) -> TrialWork:
    checkpoints._SECONDS_BETWEEN = 0.5
    return cluster.build(**arguments)
