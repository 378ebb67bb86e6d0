"""What the service refuses, each with a status of its own in HTTP."""

from kevo.errors import KevoError, SettingsError


class FieldError(SettingsError):
    """A setting cannot be what it was asked to be.

    Args:
        field: Where it stands in the request, such as `settings.epochs`.
        words: What is wrong with it.
    """

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class MissingError(KevoError):
    """What is asked for is not there for its user."""


class ConflictError(KevoError):
    """A search is not in a state for that."""


class QueueFullError(KevoError):
    """Its user has enough searches waiting."""


class BusyError(KevoError):
    """Its user uploads enough at the moment."""


class NoRoomError(KevoError):
    """An upload does not fit on the disk, or into what the server may hold."""


class TooLargeError(KevoError):
    """An upload is larger than is allowed."""


class WrongKindError(KevoError):
    """A file is of a kind that is not taken."""


class NotReadyError(KevoError):
    """A model is still being loaded."""
