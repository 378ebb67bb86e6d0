"""What the description of the service says of bodies that are read as they come."""

from __future__ import annotations

from typing import Any


def body_of(*kinds: str) -> dict[str, Any]:
    """Returns what the description of the service says of a body that is read as it comes."""
    schema = {"type": "string", "format": "binary", "minLength": 1}
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}
