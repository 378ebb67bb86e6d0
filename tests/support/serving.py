"""A server in the test's own process, and what it serves."""

import contextlib
import fcntl
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.service.app import create_app
from kevo.service.guard import Hosts
from kevo.service.jobs import Job, Place
from kevo.service.root import Root
from kevo.service.server import Config, Server
from kevo.service.tokens import Gate
from tests.support.searches import SETTINGS

PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}"
TOKEN = "a-token-of-the-tests"


@contextlib.contextmanager
def serving(folder: Path, **options: Any) -> Iterator[tuple[Server, TestClient]]:
    """A server that begins no searches, and a client that may do everything."""
    with Root(folder) as root:
        gate = Gate(root.tokens, root.sign_ins, given=TOKEN)
        server = Server(root, gate, Config(**{"is_paused": True, **options}))
        app = create_app(server, Hosts("127.0.0.1", PORT), port=PORT)
        with TestClient(app, ADDRESS, headers={"authorization": f"Bearer {TOKEN}"}) as client:
            yield server, client


def png(color: tuple[int, int, int] = (200, 0, 0), side: int = 12) -> bytes:
    """A picture of one color."""
    content = io.BytesIO()
    Image.new("RGB", (side, side), color).save(content, "PNG")
    return content.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, one in members.items():
            # Without the time of day, so that the same members are the same file.
            archive.writestr(zipfile.ZipInfo(name), one)
    return content.getvalue()


def pets(names: tuple[str, ...] = ("cat", "dog")) -> bytes:
    """A zip of pictures of several classes."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (len(names), 6, 3)).tolist()
    return zipped(
        {
            f"pets/{name}/{number}.png": png(tuple(color))
            for name, some in zip(names, colors, strict=True)
            for number, color in enumerate(some)
        }
    )


def put_search(server: Server, *, state: str = "queued", name: str = "pets", words: str = "") -> Job:
    """A search of the server's owner, which is said to have ended in a state."""
    job, _ = server.searches.add(name=name, owner="owner", data="digits", data_name="digits", settings={})
    if state != "queued":
        job.state, job.words, job.started, job.ended = state, words, job.created, job.created
        server.searches.keep(job)
        server.searches.set_state(job, state)
    return job


def at_work(place: Place) -> int:
    """Holds the lock of a search, as its process does, until what is returned is closed."""
    place.folder.mkdir(exist_ok=True)
    held = os.open(place.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def put_run(server: Server, job: Job, records: tuple[TrialRecord, ...] = ()) -> Run:
    """The run folder of a search."""
    run = Run.create(server.searches.place(job).run, {"search": SETTINGS.to_json(), "data": "digits"})
    for record in records:
        run.append_trial(record)
    return run


def result_json(
    run: Run, *, interrupted: bool = False, class_names: tuple[str, ...] = ("cat", "dog")
) -> dict[str, Any]:
    """What a search has found, of a model that is right for 9 of 10 pictures of each class."""
    from kevo.tasks.outputs.classes import evaluation

    labels = np.repeat(np.arange(len(class_names)), 10)
    probabilities = np.full((len(labels), len(class_names)), 0.1 / (len(class_names) - 1))
    probabilities[np.arange(len(labels)), labels] = 0.9
    probabilities[::10] = np.roll(probabilities[::10], 1, axis=1)
    scores = evaluation.evaluate(probabilities.astype(np.float32), labels, class_names=class_names).to_json()
    return {
        "run_folder": str(run.path),
        "model_path": str(run.path / "best.keras"),
        "genome": {"family": "conv"},
        "words": "conv stack",
        "num_parameters": 1234,
        "validation": scores,
        "test": scores,
        "trials_completed": 3,
        "trials_failed": 0,
        "seconds": 12.0,
        "interrupted": interrupted,
        "is_refit": False,
        "front": [],
        "hypervolume": None,
        "ensemble": None,
    }


def write_result(run: Run, **options: Any) -> None:
    """Writes what a search has found into its run folder."""
    (run.path / "result.json").write_text(json.dumps(result_json(run, **options)))
    (run.path / "best.keras").write_bytes(b"a model")
