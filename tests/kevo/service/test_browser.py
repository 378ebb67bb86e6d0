"""The whole way of a person, in a real browser: Chromium by Playwright, where both are installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kevo.service import jobs
from tests.support.serve_process import Process, servers, wait
from tests.support.serving import pets, png

browsing = pytest.importorskip("tests.support.browsing", reason="the extra `browser` is not installed")
browser = browsing.browser
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), browsing.needs_chromium]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with servers(tmp_path_factory.mktemp("serve")) as start:
        yield start()


@pytest.fixture(autouse=True)
def left_quiet(server: Process) -> Iterator[None]:
    """Ends the searches of a test, however that ends: those of the next one would wait for them."""
    yield
    for one in server.get("/searches")["searches"]:
        server.post(f"/searches/{one['id']}/stop")
        server.post(f"/searches/{one['id']}/stop", {"now": True})
    wait(lambda: {one["state"] for one in server.get("/searches")["searches"]} <= set(jobs.ENDED))


def visitor_of(browser: Any, server: Process, **options: Any) -> Any:
    return browsing.Visitor(browser, str(server.client.base_url), server.token, **options)


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


@pytest.mark.bar(9)
@pytest.mark.parametrize(("width", "locale"), [(360, "es-ES"), (1280, "en"), (360, "en"), (1280, "es-ES")])
def test_the_whole_way_by_keyboard(
    server: Process, browser: Any, zips: Path, picture: Path, width: int, locale: str
) -> None:
    visitor = visitor_of(browser, server, viewport={"width": width, "height": 800}, locale=locale)
    page, words = visitor.page, visitor.words
    visitor.press("New search", "/data/new")
    visitor.check()
    # A file of the wrong kind is refused before it is sent, and the reason is what is read next.
    visitor.choose("Drop a .zip or .csv here, or choose one", picture)
    visitor.press("Upload")
    assert page.locator("#error").inner_text() == words("Choose a file that ends in .zip, .npz or .csv.")
    assert page.evaluate("document.activeElement.id") == "error"
    visitor.choose("Drop a .zip or .csv here, or choose one", zips)
    visitor.press("Upload", "/data/[0-9a-f]{16}")
    assert words("{classes} classes, {pictures} pictures", classes=3, pictures=18) in page.inner_text("main")
    assert "dog <i>" in page.inner_text("main")
    page.locator(".thumbs img").first.scroll_into_view_if_needed()
    wait(lambda: page.locator(".thumbs img").first.evaluate("one => one.naturalWidth") > 0)
    visitor.check()
    visitor.press("Search on these", "/searches/new.*")
    assert page.input_value("#name") == "pets <b>"
    visitor.type("Or another time, such as 90s, 20m or 2h30m", "10m")
    visitor.press("More settings")
    visitor.type("Epochs of a candidate", "2")
    visitor.tab_to("How wide to search")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#space") == "small"
    visitor.check()
    # The page follows by itself: nobody loads it again.
    visitor.press("Start the search", "/searches/[0-9a-f]{16}")
    page.get_by_role("heading", name=words("Last candidates")).wait_for(timeout=browsing.LONGEST)
    assert page.title().startswith(words("running"))
    visitor.check()
    visitor.press("Stop and keep the best")
    page.get_by_role("heading", name=words("Result")).wait_for(timeout=browsing.LONGEST)
    assert "test accuracy" in page.inner_text("main") and page.locator(".matrix tbody tr").count() == 3
    visitor.check()
    with page.expect_download() as download:
        visitor.press("Download the model")
    assert download.value.suggested_filename == "best.keras"
    visitor.press("Try it", "/try")
    visitor.choose("Drop pictures here, or choose some", picture)
    # The model is loaded first.
    page.locator(".answer-card").wait_for(timeout=browsing.LONGEST)
    assert page.locator(".answer-card h2").inner_text() == "new.png"
    wait(lambda: page.locator(".answer-card img").evaluate("one => one.naturalWidth") == 40)
    shares = page.locator(".answer-card .number").all_inner_texts()
    numbers = [float(share.rstrip(" %").replace(",", ".")) for share in shares]
    assert numbers == sorted(numbers, reverse=True)
    visitor.check()
    visitor.context.close()


@pytest.mark.bar(9)
def test_the_main_way_needs_no_script(server: Process, browser: Any, zips: Path, picture: Path) -> None:
    visitor = visitor_of(
        browser, server, java_script_enabled=False, locale="es-ES", viewport={"width": 360, "height": 800}
    )
    page = visitor.page
    page.goto("/data/new")
    page.set_input_files("#file", str(zips))
    visitor.click("button", "Upload", "/data/[0-9a-f]{16}")
    assert "3 clases, 18 imágenes" in page.inner_text("main")
    visitor.click("link", "Search on these", "/searches/new.*")
    page.fill("#max_time_other", "100s")
    visitor.click("button", "Start the search", "/searches/[0-9a-f]{16}")
    # It loads itself again every ten seconds, by what stands in `noscript`.
    page.get_by_role("heading", name="Resultado").wait_for(timeout=browsing.LONGEST)
    visitor.click("link", "Try it", "/try")
    page.set_input_files("#pictures", str(picture))
    page.get_by_role("button", name="Predecir").click(timeout=browsing.LONGEST)
    assert page.locator(".answer-card h2").inner_text() == "new.png"
    assert visitor.elsewhere == []
    visitor.context.close()


@pytest.mark.bar(16)
def test_many_tabs_share_one_stream(server: Process, browser: Any) -> None:
    visitor = visitor_of(browser, server)
    first = server.post("/searches", {"data": "digits", "name": "at work"}).json()["id"]
    wait(lambda: server.get(f"/searches/{first}")["state"] in jobs.ALIVE)
    tabs = [visitor.context.new_page() for _ in range(12)]
    for tab in tabs:
        tab.goto(f"/searches/{first}")
        tab.get_by_role("button", name="Stop and keep the best").wait_for()
    # Another one still loads, though a browser opens six connections to a server only.
    last = visitor.context.new_page()
    last.goto("/")
    last.get_by_role("link", name="at work").wait_for()
    # The first page holds the stream, and when it is closed one of the others does.
    assert len(visitor.streams) == 1
    visitor.page.close()
    second = server.post("/searches", {"data": "digits", "name": "seen later"}).json()["id"]
    last.get_by_role("link", name="seen later").wait_for()
    assert len(visitor.streams) == 2
    # All of them follow what happens.
    server.post(f"/searches/{second}/stop")
    server.post(f"/searches/{first}/stop", {"now": True})
    for tab in tabs:
        tab.get_by_role("heading", name="Go on").wait_for()
    last.locator(".state.stopped").first.wait_for()
    assert len(visitor.streams) <= 2 + len(tabs) and visitor.elsewhere == []
    visitor.context.close()
