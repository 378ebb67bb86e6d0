"""A process that answers as that of a model does, without one: `python -m tests.support.echoing_model MODEL`.

It answers with what it was asked, how much was asked together, and its number. Some questions it answers badly.
"""

import os
import sys
import time

from kevo.service.frames import LENGTH
from kevo.service.predictor import _read, _write

BYTES = 400 * 1024**2


def main() -> None:
    output = sys.stdout.buffer
    _write(output, {"task": "images", "class_names": []})
    while (asked := _read(sys.stdin.buffer)) is not None:
        blobs = [sys.stdin.buffer.read(length) for length in asked["lengths"]]
        held = []
        for blob in blobs:
            if blob == b"silent":
                time.sleep(600)
            if blob == b"large":
                held.append(b"x" * BYTES)
                time.sleep(600)
            if blob == b"slow":
                time.sleep(0.4)
                _write(output, {})
            if blob == b"broken":
                output.write(LENGTH.pack(3) + b"{]}")
                output.flush()
        if b"bad" in blobs:
            _write(output, {"error": "That is bad."})
            continue
        values = {"together": len(blobs), "top": asked["top"], "process": os.getpid()}
        found = [{"place": place, "said": blob.decode(), **values} for place, blob in enumerate(blobs)]
        _write(
            output,
            {
                "predictions": [one for one in found if one["said"] != "skip"],
                "skipped": [{"place": one["place"], "reason": "no picture"} for one in found if one["said"] == "skip"],
            },
        )


if __name__ == "__main__":
    main()
