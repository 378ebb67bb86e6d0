"""The words of the pages, in several languages: English stands in the templates, others in `words/`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import datetime
from importlib import resources

LANGUAGES = {"en": "English", "es": "Español"}
DEFAULT = "en"
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"),
}
"""As Unicode's CLDR writes them where room is short."""


@functools.cache
def words(language: str) -> dict[str, str]:
    """Returns the words of a language by the English ones; none for English."""
    if language == DEFAULT or language not in LANGUAGES:
        return {}
    text = (resources.files("kevo.service.pages") / "words" / f"{language}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def translator(language: str) -> Callable[..., str]:
    """Returns a function from English words, with places for values in braces, to those of a language."""
    known = words(language)

    def translate(text: str, **values: object) -> str:
        found = known.get(text, text)
        return found.format(**values) if values else found

    return translate


def choose(*, asked: str | None, cookie: str | None, accepted: str) -> str:
    """Returns the language of a page.

    Args:
        asked: What the address asks for.
        cookie: What was asked for before.
        accepted: The header `Accept-Language`.
    """
    for one in (asked, cookie):
        if one in LANGUAGES:
            return str(one)
    ranked: list[tuple[float, str]] = []
    for part in accepted[:1000].split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), name.partition("-")[0].casefold()))
        except ValueError:
            continue
    # Of equals the first one.
    return next((name for _, name in sorted(ranked, key=lambda one: one[0]) if name in LANGUAGES), DEFAULT)


def number(value: float, language: str, digits: int = 0) -> str:
    """Returns a number as a language writes it.

    Example:
        >>> number(1234.5, "es", 1), number(1234.5, "en", 1)
        ('1.234,5', '1,234.5')
    """
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "es" else text


def date(seconds: float, language: str) -> str:
    """Returns date and time of day as a language writes them, in the server's time zone, from seconds since 1970.

    Example:
        >>> date(datetime(2026, 9, 3, 7, 5).timestamp(), "es")
        '3 sept 2026, 07:05'
    """
    at = datetime.fromtimestamp(seconds)
    return f"{at.day} {_MONTHS[language][at.month - 1]} {at.year}, {at:%H:%M}"
