#!/usr/bin/env python
"""Draws the pictures of docs/serve.md from the real pages: starts a server, searches `digits`, and looks at it.

Needs the extra `serve`, Playwright and Chromium. Takes three minutes.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
SIZE = {"width": 900, "height": 760}
SECONDS = "120s"
SLOW_MS = 600_000


def draw(page: Page, name: str) -> None:
    """Writes what is in the window into docs/."""
    page.screenshot(path=DOCS / f"{name}.png")


def main() -> None:
    """Draws all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ready = Path(folder, "ready")
        command = [sys.executable, "-m", "kevo", "serve", "--root", f"{folder}/root", "--port", "0"]
        server = subprocess.Popen([*command, "--ready-file", str(ready)])
        try:
            while not ready.exists():
                time.sleep(0.1)
            values = json.loads(ready.read_text())
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(base_url=values["url"], viewport=SIZE, color_scheme="light", locale="en")
            page.set_default_timeout(SLOW_MS)
            page.goto("/login")
            page.fill("#token", values["token"])
            page.press("#token", "Enter")
            page.goto("/searches/new?data=digits")
            page.fill("#max_time_other", SECONDS)
            draw(page, "serve-new")
            page.get_by_role("button", name="Start the search").click()
            # On a busy machine there are not many in the time.
            page.get_by_text(re.compile(r"All candidates \((?!1\))")).wait_for()
            page.get_by_text("epoch", exact=False).first.wait_for()
            draw(page, "serve-running")
            page.get_by_role("heading", name="Result").wait_for()
            draw(page, "serve-result")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


if __name__ == "__main__":
    main()
