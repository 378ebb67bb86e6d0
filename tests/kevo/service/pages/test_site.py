"""Every page says what there is and what to do, in every state, and shows names of others as text."""

import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from kevo.service.server import Server
from kevo.service.tokens import TokenFile, User
from tests.support.searches import failed, record
from tests.support.serving import ADDRESS, at_work, pets, put_run, put_search, serving, write_result

HOSTILE = "<img src=x onerror=alert(1)>\u202e../"
Serving = tuple[Server, TestClient]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "root") as both:
        yield both


class Outline(HTMLParser):
    """Finds what every page must have."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def checked(page: str) -> str:
    """A page that readers of all kinds can use, and that its own policy does not break."""
    outline = Outline(page)
    assert len(outline.all("h1")) == len(outline.all("main")) == len(outline.all("title")) == 1
    assert outline.all("html")[0]["lang"] in ("en", "es")
    labelled = {one["for"] for one in outline.all("label") if one.get("for")}
    for field in [*outline.all("input"), *outline.all("select"), *outline.all("textarea")]:
        assert field.get("type") in ("hidden", "radio") or field["id"] in labelled
    assert all("alt" in one for one in outline.all("img"))
    assert all(one.get("scope") for one in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    identities = [one["id"] for _, one in outline.tags if one.get("id")]
    assert len(identities) == len(set(identities))
    assert not any(name.startswith("on") or name == "style" for _, one in outline.tags for name in one)
    addresses = [one.get("href") or one.get("src") or "" for _, one in outline.tags]
    assert not any(address.startswith(("http:", "https:", "//")) for address in addresses)
    return page


@pytest.mark.bar(12)
def test_an_empty_server_says_how_to_begin(served: Serving) -> None:
    _, client = served
    page = checked(client.get("/").text)
    assert "There is no search yet" in page and "/searches/new?data=digits" in page
    for path in ("/data", "/data/new", "/api", "/searches/new"):
        checked(client.get(path).text)
    assert "Sign in" in checked(client.get("/login").text)


@pytest.mark.bar(12, 20)
@pytest.mark.parametrize(
    ("state", "words", "expected"),
    [
        ("queued", "", "Take it out of the queue"),
        ("cancelled", "", "before it began"),
        ("failed", f"No candidate could be trained. {HOSTILE}", "No candidate could be trained."),
        ("failed", "", "It ended without a word."),
        ("stopped", "", "there is no model yet"),
        ("finished", "", "Let it go on"),
    ],
)
def test_every_state_says_what_to_do(served: Serving, state: str, words: str, expected: str) -> None:
    server, client = served
    job = put_search(server, state=state, words=words, name=HOSTILE)
    page = checked(client.get(f"/searches/{job.id}").text)
    assert expected in page and "<img" not in page
    assert "&lt;img src=x" in checked(client.get("/").text)
    assert client.get(f"/searches/{job.id}/candidates").status_code == 200
    if state == "failed":
        (server.searches.place(job).folder / "log").write_text("a line\nError: \x1b[2J <b>\n")
        page = checked(client.get(f"/searches/{job.id}").text)
        assert "Error: ?[2J &lt;b&gt;" in page and "Try again" in page


@pytest.mark.bar(12, 20)
@pytest.mark.parametrize("state", ["starting", "running", "stopping"])
def test_a_search_at_work_is_followed_without_a_script_too(served: Serving, state: str) -> None:
    server, client = served
    job = put_search(server)
    run = put_run(server, job, (record("0", 0.5), record("1", 0.75, number=1, finished_at=9.0), failed(2)))
    # Whether it is alive is looked up again twice a second: here it only seems so.
    server.searches.tick = lambda: None  # type: ignore[method-assign]
    server.searches.set_state(job, state)
    training = {"number": 2, "words": HOSTILE, "worker": "here", "stage": "train", "epoch": 3, "num_epochs": 20}
    told = {"started_at": 1.0, "metrics": {"accuracy": 0.75, "loss": None}}
    with run.locked():
        run.write_json(
            "status.json",
            {
                "seconds": 9.0,
                "written_at": 0,
                "trainings": [{**training, **told}],
                "phase": ["evolving", f"evolves {HOSTILE}"],
            },
        )
        page = checked(client.get(f"/searches/{job.id}").text)
    assert '<noscript><meta http-equiv="refresh"' in page and "epoch 3 of 20" in page and "0.750" in page
    assert "evolves &lt;img" in page
    assert ("Stop and keep the best" in page) == (state != "stopping")
    assert "<polyline" in page and "The same as a table" in page and "<img" not in page


@pytest.mark.bar(20)
def test_a_result_is_shown_with_its_interval_and_confusions(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    write_result(put_run(server, job, (record("0", 0.5),)), class_names=(HOSTILE, "dog"))
    page = checked(client.get(f"/searches/{job.id}").text)
    assert "90.0%" in page and "95% confidence" in page and "always answers with one of its classes" in page
    assert "&lt;img src=x" in page and "<img" not in page and "<noscript>" not in page
    assert f"/api/v1/searches/{job.id}/files/best.keras" in page and f"/searches/{job.id}/try" in page
    # The search itself, and its model.
    assert client.get("/?state=finished").text.count(f"/searches/{job.id}") == 2
    assert "/searches/" not in client.get("/?state=failed").text.partition("<tbody>")[2]


@pytest.mark.bar(12)
@pytest.mark.parametrize("name", ["settings.json", "result.json", "trials.jsonl", "status.json"])
def test_a_damaged_run_folder_breaks_no_page(served: Serving, name: str) -> None:
    server, client = served
    job = put_search(server, state="finished")
    run = put_run(server, job, (record("0", 0.5),))
    write_result(run)
    (run.path / name).write_text('{"half')
    for path in ("/", f"/searches/{job.id}", f"/searches/{job.id}/candidates"):
        answer = client.get(path)
        assert answer.status_code == 200 and job.name in checked(answer.text)


def test_an_error_is_a_page_for_people_and_json_for_programs(served: Serving) -> None:
    _, client = served
    page = client.get("/searches/0123456789abcdef")
    assert page.status_code == 404 and "There is no such search." in checked(page.text)
    for path in ("/searches/..%2f..%2fx", "/nowhere", "/data/x"):
        assert client.get(path).status_code == 404
    answer = client.get("/api/v1/searches/0123456789abcdef")
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such search.",
    }
    assert client.post("/api/v1/data/x.zip").headers["allow"] == "DELETE, GET, PUT"
    assert client.post("/").status_code == 405
    wrong = client.post("/api/v1/health")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "GET" and wrong.json()["status"] == 405
    assert (
        client.post("/api/v1/searches", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    )


def test_a_search_is_begun_by_a_form(served: Serving) -> None:
    server, client = served
    form = {"data": "digits", "name": "mine", "max_time": "1h", "max_time_other": "90s", "epochs": "5", "seed": "0"}
    answer = client.post("/searches", data=form, follow_redirects=False)
    (job,) = server.searches.all_of(User("owner"))
    assert answer.status_code == 303 and answer.headers["location"] == f"/searches/{job.id}"
    assert (job.name, job.settings) == ("mine", {"max_time": 90.0, "epochs": 5, "seed": 0})
    assert "place 1 in the queue" in client.get(f"/searches/{job.id}").text
    assert client.post(f"/searches/{job.id}/stop", follow_redirects=False).status_code == 303
    assert server.searches.state(job) == "cancelled"


@pytest.mark.bar(20)
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("max_time_other", "soon", "soon"),
        ("max_time_other", "100000h", "at most"),
        ("epochs", "many", "Expected a whole number"),
        ("epochs", "0", "greater than or equal to 1"),
        ("space", HOSTILE, "space"),
    ],
)
def test_a_form_that_is_refused_keeps_what_was_written(served: Serving, field: str, value: str, words: str) -> None:
    server, client = served
    answer = client.post("/searches", data={"data": "digits", "name": HOSTILE, field: value})
    page = checked(answer.text)
    assert answer.status_code == 422 and words in page and 'value="&lt;img src=x' in page and "<img" not in page
    assert server.searches.all_of(User("owner")) == []
    assert client.post("/searches", data={"data": "nothing"}).status_code == 404


def test_going_on_is_asked_for_by_a_form(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished")
    assert client.post(f"/searches/{job.id}/resume", data={"max_time": "soon"}).status_code == 422
    assert client.post(f"/searches/{job.id}/resume", data={}).status_code == 409
    assert client.post(f"/searches/{job.id}/resume", data={"max_time": "20m"}).status_code == 200
    assert server.searches.state(job) == "queued" and job.settings["max_time"] == 1200


@pytest.mark.bar(13)
def test_a_model_is_tried_only_where_there_is_one(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="stopped")
    page = checked(client.get(f"/searches/{job.id}/try").text)
    assert "There is no such model yet" in page and "--data-binary" in page
    address = f"/api/v1/searches/{job.id}/predict"
    assert client.post(address, content=b"x").status_code == 409
    assert client.post(address, content=b"").status_code == 422
    assert client.post(f"{address}?model=..%2fx", content=b"x").status_code == 409
    many = [("pictures", (f"{number}.png", b"x")) for number in range(33)]
    assert client.post(address, files=many).status_code == 413
    assert client.post(address, content=b"x" * (21 * 1024**2)).status_code == 413
    form = client.post(f"/searches/{job.id}/try", files={"pictures": ("a.png", b"x")}, headers={"origin": ADDRESS})
    assert form.status_code == 409 and "There is no such model yet" in checked(form.text)


@pytest.mark.bar(15)
def test_many_searches_are_shown_in_pages(served: Serving) -> None:
    server, client = served
    for number in range(25):
        put_search(server, state="finished", name=f"number {number}")
    first, second = (checked(client.get(f"/?page={page}").text) for page in (1, 2))
    assert "number 24<" in first and "number 4<" not in first and "Page 1 of 2" in first
    assert "number 4<" in second and "number 24<" not in second
    assert client.get("/?page=x").status_code == 422


@pytest.mark.parametrize("state", ["queued", "finished"])
def test_a_search_gets_another_name_and_note_if_nobody_was_faster(served: Serving, state: str) -> None:
    server, client = served
    job = put_search(server, state=state, name="pets")
    address, page = f"/searches/{job.id}", client.get(f"/searches/{job.id}").text
    before = re.findall(r'name="before" value="(\w+)"', page)[0]
    sent = {"before": before, "name": "cats", "note": "<b>of all</b>\r\nrooms"}
    page = client.post(f"{address}/about", data=sent, headers={"origin": ADDRESS}).text
    assert (job.name, job.note) == ("cats", "<b>of all</b>\nrooms")
    assert '<p class="note" dir="auto">&lt;b&gt;of all&lt;/b&gt;\nrooms</p>' in checked(page)
    late = client.post(f"{address}/about", data={**sent, "name": "dogs"}, headers={"origin": ADDRESS})
    assert late.status_code == 409 and "meanwhile" in checked(late.text) and job.name == "cats"
    before = re.findall(r'name="before" value="(\w+)"', page)[0]
    for wrong in ({"name": "\x00"}, {"name": "cats", "note": "x" * 2001}):
        answer = client.post(f"{address}/about", data={"before": before, **wrong}, headers={"origin": ADDRESS})
        assert answer.status_code == 422 and "That did not work" in checked(answer.text)
    assert job.name == "cats"


def test_what_waits_is_moved_by_buttons(served: Serving) -> None:
    server, client = served
    first, second = put_search(server, name="first"), put_search(server, name="second")
    page = checked(client.get("/").text)
    assert "Let first begin later" in page and "Let second begin earlier" in page
    assert "Let first begin earlier" not in page and "Let second begin later" not in page
    place = re.findall(rf'form="move-{second.id}" name="position" value="(\d+)"', page)
    answer = client.post(f"/searches/{second.id}/move", data={"position": place[0]}, headers={"origin": ADDRESS})
    assert answer.url.path == "/" and [job.name for job in server.searches.queued()] == ["second", "first"]
    server.searches.stop(first)
    late = client.post(f"/searches/{first.id}/move", data={"position": "1"}, headers={"origin": ADDRESS})
    assert late.status_code == 409 and "Let second begin" not in client.get("/").text
    assert client.post(f"/searches/{second.id}/move", headers={"origin": ADDRESS}).status_code == 422


def test_objectives_are_those_of_the_task(served: Serving) -> None:
    _, client = served
    page = checked(client.get("/searches/new?data=digits").text)
    assert "f1_macro" in page and "balanced_accuracy" in page and "neg_mean_squared_error" not in page
    sent = {"data": "digits", "max_time": "5m", "objective": "f1_macro"}
    begun = client.post("/searches", data=sent, headers={"origin": ADDRESS})
    assert begun.status_code == 200
    settings = client.get("/api/v1/searches").json()["searches"][0]["settings"]
    assert settings["objective"] == "f1_macro"
    refused = client.post("/searches", data={**sent, "objective": "mae"}, headers={"origin": ADDRESS})
    assert refused.status_code == 422 and "Expected `objective` of a classification" in refused.text
    assert client.post("/api/v1/searches", json={"data": "digits", "settings": {"objective": "x"}}).status_code == 422


def test_figures_are_shown_as_they_are_made(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = served
    job = put_search(server, state="finished")
    assert client.get(f"/searches/{job.id}/figures").status_code == 409
    write_result(put_run(server, job, (record("0", 0.5),)))
    asked: list[list[str]] = []
    monkeypatch.setattr(server.errands, "begin", lambda key, arguments, **_: asked.append(arguments))
    assert client.get(f"/searches/{job.id}/figures").status_code == 202
    assert client.get(f"/api/v1/searches/{job.id}/figures").status_code == 202
    assert asked == [["report", "--figures", "figures", "--format", "svg", "--", "run"]] * 2
    figures = server.searches.place(job).figures
    figures.mkdir()
    (figures / "progress.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (figures / "linked.svg").symlink_to("/etc/hostname")
    page = checked(client.get(f"/searches/{job.id}/figures").text)
    assert "figures/progress" in page and "linked" not in page
    listed = client.get(f"/api/v1/searches/{job.id}/figures").json()["figures"]
    assert [one["name"] for one in listed] == ["progress"]
    shown = client.get(listed[0]["href"])
    assert shown.headers["content-type"] == "image/svg+xml"
    assert shown.headers["content-security-policy"].startswith("sandbox;")
    for name in ("linked", "..%2f..%2frun", "other"):
        assert client.get(f"/api/v1/searches/{job.id}/figures/{name}").status_code == 404


def test_a_search_can_be_stopped_from_the_list(served: Serving) -> None:
    server, client = served
    job = put_search(server, name="pets")
    page = checked(client.get("/").text)
    assert f'form="stop-{job.id}"' in page and "Stop pets before it begins" in page
    answer = client.post(f"/searches/{job.id}/stop", data={"back": "list"}, headers={"origin": ADDRESS})
    assert answer.url.path == "/" and server.searches.state(job) == "cancelled"


def test_searches_are_found_by_name_and_candidates_by_their_score(served: Serving) -> None:
    server, client = served
    pets, leaves = (put_search(server, state="finished", name=name) for name in ("My Pets", "leaves"))
    listed = checked(client.get("/?q=pets").text)
    assert pets.id in listed and leaves.id not in listed and 'value="pets"' in listed
    assert client.get("/api/v1/searches?q=LEAVES").json()["total"] == 1
    scores = [record("0", 0.5), record("1", 0.9, number=1), failed(2), record("3", 0.7, number=3)]
    put_run(server, pets, tuple(scores))
    address = f"/api/v1/searches/{pets.id}/candidates"
    best = client.get(f"{address}?sort=best&limit=3").json()["candidates"]
    assert [one["number"] for one in best] == [1, 3, 0]
    assert client.get(f"{address}?sort=best&after=3").json()["candidates"][0]["number"] == 2
    page = checked(client.get(f"/searches/{pets.id}/candidates?sort=best").text)
    assert page.index("0.9000") < page.index("0.7000") < page.index("0.5000") < page.index('state failed">')


def test_lists_are_sorted_by_links_in_their_heads(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished", name="b & c")
    put_search(server, state="failed", name="a")
    put_run(server, job, (record("0", 0.5), record("1", 0.9, number=1), failed(2)))
    page = checked(client.get("/?q=b+%26+c&state=finished&sort=name").text)
    assert 'aria-sort="ascending"><a href="?state=finished&amp;q=b+%26+c&amp;sort=-name">Name</a>' in page
    assert (
        '<a href="?state=finished&amp;q=b+%26+c&amp;sort=-created">Began</a>' in page and page.count("aria-sort") == 1
    )
    assert 'aria-sort="descending"><a href="?sort=created">Began</a>' in client.get("/").text
    page = checked(client.get("/?q=nothing+like+it").text)
    assert "None of the searches is like that" in page
    address = f"/searches/{job.id}/candidates"
    page = checked(client.get(f"{address}?sort=best&status=completed").text)
    # The best is the highest: that is downwards.
    assert 'aria-sort="descending" lang="en"><a href="?status=completed&amp;sort=-best">' in page
    assert ">failed</span>" not in page and "3 have ended" in page and page.index("0.9000") < page.index("0.5000")
    assert 'aria-sort="ascending"><a href="?sort=-params">' in checked(client.get(f"{address}?sort=params").text)
    assert client.get(f"{address}?sort=beauty").status_code == 422


def test_a_list_is_sorted_by_the_best_where_all_improve_the_same(served: Serving) -> None:
    server, client = served
    for name, score in (("first", 0.5), ("second", 0.9)):
        put_search(server, state="finished", name=name).best = {
            "objective": "accuracy",
            "direction": "max",
            "score": score,
        }
    page = checked(client.get("/?sort=best").text)
    assert 'aria-sort="descending"><a href="?sort=-best">Best so far</a>' in page
    assert page.index(">second<") < page.index(">first<") and "What is improved" not in page
    put_search(server, state="finished").best = {"objective": "mase", "direction": "min", "score": 2.0}
    page = checked(client.get("/").text)
    assert "sort=best" not in page and 'href="/?objective=mase&amp;"' in page
    answer = client.get("/?sort=best&q=s", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=s&")
    page = checked(client.get("/?objective=accuracy").text)
    assert 'href="?objective=accuracy&amp;sort=best"' in page and ">first<" in page and ">pets<" not in page


def test_searches_are_shown_by_owner_to_who_sees_several(served: Serving) -> None:
    server, client = served
    put_search(server, name="mine")
    assert "owner=" not in client.get("/").text
    server.searches.add(name="yours", owner="ada", data="digits", data_name="digits", settings={})
    headers = {"authorization": f"Bearer {TokenFile(server.root.tokens).add('boss', role='admin')}"}
    assert 'href="/?owner=ada&amp;sort=-created"' in client.get("/", headers=headers).text
    page = checked(client.get("/?owner=ada", headers=headers).text)
    assert ">yours<" in page and ">mine<" not in page and ">yours<" not in client.get("/?owner=ada").text


def test_one_candidate_is_shown_with_its_training(served: Serving) -> None:
    server, client = served
    job = put_search(server, state="finished", name=HOSTILE)
    put_run(server, job, (record("0", 0.5), failed(1)))
    assert f'href="/searches/{job.id}/candidates/2"' in client.get(f"/searches/{job.id}/candidates").text
    page = checked(client.get(f"/searches/{job.id}/candidates/1").text)
    assert "0.5000" in page and ">Genes<" in page and ">Its training<" in page
    # Numbers are written as the reader's language has them.
    assert "0,5000" in client.get(f"/searches/{job.id}/candidates/1?lang=es").text
    client.cookies.clear()
    page = checked(client.get(f"/searches/{job.id}/candidates/2").text)
    assert "out of" in page and 'state failed">' in page and ">Its training<" not in page
    for number in ("3", "0", "x"):
        assert client.get(f"/searches/{job.id}/candidates/{number}").status_code in (404, 422)


def test_a_candidate_is_followed_while_it_trains(served: Serving) -> None:
    server, client = served
    job = put_search(server, name=HOSTILE)
    run = put_run(server, job, (record("0", 0.5),))
    told = {"number": 1, "words": HOSTILE, "worker": "here", "stage": "train", "epoch": 3, "num_epochs": 20}
    curve = [
        {"stage": "train", "epochs": epochs, "metrics": {"loss": 1 / epochs, "accuracy": 0.25, **validated}}
        for epochs, validated in ((1.0, {}), (2.0, {"val_accuracy": 0.375}), (2.5, {}))
    ]
    training = {**told, "started_at": 1.0, "metrics": {"loss": 0.4, "accuracy": 0.25}, "curve": curve}
    # A server looks after its searches by itself: one whose lock is free has ended.
    with run.locked(), os.fdopen(at_work(server.searches.place(job))):
        values = {"seconds": 9.0, "written_at": 0, "phase": ["evolving", "evolves"]}
        run.write_json("status.json", {**values, "trainings": [training]})
        server.searches.set_state(job, "running")
        address = f"/searches/{job.id}"
        page = checked(client.get(address).text)
        # The phase and the time are two things.
        assert "evolves</span>, <span" in " ".join(page.split())
        assert f'href="{address}/candidates/2"' in page and page.count("<polyline") == 3
        assert "accuracy after 2.5 epochs: training 0.2500, validation 0.3750" in page
        page = checked(client.get(f"{address}/candidates/2?lang=es").text)
        assert "accuracy tras 2,5 épocas: entrenamiento 0,2500, validación 0,3750" in page and "live.js" in page
        client.cookies.clear()
        assert "<td>train</td>" in client.get(f"{address}/candidates/2").text
        asked = client.get(f"/api/v1{address}").json()["status"]["trainings"][0]
        assert asked["curve"] == curve
        # In a list they would be most of it.
        assert client.get("/api/v1/searches").json()["searches"][0]["status"]["trainings"][0]["curve"] == []
    # It has ended.
    assert client.get(f"{address}/candidates/2").status_code == 404


@pytest.mark.bar(12)
def test_one_page_and_one_button_begin_a_search(served: Serving) -> None:
    server, client = served
    file = {"file": ("pets.zip", pets())}
    assert 'name="start" value="yes">' in checked(client.get("/data/new").text)
    answer = client.post("/data", data={"start": "yes"}, files=file, headers={"origin": ADDRESS})
    (job,) = server.searches.all_of(User("owner"))
    assert answer.url.path == f"/searches/{job.id}" and job.name == "pets" and job.settings == {"max_time": 240.0}
    # Of a table somebody has to say what is to be predicted.
    rows = {"file": ("rows.csv", "a,b\n" + "1,x\n2,y\n" * 20)}
    answer = client.post("/data", data={"start": "yes"}, files=rows, headers={"origin": ADDRESS})
    assert answer.url.path == "/searches/new" and len(server.searches.all_of(User("owner"))) == 1
    refused = client.post("/data", data={"start": "yes"}, files={"file": ("a.txt", b"x")}, headers={"origin": ADDRESS})
    assert refused.status_code == 415 and 'value="yes" checked>' in checked(refused.text)
    upload = server.uploads.all_of(User("owner"))[1]
    answer = client.post(f"/data/{upload.id}/start", headers={"origin": ADDRESS})
    assert answer.url.path.startswith("/searches/") and len(server.searches.all_of(User("owner"))) == 2
    # Where too many wait it has arrived all the same.
    for _ in range(18):
        put_search(server)
    answer = client.post(f"/data/{upload.id}/start", headers={"origin": ADDRESS})
    assert answer.url.path == f"/data/{upload.id}"
