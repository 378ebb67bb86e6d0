"""What the pages show runs: Python as it stands, commands as far as their options."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from kevo.cli import main
from tests.support.project import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    import keras

    # What a page takes for granted: a saved model, a picture, arrays.
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]).save(
        tmp_path / "best.keras"
    )
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "cat.jpg")
    script = "\n".join(blocks(page, "python"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=None, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def commands() -> list[str]:
    lines = (line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines())
    return sorted({line[line.index("kevo ") :].split(" > ")[0] for line in lines if re.match(r"(\S*/)?kevo ", line)})


@pytest.mark.parametrize("line", commands())
def test_commands_are_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.txt").write_text("a secret\n")
    _, name, *arguments = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    # A name or value that the command does not know is an error here; nothing is run.
    assert command is not None and isinstance(command.make_context(name, arguments), click.Context)


def test_modules_that_commands_name_can_be_run() -> None:
    texts = [*PAGES, *(ROOT / "docs" / "benchmarks").glob("*.md"), *(ROOT / "benchmarks").rglob("*.py")]
    found = {name for path in texts for name in re.findall(r"python -m (benchmarks[.\w]*\w)", path.read_text("utf-8"))}
    assert len(found) == 19
    for name in found:
        path = ROOT / name.replace(".", "/")
        script = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert 'if __name__ == "__main__":' in script.read_text("utf-8"), name
