"""Small pictures with numbers or labels, in a CSV file."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_pictures(folder: Path, num: int, column: str, *, seed: int = 0) -> Path:
    """Writes plain pictures and a CSV of them.

    Args:
        folder: Where to.
        num: How many.
        column: `brightness`, the red of the picture as a number; or `labels`: whether it is red, and whether it is
            bright.
        seed: Seed of the pictures.
    """
    rng = np.random.default_rng(seed)
    lines = [f"path,{column}"]
    (folder / "pictures").mkdir(exist_ok=True)
    for number in range(num):
        first, others = rng.integers(0, 256, 2).tolist()
        picture = np.full((8, 8, 3), [first, others, others], np.uint8)
        picture[2:6, 2:6] = picture[2:6, 2:6] ^ rng.integers(0, 4, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(picture).save(folder / "pictures" / f"{seed}-{number}.png")
        labels = [name for name, flag in (("red", first > others), ("bright", first > 128)) if flag]
        answer = str(first) if column == "brightness" else ";".join(labels)
        lines.append(f"pictures/{seed}-{number}.png,{answer}")
    path = folder / "list.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
