"""Figures as PNG, and as SVG that may stand in a page beside others."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

_DPI = 150
_SVG, _LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#")


def png(figure: Figure) -> bytes:
    """Returns a figure as a PNG file.

    Args:
        figure: Any figure of this package.
    """
    buffer = io.BytesIO()
    with _any_script():
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """Returns a figure as an <svg> element for a page.

    It is as wide as what it stands in, its text is text, and it refers to nothing outside. The same figure gives the
    same element; two that differ share no id.

    Args:
        figure: Any figure of this package.

    Example:
        >>> from matplotlib.figure import Figure
        >>> figure = Figure()
        >>> _ = figure.text(0.5, 0.5, "<cats>", parse_math=False)
        >>> element = svg(figure)
        >>> element[:4], "&lt;cats&gt;" in element
        ('<svg', True)
    """
    buffer = io.BytesIO()
    with _any_script(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kevo"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    drawn = buffer.getvalue()
    # Comments go, and with them whatever a class name would have made of one.
    root = ElementTree.fromstring(drawn)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    # In a page a style sheet would hold for everything on it.
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt", "width": "100%", "role": "img"}
    root.attrib.pop("height", None)
    prefix = f"f{sha256(drawn).hexdigest()[:12]}-"
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for name, value in list(element.attrib.items()):
            if name == "id":
                element.set(name, prefix + value)
            elif name == _LINK:
                del element.attrib[name]
                element.set("href", f"#{prefix}{value[1:]}" if value.startswith("#") else value)
            else:
                element.set(name, _REFERENCE.sub(f"url(#{prefix}", value))
    root.set("xmlns", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


@contextmanager
def _any_script() -> Iterator[None]:
    """Class names in scripts that the font lacks show boxes; the numbers are right all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
