"""The limits of a search: those that count now, and those that it had before it was asked to go on with others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from kevo.errors import SettingsError
from kevo.runs.atomic_files import DAMAGE
from kevo.settings import Settings
from kevo.system.text import duration, plural

_FORMER = "former_limits"
_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a search was to end.

    Args:
        until: When others took their place, as an ISO 8601 time; `None` for those that count now.
        max_time: The seconds that it may take over all sessions; `None` for no limit.
        max_trials: How many candidates it may train in all; `None` for no limit.
        patience: After so many candidates without gain it ends; `None` for never.
    """

    until: str | None = None
    max_time: float | None
    max_trials: int | None
    patience: int | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns those that count by the settings of a search."""
        return cls(max_time=settings.resolved_max_time, max_trials=settings.max_trials, patience=settings.patience)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads limits from their JSON values, as `dataclasses.asdict` gives them.

        Raises:
            Exception: one of `DAMAGE` where it is nothing of that.
        """
        datetime.fromisoformat(values["until"])
        limits = Settings(**{name: values[name] for name in ("max_time", "max_trials", "patience")})
        return cls(
            until=values["until"], max_time=limits.max_time, max_trials=limits.max_trials, patience=limits.patience
        )

    def words(self) -> str:
        """Returns them in words."""
        found = [
            None if self.max_time is None else duration(self.max_time),
            None if self.max_trials is None else plural(self.max_trials, "candidate"),
            None if self.patience is None else f"{plural(self.patience, 'candidate')} in a row without gain",
        ]
        return ", ".join(filter(None, found)) or "none"


def replaced(values: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Returns the new content of `settings.json` for a search that is resumed with other settings.

    Args:
        values: What it holds so far.
        settings: The new settings of the search.
    """
    changed = {**values, "search": settings.to_json()}
    before = Limits.of(Settings.from_json(values["search"]))
    if before != Limits.of(settings):
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        former = [*_former(values), dataclasses.replace(before, until=now)]
        changed[_FORMER] = list(map(dataclasses.asdict, former[-_MOST:]))
    return changed


def history(values: Mapping[str, Any], settings: Settings) -> tuple[Limits, ...]:
    """Returns all limits that a search has had, in their order; the last ones count now.

    Args:
        values: What `settings.json` holds.
        settings: The settings of the search.
    """
    return (*_former(values), Limits.of(settings))


def _former(values: Mapping[str, Any]) -> Iterator[Limits]:
    """Yields the earlier limits, oldest first; damaged entries are left out."""
    found = values.get(_FORMER)
    for one in found if isinstance(found, list) else ():
        try:
            yield Limits.from_json(one)
        except (SettingsError, *DAMAGE):
            continue
