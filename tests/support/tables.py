"""Small tables, shared by the tests of tabular classification."""

from pathlib import Path
from typing import Any

import numpy as np

from kevo.tasks.tables.dataset import TableDataset
from kevo.tasks.tables.loading import load

GENOME: dict[str, Any] = {
    "numbers": "standardize",
    "least_rows": 1,
    "categories": "one_hot",
    "crosses": False,
    "num_layers": 1,
    "body": "mlp",
    "layer_1/units": 16,
    "activation": "relu",
    "batch_norm": True,
    "dropout": 0.0,
    "l2": 0.0,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "cosine",
    "batch_size": 16,
    "label_smoothing": 0.0,
    "balance_classes": False,
}


def write_csv(path: Path, num_rows: int = 240, *, seed: int = 0) -> Path:
    """Writes a table of each kind of column, whose classes depend on the weight, the color and the grade.

    Of the weights some are missing, and of the colors too; the number and the name of a row, and a constant, say
    nothing; `noise` is a number without a meaning.
    """
    rng = np.random.default_rng(seed)
    lines = ["number,name,constant,weight,color,grade,noise,kind"]
    for row in range(num_rows):
        weight, grade, noise = rng.normal(50, 10), int(rng.integers(1, 4)), rng.normal()
        color = ["red", "green", "blue"][int(rng.integers(3))]
        score = (weight - 50) / 10 + 2 * (color == "red") - (grade == 2)
        kind = "heavy" if score > 0.5 else "light"
        shown = "" if row % 10 == 3 else f"{weight:.3f}"
        lines.append(f"{row + 1},n{row}x,1,{shown},{'NA' if row % 17 == 5 else color},{grade},{noise:.4f},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def small_dataset(folder: Path, num_rows: int = 240) -> TableDataset:
    """Returns `write_csv`'s table as a data set."""
    return load(write_csv(folder / "things.csv", num_rows), target="kind")
