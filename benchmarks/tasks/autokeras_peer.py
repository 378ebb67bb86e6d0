"""Measures AutoKeras on texts and tables; it has no series and no masks.

Version 3.0 trains nothing with Keras 3.13 and newer (see `findings/autokeras_dense_units.sh`), so that it is given a
Keras of its own:

    pip install --no-deps --target FOLDER autokeras==3.0.0 keras==3.12.0 dm-tree absl-py attrs wrapt
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support.numbers import median
from benchmarks.support.pages import table
from benchmarks.tasks.measuring import SETS, Job

_SPLITS = ("train", "validation", "test")
_NUM_TRIALS = 5
"""So many candidates are trained: AutoKeras has no limit of time."""
_ABOUT = f"""\
## AutoKeras

The best of {_NUM_TRIALS} candidates of AutoKeras, with its own settings: early stopping after ten epochs without
gain, and a last training of the best. Of texts it takes the 500 most frequent words. It has no limit of time, so that
it has as long as that takes, on both cores beside other work; examples, splits and scores are those of the table
above. Gaps in columns of numbers were filled with the median. The candidate that its
searches of texts begin with has a learning rate of 0.00002; alone it came to 0.495. AutoKeras has no series and no
masks. Measured by `python -m benchmarks.tasks --sets rt_polarity,titanic --autokeras FOLDER`, a folder with a Keras
that it works with; how it is made stands in `benchmarks/tasks/autokeras_peer.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoKerasResult:
    """The score of the best model of one AutoKeras search.

    Args:
        name: A name of `measuring.SETS`.
        seed: Seed of the splits and of its search.
        score: Of the test examples, the one that counts for the data set.
        num_parameters: The size of its model.
        seconds: How long it took, the start included.
        versions: Of AutoKeras and its Keras.
    """

    name: str
    seed: int
    score: float
    num_parameters: int
    seconds: float
    versions: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> AutoKerasResult:
        """Returns the result from decoded JSON of its fields."""
        return cls(**values)


def measure(job: Job, folder: Path) -> AutoKerasResult:
    """Has AutoKeras learn a data set.

    Args:
        job: The data set and the seed.
        folder: Where AutoKeras is installed.

    Raises:
        ValueError: it has no such task.
        subprocess.CalledProcessError: AutoKeras failed.
    """
    import numpy as np

    from kevo.tasks.outputs.numbers.evaluation import r2

    one = SETS[job.name]
    kind, arrays = _texts(job) if job.name.startswith("rt_polarity") else _rows(job)
    truth = arrays.pop("test_y")
    with tempfile.TemporaryDirectory() as work:
        examples, result = Path(work) / "examples.npz", Path(work) / "result.json"
        np.savez(examples, allow_pickle=False, **arrays)
        script = Path(__file__).with_name("autokeras_training.py")
        command = [sys.executable, str(script), str(examples), str(result), kind, str(job.seed), str(_NUM_TRIALS)]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(folder)}, cwd=work, check=True)
        values = json.loads(result.read_text(encoding="utf-8"))
    answers = np.array(values.pop("answers"))
    score = r2(answers, truth) if one.score == "r2" else float((answers == truth).mean())
    return AutoKerasResult(name=job.name, seed=job.seed, score=score, **values)


def _texts(job: Job) -> tuple[str, dict[str, Any]]:
    """Returns the name of the search for texts, and their splits."""
    import numpy as np

    from kevo.tasks.texts.loading import load

    whole = load(SETS[job.name].source(job.data, seed=job.seed), seed=job.seed)
    arrays: dict[str, Any] = {}
    for name in _SPLITS:
        split = getattr(whole, name)
        arrays |= {f"{name}_x": np.array(list(split.texts)), f"{name}_y": np.asarray(split.labels)}
    return "TextClassifier", arrays


def _rows(job: Job) -> tuple[str, dict[str, Any]]:
    """Returns the name of the search for a table, and its splits, as columns of text."""
    import numpy as np

    from kevo.tasks.tables.loading import load, suggested

    one = SETS[job.name]
    if not one.path.endswith(".csv") or one.target is None or one.score == "mase":
        raise ValueError(f"AutoKeras is measured on texts and tables. Received: {job.name}.")
    asks, _ = suggested(job.data / one.path, target=one.target)
    whole = load(job.data / one.path, target=one.target, asks=asks, seed=job.seed)
    middles = {name: np.nanmedian(values) for name, values in _numbers(whole.inputs(whole.train)).items()}
    arrays: dict[str, Any] = {}
    for name in _SPLITS:
        split = getattr(whole, name)
        columns = whole.inputs(split)
        filled = {key: np.where(np.isnan(values), middles[key], values) for key, values in _numbers(columns).items()}
        shown = [filled.get(key, values).reshape(-1).astype(str) for key, values in columns.items()]
        arrays |= {f"{name}_x": np.stack(shown, axis=1), f"{name}_y": np.asarray(split.labels)}
    return f"StructuredData{'Regressor' if one.score == 'r2' else 'Classifier'}", arrays


def _numbers(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in columns.items() if values.dtype.kind == "f"}


def report(rows: Sequence[AutoKerasResult]) -> str:
    """Returns the section of the report; empty where nothing is measured."""
    lines = []
    for name in dict.fromkeys(row.name for row in rows):
        found = [row for row in rows if row.name == name]
        cells = (
            f"{median(row.score for row in found):.3f}",
            f"{found[0].num_parameters:,}",
            f"{median(row.seconds for row in found):.0f}",
            "; ".join(dict.fromkeys(row.versions for row in found)),
        )
        lines.append((SETS[name].title, str(len(found)), *cells))
    head = ("data", "seeds", "score", "parameters", "seconds", "versions")
    return f"{_ABOUT}\n\n{table(head, lines)}" if lines else ""
