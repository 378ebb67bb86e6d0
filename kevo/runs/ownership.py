"""Whether this user has begun a search, told by a signature in its settings.

A run folder may come from anybody, and its settings name places outside of it: where the data is, where features are
kept. Only what this user has written is followed there unasked. The signature is an HMAC (RFC 2104) with a key in
the user's cache. Where that is lost, one's own searches are treated like those of others.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from kevo.system.folders import cache_folder

SIGNATURE = "signature"
"""Where the settings hold it."""
_KEY = "key"
_NUM_BYTES = 32


def signed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run folder with the signature of this user, which is empty where no key can be kept."""
    key = _key(makes=True)
    return {**settings, SIGNATURE: "" if key is None else _signature(settings, key)}


def is_own(settings: Mapping[str, Any]) -> bool:
    """Tells whether this user has begun the search with these settings, and named these places."""
    key, given = _key(makes=False), settings.get(SIGNATURE)
    if key is None or not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode(), _signature(settings, key).encode())


def _signature(settings: Mapping[str, Any], key: bytes) -> str:
    search = settings.get("search")
    search = search if isinstance(search, Mapping) else {}
    places = [settings.get("data"), settings.get("fingerprint"), search.get("cache"), search.get("weights")]
    return hmac.digest(key, json.dumps(places, sort_keys=True).encode(), hashlib.sha256).hex()


def _key(*, makes: bool) -> bytes | None:
    """Returns the user's key; makes it where it is missing, if that is asked for."""
    path = cache_folder() / _KEY
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        if makes:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Several searches may begin at once: a name appears with a whole key.
            temporary = path.with_name(f".{_KEY}-{secrets.token_hex(8)}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600)
            try:
                os.write(descriptor, secrets.token_bytes(_NUM_BYTES))
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                os.close(descriptor)
                temporary.unlink()
        descriptor = os.open(path, os.O_RDONLY | flags)
        try:
            key = os.read(descriptor, _NUM_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, RuntimeError):
        # There may be no home, and not every file system has links.
        return None
    return key if len(key) == _NUM_BYTES else None
