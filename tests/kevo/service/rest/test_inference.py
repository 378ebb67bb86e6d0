"""Models for other programs: what is no tensor is refused, and a tensor is predicted as the picture that it is."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from starlette.testclient import TestClient

from kevo.cli import main
from kevo.service.predictor import _as_file
from kevo.service.rest.inference import Tensor, _pixels
from kevo.service.server import Server
from tests.support.serving import put_run, put_search, serving, write_result


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, TestClient]]:
    with serving(tmp_path_factory.mktemp("serve") / "root") as both:
        yield both


def tensor(data: list[Any], shape: tuple[int, ...] = (1, 2, 2, 3)) -> Tensor:
    return Tensor(name="x", shape=list(shape), datatype="UINT8", data=data)


def test_numbers_may_be_nested_or_in_a_row() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    for data in (pixels.tolist(), pixels.ravel().tolist(), pixels.reshape(2, 12).tolist()):
        assert _pixels(tensor(data, (2, 2, 2, 3))) == pixels.tobytes()


def test_pixels_become_a_file_and_none_of_them_changes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    with Image.open(io.BytesIO(_as_file(pixels.tobytes(), (7, 5)))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    "data",
    [[0] * 11, [0] * 13, [0] * 11 + [256], [0] * 11 + [-1], [0.5] * 12, ["0"] * 12, [[[[[0]]]]], [None] * 12, []],
)
def test_other_numbers_are_refused(data: list[Any]) -> None:
    with pytest.raises(Exception, match="Expected"):
        _pixels(tensor(data))


@pytest.mark.bar(18)
@pytest.mark.parametrize(
    ("shape", "datatype", "status"),
    [
        ([1, 2, 2], "UINT8", 422),
        ([33, 1, 1, 3], "UINT8", 422),
        ([1, 5000, 1, 3], "UINT8", 422),
        ([1, 2, 2, 4], "UINT8", 422),
        ([0, 2, 2, 3], "UINT8", 422),
        ([True, 2, 2, 3], "UINT8", 422),
        ([1, 2, 2, 3], "FP32", 422),
    ],
)
def test_what_is_no_picture_is_refused_before_a_model_is_loaded(
    served: tuple[Server, TestClient], shape: list[int], datatype: str, status: int
) -> None:
    server, client = served
    job = put_search(server, state="finished")
    write_result(put_run(server, job))
    values = {"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": [0] * 12}]}
    assert client.post(f"/v2/models/{job.id}/infer", json=values).status_code == status
    assert client.post(f"/v2/models/{job.id}/infer", json={"inputs": []}).status_code == 422
    assert server.models._alive == {}


def test_health_needs_no_token_and_nothing_else_is_told(served: tuple[Server, TestClient]) -> None:
    server, client = served
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert client.get(path, headers={"authorization": ""}).status_code == 200
    job = put_search(server, state="queued")
    for path in ("/v2", "/v2/models/x", f"/v2/models/{job.id}", f"/v2/models/{job.id}/ready"):
        answer = client.get(path, headers={"authorization": ""})
        assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v2").json()["name"] == "kevo"
    for path in ("/v2/models/x", f"/v2/models/{job.id}", "/v2/models/..%2fx"):
        assert client.get(path).status_code == 404
    job.owner = "somebody else"
    assert client.post(f"/api/v1/models/{job.id}/predict", content=b"x").status_code == 404


def test_a_server_that_only_predicts_has_no_pages_and_takes_no_data(tmp_path: Path) -> None:
    model = tmp_path / "cats.keras"
    model.write_bytes(b"no model")
    with serving(tmp_path / "root", models={"cats": model}, only_predicts=True) as (_, client):
        for path in (
            "/",
            "/data",
            "/searches/new",
            "/api/v1/searches",
            "/api/v1/events",
            "/static/style.css",
            "/login",
        ):
            answer = client.get(path)
            assert answer.status_code == 404 and answer.json()["status"] == 404
        assert client.put("/api/v1/data/a.zip", content=b"x").status_code == 404
        assert client.post("/api/v1/searches", json={"data": "digits"}).status_code == 404
        assert client.get("/v2/health/live", headers={"authorization": ""}).status_code == 200
        assert client.get("/v2/models/dogs").status_code == 404


def test_a_model_that_is_not_there_is_named_at_the_start(tmp_path: Path) -> None:
    for value in (str(tmp_path), str(tmp_path / "none.keras"), f"a/b={tmp_path}"):
        done = CliRunner().invoke(main, ["serve", "--root", str(tmp_path / "root"), "--only-predict", value])
        assert done.exit_code == 2 and "Traceback" not in done.output and not (tmp_path / "root").exists()
