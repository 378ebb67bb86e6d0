"""The service answers as its own description says: schemathesis asks it in hundreds of ways."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest

from kevo.service import exports
from tests.support.project import ROOT
from tests.support.searches import record
from tests.support.serve_process import Process
from tests.support.serving import pets, put_run, put_search, serving, write_result


@pytest.mark.bar(11)
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(util.find_spec("schemathesis") is None, reason="schemathesis is not installed: the extra `browser`")
def test_the_service_answers_as_it_says(tmp_path: Path, start: Callable[..., Process]) -> None:
    with serving(tmp_path / "root") as (prepared, client):
        upload = client.put("/api/v1/data/pets.zip", content=pets()).json()["id"]
        job, other = (put_search(prepared, state="finished") for _ in range(2))
        for one in (job, other):
            write_result(put_run(prepared, one, (record("0", 0.5),)))
        export = exports.path_of(prepared, job, "best.tflite")
        export.parent.mkdir()
        export.write_bytes(b"an export")
        figure = prepared.searches.place(job).figures / "progress.svg"
        figure.parent.mkdir()
        figure.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    # As long as the description allows.
    server = start("--paused", "--max-time", "1000000000s")
    address = str(server.client.base_url).rstrip("/")
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{address}/api/v1/openapi.json"]
    # Streams have no end, and models are loaded for minutes. Who sends wrong tokens is told 429 after some of them.
    options = ["--url", address, "-H", f"Authorization: Bearer {server.token}", "--max-examples", "50", "--no-color"]
    # On a busy machine an upload takes longer than the ten seconds that are usual.
    options += ["--request-timeout", "120"]
    options += ["--exclude-path-regex", "events|predict|models", "--exclude-checks", "ignored_auth", "--seed", "0"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.support.schema_hooks",
        "KEVO_SEARCH": job.id,
        "KEVO_OTHER": other.id,
        "KEVO_DATA": upload,
    }
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    shutil.rmtree(tmp_path / ".schemathesis", ignore_errors=True)
    assert done.returncode == 0, done.stdout
    assert "missing test data" not in done.stdout.casefold()
    assert server.end(signal.SIGTERM) == 0
    assert "Traceback" not in server.log.read_text()
