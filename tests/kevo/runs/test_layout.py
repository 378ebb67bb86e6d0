"""The names of a run folder stand in one module."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kevo.runs import layout
from tests.support.project import ROOT

NAMES = {name: value for name, value in vars(layout).items() if name.isupper()}
FILES = sorted({value.rpartition("/")[2] for value in NAMES.values() if "." in value.rpartition("/")[2]})
FOLDERS = sorted(value for value in NAMES.values() if "." not in value)
COMMON = {
    "search": "a command, a function and a key of the settings too",
    "damaged": "said of other files too",
    "exports": "a key of answers over HTTP too",
    "predictions": "a key of answers over HTTP too",
    "work": "an argument of worker processes too",
}
"""Names of folders that are words of their own."""
SOURCES = sorted(path for path in (ROOT / "kevo").rglob("*.py") if path.name != "layout.py")


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the texts of a module with their lines, without what describes the code."""
    tree = ast.parse(path.read_text())
    described = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in described:
            yield node.lineno, node.value


def spells_a_name(text: str) -> bool:
    """Whether a text holds the name of a file, or is that of a folder or a path in one."""
    if re.search(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, FILES))})(?![\w-])", text):
        return True
    return any(text == name or text.startswith(f"{name}/") for name in FOLDERS if name not in COMMON)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_else_spells_a_name(path: Path) -> None:
    assert [f"line {line}: {text!r}" for line, text in literals(path) if spells_a_name(text)] == []


def test_what_spells_a_name_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""Says something of result.json."""\n'
        'a = "result.json"\n'
        'b = f"{a}/checkpoints/x", f"see labels.json there", "plots"\n'
        '"""Of trials.jsonl."""\n'
        'c = "search", "my_result.json", "results.json", "plots of", "a-status.json"\n'
    )
    assert [line for line, text in literals(module) if spells_a_name(text)] == [2, 3, 3]


def test_every_name_is_another_and_leads_nowhere_else() -> None:
    made = [layout.checkpoint("7"), layout.refit_model("7"), layout.predictions("7"), layout.plot("fitness")]
    made += [layout.partial_training("7"), layout.partial_model("7", 3), layout.refit_predictions("7")]
    names = [*NAMES.values(), *made]
    assert len(set(names)) == len(names) and len(names) > 25
    assert not any(Path(name).is_absolute() or ".." in Path(name).parts for name in names)


def test_names_of_trials_lie_in_their_folders() -> None:
    assert layout.checkpoint("0007") == "checkpoints/0007.keras"
    assert layout.refit_model("0007") == "checkpoints/0007-refit.keras"
    assert layout.predictions("0007") == "predictions/0007.npy"
    assert layout.refit_predictions("0007") == "predictions/0007-refit.npy"
    assert layout.plot("fitness") == "plots/fitness.png"
    assert layout.partial_training("0007") == "unfinished/0007.json"
    assert layout.partial_model("0007", 12) == "unfinished/0007-12.keras"
