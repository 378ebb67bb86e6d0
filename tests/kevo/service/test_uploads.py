"""What is uploaded is counted, looked into, and kept as it came; what is refused leaves nothing."""

import io
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.testclient import TestClient

from kevo.cli.search import search
from kevo.service import jobs
from kevo.service.server import Server
from kevo.service.tokens import User
from tests.support import masks, series, texts
from tests.support.serve_process import Process
from tests.support.serving import ADDRESS, pets, put_search, serving, zipped
from tests.support.tables import write_csv

HOSTILE = "<img src=x onerror=alert(1)>"
Serving = tuple[Server, TestClient]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("serve") / "root", max_upload=500_000) as both:
        yield both


@pytest.fixture(scope="module")
def upload(served: Serving) -> str:
    """The name of an upload, of which a class is called in a hostile way."""
    answer = served[1].put(f"/api/v1/data/{HOSTILE.replace('/', '')}.zip", content=pets((HOSTILE, "dog")))
    assert answer.status_code == 201, answer.text
    values = answer.json()
    assert answer.headers["location"] == f"/api/v1/data/{values['id']}"
    return str(values["id"])


def left(server: Server) -> list[str]:
    return sorted(str(path.relative_to(server.root.path)) for path in server.root.path.rglob("*") if path.is_file())


@pytest.mark.bar(3, 20)
def test_what_it_holds_is_told(served: Serving, upload: str) -> None:
    server, client = served
    values = client.get(f"/api/v1/data/{upload}").json()
    assert values["counts"] == {HOSTILE: {"train": 6}, "dog": {"train": 6}} and values["num_pictures"] == 12
    assert values["name"] == f"{HOSTILE}.zip" and values["searches"] == []
    assert [one["id"] for one in client.get("/api/v1/data").json()["data"]] == [upload]
    # Nothing is unpacked, and nothing is called as its user calls it.
    kept = left(server)
    assert f"data/{upload}/img_src_x_onerror_alert_1.zip" in kept and not list(server.root.partial.iterdir())
    assert {name.rpartition(".")[2] for name in kept if name.startswith("data/")} == {"zip", "json", "png"}


def test_small_pictures_are_shown(served: Serving, upload: str) -> None:
    _, client = served
    thumbnail = client.get(f"/api/v1/data/{upload}/thumbs/0")
    assert thumbnail.headers["content-type"] == "image/png" and thumbnail.content.startswith(b"\x89PNG")
    # It never changes.
    assert "immutable" in thumbnail.headers["cache-control"]
    for number in ("99", "-1", "x", "0%2f..%2f..%2fdata.json"):
        assert client.get(f"/api/v1/data/{upload}/thumbs/{number}").status_code in (404, 422)


@pytest.mark.bar(20)
def test_its_page_shows_hostile_names_as_text(served: Serving, upload: str) -> None:
    page = served[1].get(f"/data/{upload}").text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page and "<img src=x" not in page
    for path in ("/data", f"/data/{upload}/delete", f"/searches/new?data={upload}"):
        page = served[1].get(path).text
        assert "&lt;img src=x" in page and "<img src=x" not in page


def test_the_same_file_is_known_again(served: Serving, upload: str) -> None:
    _, client = served
    second = client.put("/api/v1/data/again.zip", content=pets((HOSTILE, "dog"))).json()
    assert second["same_as"] == upload and second["id"] != upload
    assert "uploaded before" in client.get(f"/data/{second['id']}").text
    assert client.delete(f"/api/v1/data/{second['id']}").status_code == 204
    assert client.get(f"/api/v1/data/{second['id']}").status_code == 404


@pytest.mark.bar(4)
@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("evil.csv", b"path,label\n/etc/passwd,x\n", 422, "names files"),
        ("pictures.csv", b"picture;kind\na.png;x\nb.JPG;y\n", 422, "names files"),
        ("above.csv", b"kind,what\nx,../../a\ny,../b\n", 422, "names files"),
        ("one.csv", b"kind\nx\ny\n", 422, "columns"),
        ("bytes.csv", b"a,b\n\xff\xfe,1\n", 422, "UTF-8"),
        ("model.keras", b"x", 415, ".zip, .npz or .csv"),
        ("no-suffix", b"x", 415, ".zip, .npz or .csv"),
        ("large.zip", b"x" * 600_000, 413, "at most"),
        ("empty.zip", b"", 422, "empty"),
        ("outside.zip", zipped({"../cat/1.png": b"", "dog/1.png": b""}), 422, "outside"),
        ("broken.zip", b"PK\3\4 no zip", 422, "zip archive"),
    ],
)
def test_what_is_refused_leaves_nothing(
    served: Serving, upload: str, name: str, content: bytes, status: int, words: str
) -> None:
    server, client = served
    before = left(server)
    answer = client.put(f"/api/v1/data/{name}", content=content)
    assert answer.status_code == status and words in answer.json()["detail"]
    assert str(server.root.path) not in answer.text and left(server) == before
    assert [path.name for path in server.root.uploads.iterdir()] == [upload]


@pytest.mark.bar(4)
def test_an_upload_without_a_length_is_counted(served: Serving, upload: str) -> None:
    server, client = served
    before = left(server)
    answer = client.put("/api/v1/data/a.zip", content=(b"x" * 50_000 for _ in range(100)))
    assert answer.status_code == 413 and "More has come" in answer.json()["detail"] and left(server) == before


@pytest.mark.bar(4)
@pytest.mark.parametrize("name", ["..%2f..%2fx.zip", "..%5c..%5cx.zip", "%2fetc%2fpasswd.zip"])
def test_no_name_is_a_path(served: Serving, upload: str, name: str) -> None:
    server, client = served
    answer = client.put(f"/api/v1/data/{name}", content=b"no zip")
    assert answer.status_code in (404, 405, 422)
    assert [path.name for path in server.root.uploads.iterdir()] == [upload]


@pytest.mark.bar(4)
def test_a_form_does_the_same(served: Serving, upload: str) -> None:
    server, client = served
    page = client.post("/data", files={"file": ("x.txt", b"path,label")}, headers={"origin": ADDRESS})
    assert page.status_code == 415 and ".zip, .npz or .csv" in page.text
    assert client.post("/data", data={"other": "x"}, files={"x": b""}).status_code == 422
    answer = client.post("/data", files={"file": ("pets.zip", pets())}, follow_redirects=False)
    assert answer.status_code == 303
    identity = answer.headers["location"].rpartition("/")[2]
    assert client.get(f"/api/v1/data/{identity}").json()["name"] == "pets.zip"
    assert not list(server.root.partial.iterdir())
    assert client.post(f"/data/{identity}/delete", follow_redirects=False).headers["location"] == "/data"
    assert client.get(f"/data/{identity}").status_code == 404


@pytest.mark.bar(19)
def test_what_a_search_needs_stays(served: Serving, upload: str) -> None:
    server, client = served
    job = put_search(server)
    job.data = upload
    refused = client.delete(f"/api/v1/data/{upload}?force=true")
    assert refused.status_code == 409 and job.name in refused.json()["detail"]
    server.searches.stop(job)
    assert client.delete(f"/api/v1/data/{upload}").status_code == 409
    server.searches.remove(job)


@pytest.mark.bar(10)
def test_others_have_none_of_it(served: Serving, upload: str) -> None:
    server, client = served
    server.uploads._known[upload].owner = "somebody else"
    try:
        for path in (f"/api/v1/data/{upload}", f"/api/v1/data/{upload}/thumbs/0", f"/data/{upload}"):
            assert client.get(path).status_code == 404
        assert client.delete(f"/api/v1/data/{upload}").status_code == 404
        assert client.post("/api/v1/searches", json={"data": upload}).status_code == 404
        assert client.get("/api/v1/data").json()["data"] == []
    finally:
        server.uploads._known[upload].owner = "owner"


def test_uploads_are_there_after_a_restart_and_half_ones_are_not(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, client):
        identity = client.put("/api/v1/data/pets.zip", content=pets()).json()["id"]
        (server.root.partial / "half.zip").write_bytes(b"x")
        (server.root.uploads / "0123456789abcdef").mkdir()
    with serving(tmp_path / "root") as (server, client):
        assert [one["id"] for one in client.get("/api/v1/data").json()["data"]] == [identity]
        assert not list(server.root.partial.iterdir()) and len(list(server.root.uploads.iterdir())) == 1


@pytest.mark.bar(3)
@pytest.mark.long
def test_thousands_of_pictures_are_told_by_classes(tmp_path: Path, start: Callable[..., Process]) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "cifar10.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(7_000):
            content = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(content, "PNG")
            split = "train" if number < 6_000 else "test"
            archive.writestr(f"{split}/class {number % 10}/{number}.png", content.getvalue())
    server = start("--paused")
    with path.open("rb") as file:
        answer = server.client.put("/api/v1/data/cifar10.zip", content=file)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["num_pictures"] == 7_000 and len(found["counts"]) == 10
    assert found["counts"]["class 3"] == {"train": 600, "test": 100}
    assert not list((tmp_path / "root" / "tmp").iterdir())
    assert psutil.Process(server.child.pid).memory_info().rss < 120e6
    assert server.end(signal.SIGTERM) == 0


@pytest.mark.bar(4)
def test_a_full_disk_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kevo.service import uploads

    with serving(tmp_path / "root", max_storage=1000) as (_server, client):
        assert client.put("/api/v1/data/a.zip", content=b"x" * 2000).status_code == 507
        monkeypatch.setattr(uploads, "KEPT_FREE", 2**60)
        answer = client.put("/api/v1/data/a.zip", content=b"x")
        assert answer.status_code == 507 and "kept free" in answer.json()["detail"]


@pytest.fixture(scope="module")
def table(served: Serving, tmp_path_factory: pytest.TempPathFactory) -> str:
    content = write_csv(tmp_path_factory.mktemp("things") / "things.csv").read_bytes()
    answer = served[1].put("/api/v1/data/things.csv", content=content, headers={"content-type": "text/csv"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.bar(3)
def test_a_table_is_told_by_its_columns(served: Serving, table: str) -> None:
    _, client = served
    values = client.get(f"/api/v1/data/{table}").json()
    columns = {one["name"]: one for one in values["columns"]}
    assert values["num_rows"] == 240 and values["num_pictures"] == 0 and values["thumbnails"] == []
    assert (columns["weight"]["kind"], columns["color"]["kind"]) == ("number", "category")
    assert columns["weight"]["num_missing"] == 24 and columns["constant"]["kind"] == ""
    # What has gaps, or is the same everywhere, is nothing to predict.
    asked = {name: one["task"] for name, one in columns.items()}
    assert asked["kind"] == "tables" and asked["noise"] == "table-regression"
    assert asked["weight"] == asked["constant"] == ""
    page = client.get(f"/data/{table}").text
    assert "240 rows, 8 columns" in page and "things.csv" in client.get("/data").text
    form = client.get(f"/searches/new?data={table}").text
    assert '<option value="kind" selected>' in form and '<option value="weight"' not in form


@pytest.mark.bar(4)
def test_a_table_is_searched_as_a_table(served: Serving, table: str) -> None:
    server, client = served
    form = {"data": table, "name": "things", "max_time": "5m", "target": "kind"}
    address = client.post("/searches", data=form, follow_redirects=False).headers["location"]
    job = server.searches.get(address.rpartition("/")[2], User("owner"))
    assert job is not None
    command = jobs.command(job, server.searches.place(job), "things.csv")
    # Whatever stands in it, no file is opened but this one.
    assert command[command.index("--task") + 1] == "tables" and command[command.index("--target") + 1] == "kind"
    amounts = {"data": table, "settings": {"target": "noise", "objective": "mae"}}
    assert client.post("/api/v1/searches", json=amounts).json()["settings"]["task"] == "table-regression"
    for target, words in ((None, "Which column"), ("weight", "Which column"), ("no column", "Which column")):
        refused = client.post("/api/v1/searches", json={"data": table, "settings": {"target": target}})
        assert refused.status_code == 422 and words in refused.json()["detail"]
    pictures = client.post("/api/v1/searches", json={"data": "digits", "settings": {"target": "kind"}})
    assert pictures.status_code == 422 and "a column of a table" in pictures.json()["detail"]
    for one in server.searches.all_of(User("owner")):
        server.searches.remove(one)


@pytest.mark.bar(3)
def test_texts_come_as_a_table_and_are_searched_as_texts(served: Serving, tmp_path: Path) -> None:
    server, client = served
    values = client.put(
        "/api/v1/data/reviews.csv", content=texts.write_csv(tmp_path / "reviews.csv").read_bytes()
    ).json()
    assert {one["name"]: one["task"] for one in values["columns"]}["kind"] == "texts"
    form = client.get(f"/searches/new?data={values['id']}").text
    assert '<option value="kind" selected>' in form and "f1_macro" in form
    asked = {"data": values["id"], "settings": {"target": "kind", "objective": "macro_f1"}}
    found = client.post("/api/v1/searches", json=asked).json()
    job = server.searches.get(found["id"], User("owner"))
    assert job is not None
    words = jobs.command(job, server.searches.place(job), "reviews.csv")
    assert words[words.index("--task") + 1] == "texts" and words[words.index("--target") + 1] == "kind"
    server.searches.stop(job)


@pytest.mark.bar(3)
def test_a_series_is_told_by_its_times_and_searched_as_such(served: Serving, tmp_path: Path) -> None:
    server, client = served
    content = series.write_csv(tmp_path / "sales.csv").read_bytes()
    values = client.put("/api/v1/data/sales.csv", content=content).json()
    assert values["series"]["columns"] == ["sales", "visitors"] and values["series"]["num_steps"] == 120
    page = client.get(f"/data/{values['id']}").text
    assert "from 1990-01-01 to 2019-10-01" in page and "3 months" in page
    # Beside its times there are words too: it may be meant row by row.
    form = client.get(f"/searches/new?data={values['id']}").text
    assert '<input type="radio" name="task" value="" checked>' in form and "mase" in form
    asked = {"data": values["id"], "settings": {"task": "series", "target": "sales", "horizon": 4, "max_trials": 1}}
    found = client.post("/api/v1/searches", json=asked).json()
    words = jobs.command(job := server.searches.known[found["id"]], server.searches.place(job), "sales.csv")
    assert " ".join(words).count("--target sales --task series --horizon 4") == 1
    context = search.make_context("search", words[1:])
    assert (context.params["task"], context.params["horizon"]) == ("series", "4")
    for wrong, field in (
        ({"target": None}, "target"),
        ({"target": "weather"}, "target"),
        ({"task": None}, "horizon"),
        ({"folds": 3}, None),
        ({"objective": "accuracy"}, "objective"),
    ):
        given = {name: one for name, one in {**asked["settings"], **wrong}.items() if one is not None}
        refused = client.post("/api/v1/searches", json={**asked, "settings": given})
        assert refused.status_code == 422, wrong
        assert refused.json().get("field") == (field and f"settings.{field}")
    # A form sends both; row by row the rest of it counts for nothing.
    fields = {"data": values["id"], "name": "sales", "max_time": "5m", "target": "sales", "horizon": "4"}
    for task, expected in (("series", {"task": "series", "horizon": 4}), ("", {"task": "table-regression"})):
        address = client.post("/searches", data={**fields, "task": task}, follow_redirects=False).headers["location"]
        settings = client.get(f"/api/v1{address}").json()["settings"]
        assert settings == {"max_time": 300.0, "target": "sales", **expected}
    for one in server.searches.all_of(User("owner")):
        server.searches.remove(one)
    for name in ("digits", client.put("/api/v1/data/things.csv", content=b"a,b\n1,x\n2,y\n3,x\n").json()["id"]):
        refused = client.post("/api/v1/searches", json={"data": name, "settings": {"task": "series", "target": "a"}})
        assert refused.status_code == 422 and "no column of times" in refused.json()["detail"]
    # A file of times and numbers alone is a series first of all.
    lines = [line.rpartition(",")[0] for line in content.decode().splitlines()]
    alone = client.put("/api/v1/data/alone.csv", content="\n".join(lines).encode()).json()["id"]
    form = client.get(f"/searches/new?data={alone}").text
    assert '<input type="radio" name="task" value="series" checked>' in form and '"sales" selected' in form


@pytest.mark.bar(3)
def test_pictures_with_masks_are_told_and_searched_as_such(served: Serving, tmp_path: Path) -> None:
    server, client = served
    folder = masks.write_folder(tmp_path / "disks", 4, splits=("train", "test"))
    content = Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()
    values = client.put("/api/v1/data/disks.zip", content=content).json()
    assert (values["examples"], values["num_pictures"], values["sizes"]) == ("masks", 8, {"train": 4, "test": 4})
    assert values["counts"] == {"foreground": {"train": 4, "test": 4}} and 0 < values["shares"]["foreground"] < 0.5
    page = client.get(f"/data/{values['id']}").text
    assert "8 pictures with masks" in page and "4 of 4" in page and page.count("/thumbs/") == 8
    assert client.get(values["thumbnails"][0]["href"]).content.startswith(b"\x89PNG")
    assert "8 pictures with masks" in client.get("/data").text
    form = client.get(f"/searches/new?data={values['id']}").text
    assert 'value="dice"' in form and 'value="accuracy"' not in form and "folds" not in form
    asked = {"data": values["id"], "settings": {"objective": "iou", "max_trials": 2}}
    found = client.post("/api/v1/searches", json=asked).json()
    job = server.searches.get(found["id"], User("owner"))
    assert job is not None and job.settings["task"] == "segmentation"
    words = jobs.command(job, server.searches.place(job), "disks.zip")
    context = search.make_context("search", words[1:])
    assert (context.params["task"], context.params["objective"]) == ("segmentation", "iou")
    for wrong in ({"folds": 3}, {"objective": "accuracy"}, {"target": "x"}, {"backbones": ["vgg16"]}):
        assert client.post("/api/v1/searches", json={**asked, "settings": wrong}).status_code == 422
    server.searches.stop(job)


@pytest.mark.bar(3)
def test_texts_in_a_zip_are_counted_as_texts(served: Serving) -> None:
    server, client = served
    members = {f"{name}/{place}.txt": f"{name} {place}".encode() for name in ("good", "bad") for place in range(3)}
    values = client.put("/api/v1/data/words.zip", content=zipped(members)).json()
    assert (values["examples"], values["num_examples"], values["num_pictures"]) == ("texts", 6, 0)
    page = client.get(f"/data/{values['id']}").text
    assert "2 classes, 6 texts" in page and "picture" not in page
    found = client.post("/api/v1/searches", json={"data": values["id"]}).json()
    assert found["settings"]["task"] == "texts"
    server.searches.stop(server.searches.known[found["id"]])


def test_the_same_key_is_the_same_upload(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (_, client):
        answers = [
            client.put("/api/v1/data/pets.zip", content=pets(), headers={"idempotency-key": key})
            for key in ("once", "once", "twice")
        ]
        assert [answer.status_code for answer in answers] == [201, 200, 201]
        first, again, other = (answer.json()["id"] for answer in answers)
        assert first == again != other and answers[1].headers["location"] == f"/api/v1/data/{first}"
        listed = client.get("/api/v1/data?limit=1").json()
        assert [one["id"] for one in listed["data"]] == [other] and (listed["total"], listed["next"]) == (2, 1)
        listed = client.get("/api/v1/data?limit=1&after=1").json()
        assert [one["id"] for one in listed["data"]] == [first] and listed["next"] is None
        # By class, or by its place among all.
        places = {name: client.get(f"/api/v1/data/{first}/thumbs/0?class={name}") for name in ("cat", "dog")}
        assert places["dog"].content == client.get(f"/api/v1/data/{first}/thumbs/4").content != places["cat"].content
        for query in ("0?class=owl", "4?class=dog", "-1?class=dog"):
            assert client.get(f"/api/v1/data/{first}/thumbs/{query}").status_code == 404
    with serving(tmp_path / "root") as (_, client):
        again = client.put("/api/v1/data/pets.zip", content=pets(), headers={"idempotency-key": "once"})
        assert (again.status_code, again.json()["id"]) == (200, first)
