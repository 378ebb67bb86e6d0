"""The process that holds a model and predicts: `python -m kevo.service.predictor MODEL`.

It answers on stdout to what comes on stdin, one JSON object after another, each with its length before it. The bytes of
the examples follow an object that tells their lengths. They are kept in memory only. An empty object stands for an
example that is done before the answer is. Models of pictures take one in each file, all others files of rows or texts.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from kevo.errors import DataError, KevoError
from kevo.service.frames import LENGTH
from kevo.tasks.protocols.dataset import Skipped
from kevo.tasks.protocols.use import Predictor
from kevo.tasks.saved_model import kind_of_model

_MEMORY = "/dev/shm"
"""A folder that is no disk."""
_PICTURES = "images"
"""What models of pictures take."""
_ROWS_SUFFIX = ".csv"
_MOST_ROWS = 10_000
_ROWS_TOLD = 1000
"""After so many a sign of life is given."""


def main(model: str) -> None:
    """Opens a model, and predicts until stdin ends."""
    # Whatever else a library prints must not stand between the answers.
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    told: list[str] = []
    try:
        kind = kind_of_model(Path(model))
        predictor = kind.predictor(Path(model), note=told.append)
    except KevoError as error:
        _write(output, {"error": str(error)})
        return
    # Only classifiers of pictures have a place for them.
    _write(output, {"task": kind.name, "class_names": list(getattr(predictor, "class_names", ()))})
    while (asked := _read(sys.stdin.buffer)) is not None:
        blobs = [sys.stdin.buffer.read(length) for length in asked["lengths"]]
        try:
            if kind.inputs != _PICTURES:
                _write(output, _answer_rows(predictor, blobs, asked, told, done=lambda: _write(output, {})))
                continue
            files = [_as_file(blob, asked["raw"]) for blob in blobs] if asked["raw"] else blobs
            how = {"top": asked["top"], "draws": asked["draws"], "overlays": asked["overlays"]}
            _write(output, _answer(predictor, files, **how, done=lambda: _write(output, {})))
        except KevoError as error:
            _write(output, {"error": str(error)})


def _answer(
    predictor: Predictor,
    blobs: list[bytes],
    *,
    top: int | None,
    draws: bool,
    overlays: bool,
    done: Callable[[], object],
) -> dict[str, Any]:
    """Predicts examples, which are named by their places.

    Args:
        predictor: The model.
        blobs: The examples' files.
        top: So many classes, the likeliest first; `None` for all.
        draws: Whether to add drawings of what speaks for each answer.
        overlays: Whether to add the picture with its mask over it, where the answer is one.
        done: Is told of each example that is done.
    """
    descriptors = [_in_memory(blob) for blob in blobs]
    paths = {f"/proc/self/fd/{descriptor}": place for place, descriptor in enumerate(descriptors)}
    skipped: list[dict[str, Any]] = []

    def skip(one: Skipped) -> None:
        skipped.append({"place": paths[one.path], "reason": one.reason})

    try:
        with tempfile.TemporaryDirectory(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as folder:
            found = []
            for prediction in predictor.predict(list(paths), skip=skip, grad_cam=Path(folder) if draws else None):
                values = prediction.to_json(top=top)
                if (drawing := values.get("grad_cam")) is not None:
                    values["grad_cam"] = base64.b64encode(Path(drawing).read_bytes()).decode()
                place = paths[values.pop("path")]
                found.append({"place": place, **values, **prediction.drawings(blobs[place] if overlays else None)})
                done()
        return {"predictions": found, "skipped": skipped}
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _answer_rows(
    predictor: Predictor, blobs: list[bytes], asked: dict[str, Any], told: list[str], *, done: Callable[[], object]
) -> dict[str, Any]:
    """Predicts all that stands in files of rows or texts, which are named by their places.

    Args:
        predictor: The model.
        blobs: The content of the files.
        asked: How it is asked for: so many classes as `top`, and the `suffix` of the files.
        told: What the model says of a file is added here.
        done: Is told now and then that it is at work.

    Raises:
        DataError: there are more answers than can be told at once.
    """
    found: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as folder:
        for place, blob in enumerate(blobs):
            path = Path(folder) / f"rows{asked['suffix'] or _ROWS_SUFFIX}"
            path.write_bytes(blob)
            told.clear()
            unread: list[Skipped] = []
            for prediction in predictor.predict([path], skip=unread.append):
                values = prediction.to_json(top=asked["top"])
                values.pop("path", None)
                found.append({"place": place, **values})
                if len(found) > _MOST_ROWS:
                    raise DataError(f"Expected {_MOST_ROWS:,} rows at most at a time. Send them in several files.")
                if len(found) % _ROWS_TOLD == 0:
                    done()
            path.unlink()
            skipped += [{"place": place, "reason": one.reason.replace(f"{folder}/", "")} for one in unread]
            notes += [{"place": place, "text": text.replace(f"{folder}/", "")} for text in told]
            done()
    return {"predictions": found, "skipped": skipped, "notes": notes}


def _as_file(pixels: bytes, size: tuple[int, int]) -> bytes:
    """Returns the file of a picture, of its pixels 0-255 and its width and height; none of them changes."""
    content = io.BytesIO()
    Image.frombytes("RGB", (size[0], size[1]), pixels).save(content, "PNG", compress_level=0)
    return content.getvalue()


def _in_memory(blob: bytes) -> int:
    descriptor = os.memfd_create("example")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(blob)
    return descriptor


def _read(stream: BinaryIO) -> Any:
    """Reads one object; `None` at the end."""
    head = stream.read(LENGTH.size)
    return json.loads(stream.read(*LENGTH.unpack(head))) if len(head) == LENGTH.size else None


def _write(stream: BinaryIO, values: dict[str, Any]) -> None:
    content = json.dumps(values).encode()
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1])
