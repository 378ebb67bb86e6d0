"""Whether kevo itself was changed on the disk since the server began: an upgrade under a server that runs."""

from __future__ import annotations

import time
from pathlib import Path

_FOLDER = Path(__file__).parents[1]
_PATTERNS = ("*.py", "runs/*.py", "service/*.py", "tasks/protocols/*.py")
_SECONDS = 5.0

RESTART = "kevo was upgraded since this server began. Restart kevo serve: searches go on meanwhile."
"""What to do then."""


class Installed:
    """The kevo that the server began with."""

    def __init__(self) -> None:
        self._began_with = _fingerprint()
        self._looked_at = time.monotonic()
        self._has_changed = False

    @property
    def has_changed(self) -> bool:
        """Whether another kevo is on the disk now. What that writes, this process may not be able to read."""
        now = time.monotonic()
        if not self._has_changed and now - self._looked_at > _SECONDS:
            self._looked_at, self._has_changed = now, _fingerprint() != self._began_with
        return self._has_changed


def _fingerprint() -> frozenset[tuple[str, int, int]]:
    """Returns names, sizes and times of the modules that matter."""
    found = set()
    for pattern in _PATTERNS:
        for path in _FOLDER.glob(pattern):
            try:
                about = path.stat()
            except OSError:
                # It is being replaced.
                continue
            found.add((str(path), about.st_size, about.st_mtime_ns))
    return frozenset(found)
