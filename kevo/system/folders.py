"""The folder of this user that kevo keeps files in."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns the folder of files that kevo can make again."""
    # As the XDG Base Directory Specification has it, a relative path does not count.
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "kevo"
