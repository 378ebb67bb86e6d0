"""A job for the tests of executors: each trial says what is to happen in it."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuners.execution.executor import KeepCheckpoint, ReportProgress, UnfitError


def build(*, folder: str, fails: str | None = None) -> "Stub":
    """Makes the work, or fails in one of several ways."""
    print("The job begins.")
    if fails == "unfit":
        raise UnfitError("it has no partner")
    if fails == "disk":
        raise OSError(f"no room in {folder}")
    if fails == "hang":
        time.sleep(600)
    if fails is not None:
        raise RuntimeError(fails)
    return Stub(Path(folder))


class Stub:
    """Runs trials: mappings with the `acts` of each, one after the other, and its `result`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast: list[bytes] = []

    def perform(
        self, trial: Mapping[str, Any], *, earlier: Path | None, progress: ReportProgress, keep: KeepCheckpoint
    ) -> "Ended":
        for act, *values in trial.get("acts", ()):
            match act:
                case "say":
                    progress("train", values[0], 1, {"loss": values[0], "none": float("nan")})
                case "sleep":
                    time.sleep(values[0])
                case "keep":
                    keep(lambda folder: (folder / "model").write_text("half a model"), {"epochs": values[0]})
                case "once":
                    # Whoever meets it again gets past it.
                    if not (self._folder / values[0]).exists():
                        (self._folder / values[0]).touch()
                        os.kill(os.getpid(), signal.Signals[values[0]])
                case "exit":
                    os._exit(values[0])
                case "grow":
                    self._ballast.append(os.urandom(values[0]))
                case "raise":
                    raise RuntimeError(values[0])
                case "unfit":
                    raise UnfitError(values[0])
                case "disk":
                    raise OSError("no room")
        text = None if earlier is None else earlier.read_text()
        facts = {"pid": os.getpid(), "session": os.getsid(0), "place": os.environ.get("STUB_PLACE"), "earlier": text}
        return Ended({**facts, **trial.get("result", {})}, trial.get("saves", "a model"))

    def close(self) -> None:
        (self._folder / f"closed-{os.getpid()}").touch()


class Ended:
    """A trial that has ended."""

    def __init__(self, result: Mapping[str, Any], saves: str) -> None:
        self.result = result
        self._saves = saves

    def save(self, folder: Path) -> Mapping[str, Any]:
        if self._saves == "disk":
            raise OSError("no room for a model")
        if self._saves == "fails":
            return {**self.result, "reason": "it cannot be saved"}
        (folder / "model").write_text(self._saves)
        return self.result
