"""A Python process in which kevo cannot be imported, as it is where a saved model is used."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

_LOOP = """
import contextlib, io, json, os, sys, traceback
sys.modules["kevo"] = sys.modules["tuners"] = None
for line in sys.stdin:
    code, folder, sys.argv[1:] = json.loads(line)
    os.chdir(folder)
    printed, error = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {"__name__": "__main__"})
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""


class Stranger:
    """Runs scripts one after the other in one process that knows no kevo, since loading TensorFlow takes seconds."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", _LOOP]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, code: str, arguments: Sequence[str | Path] = (), *, folder: Path) -> str:
        """Runs a script in a folder, which has to succeed, and returns what it prints."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps([code, str(folder), [*map(str, arguments)]]) + "\n")
        stdin.flush()
        printed, error = json.loads(stdout.readline())
        assert error is None, error
        return str(printed)

    def predict(self, model: Path, *pictures: np.ndarray, folder: Path) -> tuple[list[np.ndarray], bool]:
        """Returns what a saved model predicts, and whether it has stock layers only; files lie in a folder."""
        paths = [folder / f"pictures-{number}.npy" for number in range(len(pictures))]
        for path, values in zip(paths, pictures, strict=True):
            np.save(path, values)
        printed = self.run(_PREDICT, [model, *paths], folder=folder)
        return [np.load(path) for path in paths], printed.splitlines()[-1] == "True"


_PREDICT = """
import sys
import keras, numpy as np
try:
    import kevo
except ImportError:
    pass
else:
    raise SystemExit("kevo is here")
model = keras.models.load_model(sys.argv[1], safe_mode=True)
for path in sys.argv[2:]:
    np.save(path, model.predict(np.load(path), verbose=0))
print(all(type(layer).__module__.startswith("keras.") for layer in model._flatten_layers()))
"""
