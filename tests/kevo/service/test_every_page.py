"""Every page in every state, in a real browser: as wide as the window, light and dark, and axe finds nothing."""

import contextlib
import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import uvicorn

from kevo import Settings
from kevo.runs.folder import Run
from kevo.service import jobs, measuring
from kevo.service.app import create_app
from kevo.service.guard import Hosts
from kevo.service.jobs import Job
from kevo.service.root import Root
from kevo.service.server import Config, Server
from kevo.service.tokens import Gate, TokenFile
from kevo.tasks.outputs.forecasts import evaluation
from tests.support import series
from tests.support.masks import write_folder
from tests.support.searches import failed, record
from tests.support.serve_process import wait
from tests.support.serving import TOKEN, pets, put_run, put_search, write_result, zipped

browsing = pytest.importorskip("tests.support.browsing", reason="the extra `browser` is not installed")
browser = browsing.browser
pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.bar(9, 12, 20), browsing.needs_chromium]
HOSTILE = "<img src=x onerror=alert(1)>\u202e../"
LONG = "a name that is very long and has no end in sight " * 4
RECORDS = (record("0", 0.5), record("1", 0.75, number=1, finished_at=9.0), failed(2))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    with Root(tmp_path_factory.mktemp("pages") / "root") as root, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = Server(root, Gate(root.tokens, root.sign_ins, given=TOKEN), Config(is_paused=True))
        # Whether a search is alive is looked up again twice a second: here some only seem so.
        server.searches.tick = lambda: None  # type: ignore[method-assign]
        app = create_app(server, Hosts("127.0.0.1", port), port=port)
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        wait(lambda: running.started)
        yield server, f"http://127.0.0.1:{port}"
        server.hub.close()
        running.should_exit = True
        thread.join(60)


def at_work(server: Server, state: str, alive: contextlib.ExitStack) -> Job:
    job = put_search(server, name=f"{state} {HOSTILE}")
    run = put_run(server, job, RECORDS)
    alive.enter_context(run.locked())
    server.searches.set_state(job, state)
    training = {"number": 2, "words": HOSTILE, "worker": "here", "stage": "train", "epoch": 3, "num_epochs": 20}
    points = [{"loss": 3 / (step + 2), "accuracy": 1 - 0.8 / (step + 1)} for step in range(20)]
    # Its validation is told once in an epoch.
    validated = [{"val_accuracy": 0.6 + step / 100} if step % 8 == 7 else {} for step in range(20)]
    curve = [
        {"stage": "train", "epochs": (step + 1) / 8, "metrics": {**one, **more}}
        for step, (one, more) in enumerate(zip(points, validated, strict=True))
    ]
    told = {"started_at": 1.0, "metrics": {"accuracy": 0.75, "loss": None}, "curve": curve}
    values = {"seconds": 9.0, "written_at": 0, "trainings": [{**training, **told}], "phase": ["evolving", "evolves"]}
    run.write_json("status.json", values)
    return job


def ended(server: Server, state: str, *, has_result: bool = False, records: Any = RECORDS, words: str = "") -> Job:
    job = put_search(server, state=state, name=f"{state} {LONG if has_result else HOSTILE}", words=words)
    run = put_run(server, job, records)
    if has_result:
        write_result(run, interrupted=state == "stopped", class_names=("cat", HOSTILE, LONG))
    return job


def of_series(server: Server) -> Job:
    """A search on a series that has ended, with other limits before."""
    job = put_search(server, state="finished", name=f"series {HOSTILE}")
    settings = Settings(task="series", options={"target": HOSTILE, "horizon": "4"}, max_trials=5)
    run = Run.create(server.searches.place(job).run, {"search": settings.to_json(), "data": "sales.csv"})
    run.replace_search_settings(settings.extended(max_time="1h", seconds=20.0, num_trials=5))
    write_result(run)
    values = json.loads((run.path / "result.json").read_text())
    steps = np.arange(40.0).reshape(10, 4)
    scores = evaluation.evaluate(steps + np.sin(steps), steps, scale=2.0).to_json()
    genome = {"family": "linear"}
    run.write_json("result.json", {**values, "task": "series", "genome": genome, "validation": scores, "test": scores})
    return job


def know_answers(server: Server, first: Job, second: Job) -> None:
    """Puts down what processes of their own have found out."""
    place = server.searches.place(first)
    key = ("compare", first.id, second.id)
    rows = [
        {"group": "settings", "name": "epochs", "values": [1, 2], "words": ["1", LONG], "is_equal": False},
        {"group": "outcome", "name": HOSTILE, "values": [1, 1], "words": ["1", "1"], "is_equal": True},
    ]
    told = {"verdicts": [{"words": HOSTILE}], "notes": [LONG], "refused": {}}
    (place.folder / f"{measuring._name(key)}.json").write_text(json.dumps({"rows": rows, **told}))
    scores = json.loads((place.run / "result.json").read_text())["test"]
    (place.folder / f"{measuring._name(('evaluate', first.id, 'digits', ''))}.json").write_text(json.dumps(scores))
    place.figures.mkdir()
    drawn = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 20'><circle cx='20' cy='10' r='8'/></svg>"
    (place.figures / "progress.svg").write_text(drawn)


@pytest.fixture(scope="module")
def pages(served: tuple[Server, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of all pages, by names for their pictures."""
    server, address = served
    found: dict[str, str] = {}
    headers = {"authorization": f"Bearer {TOKEN}"}
    texts = {f"{name}/{place}.txt": f"{name} {place}".encode() for name in ("good", LONG[:90]) for place in range(3)}
    disks = write_folder(tmp_path_factory.mktemp("masks") / "disks", 4)
    contents = {
        "pets": pets(("cat", HOSTILE.replace("/", ""), "owl")),
        "texts": zipped(texts),
        "masks": Path(shutil.make_archive(str(disks), "zip", disks)).read_bytes(),
    }
    uploads = {}
    with httpx2.Client(base_url=address, headers=headers, timeout=120) as client:
        for name, content in contents.items():
            answer = client.put(f"/api/v1/data/{name}.zip", content=content)
            assert answer.status_code == 201, answer.text
            uploads[name] = answer.json()["id"]
        sales = series.write_csv(tmp_path_factory.mktemp("series") / "sales.csv").read_bytes()
        uploads["series"] = client.put("/api/v1/data/sales.csv", content=sales).json()["id"]
    upload = uploads["pets"]
    found |= {f"data-{name}": f"/data/{uploads[name]}" for name in ("texts", "masks", "series")}
    found["search-new-series"] = f"/searches/new?data={uploads['series']}"
    found |= {"data": "/data", "data-new": "/data/new", "data-one": f"/data/{upload}"}
    found |= {"data-delete": f"/data/{upload}/delete", "search-new": f"/searches/new?data={upload}"}
    queued = put_search(server, name=HOSTILE)
    queued.note = f"{LONG}\n{HOSTILE}"
    put_search(server, name="waits after it")
    cancelled = put_search(server, state="cancelled", name="cancelled")
    alive = contextlib.ExitStack()
    states = {state: at_work(server, state, alive) for state in (jobs.STARTING, jobs.RUNNING, jobs.STOPPING)}
    states["failed"] = ended(server, "failed", words=f"No candidate could be trained. {HOSTILE}")
    states["failed-all"] = ended(server, "failed", records=tuple(failed(number) for number in range(3)))
    states["stopped-without"] = ended(server, "stopped", records=())
    states["stopped"] = ended(server, "stopped", has_result=True)
    states["finished"] = ended(server, "finished", has_result=True)
    damaged = ended(server, "finished", has_result=True)
    (server.searches.place(damaged).run / "result.json").write_text('{"half')
    states["damaged"] = damaged
    states["series"] = of_series(server)
    found |= {f"search-{name}": f"/searches/{job.id}" for name, job in states.items()}
    found |= {"search-queued": f"/searches/{queued.id}", "search-cancelled": f"/searches/{cancelled.id}"}
    done = states["finished"].id
    for name in ("candidates", "delete", "try", "measure", "figures"):
        found[f"search-{name}"] = f"/searches/{done}/{name}"
    found |= {"candidate": f"/searches/{done}/candidates/1", "candidate-failed": f"/searches/{done}/candidates/3"}
    found["candidates-best"] = f"/searches/{done}/candidates?sort=best&status=completed"
    found["candidate-training"] = f"/searches/{states[jobs.RUNNING].id}/candidates/3"
    found["search-series-try"] = f"/searches/{states['series'].id}/try"
    found["search-measured"] = f"/searches/{done}/measure?data=digits"
    found["compare"] = f"/compare?ids={done}&ids={states['stopped'].id}"
    found["compare-one"] = f"/compare?ids={done}"
    know_answers(server, states["finished"], states["stopped"])
    with alive:
        yield found | {
            "searches": "/",
            "searches-failed": "/?state=failed",
            "searches-by-name": "/?sort=name&q=e",
            "searches-none-like-it": "/?q=nothing+of+the+kind",
            "api": "/api",
            "machine": "/machine",
            "error": "/searches/none",
        }


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_can_be_used_by_everybody(
    served: tuple[Server, str], browser: Any, pages: dict[str, str], width: int
) -> None:
    server, address = served
    # Whoever is new has nothing yet.
    token = TokenFile(server.root.tokens).add(f"new-{width}")
    visitor = browsing.Visitor(browser, address, token, viewport={"width": width, "height": 800}, locale="en")
    for name, path in (("searches-none", "/"), ("data-none", "/data")):
        visitor.page.goto(path)
        visitor.keep_picture(name)
        visitor.check()
    visitor.context.close()
    visitor = browsing.Visitor(browser, address, TOKEN, viewport={"width": width, "height": 800}, locale="en")
    for name, path in pages.items():
        visitor.page.goto(path)
        visitor.page.locator("h1").wait_for()
        # The browser says so itself where a page is an error.
        visitor.said = [text for text in visitor.said if "status of 4" not in text]
        visitor.keep_picture(name)
        visitor.check()
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.wait_for_url("**/login")
    visitor.keep_picture("login")
    visitor.check()
    visitor.context.close()


def test_a_reader_hears_where_things_are(served: tuple[Server, str], browser: Any, pages: dict[str, str]) -> None:
    _, address = served
    visitor = browsing.Visitor(browser, address, TOKEN, locale="en")
    page = visitor.page
    page.goto(pages["search-running"])
    # Landmarks, one headline, and the state in words and first in the title.
    assert page.get_by_role("banner").count() == page.get_by_role("main").count() == 1
    assert page.get_by_role("navigation").count() >= 1 and page.get_by_role("heading", level=1).count() == 1
    assert page.title().startswith("running") and page.get_by_text("running", exact=True).count() >= 1
    assert page.get_by_role("status").count() >= 1
    names = [one.get_attribute("aria-label") for one in page.get_by_role("progressbar").all()]
    assert names and all(names)
    # The first thing that Tab reaches leads past the navigation.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    # A figure has words, and the same as a table.
    figure = page.get_by_role("img", name="The best score on the validation split by time")
    assert figure.count() == 1
    page.get_by_text("The same as a table").click()
    assert page.get_by_role("table").first.is_visible()
    visitor.context.close()
