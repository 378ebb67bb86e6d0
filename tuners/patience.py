"""A search that brings nothing new any more ends before its trials are used up."""

from collections.abc import Sequence


class Patience:
    """Counts how many trials in a row have brought nothing new.

    >>> patience = Patience(2)
    >>> for points in [(0.5,), (0.6,), (0.6,), None]:
    ...     patience.tell(points)
    >>> patience.is_over
    True

    Args:
        limit: After so many the search ends; `None` for never.

    Raises:
        ValueError: The limit is not positive.
    """

    def __init__(self, limit: int | None) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"`patience` must be 1 or more, or None. Received: {limit}.")
        self.limit = limit
        self.num_in_vain = 0
        self._rung = 0
        self._best: list[tuple[float, ...]] = []

    def tell(self, points: Sequence[float] | None, *, rung: int = 0) -> None:
        """Takes in a trial that has ended.

        Args:
            points: Its fitness, or one value for each of several objectives; greater is better. `None` if it failed.
            rung: How far up the rungs it trained. The first one of a higher rung is new.
        """
        self.num_in_vain += 1
        if points is None or rung < self._rung:
            return
        if rung > self._rung:
            self._rung, self._best = rung, []
        new = tuple(points)
        if any(_equals_or_beats(other, new) for other in self._best):
            return
        self._best = [other for other in self._best if not _equals_or_beats(new, other)] + [new]
        self.num_in_vain = 0

    @property
    def is_over(self) -> bool:
        """Whether the search is to end."""
        return self.limit is not None and self.num_in_vain >= self.limit


def _equals_or_beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))
