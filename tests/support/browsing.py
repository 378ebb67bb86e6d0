"""A person with a real browser: Chromium by Playwright, where both are installed; axe-core looks at each page."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kevo.service.pages import wording

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: the extra `browser`")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: the extra `browser`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SLOW = 240_000
"""Milliseconds that a page may take on a machine that trains."""
LONGEST = 600_000
"""The same until a search has ended there, or a model is loaded."""
CHOOSER = 20_000
"""Milliseconds until the choice of a file opens."""
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("KEVO_WEB_PICTURES")
_FOCUSED = """() => {
    const one = document.activeElement;
    const label = one.labels?.[0];
    return (one.getAttribute("aria-label") || label?.innerText || one.innerText || one.value || "").trim();
}"""
_BROKEN = """() => [...document.querySelectorAll("button, .button")]
    .filter(one => one.offsetHeight > one.offsetWidth).map(one => one.innerText)"""
_MOST_TABS = 80


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        # Chromium needs that where it runs as root.
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visitor:
    """Somebody with a browser, who asks nobody but the server."""

    def __init__(self, browser: Any, address: str, token: str, *, locale: str = "en", **options: Any) -> None:
        self.address = address.rstrip("/")
        self.words = wording.translator(locale.partition("-")[0])
        self.context = browser.new_context(base_url=self.address, locale=locale, **options)
        self.elsewhere: list[str] = []
        self.streams: list[str] = []
        self.said: list[str] = []
        self.context.on("request", self.note)
        self.context.set_default_timeout(SLOW)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.goto("/login")
        self.page.fill("#token", token)
        self.page.press("#token", "Enter")
        self.page.wait_for_url(f"{self.address}/")

    def note(self, request: Any) -> None:
        if not request.url.startswith((f"{self.address}/", "blob:")):
            self.elsewhere.append(request.url)
        if request.url.endswith("/events"):
            self.streams.append(request.url)

    def click(self, role: str, name: str, address: str) -> None:
        """Clicks on what leads to an address."""
        self.page.get_by_role(role, name=self.words(name)).click()
        self.page.wait_for_url(re.compile(f"{address}$"))

    def tab_to(self, name: str) -> None:
        """Goes on by the Tab key until what has this name, in English, has the focus."""
        wanted, passed = self.words(name), []
        for _ in range(_MOST_TABS):
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate(_FOCUSED))
            if passed[-1].startswith(wanted):
                return
        raise AssertionError(f"No {wanted!r} among {passed}.")

    def press(self, name: str, address: str | None = None) -> None:
        """Goes to something by the keyboard and presses Enter, which leads to an address."""
        self.tab_to(name)
        self.page.keyboard.press("Enter")
        if address is not None:
            self.page.wait_for_url(re.compile(f"{address}$"))

    def type(self, name: str, text: str) -> None:
        """Writes into a field by the keyboard."""
        self.tab_to(name)
        self.page.keyboard.type(text)

    def choose(self, name: str, path: Path) -> None:
        """Chooses a file by the keyboard."""
        self.tab_to(name)
        for key in ("Enter", "Space", "Enter"):
            # On a busy machine the browser does not always hear the key.
            try:
                with self.page.expect_file_chooser(timeout=CHOOSER) as chooser:
                    self.page.keyboard.press(key)
            except playwright.TimeoutError:
                continue
            chooser.value.set_files(str(path))
            return
        raise AssertionError(f"No file can be chosen at {name!r}.")

    def check(self) -> None:
        """A page is as wide as the window, nothing on it was refused or broken, and axe finds nothing."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, self.page.url
        # What is written on a button is not broken inside its words.
        assert self.page.evaluate(_BROKEN) == [], self.page.url
        assert self.elsewhere == [] and self.said == []
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            found = axe.Axe().run(self.page)
            assert found.violations_count == 0, f"{self.page.url} {scheme}\n{found.generate_report()}"

    def keep_picture(self, name: str) -> None:
        """Keeps a picture of the whole page for a person, where one asks for that."""
        if PICTURES is not None:
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                width = self.page.viewport_size["width"]
                self.page.screenshot(path=Path(PICTURES, f"{name}-{width}-{scheme}.png"), full_page=True)
