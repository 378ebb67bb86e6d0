"""Pictures with masks from an upload to a model in use, by a real server and a real search."""

import base64
import io
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.support import masks
from tests.support.serve_process import Process, wait
from tests.support.serving import png


@pytest.mark.long
@pytest.mark.timeout(900)
def test_masks_are_searched_and_predicted(start: Callable[..., Process], tmp_path: Path) -> None:
    server = start()
    folder = masks.write_folder(tmp_path / "disks", 24)
    content = Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()
    data = server.client.put("/api/v1/data/disks.zip", content=content).json()["id"]
    settings = {"max_trials": 1, "epochs": 2, "final_epochs": 2, "num_finalists": 1, "space": "small"}
    search = server.post("/searches", {"data": data, "settings": settings}).json()["id"]
    address = f"/searches/{search}"
    wait(lambda: server.get(address)["state"] in ("finished", "failed"))
    result = server.get(address)["result"]
    assert 0 <= result["test"]["dice"] <= 1
    page = server.client.get(address).text
    assert "Dice" in page and 'id="exports"' not in page and f"{address}/try" in page
    picture = png((90, 90, 90), side=40)
    asked = f"/api/v1{address}/predict?overlay=true"
    wait(lambda: server.client.post(asked, content=picture).status_code != 503)
    (one,) = server.client.post(asked, content=picture).json()["predictions"]
    assert list(one["area"]) == ["foreground"] and (one["width"], one["height"]) == (40, 40)
    for name in ("mask", "overlay"):
        with Image.open(io.BytesIO(base64.b64decode(one[name]))) as image:
            assert image.size == (40, 40)
    assert "overlay" not in server.client.post(f"/api/v1{address}/predict", content=picture).json()["predictions"][0]
    # What a whole picture speaks for is another question.
    assert server.client.post(f"/api/v1{address}/predict?grad_cam=true", content=picture).status_code == 422
    tried = server.client.post(f"{address}/try", files={"pictures": ("a.png", picture)})
    assert tried.status_code == 200 and "data:image/png;base64," in tried.text
    assert "img-src 'self' data:" in tried.headers["content-security-policy"]
    assert "data:" not in server.client.get(f"{address}/try").headers["content-security-policy"]
    scored = f"{address}/evaluate"
    wait(lambda: server.post(scored, {"data": data}).status_code != 202)
    assert server.post(scored, {"data": data}).json()["dice"] == pytest.approx(result["test"]["dice"], abs=1e-4)
    report = f"/api/v1{address}/report"
    wait(lambda: server.client.get(report).status_code == 200)
    assert "Dice" in server.client.get(report).text
    assert server.end(signal.SIGTERM) == 0
