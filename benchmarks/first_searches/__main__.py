"""Runs the searches that the README shows and keeps what they found; `--write` writes the README's table.

Each search is the command that a user would type, in a process of its own:

    python -m benchmarks.first_searches --data ../shared/data --write

`digits` and the table `breast_cancer` come with scikit-learn. `cats_vs_dogs` (2,000 training and 500 test photographs),
`cifar10_subset.zip` (5,000 and 2,000 pictures of 32 px) and the weights of MobileNetV2 (alpha 0.35) are read from below
`--data`; a search whose data are missing is left out. The table shows every search that the results file holds.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer

from benchmarks.support import project
from benchmarks.support.command_line import add_data_option, log, parser
from benchmarks.support.pages import replace_section
from benchmarks.support.processes import machine, run_kevo
from benchmarks.support.results import ResultsFile

README = project.README
SECTION = "results"
RESULTS = project.RESULTS / "first_searches.jsonl"
HEAD = """\
| search | test accuracy | macro F1 | parameters | candidates | winner |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Case:
    """A search.

    Args:
        title: Its name in the table.
        arguments: Arguments of `kevo search`.
        needs: Files and folders that have to exist.
    """

    title: str
    arguments: tuple[str, ...]
    needs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What a search found.

    Args:
        title: The title of its case.
        seed: Its seed.
        accuracy: Accuracy on the test split.
        macro_f1: Mean F1 of the classes on the test split.
        num_parameters: Parameters of the best model.
        num_completed: Candidates that completed.
        num_failed: Candidates that failed.
        seconds: Duration of the search.
        words: The best model in words.
        machine: Where it ran.
    """

    title: str
    seed: int
    accuracy: float
    macro_f1: float
    num_parameters: int
    num_completed: int
    num_failed: int
    seconds: float
    words: str
    machine: str


def cases(data: Path, folder: Path) -> list[Case]:
    """Returns the searches, in the order of the table.

    Args:
        data: Folder with data sets and weights.
        folder: Where to write the table.
    """
    cats, cifar, weights = data / "cats_vs_dogs", data / "cifar10_subset.zip", data / project.MOBILENET_V2_WEIGHTS
    return [
        Case("`kevo search digits --max-trials 20`", ("digits", "--max-trials", "20")),
        Case(
            "`kevo search breast_cancer.csv --target diagnosis --max-trials 20`",
            (str(_breast_cancer(folder)), "--target", "diagnosis", "--max-trials", "20"),
        ),
        Case(
            "cats_vs_dogs, conv stacks and a pretrained MobileNetV2 0.35, 8 minutes",
            (str(cats), "--weights", f"mobilenet_v2={weights}", "--max-time", "8m"),
            (cats, weights),
        ),
        Case("cifar10_subset.zip, from scratch, 13 minutes", (str(cifar), "--max-time", "13m"), (cifar,)),
    ]


def _breast_cancer(folder: Path) -> Path:
    """Writes scikit-learn's table as a CSV file, and returns its path."""
    source = load_breast_cancer()
    path = folder / "breast_cancer.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*source.feature_names, "diagnosis"])
        names = source.target_names[source.target]
        writer.writerows([*row, name] for row, name in zip(source.data.tolist(), names, strict=True))
    return path


def run(case: Case, *, seed: int, out: Path) -> Finding:
    """Runs one search, loads its model without kevo, and returns what it found."""
    result: dict[str, Any] = json.loads(run_kevo(["search", *case.arguments, "--seed", str(seed), "--out", str(out)]))
    check_without_kevo(Path(result["model_path"]))
    return Finding(
        title=case.title,
        seed=seed,
        accuracy=result["test"]["accuracy"],
        macro_f1=result["test"]["macro_f1"],
        num_parameters=result["num_parameters"],
        num_completed=result["trials_completed"],
        num_failed=result["trials_failed"],
        seconds=result["seconds"],
        words=result["words"],
        machine=machine(),
    )


def check_without_kevo(model: Path) -> None:
    """Loads a model and predicts with it in a process that cannot import kevo.

    Raises:
        subprocess.CalledProcessError: That failed, or the probabilities do not sum to 1.
    """
    script = (
        "import sys; sys.modules['kevo'] = sys.modules['tuners'] = None; import keras, numpy as np; "
        "model = keras.models.load_model(sys.argv[1], safe_mode=True); "
        "columns = model.input if isinstance(model.input, dict) else {}; "
        "given = {name: np.zeros((2, 1), one.dtype) for name, one in columns.items()}; "
        "rows = model.predict(given or np.zeros((2, 50, 70, 3), 'uint8'), verbose=0); "
        "sys.exit(int(abs(rows.sum(axis=1) - 1).max() > 1e-5))"
    )
    subprocess.run([sys.executable, "-c", script, str(model)], check=True)


def row(finding: Finding) -> str:
    """Returns the row of a search in the table."""
    return (
        f"| {finding.title} | {finding.accuracy:.3f} | {finding.macro_f1:.3f} | {finding.num_parameters:,} | "
        f"{finding.num_completed} + {finding.num_failed} failed | {finding.words} |"
    )


def table(searches: Sequence[Case], findings: Sequence[Finding]) -> str:
    """Returns the table of what was found, in the order of the searches."""
    found = {finding.title: finding for finding in findings}
    return "\n".join([HEAD, *(row(found[case.title]) for case in searches if case.title in found)])


def main(given: Sequence[str] | None = None) -> None:
    """Runs every search whose data exist, and prints the table."""
    options = parser(__doc__)
    add_data_option(options)
    options.add_argument("--seed", type=int, default=0, help="seed of the searches")
    options.add_argument("--only", help="run only the searches with this word in their title")
    options.add_argument("--out", type=Path, help="folder for the run folders; by default they are not kept")
    options.add_argument("--results", type=Path, default=RESULTS, help="file of what was found")
    options.add_argument("--write", action="store_true", help="write the table to README.md")
    arguments = options.parse_args(given)

    results = ResultsFile(arguments.results, lambda values: Finding(**values), key=lambda finding: finding.title)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        searches = cases(arguments.data, folder)
        for number, case in enumerate(searches):
            missing = [path for path in case.needs if not path.exists()]
            if missing or (arguments.only and arguments.only not in case.title):
                log(f"left out: {case.title}{f' ({missing[0]} is missing)' if missing else ''}")
                continue
            out = (arguments.out or folder) / str(number)
            results.append(run(case, seed=arguments.seed, out=out))
    text = table(searches, results.read())
    print(text)
    if arguments.write:
        replace_section(README, SECTION, text)


if __name__ == "__main__":
    main()
