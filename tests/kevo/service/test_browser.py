"""The whole way of a person, in a real browser: Chromium by Playwright, where both are installed."""

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kevo.service.test_whole import Process, wait
from tests.support.serving import pets, png

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
SLOW = 240_000
"""Milliseconds that a page may take on a machine that trains."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    server = Process(tmp_path_factory.mktemp("serve"))
    yield server
    server.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        # Chromium needs that where it runs as root.
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visitor:
    """Somebody with a browser, who asks nobody but the server."""

    def __init__(self, browser: Any, server: Process, **options: Any) -> None:
        self.address = str(server.client.base_url).rstrip("/")
        self.context = browser.new_context(base_url=self.address, **options)
        self.elsewhere: list[str] = []
        self.streams: list[str] = []
        self.said: list[str] = []
        self.context.on("request", self.note)
        self.context.set_default_timeout(SLOW)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto("/login")
        self.page.fill("#token", server.token)
        self.page.press("#token", "Enter")
        self.page.wait_for_url(f"{self.address}/")

    def note(self, request: Any) -> None:
        if not request.url.startswith((f"{self.address}/", "blob:")):
            self.elsewhere.append(request.url)
        if request.url.endswith("/events"):
            self.streams.append(request.url)

    def click(self, role: str, name: str, address: str) -> None:
        """Clicks on what leads to an address."""
        self.page.get_by_role(role, name=name).click()
        self.page.wait_for_url(re.compile(f"{address}$"))

    def check(self) -> None:
        """A page is as wide as the window, and nothing on it was refused or broken."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, self.page.url
        assert self.elsewhere == [] and self.said == []


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pets") / "pets <b>.zip"
    path.write_bytes(pets(("cat", "dog <i>", "owl")))
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "new.png"
    path.write_bytes(png((3, 200, 90), side=40))
    return path


@pytest.mark.parametrize("width", [360, 1280])
def test_the_whole_way(server: Process, browser: Any, zips: Path, picture: Path, width: int) -> None:
    visitor = Visitor(browser, server, viewport={"width": width, "height": 800}, locale="en")
    page = visitor.page
    visitor.click("link", "New search", "/data/new")
    visitor.check()
    # A file of the wrong kind is refused before it is sent, and the reason is what is read next.
    page.set_input_files("#file", str(picture))
    page.get_by_role("button", name="Upload").click()
    assert page.locator("#error").inner_text() == "Choose a file that ends in .zip or .npz."
    assert page.evaluate("document.activeElement.id") == "error"
    page.set_input_files("#file", str(zips))
    visitor.click("button", "Upload", "/data/[0-9a-f]{16}")
    assert "3 classes, 18 pictures" in page.inner_text("main") and "dog <i>" in page.inner_text("main")
    page.locator(".thumbs img").first.scroll_into_view_if_needed()
    wait(lambda: page.locator(".thumbs img").first.evaluate("one => one.naturalWidth") > 0)
    visitor.check()
    visitor.click("link", "Search on these", "/searches/new.*")
    assert page.input_value("#name") == "pets <b>"
    page.fill("#max_time_other", "10m")
    page.get_by_text("More settings").click()
    page.fill("#epochs", "2")
    page.select_option("#space", "small")
    visitor.check()
    # The page follows by itself: nobody loads it again.
    visitor.click("button", "Start the search", "/searches/[0-9a-f]{16}")
    page.get_by_role("heading", name="Last candidates").wait_for()
    assert page.title().startswith("running")
    visitor.check()
    page.get_by_role("button", name="Stop and keep the best").click()
    page.get_by_role("heading", name="Result").wait_for()
    assert "test accuracy" in page.inner_text("main") and page.locator(".matrix tbody tr").count() == 3
    visitor.check()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the model").click()
    assert download.value.suggested_filename == "best.keras"
    visitor.click("link", "Try it", "/try")
    page.set_input_files("#pictures", str(picture))
    page.locator(".answer-card").wait_for()
    assert page.locator(".answer-card h2").inner_text() == "new.png"
    wait(lambda: page.locator(".answer-card img").evaluate("one => one.naturalWidth") == 40)
    shares = page.locator(".answer-card .number").all_inner_texts()
    assert shares == sorted(shares, key=lambda share: float(share.rstrip("%")), reverse=True)
    visitor.check()
    visitor.context.close()


def test_the_main_way_needs_no_script(server: Process, browser: Any, zips: Path, picture: Path) -> None:
    visitor = Visitor(
        browser, server, java_script_enabled=False, locale="es-ES", viewport={"width": 360, "height": 800}
    )
    page = visitor.page
    page.goto("/data/new")
    page.set_input_files("#file", str(zips))
    visitor.click("button", "Subir", "/data/[0-9a-f]{16}")
    assert "3 clases, 18 imágenes" in page.inner_text("main")
    visitor.click("link", "Buscar con estas", "/searches/new.*")
    page.fill("#max_time_other", "100s")
    visitor.click("button", "Empezar la búsqueda", "/searches/[0-9a-f]{16}")
    # It loads itself again every ten seconds, by what stands in `noscript`.
    page.get_by_role("heading", name="Resultado").wait_for()
    visitor.click("link", "Probarlo", "/try")
    page.set_input_files("#pictures", str(picture))
    page.get_by_role("button", name="Predecir").click()
    assert page.locator(".answer-card h2").inner_text() == "new.png"
    assert visitor.elsewhere == []
    visitor.context.close()


def test_many_tabs_share_one_stream(server: Process, browser: Any) -> None:
    visitor = Visitor(browser, server)
    tabs = [visitor.context.new_page() for _ in range(8)]
    for tab in tabs:
        tab.goto("/")
    # The first page holds the stream, and when it is closed one of the others does.
    assert len(visitor.streams) == 1
    visitor.page.close()
    search = server.post("/searches", {"data": "digits", "name": "seen in every tab"}).json()["id"]
    for tab in tabs:
        tab.get_by_role("link", name="seen in every tab").wait_for()
    assert len(visitor.streams) == 2
    server.post(f"/searches/{search}/stop")
    server.post(f"/searches/{search}/stop", {"now": True})
    visitor.context.close()
