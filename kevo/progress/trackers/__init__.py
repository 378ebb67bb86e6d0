"""Experiment trackers: a search as other tools show it. None changes what a search finds; each may fail alone.

They are listeners: `kevo.search(..., listener=TensorBoard())`, or several at once with `TrackerGroup`.
"""

from kevo.progress.trackers.several import Tracker, TrackerGroup

__all__ = ["Tracker", "TrackerGroup"]
