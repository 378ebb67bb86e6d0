"""Runs the searches that the README shows, and prints its table; `--write` writes table and pictures to the project.

Each search is the command that a user would type, in a process of its own:

    python -m benchmarks.first_searches --data ../shared/data --write

The data are those of the project's tests: `digits` comes with scikit-learn; `cats_vs_dogs` (2,000 training and 500 test
photographs), `cifar10_subset.zip` (5,000 and 2,000 pictures of 32 px) and the weights of MobileNetV2 (alpha 0.35) are
read from below `--data`. A search whose data are missing is left out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, log, parser
from benchmarks.support.pages import replace_section, section
from benchmarks.support.processes import run_kevo
from kevo.runs import layout

README = project.README
SECTION = "results"
HEAD = """\
| search | test accuracy | macro F1 | parameters | candidates | minutes | winner |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Case:
    """A search.

    Args:
        title: Its name in the table.
        arguments: Arguments of `kevo search`.
        needs: Files and folders that have to exist.
        figure: The figure of its run folder that the project shows, by name.
    """

    title: str
    arguments: tuple[str, ...]
    needs: tuple[Path, ...] = ()
    figure: str | None = None


def cases(data: Path) -> list[Case]:
    """Returns the searches, in the order of the table."""
    cats, cifar, weights = data / "cats_vs_dogs", data / "cifar10_subset.zip", data / project.MOBILENET_V2_WEIGHTS
    return [
        Case("`kevo search` (digits, 8 px)", ()),
        Case(
            "cats_vs_dogs, conv stacks and a pretrained MobileNetV2 0.35",
            (str(cats), "--weights", f"mobilenet_v2={weights}", "--max-time", "8m"),
            (cats, weights),
            "parameters",
        ),
        Case("cifar10_subset.zip, from scratch", (str(cifar), "--max-time", "13m"), (cifar,)),
        Case("`kevo search --minimize params` (digits)", ("--minimize", "params"), figure="front"),
    ]


def run(case: Case, *, seed: int, out: Path) -> dict[str, Any]:
    """Runs one search and returns the result that the command printed."""
    result: dict[str, Any] = json.loads(run_kevo(["search", *case.arguments, "--seed", str(seed), "--out", str(out)]))
    return result


def check_without_kevo(model: Path) -> None:
    """Loads a model and predicts with it in a process that cannot import kevo.

    Raises:
        subprocess.CalledProcessError: That failed, or the probabilities do not sum to 1.
    """
    script = (
        "import sys; sys.modules['kevo'] = sys.modules['tuners'] = None; import keras, numpy as np; "
        "model = keras.models.load_model(sys.argv[1], safe_mode=True); "
        "rows = model.predict(np.zeros((2, 50, 70, 3), 'uint8'), verbose=0); "
        "sys.exit(int(abs(rows.sum(axis=1) - 1).max() > 1e-5))"
    )
    subprocess.run([sys.executable, "-c", script, str(model)], check=True)


def row(case: Case, result: Mapping[str, Any]) -> str:
    """Returns the row of a search in the table."""
    candidates = f"{result['trials_completed']} + {result['trials_failed']} failed"
    test, minutes = result["test"], result["seconds"] / 60
    return (
        f"| {case.title} | {test['accuracy']:.3f} | {test['macro_f1']:.3f} | {result['num_parameters']:,} | "
        f"{candidates} | {minutes:.1f} | {result['words']} |"
    )


def write(searches: Sequence[Case], rows: Mapping[str, str]) -> None:
    """Writes the rows, by title, to the README's table; a search that was not run keeps its row."""
    lines = section(README, SECTION).splitlines()
    kept = {case.title: line for case in searches for line in lines if line.startswith(f"| {case.title} |")}
    found = [line for case in searches if (line := {**kept, **rows}.get(case.title))]
    replace_section(README, SECTION, "\n".join([HEAD, *found]))


def main(given: Sequence[str] | None = None) -> None:
    """Runs every search whose data exist, and prints the table."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--seed", type=int, default=0, help="seed of the searches")
    options.add_argument("--only", help="run only the searches with this word in their title")
    options.add_argument("--out", type=Path, help="folder for the run folders; by default they are not kept")
    options.add_argument("--write", action="store_true", help="write table and figures to README.md and docs/")
    arguments = options.parse_args(given)

    searches = cases(arguments.data)
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        for number, case in enumerate(searches):
            missing = [path for path in case.needs if not path.exists()]
            if missing or (arguments.only and arguments.only not in case.title):
                log(f"left out: {case.title}{f' ({missing[0]} is missing)' if missing else ''}")
                continue
            result = run(case, seed=arguments.seed, out=folder / str(number))
            check_without_kevo(Path(result["model_path"]))
            rows[case.title] = row(case, result)
            print(rows[case.title], flush=True)
            if arguments.write and case.figure:
                figure = Path(result["run_folder"]) / layout.plot(case.figure)
                shutil.copyfile(figure, project.ROOT / "docs" / figure.name)
    if arguments.write:
        write(searches, rows)


if __name__ == "__main__":
    main()
