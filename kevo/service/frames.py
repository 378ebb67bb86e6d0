"""The frames in which a server and the process of a model speak: JSON, each with its length before it."""

from __future__ import annotations

import struct

LENGTH = struct.Struct("!I")
"""How many bytes follow."""
