"""Every error that a user of kevo can mend, under one root.

A message says what was received, what was expected and what to do. The command prints it without a traceback.
"""


class KevoError(Exception):
    """Root of all errors that kevo raises on purpose."""


class DataError(KevoError, ValueError):
    """The data cannot be read as a data set of its task."""


class SpaceError(KevoError, ValueError):
    """The search space cannot be declared as asked."""


class UnknownBackboneError(KevoError, LookupError):
    """No pretrained backbone has this name."""


class WeightsError(KevoError, ValueError):
    """Pretrained weights cannot be had, or do not fit the backbone."""


class ModelError(KevoError, ValueError):
    """A saved model cannot be opened, or is not one of its task."""


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


def describe_error(error: Exception) -> str:
    """Returns the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no words'])[0]}"


def os_reason(error: Exception) -> str:
    """Returns why a file or a server cannot be used: the system's words, or else the error's own."""
    # `urllib` wraps the system's error.
    cause = getattr(error, "reason", error) if isinstance(error, OSError) else error
    return str(getattr(cause, "strerror", None) or cause)
