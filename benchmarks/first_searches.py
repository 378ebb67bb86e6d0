"""Runs the searches that the README shows, and prints its table; `--write` puts table and picture into the project.

Each search is the command that a user would type, in a process of its own:

    python benchmarks/first_searches.py --data ../shared/data --write

The data are those of the project's tests: `digits` comes with scikit-learn; `cats_vs_dogs` (2,000 training and 500 test
photographs), `cifar10_subset.zip` (5,000 and 2,000 pictures of 32 px) and the weights of MobileNetV2 (alpha 0.35) are
looked up below `--data`, and what is missing is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WEIGHTS = "weights/mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
START, END = "<!-- results -->", "<!-- end of results -->"
HEAD = """\
| search | test accuracy | macro F1 | parameters | candidates | minutes | winner |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Case:
    """One search: its name in the table, the command's arguments, and which of its pictures the project shows."""

    title: str
    arguments: tuple[str, ...]
    needs: tuple[Path, ...] = ()
    picture: str | None = None


def cases(data: Path) -> list[Case]:
    """Returns the searches, in the order of the table."""
    cats, cifar, weights = data / "cats_vs_dogs", data / "cifar10_subset.zip", data / WEIGHTS
    return [
        Case("`kevo search` (digits, 8 px)", ()),
        Case(
            "cats_vs_dogs, conv stacks and a pretrained MobileNetV2 0.35",
            (str(cats), "--weights", f"mobilenet_v2={weights}", "--max-time", "8m"),
            (cats, weights),
            "parameters.png",
        ),
        Case("cifar10_subset.zip, from scratch", (str(cifar), "--max-time", "13m"), (cifar,)),
        Case("`kevo search --minimize params` (digits)", ("--minimize", "params"), picture="front.png"),
    ]


def run(case: Case, *, seed: int, out: Path) -> dict[str, Any]:
    """Runs one search and returns what the command printed."""
    command = [sys.executable, "-m", "kevo", "search", *case.arguments, "--seed", str(seed), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def check_without_kevo(model: Path) -> None:
    """Loads a model and predicts in a process where kevo cannot be imported."""
    script = (
        "import sys; sys.modules['kevo'] = sys.modules['tuners'] = None; import keras, numpy as np; "
        "model = keras.models.load_model(sys.argv[1], safe_mode=True); "
        "rows = model.predict(np.zeros((2, 50, 70, 3), 'uint8'), verbose=0); "
        "sys.exit(int(abs(rows.sum(axis=1) - 1).max() > 1e-5))"
    )
    subprocess.run([sys.executable, "-c", script, str(model)], check=True)


def row(case: Case, result: dict[str, Any]) -> str:
    """Returns one line of the table."""
    tried = f"{result['trials_completed']} + {result['trials_failed']} failed"
    test, minutes = result["test"], result["seconds"] / 60
    return (
        f"| {case.title} | {test['accuracy']:.3f} | {test['macro_f1']:.3f} | {result['num_parameters']:,} | {tried} | "
        f"{minutes:.1f} | {result['words']} |"
    )


def main() -> None:
    """Runs every search whose data are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="run only the searches with this word in their title")
    parser.add_argument("--out", type=Path, help="where to keep the run folders; nowhere if this is left out")
    parser.add_argument("--write", action="store_true", help="put table and picture into README.md and docs/")
    arguments = parser.parse_args()

    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        for number, case in enumerate(cases(arguments.data)):
            missing = [path for path in case.needs if not path.exists()]
            if missing or (arguments.only and arguments.only not in case.title):
                print(f"left out: {case.title}{f' ({missing[0]} is missing)' if missing else ''}", file=sys.stderr)
                continue
            result = run(case, seed=arguments.seed, out=folder / str(number))
            check_without_kevo(Path(result["model_path"]))
            rows[case.title] = row(case, result)
            print(rows[case.title], flush=True)
            if arguments.write and case.picture:
                shutil.copyfile(Path(result["run_folder"]) / "plots" / case.picture, ROOT / "docs" / case.picture)
    if arguments.write:
        write(cases(arguments.data), rows)


def write(searches: list[Case], rows: dict[str, str]) -> None:
    """Puts the rows into the README's table; a search that was not run keeps its row."""
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(START)
    table, _, after = rest.partition(END)
    kept = {
        case.title: line for case in searches for line in table.splitlines() if line.startswith(f"| {case.title} |")
    }
    lines = [HEAD, *(line for case in searches if (line := {**kept, **rows}.get(case.title)))]
    readme.write_text("\n".join([f"{before}{START}", *lines, f"{END}{after}"]))


if __name__ == "__main__":
    main()
