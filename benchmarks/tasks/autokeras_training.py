"""Has AutoKeras learn texts or a table. It runs where AutoKeras is installed, and knows nothing of kevo."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path


def main(examples: str, result: str, kind: str, seed: str, num_trials: str) -> None:
    """Trains, and writes what came of it.

    Args:
        examples: An `.npz` of examples and answers of three splits: `train_x`, `train_y`, `validation_x` and so on.
        result: Where the answers for the test examples, the size of the model and the seconds are written, as JSON.
        kind: The name of one of AutoKeras's searches.
        seed: Seed of the search.
        num_trials: How many candidates are trained.
    """
    began = time.monotonic()
    import autokeras  # type: ignore[import-not-found, unused-ignore]
    import keras
    import numpy as np

    with np.load(examples, allow_pickle=False) as found:
        arrays = dict(found)
    with tempfile.TemporaryDirectory() as folder:
        options = {"max_trials": int(num_trials), "seed": int(seed), "directory": folder, "overwrite": True}
        search = getattr(autokeras, kind)(**options)
        validation = arrays["validation_x"], arrays["validation_y"]
        search.fit(arrays["train_x"], arrays["train_y"], validation_data=validation, verbose=2)
        seconds = time.monotonic() - began
        predicted = np.asarray(search.predict(arrays["test_x"], verbose=0)).reshape(-1)
        model = search.export_model()
    values = {
        "answers": predicted.astype(np.float64).tolist(),
        "num_parameters": int(model.count_params()),
        "seconds": seconds,
        "versions": f"AutoKeras {autokeras.__version__}, Keras {keras.__version__}",
    }
    Path(result).write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
