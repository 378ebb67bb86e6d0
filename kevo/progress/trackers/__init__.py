"""Experiment trackers: a search as other tools show it. None changes what a search finds; each may fail alone.

They are listeners: `kevo.search(..., listener=TensorBoard())`, or several at once with `Several`.
"""

from kevo.progress.trackers.several import Several, Tracker

__all__ = ["Several", "Tracker"]
