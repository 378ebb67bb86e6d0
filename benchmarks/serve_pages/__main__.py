"""Measures the pages of `kevo serve` with many searches and candidates, beside optuna-dashboard.

    python -m benchmarks.serve_pages --write

Needs the extras `serve` and `browser`, Chromium, and optuna-dashboard, which is not one of kevo's own packages.
"""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, sync_playwright

from benchmarks.serve_pages.making import make
from benchmarks.support import project
from benchmarks.support.command_line import parser
from benchmarks.support.pages import table
from benchmarks.support.processes import machine, memory_of
from kevo.service.jobs import Place

REPORT = project.PAGES / "serve_pages.md"
SLOW_MS = 600_000
LOADS = 3
_START_SECONDS = 300.0
ABOUT = """\
# Pages of kevo serve with many searches and candidates

{searches:,} searches that have ended, of which the newest has {candidates:,} candidates; none of it was trained. A
server has read it before, as one does that was there when the search ended.
"First" is the first request after another server has begun, the others are medians of {repeats}. Memory is that of the
server's process, after all that and 100 further pages. "Full page" is what a person waits for in Chromium, from the
address to the drawn history of the search: the first time with an empty cache, and the median of {loads} further loads.
optuna-dashboard shows a study of as many trials, which is kept in memory. kevo's page is drawn by its server: the line
of the best score, the last 1,000 candidates as dots, and the result. optuna-dashboard's is drawn in the browser, and
shows all trials."""


@contextmanager
def kevo_serve(root: Path) -> Iterator[tuple[str, str, int]]:
    """Serves a folder, and yields its address, token and process."""
    ready = root.with_name("ready")
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "kevo", "serve", "--root", str(root), "--port", "0", "--paused"]
    child = subprocess.Popen([*command, "--ready-file", str(ready)], cwd=project.ROOT, stderr=subprocess.DEVNULL)
    try:
        _wait(ready.exists)
        values = json.loads(ready.read_text())
        yield values["url"], values["token"], values["pid"]
    finally:
        child.terminate()
        child.wait()


@contextmanager
def optuna_dashboard(num_trials: int) -> Iterator[tuple[str, int]]:
    """Serves a study, and yields its address and process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.serve_pages.dashboard", str(num_trials), str(port)]
    child = subprocess.Popen(command, cwd=project.ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    try:
        _wait(listens)
        yield f"http://127.0.0.1:{port}", child.pid
    finally:
        child.kill()
        child.wait()


def _wait(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + _START_SECONDS
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError("The server does not begin.")
        time.sleep(0.05)


def requests(client: httpx2.Client, search: str, repeats: int) -> list[list[str]]:
    """Returns a row of the table for each page: the first time, the median, and the size."""
    rows = []
    for name, path in (
        ("searches", "/"),
        ("searches, the last page", "/?page=100"),
        ("a search", f"/searches/{search}"),
        ("its candidates", f"/searches/{search}/candidates"),
        ("500 candidates by REST", f"/api/v1/searches/{search}/candidates?limit=500"),
    ):
        seconds = []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            answer = client.get(path).raise_for_status()
            seconds.append(time.perf_counter() - began)
        median = statistics.median(seconds[1:])
        rows.append([name, f"{1e3 * seconds[0]:.0f}", f"{1e3 * median:.0f}", f"{len(answer.content) / 1e3:.0f}"])
    return rows


def full_pages(browser: Browser, address: str, drawn: str, repeats: int, token: str = "") -> tuple[float, float]:
    """Returns the milliseconds until a page is drawn: the first time, and the median of further ones.

    Args:
        browser: The browser.
        address: The page.
        drawn: What is there as soon as its history is drawn, as a CSS selector.
        repeats: How many further times.
        token: Signs in first; empty where nobody has to.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SLOW_MS)
    page = context.new_page()
    if token:
        page.goto(f"{address.partition('/searches')[0]}/login")
        page.fill("#token", token)
        page.press("#token", "Enter")
        page.locator("h1").wait_for()
    found = []
    for _ in range(repeats + 1):
        page.goto("about:blank")
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(drawn).first.wait_for()
        found.append(1e3 * (time.perf_counter() - began))
    context.close()
    return found[0], statistics.median(found[1:])


def main(given: Sequence[str] | None = None) -> None:
    """Measures both, and prints the tables."""
    options = parser(__doc__)
    options.add_argument("--searches", type=int, default=2_000, help="how many searches")
    options.add_argument("--candidates", type=int, default=20_000, help="how many candidates the newest of them has")
    options.add_argument("--repeats", type=int, default=10, help="how often each page is asked for")
    options.add_argument("--write", action="store_true", help="write the report to docs/benchmarks")
    arguments = options.parse_args(given)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        # Chromium needs that where it runs as root.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        root = Path(folder, "root")
        search = make(root, num_searches=arguments.searches, num_candidates=arguments.candidates)
        with kevo_serve(root):
            # The first server reads the long search, and keeps what it has read for the next.
            _wait(Place(root / "jobs" / search).summary.exists)
        with kevo_serve(root) as (address, token, process):
            ours = full_pages(browser, f"{address}/searches/{search}", ".curve polyline", LOADS, token)
        with kevo_serve(root) as (address, token, process):
            headers = {"authorization": f"Bearer {token}"}
            with httpx2.Client(base_url=address, headers=headers, timeout=120) as client:
                rows = requests(client, search, arguments.repeats)
                for number in range(100):
                    client.get(f"/?page={number + 1}").raise_for_status()
            memory = memory_of(process)
        with optuna_dashboard(arguments.candidates) as (address, process):
            page = f"{address}/dashboard/studies/0"
            theirs = full_pages(browser, page, ".js-plotly-plot .scatterlayer", LOADS)
            their_memory = memory_of(process)
    pages = table(["page", "first, ms", "median, ms", "kB"], rows)
    both = table(
        ["full page of a search", "first, ms", "median, ms", "memory, MB", "its peak, MB"],
        [
            [name, *(f"{value:.0f}" for value in (*times, *(used or (0.0, 0.0))))]
            for name, times, used in (("kevo serve", ours, memory), ("optuna-dashboard", theirs, their_memory))
        ],
    )
    text = f"{pages}\n\n{both}\n"
    print(text)
    if arguments.write:
        command = shlex.join(["python", "-m", "benchmarks.serve_pages", *(sys.argv[1:] if given is None else given)])
        about = ABOUT.format(
            searches=arguments.searches, candidates=arguments.candidates, repeats=arguments.repeats, loads=LOADS
        )
        packages = machine("fastapi", "uvicorn", "optuna", "optuna-dashboard")
        REPORT.write_text(f"{about}\n\n    {command}\n\n{packages}.\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
