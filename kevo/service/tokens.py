"""Who may come in: tokens for programs, one-time links and cookies for people. Only hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kevo.errors import RunError, SettingsError
from kevo.runs.atomic_files import DAMAGE
from kevo.service.root import read_json, write_json

OWNER = "owner"
"""Whom the token of a server's start belongs to."""
USER, READER, ADMIN = "user", "reader", "admin"
ROLES = {
    USER: "has what it adds itself",
    READER: "sees everything, and changes nothing",
    ADMIN: "sees and changes everything",
}
"""What the users of a server may do."""
LINK_SECONDS = 60.0
"""So long a one-time link can be used."""
SIGN_IN_SECONDS = 30 * 24 * 3600.0
"""So long a browser stays signed in."""
_LOG = logging.getLogger(__name__)
_MOST_WRONG = 10
_WINDOW = 60.0
_MOST_NOTED = 1000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class User:
    """Whom a request is from.

    Args:
        name: What the user's token is called.
        role: One of `ROLES`.
    """

    name: str
    role: str = USER

    def may_see(self, owner: str) -> bool:
        """Returns whether what belongs to somebody is there for this user."""
        return owner == self.name or self.role in (READER, ADMIN)

    @property
    def may_change(self) -> bool:
        """Whether this user may change what is there for it."""
        return self.role != READER


class TokenFile:
    """The tokens that `kevo serve token` keeps for programs.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, role: str = USER) -> str:
        """Makes a token and returns it; it cannot be read again later.

        Args:
            name: Whose it is.
            role: One of `ROLES`.

        Raises:
            SettingsError: the name is no name, or taken.
        """
        if not _NAME.fullmatch(name):
            raise SettingsError(f"{name!r} is no name of a token. Expected up to 64 letters, digits, '.', '_' and '-'.")
        rows = self.rows()
        if any(row["name"] == name for row in rows):
            raise SettingsError(f"There is a token {name!r} already. Remove it first, or take another name.")
        token = _new_token()
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        row = {"name": name, "role": role, "sha256": _digest(token), "since": since}
        write_json(self._path, {"tokens": [*rows, row]})
        return token

    def remove(self, name: str) -> None:
        """Removes a token.

        Raises:
            SettingsError: there is none of this name.
        """
        rows = self.rows()
        kept = [row for row in rows if row["name"] != name]
        if len(kept) == len(rows):
            raise SettingsError(f"There is no token {name!r}. See: kevo serve token list.")
        write_json(self._path, {"tokens": kept})

    def rows(self) -> list[dict[str, str]]:
        """Returns name, role, hash and begin of each token.

        Raises:
            RunError: the file is damaged.
        """
        found = read_json(self._path).get("tokens", []) if self._path.exists() else []
        try:
            rows = [{key: str(row[key]) for key in ("name", "role", "sha256", "since")} for row in found]
        except DAMAGE as error:
            raise RunError(f"{self._path} is damaged: expected name, role, sha256 and since of each token.") from error
        if unknown := [row["role"] for row in rows if row["role"] not in ROLES]:
            raise RunError(f"{self._path} is damaged: expected roles {', '.join(ROLES)}. Received: {unknown[0]!r}.")
        return rows


class Gate:
    """Knows a server's tokens, one-time links and cookies.

    Args:
        tokens: The tokens for programs, which may change while the server runs.
        sign_ins: The file of the cookies' hashes.
        given: A token that is known already; `None` makes one.
    """

    def __init__(self, tokens: Path, sign_ins: Path, *, given: str | None = None) -> None:
        self._tokens = tokens
        self._sign_ins = sign_ins
        self.token = given or _new_token()
        self._own = _digest(self.token)
        self._codes: dict[str, float] = {}
        self._wrong: deque[tuple[float, str]] = deque(maxlen=_MOST_NOTED)
        self._lock = threading.Lock()
        self._known: tuple[float, list[dict[str, str]]] = (-1.0, [])
        self._cookies: dict[str, dict[str, Any]] = {}
        if sign_ins.exists():
            now = time.time()
            rows = read_json(sign_ins).get("sign_ins", {})
            self._cookies = {key: row for key, row in rows.items() if float(row["until"]) > now}

    def user_of_token(self, token: str) -> User | None:
        """Returns whom a token belongs to; `None` where it is wrong."""
        digest, user = _digest(token), None
        own = {"name": OWNER, "role": USER, "sha256": self._own}
        # Every hash is compared, whichever fits.
        for row in [own, *self._rows()]:
            if hmac.compare_digest(digest, row["sha256"]):
                user = User(row["name"], row["role"])
        return user

    def user_of_cookie(self, cookie: str) -> User | None:
        """Returns who is signed in with a cookie; `None` where nobody is, or whose token was removed."""
        digest, name = _digest(cookie), None
        with self._lock:
            for known, row in self._cookies.items():
                if hmac.compare_digest(digest, known) and float(row["until"]) > time.time():
                    name = str(row["user"])
        roles = {OWNER: USER, **{row["name"]: row["role"] for row in self._rows()}}
        return None if name not in roles else User(name, roles[name])

    def new_code(self) -> str:
        """Returns the code of a link that signs in once, for the next minute."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._codes[_digest(code)] = time.monotonic() + LINK_SECONDS
        return code

    def redeem(self, code: str) -> bool:
        """Uses a code up, and returns whether it was good."""
        digest, until = _digest(code), 0.0
        with self._lock:
            for known in list(self._codes):
                if hmac.compare_digest(digest, known):
                    until = self._codes.pop(known)
        return until > time.monotonic()

    def sign_in(self, user: str) -> str:
        """Returns a new cookie for a user."""
        cookie = _new_token()
        with self._lock:
            self._cookies[_digest(cookie)] = {"user": user, "until": time.time() + SIGN_IN_SECONDS}
            self._keep()
        return cookie

    def sign_out(self, cookie: str) -> None:
        """Ends what a cookie opened."""
        with self._lock:
            if self._cookies.pop(_digest(cookie), None) is not None:
                self._keep()

    def note_wrong(self, address: str) -> bool:
        """Counts a wrong attempt, and returns whether there were too many from an address in the last minute."""
        now = time.monotonic()
        with self._lock:
            self._wrong.append((now, address))
            while self._wrong[0][0] < now - _WINDOW:
                self._wrong.popleft()
            return sum(known == address for _, known in self._wrong) > _MOST_WRONG

    def _keep(self) -> None:
        write_json(self._sign_ins, {"sign_ins": self._cookies})

    def _rows(self) -> list[dict[str, str]]:
        """Returns the tokens for programs as they are now."""
        try:
            changed = self._tokens.stat().st_mtime
        except OSError:
            return []
        if self._known[0] != changed:
            try:
                self._known = (changed, TokenFile(self._tokens).rows())
            except RunError as error:
                # Nobody comes in by a file that nobody can read.
                _LOG.error("%s", error)
                self._known = (changed, [])
        return self._known[1]


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    """Returns the hash that is kept; of 256 random bits a plain one cannot be turned around."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
