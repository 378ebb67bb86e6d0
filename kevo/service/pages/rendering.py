"""Draws the templates in the language of whoever asks, and reads plain forms."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote_plus

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from kevo.service.guard import TITLES
from kevo.service.pages import wording
from kevo.service.rest.access import server_of
from kevo.service.tokens import User
from kevo.service.upgrade import RESTART
from kevo.system.text import byte_size, duration, metric_name

_LANGUAGE = "kevo-lang"
_MOST_FIELDS = 150
_YEAR = 365 * 24 * 3600
_TEMPLATES = Environment(
    loader=PackageLoader("kevo.service.pages", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Returns a page in the language of whoever asks."""
    asked = request.query_params.get("lang")
    user: User | None = getattr(request.state, "user", None)
    language = wording.choose(
        asked=asked, cookie=request.cookies.get(_LANGUAGE), accepted=request.headers.get("accept-language", "")
    )
    other = next(one for one in wording.LANGUAGES if one != language)
    page = _TEMPLATES.get_template(name).render(
        _=wording.translator(language),
        language=language,
        other_language=other,
        other_language_name=wording.LANGUAGES[other],
        path=request.url.path,
        user=user,
        restart=RESTART if user is not None and server_of(request).searches.installed.has_changed else "",
        may_change=user is not None and user.may_change,
        number=lambda value, digits=0: wording.number(value, language, digits),
        percent=lambda value: f"{wording.number(100 * value, language, 1)} %",
        size=byte_size,
        duration=duration,
        date_words=lambda seconds: wording.date(seconds, language),
        instant=lambda seconds: datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds"),
        metric_name=metric_name,
        address_query=address_query,
        **values,
    )
    answer = HTMLResponse(page, status)
    if asked in wording.LANGUAGES:
        answer.set_cookie(_LANGUAGE, str(asked), max_age=_YEAR, httponly=True, samesite="strict")
    return answer


def error_page(request: Request, status: int, words: str) -> HTMLResponse:
    """Returns a page that says what went wrong."""
    return render(request, "error.html", status, title=TITLES.get(status, "Error"), words=words)


def address_query(**values: str) -> str:
    """Returns the query of an address that names what is not empty; what stands behind it is added without a sign.

    Example:
        >>> address_query(state="failed", q="a&b", owner="")
        'state=failed&q=a%26b&'
    """
    return "".join(f"{name}={quote_plus(value)}&" for name, value in values.items() if value)


async def fields(request: Request) -> dict[str, str]:
    """Returns the fields of a plain form; of several of one name the last."""
    return {name: values[-1].strip() for name, values in (await _all_fields(request)).items()}


async def chosen(request: Request, name: str) -> list[str]:
    """Returns what was ticked of a plain form under one name."""
    return (await _all_fields(request)).get(name, [])


async def _all_fields(request: Request) -> dict[str, list[str]]:
    content = await request.body()
    return parse_qs(content.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)


def whole(text: str) -> int:
    """Reads a whole number as people write it.

    Raises:
        ValueError: it is none.
    """
    digits = re.sub(r"[ .,_]", "", text)
    if not digits.isdigit():
        raise ValueError(f"Expected a whole number. Received: {text[:50]!r}.")
    return int(digits)


def lines(text: str) -> str:
    """Returns a text of several lines as a program would send it: browsers end lines with two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def words_of(error: Exception) -> str:
    """Returns what is wrong with a form."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
