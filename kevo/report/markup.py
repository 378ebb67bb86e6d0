"""HTML with all text escaped: text from a run folder can be read on a page, and does nothing there."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from kevo.system.text import printable

_VOID = ("meta", "img", "input")
_MANY_ROWS = 20


class Html(str):
    """Text that is HTML already. Only this package's own functions make it; every other text is escaped."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str) -> Html:
    """Returns an element.

    Args:
        name: What it is called.
        children: What is in it, in turn: `Html` as it is, other text escaped, `None` left out.
        attributes: Its attributes. `class_` means `class`, other underscores are hyphens.

    Example:
        >>> tag("p", "1 < 2", class_="note")
        '<p class="note">1 &lt; 2</p>'
    """
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{words}>")
    inner = "".join(child if isinstance(child, Html) else _escaped(child) for child in children if child)
    return Html(f"<{name}{words}>{inner}</{name}>")


def join(parts: Iterable[str | None]) -> Html:
    """Returns parts one after the other, escaped as by `tag`."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts if part))


def verbatim(lines: Sequence[str]) -> Html:
    """Returns lines as they are to be typed."""
    return tag("pre", tag("code", Html("\n".join(_escaped(line) for line in lines))))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    label: str,
    numbers: Sequence[int] = (),
    sentences: Sequence[int] = (),
    orders: Sequence[tuple[str, Sequence[int]]] = (),
) -> Html:
    """Returns a table that scrolls by itself where it is wider than the page, or very long.

    With sentences in it, a narrow window shows each row as lines below each other, its cells with their heads.

    Args:
        head: What the columns are called.
        rows: The cells of each row. The first says what the row is about.
        label: What the table is, for those who hear it.
        numbers: Columns that hold numbers.
        sentences: Columns that hold many words.
        orders: Orders of the rows to choose from, without a script: what each is called, and the place of each row in
            it. The first is that of the rows as they are.
    """
    kinds = [
        "number" if place in numbers else "sentence" if place in sentences else "word" for place in range(len(head))
    ]
    columns = (tag("th", name, scope="col", class_=kind) for name, kind in zip(head, kinds, strict=True))
    body = [
        tag("tr", *_cells(row, kinds, head if sentences else None), **_places(place, orders))
        for place, row in enumerate(rows)
    ]
    names = [*(["stacked"] if sentences else []), *(["ordered"] if orders else [])]
    looks = {"class_": " ".join(names)} if names else {}
    if orders:
        looks["style"] = f"--columns: {len(head)}"
    inner = tag("table", tag("thead", tag("tr", *columns)), tag("tbody", *body), **looks)
    kind = "scroll long" if len(body) > _MANY_ROWS else "scroll"
    region = tag("div", inner, class_=kind, role="region", aria_label=label, tabindex="0")
    return tag("div", _choices(label, orders), region, class_="orders") if orders else region


def _places(place: int, orders: Sequence[tuple[str, Sequence[int]]]) -> dict[str, str]:
    """Returns the attribute that says where a row stands in each order."""
    words = "; ".join(f"--by-{number}: {places[place]}" for number, (_, places) in enumerate(orders))
    return {"style": words} if words else {}


def _choices(label: str, orders: Sequence[tuple[str, Sequence[int]]]) -> Html:
    """Returns buttons of which one at a time is pressed; the style sheet puts the rows in its order."""
    buttons = [
        tag(
            "label",
            tag("input", type="radio", name_=f"order of {label}", class_=f"by-{number}", **_checked(number)),
            words,
        )
        for number, (words, _) in enumerate(orders)
    ]
    return tag("fieldset", tag("legend", "Order"), *buttons)


def _checked(number: int) -> dict[str, str]:
    return {} if number else {"checked": "checked"}


def _cells(row: Sequence[str], kinds: Sequence[str], heads: Sequence[str] | None) -> Iterable[Html]:
    yield tag("th", row[0], scope="row", class_=kinds[0])
    for place, (cell, kind) in enumerate(zip(row[1:], kinds[1:], strict=True), start=1):
        named = {} if heads is None else {"data_head": heads[place]}
        yield tag("td", cell, class_=kind, **named)


def definitions(pairs: Iterable[tuple[str, str | None]]) -> Html:
    """Returns a list of names and values; names without a value are left out."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value))


def _escaped(text: str) -> str:
    return html.escape(printable(text))
