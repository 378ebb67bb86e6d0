"""Experiment trackers: a search in other tools. No tracker changes the result of a search; each may fail alone.

They are listeners: `kevo.search(..., listener=TensorBoard())`, or several at once with `TrackerGroup`.
"""

from kevo.progress.trackers.several import Tracker, TrackerGroup

__all__ = ["Tracker", "TrackerGroup"]
