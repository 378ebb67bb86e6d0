"""Every error that a user of kevo can mend, under one root.

A message says what was received, what was expected and what to do. The command prints it without a traceback.
"""


class KevoError(Exception):
    """Root of all errors that kevo raises on purpose."""


class DataError(KevoError, ValueError):
    """The pictures cannot be read as a classification data set."""


class SpaceError(KevoError, ValueError):
    """The search space cannot be declared as asked."""


class UnknownBackboneError(KevoError, LookupError):
    """No pretrained backbone has this name."""


class WeightsError(KevoError, ValueError):
    """Pretrained weights cannot be had, or do not fit the backbone."""


class ModelError(KevoError, ValueError):
    """A saved model cannot be opened, or is no classifier of pictures."""


class ExportError(KevoError, RuntimeError):
    """A model cannot be written in a format, or does not predict the same there."""


class RunError(KevoError):
    """A run folder cannot be written, read or resumed."""


class SearchFailedError(KevoError, RuntimeError):
    """The search ended without a single usable model."""


class SearchBrokenError(RunError, SearchFailedError):
    """The run folder cannot be written any more in the middle of a search; it can be resumed."""


class SettingsError(KevoError, ValueError):
    """A search cannot run with these settings."""


class WorkerError(KevoError, RuntimeError):
    """A worker cannot go on: its search cannot be reached any more, or met an error."""


class SearchInterruptedError(KevoError):
    """The search was stopped by hand before there was a model; it can be resumed."""


def in_words(error: Exception) -> str:
    """Returns an error of any kind in one line, for what fails alone."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no words'])[0]}"
