"""The process that looks into an upload: `python -m kevo.service.look PATH NAME FOLDER`. It may take little of all."""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from pathlib import Path

from kevo.errors import KevoError
from kevo.tasks import looking

_MOST_MEMORY = 6 * 1024**3
_MOST_SECONDS = 240
_MOST_NAMED = 100


def main(path: str, name: str, thumbnails: str) -> None:
    """Prints what a file holds, or why it is refused, as one JSON object."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = looking.look(Path(path), name=name, thumbnails=Path(thumbnails))
    except KevoError as error:
        print(json.dumps({"error": str(error)}))
        return
    values = {"examples": found.examples, "task": found.task, **dataclasses.asdict(found.look)}
    values["series"] = {} if found.series is None else dataclasses.asdict(found.series)
    skipped = [[one["path"], one["reason"]] for one in values.get("skipped", ())]
    values["skipped"] = skipped[:_MOST_NAMED]
    if len(skipped) > _MOST_NAMED:
        values["notes"] = [*values["notes"], f"{len(skipped):,} files are skipped; the first {_MOST_NAMED} are named."]
    print(json.dumps(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
